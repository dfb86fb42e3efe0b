"""Questions about small tables, answered in this process from the files themselves: in both homes by the same code.

One listener's part of a table is small, and a query engine is paid for ten megabytes at least. Tables are made by
`engine.py` and `in_process.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from spotifriend_dagster.lake import dialect
from spotifriend_dagster.lake.catalog import Catalog, CatalogTable
from spotifriend_dagster.lake.engine import failures_said, in_milliseconds
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.queries import schema_of, tables_of
from spotifriend_dagster.lake.storage import StoredObject, path_values
from spotifriend_dagster.tables.rendering import arrow_type

if TYPE_CHECKING:
    import duckdb
    import pyarrow


class Reader:
    """Runs SQL in Athena's dialect over one listener's part of the catalog's tables, of those that are in Parquet.

    Several questions about a table list and fetch it once; whoever wants to know of later changes takes a new reader,
    over new files. A table that is published anew meanwhile is read anew.
    """

    def __init__(self, files: Files, catalog: Catalog, listener: str) -> None:
        self.listener = listener
        self._files = files
        self._catalog = catalog

    def query(self, sql: str) -> pyarrow.Table:
        """The rows of a query over tables that hold the listener's rows alone. Timestamps are naive, in milliseconds.

        Raises:
            SQLError: the query is refused before it runs.
            QueryFailed: it failed on the data.
            UnreadableFile: a file does not hold what the catalog says of its table.
        """
        tables = tables_of(sql, self._catalog)
        schema = schema_of(tables)
        read = dialect.columns_read(sql, schema)
        rows = {name: self._rows(name, tables[name], columns) for name, columns in read.items()}
        return query_rows(sql, rows, schema)

    def _rows(self, name: str, table: CatalogTable, columns: Collection[str]) -> pyarrow.Table:
        """The listener's rows, with these columns of the table and the listener."""
        import pyarrow.compute as pc  # noqa: PLC0415 - heavy

        folder = self._files.key_of(table.location).rstrip("/")
        if "listener" in table.keys:
            return read_rows(name, table, columns, self._files, self._files.list(f"{folder}/listener={self.listener}"))
        found = read_rows(name, table, columns, self._files, self._files.list(folder))
        return found.filter(pc.equal(found.column("listener"), self.listener))


def read_rows(
    name: str, table: CatalogTable, columns: Collection[str], files: Files, stored: Iterable[StoredObject]
) -> pyarrow.Table:
    """The rows of some of a table's files, with these columns of it and the listener.

    Raises:
        UnreadableFile: a file does not hold what the catalog says of its table.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    types = {column: type_ for column, type_ in table.columns.items() if column in columns or column == "listener"}
    schema = pa.schema([pa.field(column, arrow_type(type_)) for column, type_ in types.items()])
    contents = files.read_all(stored)
    read = [_rows_of(key, content, name, table, schema) for key, content in contents.items()]
    return pa.concat_tables([schema.empty_table(), *read])


def _rows_of(key: str, content: bytes, name: str, table: CatalogTable, schema: pyarrow.Schema) -> pyarrow.Table:
    """What a file holds of these columns, and what its path says: an older file may lack some."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    said = path_values(key)
    try:
        # Athena packs instants into the 96 bits of old, of which Arrow makes nanoseconds by itself.
        parquet = pq.ParquetFile(pa.BufferReader(content), coerce_int96_timestamp_unit="ms")
        held = [field.name for field in schema if field.name in parquet.schema_arrow.names]
        rows = parquet.read([column for column in held if column not in table.keys])
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFile(f"{key} is no whole Parquet file: materialize {name} again.") from error
    count = parquet.metadata.num_rows
    columns = []
    for field in schema:
        if field.name in table.keys:
            value = pa.scalar(said[field.name]).cast(field.type)
            columns.append(pa.chunked_array([pa.repeat(value, count)]))
        elif field.name in rows.column_names:
            columns.append(rows.column(field.name))
        else:
            columns.append(pa.chunked_array([pa.nulls(count, field.type)]))
        if columns[-1].type != field.type:
            raise UnreadableFile(
                f"Column {field.name} of {key} is {columns[-1].type}, and table {name} declares {field.type}: "
                f"materialize {name} again."
            )
    return pa.Table.from_arrays(columns, schema=schema)


def query_rows(sql: str, tables: Mapping[str, pyarrow.Table], schema: Mapping[str, Mapping[str, str]]) -> pyarrow.Table:
    """The rows of a query over tables that are in memory. Timestamps are naive, in milliseconds.

    Args:
        sql: one query in Athena's dialect.
        tables: the tables that it reads, with the columns that it names at least.
        schema: by table, the Glue type of each column.

    Raises:
        SQLError: the query is refused before it runs.
        QueryFailed: it failed on the data.
    """
    return in_milliseconds(run_over(dialect.to_duckdb(sql, schema), tables))


def run_over(duckdb_sql: str, tables: Mapping[str, pyarrow.Table]) -> pyarrow.Table:
    """The rows of DuckDB's SQL over tables that are in memory.

    Raises:
        InvalidSQL: the query cannot be run over them.
        QueryFailed: it failed on the data.
    """
    cursor = _database().cursor()
    try:
        with failures_said():
            for name, rows in tables.items():
                cursor.register(name, rows)
            return cursor.sql(duckdb_sql).to_arrow_table()
    finally:
        cursor.close()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """A database in memory, which holds nothing: what a query reads is its cursor's own."""
    import duckdb  # noqa: PLC0415 - heavy

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection
