"""What a query reads and gives, held against the catalog and against a declaration: the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spotifriend_dagster.lake import dialect
from spotifriend_dagster.lake.catalog import Catalog, CatalogTable
from spotifriend_dagster.tables.declaration import Table

# What Athena, too, stores in a column of the declared type without being told.
_TAKES = {"bigint": ("int",), "int": ("bigint",), "double": ("int", "bigint"), "timestamp": ("date",)}

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, and so Athena, writes into a path in the place of a partition key that is null."""


def tables_of(sql: str, catalog: Catalog) -> dict[str, CatalogTable]:
    """The tables that a query reads; all that there are, if it reads one that is not there.

    Raises:
        SQLError: the query is refused.
    """
    names = dialect.tables_read(sql)
    found = {name: table for name in names if (table := catalog.get(name))}
    if found.keys() == names:
        return found
    return {name: table for name in catalog.names() if (table := catalog.get(name))}


def schema_of(tables: Mapping[str, CatalogTable]) -> dict[str, dict[str, str]]:
    """By table, the Glue type of each column."""
    return {name: table.columns for name, table in tables.items()}


def check_columns(given: Sequence[tuple[str, str]], table: Table) -> None:
    """Refuse a query whose columns are not those of the declaration, by name, order and type: first the partition keys.

    Args:
        given: the columns that the query gives, as `dialect.output_types` says them.
        table: the declaration.

    Raises:
        InvalidSQL: a column is missing, too many, in another place, or would have to be cast with a loss.
    """
    declared = (*table.partition_keys, *table.columns)
    if [name for name, _ in given] != [column.name for column in declared]:
        raise dialect.InvalidSQL(
            f"The query of {table.name} gives {', '.join(name for name, _ in given)}; its declaration says "
            f"{', '.join(column.name for column in declared)}."
        )
    for column, (name, type_) in zip(declared, given, strict=True):
        if type_ not in (column.type, "null", *_TAKES.get(column.type, ())):
            raise dialect.InvalidSQL(
                f"Column {name} of {table.name} is declared {column.type}, and its query gives {type_}: cast it."
            )


def quoted(name: str) -> str:
    """A name as SQL has it in quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as SQL has it."""
    return "'" + value.replace("'", "''") + "'"
