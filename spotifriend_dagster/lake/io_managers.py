"""How an asset's output becomes a table's files, and files an input: the one place in the lake that knows Dagster.

A file is `<folder>/listener=<id>/[year=<YYYY>/]part`, with its format's suffix; of a table that is made day by day it
is called by its year, and written by `days.py`. Reading is `stored_tables.py`; raw objects are written by `pulls.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from spotifriend_dagster.lake.days import DaysLost, replace_days
from spotifriend_dagster.lake.parquet import DamagedFile, UnreadableFile, to_arrow
from spotifriend_dagster.lake.storage import Storage, StorageError
from spotifriend_dagster.lake.stored_tables import FORMATS, THREADS, StoredTable, keys_of
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.rendering import markdown_table

if TYPE_CHECKING:
    import pyarrow

_TABLES = {table.folder: table for table in DECLARED_TABLES}
_UNPARTITIONED = "part"
_PREVIEWED_ROWS = 5


def table_of(asset_key_path: Iterable[str]) -> Table:
    """The raw or cleaned table that an asset is: the asset's key is the table's folder.

    Raises:
        KeyError: no table has that folder.
    """
    return _TABLES["/".join(asset_key_path)]


@dataclass(frozen=True)
class Part:
    """What an output says of one listener, as a typed frame: all rows, or those of one partition."""

    listener: str
    frame: pd.DataFrame
    partition: str | None = None
    _rows: list[pyarrow.Table] = field(default_factory=list, repr=False, compare=False)

    def rows(self, table: Table) -> pyarrow.Table:
        """The frame as it is stored, made once: it is audited, then written."""
        if not self._rows:
            self._rows.append(to_arrow(self.frame, table))
        return self._rows[0]


def daily_parts(
    listener: str, frame: pd.DataFrame, table: Table, day_of_row: pd.Series, days: Iterable[str]
) -> Iterator[Part]:
    """What an output says of each of several days: a part for each, also for one that has no rows.

    Args:
        listener: whose.
        frame: a typed frame, in which the rows of a day lie together, the days in their order.
        table: its table.
        day_of_row: by row of the frame, its day, YYYY-MM-DD.
        days: the days, in their order; every row is of one of them.
    """
    rows, begin = to_arrow(frame, table), 0
    sizes = day_of_row.value_counts()
    for day in days:
        size = int(sizes.get(day, 0))
        yield Part(listener, frame.iloc[begin : begin + size], day, [rows.slice(begin, size)])
        begin += size
    if begin != len(frame):
        raise ValueError(f"Rows of {table.name} are of other days than {', '.join(days)}.")


class TableIOManager(dg.IOManager):
    """Writes what an asset says of its table, one listener at a time, and hands stored tables to the next asset.

    How a table is stored follows from its declaration, so that one manager serves JSON Lines and Parquet.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def handle_output(self, context: dg.OutputContext, obj: Iterable[Part]) -> None:
        """Write the parts, and note in the metadata what was written.

        A part of a partition is all that the table says of that listener and day, also when it has no rows. A part
        without a partition is all that the table says of that listener: older files of theirs that it did not write are
        removed, after its own are there. Of whom or what no part speaks, everything stays.

        Raises:
            ValueError: a part is of a partition that this run is not about, or a listener's part comes twice.
            StorageFull: no space is left; a file that was not yet replaced is as it was.
        """
        table = table_of(context.asset_key.path)
        written = (
            self._write_days(context, table, obj) if context.has_asset_partitions else self.write_whole(table, obj)
        )
        context.add_output_metadata({"dagster/uri": self._storage.uri(table.folder + "/")})
        for partition, of_partition in written.items():
            said = of_partition.metadata(table, partition, with_preview=len(written) == 1)
            if len(written) == 1:
                context.add_output_metadata(said)
            else:
                context.step_context.add_asset_metadata(said, context.asset_key, partition)

    def load_input(self, context: dg.InputContext) -> StoredTable:
        """A handle on the table; nothing is read yet."""
        return StoredTable(self._storage, table_of(context.asset_key.path), _partitions_read(context))

    def write_whole(self, table: Table, parts: Iterable[Part]) -> dict[str | None, Written]:
        """Write parts without a partition, as `handle_output` does; gives what was written, under None.

        Raises:
            ValueError: a listener's part comes twice.
            StorageFull: no space is left; a file that was not yet replaced is as it was.
        """
        written: dict[str | None, Written] = {None: Written(size=0)}
        with ThreadPoolExecutor(THREADS) as pool:
            for part in parts:
                _refuse_unless_meant(part, table, written)
                size, damaged = self._write(table, part, pool)
                written[None].add(part, size, damaged)
                del part  # before the next listener's is made
        return written

    def _write(self, table: Table, part: Part, pool: Executor) -> tuple[int, list[str]]:
        """Replace the files of a part, but those that are so already.

        Gives the bytes of all of them, and the keys of those that were found damaged.
        """
        folder = f"{table.folder}/listener={part.listener}"
        files = {f"{folder}/{name}": rows for name, rows in _files(table, part)}  # of Arrow: packed without a copy
        present = {stored.key: stored.size for stored in self._storage.list(folder)}
        damaged: list[str] = []

        def write(key: str) -> int:
            content = FORMATS[table.format].write(files[key], table)
            if present.get(key) != len(content) or self._storage.sha256(key) != sha256(content).hexdigest():
                if key in present and self._is_damaged(key, table):
                    damaged.append(key)
                self._storage.write(key, content)
            return len(content)

        size = sum(pool.map(write, files))
        self._storage.delete(key for key in present if key not in files)
        return size, sorted(damaged)

    def _is_damaged(self, key: str, table: Table) -> bool:
        """Whether what is about to be replaced is no whole file: nothing is lost, but a disk may be failing."""
        try:
            FORMATS[table.format].read(self._storage.read(key), table, key)
        except DamagedFile:
            return True
        except StorageError:  # it is gone meanwhile, or of an earlier declaration
            return False
        return False

    def _write_days(self, context: dg.OutputContext, table: Table, parts: Iterable[Part]) -> dict[str | None, Written]:
        """Replace the days of one listener after another."""
        days = context.asset_partition_keys
        written: dict[str | None, Written] = {day: Written() for day in days}
        present = keys_of(self._storage, table)

        def days_of(year: str) -> list[str]:
            return [day for day in context.asset_partitions_def.get_partition_keys() if day.startswith(year)]

        for listener, of_listener in groupby(parts, key=lambda part: part.listener):
            rows = {}
            for part in of_listener:
                _refuse_unless_meant(part, table, written)
                written[part.partition].add(part)
                rows[str(part.partition)] = part.rows(table)
            try:
                written[min(rows)].damaged += replace_days(
                    self._storage,
                    table,
                    listener,
                    rows,
                    present=present.get(listener, ()),
                    is_whole=lambda year: not set(days_of(year)).difference(days),
                )
            except DaysLost as error:
                of_year = days_of(error.year)
                cure = (
                    f"Put back a copy of it, or go without: `spotifriend run --from {of_year[0]} --to {of_year[-1]}`."
                )
                raise UnreadableFile(f"{error} {cure}") from error
        return written


@dataclass
class Written:
    """What an output wrote for one partition, or for all: then also how many bytes.

    `damaged` are the keys of files that were found damaged, and are made anew.
    """

    rows: int = 0
    size: int | None = None
    listeners: set[str] = field(default_factory=set)
    first: Part | None = None
    damaged: list[str] = field(default_factory=list)

    def add(self, part: Part, size: int = 0, damaged: Iterable[str] = ()) -> None:
        """Count a part, of which so many bytes were written."""
        self.rows += len(part.frame)
        self.damaged += damaged
        if self.size is not None:
            self.size += size
        self.listeners.add(part.listener)
        if self.first is None and len(part.frame):
            self.first = Part(part.listener, part.frame.head(_PREVIEWED_ROWS).copy())

    def metadata(self, table: Table, partition: str | None, *, with_preview: bool) -> dict[str, Any]:
        """The same as Dagster's metadata."""
        said: dict[str, Any] = {
            "dagster/row_count" if partition is None else "dagster/partition_row_count": self.rows,
            "listeners": len(self.listeners),
        }
        if self.size is not None:
            said["bytes"] = self.size
        if self.damaged:
            said["damaged"] = dg.MetadataValue.json(self.damaged)
        if with_preview and self.first is not None:
            rows = self.first.rows(table).to_pylist()
            cells = [[self.first.listener, *("" if value is None else value for value in row.values())] for row in rows]
            said["preview"] = dg.MetadataValue.md(markdown_table(("listener", *table.column_names), cells))
        return said


def _partitions_read(context: dg.InputContext) -> Collection[str] | None:
    """The partitions that the reading asset is about; None where it has no partitions: then it reads all there are."""
    reader = context.step_context.assets_def
    if not context.has_asset_partitions or reader is None or reader.partitions_def is None:
        return None
    return context.asset_partition_keys


def _refuse_unless_meant(part: Part, table: Table, written: Mapping[str | None, Written]) -> None:
    if part.partition not in written or part.listener in written[part.partition].listeners:
        raise ValueError(
            f"The part of {table.folder} for listener {part.listener}, partition {part.partition}, is not what this "
            "run is about, or comes twice."
        )


def _files(table: Table, part: Part) -> Iterator[tuple[str, pyarrow.Table]]:
    """The files of a part, named within the listener's folder, each with its rows."""
    name = f"{_UNPARTITIONED}{FORMATS[table.format].suffix}"
    rows = part.rows(table)
    if table.year_of is None:
        yield name, rows
    else:
        years = part.frame[table.year_of].dt.year.to_numpy()
        for year in sorted(set(years)):
            yield f"year={year:04d}/{name}", rows.filter(years == year)
