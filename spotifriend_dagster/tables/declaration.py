"""The shape of a declaration: a column, a table, and the column types that all engines share.

The tables themselves are declared in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

ColumnType = Literal["string", "bigint", "int", "double", "boolean", "timestamp", "date", "array<string>"]
"""Glue's names. `timestamp` is naive, in milliseconds; UTC unless the column is named `local_*`."""

Layer = Literal["raw", "cleaned", "rejects", "insights"]


@dataclass(frozen=True)
class Column:
    """One column: its name, type and meaning."""

    name: str
    type: ColumnType
    description: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    `columns` are those inside the files; `partition_keys` are those in the path, outermost first; `grain` are the
    columns (of either kind) that together name one row. `name` is what SQL calls it; `folder` is where its files are;
    `year_of` is the column by whose year rows are put into files, where they are: `year` may be a partition key then,
    and need not be. `day_of` is the column that says the day of collection of a row (a date, or its text), where the
    table is made day by day.
    """

    name: str
    layer: Layer
    folder: str
    description: str
    grain: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    year_of: str | None = None
    day_of: str | None = None
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself.

        Raises:
            ValueError: a column is declared twice, or the grain names none of the table's columns.
        """
        for column in self.all_columns:
            if column.name in self._by_name:
                raise ValueError(f"Table {self.name} declares column {column.name} twice.")
            self._by_name[column.name] = column
        if missing := [name for name in self.grain if name not in self._by_name]:
            raise ValueError(f"The grain of table {self.name} names {missing}, which it does not have.")
        is_partitioned = "year" in {key.name for key in self.partition_keys}
        if self.year_of not in self.column_names and (is_partitioned or self.year_of):
            raise ValueError(f"Table {self.name} is cut by year, but not by the year of one of its columns.")
        if self.day_of not in (None, *self.column_names) or (self.day_of and self.year_of not in (None, self.day_of)):
            raise ValueError(f"Table {self.name} is made day by day, but no column of its files says the day.")

    @property
    def format(self) -> Literal["jsonl", "parquet"]:
        """How its files are written: what is as received is JSON Lines, what is typed is Parquet."""
        return "jsonl" if self.layer in ("raw", "rejects") else "parquet"

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The columns as SQL sees them: those in the files, then the partition keys."""
        return (*self.columns, *self.partition_keys)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns inside the files, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name, in the files or in the path.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]


def narrowed(table: Table, names: Iterable[str]) -> Table:
    """The table with some of the columns in its files alone, for who reads no others. It has no grain any more."""
    return replace(table, columns=pick(table, names), grain=(), year_of=None, day_of=None, partition_keys=())


def pick(table: Table, names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of `table` by name: how one declaration passes a column on without describing it again."""
    return tuple(table.column(name) for name in names)
