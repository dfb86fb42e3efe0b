"""SQL over the tables of the catalog: the port, and the local home's implementation on DuckDB.

What a query may say and what it means is `dialect/`; which version of a table is published is `publishing.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from spotifriend_dagster.lake import dialect
from spotifriend_dagster.lake.catalog import Catalog, CatalogTable
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.queries import NO_VALUE, check_columns, quoted, schema_of, tables_of, text
from spotifriend_dagster.lake.storage import FolderStorage, Storage, StoredObject
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.rendering import arrow_schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow

RESULT_FILE = "part-0.parquet"
"""The name of a file that `unload` writes in process."""

_DUCKDB_TYPES = {
    "string": "VARCHAR",
    "bigint": "BIGINT",
    "int": "INTEGER",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "array<string>": "VARCHAR[]",
}
_SUFFIXES = {"parquet": ".parquet", "json": ".jsonl.gz"}


class EngineError(Exception):
    """The engine could not do what was asked; the message is a sentence for the user."""


class QueryFailed(EngineError):
    """The query is a good one, but failed on the data that it met."""


@dataclass(frozen=True)
class Unloaded:
    """What `unload` wrote; `bytes_scanned` is what Athena read for it, and is paid for: None where there is none."""

    files: Sequence[StoredObject]
    bytes_scanned: int | None = None


@dataclass(frozen=True)
class Prepared:
    """The rows of a query that was run before it was asked for, and the tables as it found them defined."""

    tables: Mapping[str, CatalogTable]
    rows: pyarrow.Table


class Engine(Protocol):
    """Runs SQL in Athena's dialect over the tables of the catalog, as they are when it starts."""

    def query(self, sql: str) -> pyarrow.Table:
        """The rows of a query. Timestamps are naive, in milliseconds.

        Raises:
            SQLError: the query is refused before it runs.
            QueryFailed: it failed on the data.
            UnreadableFile: a file does not hold what the catalog says of its table.
        """

    def prepare(self, sql: str, table: Table, files: Files) -> Prepared | None:
        """Run the query of an `unload` to come, in another thread; None where nothing is gained by that.

        Raises:
            EngineError, SQLError, UnreadableFile: as `unload` does.
        """
        return None

    def unload(
        self, sql: str, table: Table, prefix: str, files: Files | None = None, prepared: Prepared | None = None
    ) -> Unloaded:
        """Write the rows of a query as Parquet into the empty folder `prefix`, in the columns and types of `table`.

        Each value of the table's partition key, where it has one, has a folder of its own. In each file the rows are
        ordered by the table's grain; of no rows there is no file.

        Args:
            sql: the query.
            table: what its rows are to be.
            prefix: the folder.
            files: those of the run that this is part of; looked up anew without.
            prepared: what `prepare` found over the same files; of no use where a table has been defined anew since.

        Raises:
            SQLError: the query is refused, or does not give the columns of the declaration.
            QueryFailed: it failed on the data.
            UnreadableFile: a file does not hold what the catalog says of its table.
            StorageFull: no space is left.
        """

    def column_lineage(self, sql: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """By output column, the (table, column) pairs of the catalog that its values are made of.

        Raises:
            SQLError: the query is refused.
        """


class DuckDBEngine(Engine):
    """The engine of the local home: one DuckDB in memory, reading the lake's folder and nothing else.

    Safe to use from several threads: each query has its own cursor, in which its tables are views.
    """

    def __init__(self, storage: FolderStorage, catalog: Catalog) -> None:
        self._storage = storage
        self._folder = str(storage.root.absolute())
        self._catalog = catalog
        self._lock = threading.Lock()
        self._columns_found: dict[tuple[str, int, datetime], Mapping[str, str]] = {}

    def query(self, sql: str) -> pyarrow.Table:
        """See Engine."""
        tables = tables_of(sql, self._catalog)
        return in_milliseconds(self._run(dialect.to_duckdb(sql, schema_of(tables)), tables))

    def prepare(self, sql: str, table: Table, files: Files) -> Prepared:
        """See Engine. DuckDB works beside Python."""
        tables = tables_of(sql, self._catalog)
        return Prepared(tables, self._rows_to_unload(sql, table, tables, files))

    def unload(
        self, sql: str, table: Table, prefix: str, files: Files | None = None, prepared: Prepared | None = None
    ) -> Unloaded:
        """See Engine."""
        tables = tables_of(sql, self._catalog)
        if prepared and prepared.tables == tables:
            rows = prepared.rows
        else:
            rows = self._rows_to_unload(sql, table, tables, files)
        return Unloaded(write_rows(rows, table, prefix, self._storage))

    def column_lineage(self, sql: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """See Engine."""
        return dialect.column_lineage(sql, schema_of(tables_of(sql, self._catalog)))

    def _rows_to_unload(
        self, sql: str, table: Table, tables: Mapping[str, CatalogTable], files: Files | None
    ) -> pyarrow.Table:
        schema = schema_of(tables)
        check_columns(dialect.output_types(sql, schema), table)
        return self._run(in_order(dialect.to_duckdb(sql, schema), table), tables, files)

    def _run(self, duckdb_sql: str, tables: Mapping[str, CatalogTable], files: Files | None = None) -> pyarrow.Table:
        listing = files or Files(self._storage)
        views = {name: self._files_as_sql(name, table, listing) for name, table in tables.items()}
        with self._lock:
            cursor = self._connection.cursor()
        try:
            with failures_said():
                for name, view in views.items():
                    cursor.execute(f"CREATE TEMP VIEW {quoted(name)} AS {view}")
                return cursor.sql(duckdb_sql).to_arrow_table()
        finally:
            cursor.close()

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        import duckdb  # noqa: PLC0415 - heavy

        connection = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET allowed_directories = [{text(f'{self._folder}/')}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def _files_as_sql(self, name: str, table: CatalogTable, listing: Files) -> str:
        """DuckDB SQL that reads a table's files, with its columns and types as the catalog has them."""
        columns, keys = _columns(table)
        form = table.parameters["classification"]
        stored = listing.list(listing.key_of(table.location))
        files = [file for file in stored if file.key.endswith(_SUFFIXES[form])]
        if not files:
            nothing = ", ".join(f"CAST(NULL AS {type_}) AS {quoted(key)}" for key, type_ in {**columns, **keys}.items())
            return f"SELECT {nothing} WHERE FALSE"
        paths = "[" + ", ".join(text(f"{self._folder}/{file.key}") for file in files) + "]"
        partitioned = f"hive_partitioning = {bool(keys)}"
        if keys:
            partitioned += ", hive_types = " + _struct(keys)
        if form == "json":
            given = f"format = 'newline_delimited', columns = {_struct(columns)}, {partitioned}"
            return f"SELECT {', '.join([*map(quoted, columns), *map(_key, keys)])} FROM read_json({paths}, {given})"
        found = [self._checked(name, file, columns) for file in files]
        everywhere = set.intersection(*map(set, found))
        somewhere = set.union(*map(set, found))
        selected = [
            quoted(column) if column in somewhere else f"CAST(NULL AS {type_}) AS {quoted(column)}"
            for column, type_ in columns.items()
        ]
        by_name = "" if somewhere == everywhere else ", union_by_name = true"
        return f"SELECT {', '.join([*selected, *map(_key, keys)])} FROM read_parquet({paths}, {partitioned}{by_name})"

    def _checked(self, name: str, file: StoredObject, columns: Mapping[str, str]) -> Mapping[str, str]:
        """The table's columns that a Parquet file holds: an older file may lack some.

        DuckDB itself would cast what is of another type; Athena would refuse it, or read nonsense.
        """
        identity = (file.key, file.size, file.modified)
        if identity not in self._columns_found:
            self._columns_found[identity] = self._columns_in(file)
        held = self._columns_found[identity]
        for column, type_ in columns.items():
            if held.get(column, type_) != type_:
                raise UnreadableFile(
                    f"Column {column} of {file.key} is {held[column]}, and table {name} declares {type_}: materialize "
                    f"{name} again."
                )
        return {column: type_ for column, type_ in columns.items() if column in held}

    def _columns_in(self, file: StoredObject) -> Mapping[str, str]:
        import pyarrow as pa  # noqa: PLC0415 - heavy
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            schema = pq.read_schema(self._storage.path(file.key))
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableFile(f"{file.key} is no whole Parquet file: {_sentence(error)}") from error
        return {field.name: _duckdb_type(field.type) for field in schema}


def in_order(duckdb_sql: str, table: Table) -> str:
    """DuckDB's SQL with its rows in the order of a table's files: by the partition key, then by the grain."""
    order = dict.fromkeys([*(key.name for key in table.partition_keys), *table.grain])
    return f"FROM ({duckdb_sql}) ORDER BY {', '.join(map(quoted, order))}"


def write_rows(found: pyarrow.Table, table: Table, prefix: str, storage: Storage) -> list[StoredObject]:
    """Write rows that are `in_order` as `Engine.unload` does; equal rows give equal files.

    Raises:
        QueryFailed: they do not fit the table.
        StorageFull: no space is left.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    try:
        declared = found.select(table.column_names).cast(arrow_schema(table))
    except pa.ArrowInvalid as error:
        raise QueryFailed(f"The rows do not fit table {table.name}: {_sentence(error)}") from error
    written = []
    for folder, first, rows in _parts(found, table):
        key, content = f"{prefix.rstrip('/')}/{folder}{RESULT_FILE}", _parquet(declared.slice(first, rows))
        storage.write(key, content)
        written.append(StoredObject(key, len(content), datetime.now(UTC)))
    return written


def _parts(found: pyarrow.Table, table: Table) -> list[tuple[str, int, int]]:
    """Where the rows of each folder begin and how many they are, in rows that are ordered by the partition key."""
    import pyarrow.compute as pc  # noqa: PLC0415 - heavy

    if not table.partition_keys:
        return [("", 0, found.num_rows)] if found.num_rows else []
    (key,) = table.partition_keys
    runs = pc.run_end_encode(found.column(key.name).combine_chunks())
    values, ends = runs.values.to_pylist(), runs.run_ends.to_pylist()
    folders = [f"{key.name}={NO_VALUE if value is None else value}/" for value in values]
    return [(folder, first, end - first) for folder, first, end in zip(folders, [0, *ends], ends, strict=False)]


def _parquet(rows: pyarrow.Table) -> bytes:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    target = BytesIO()
    # combined: whose rows came before must not show in the file
    pq.write_table(rows.combine_chunks(), target, compression="zstd", store_schema=False)
    return target.getvalue()


def _glue_types(table: CatalogTable, *parts: str) -> dict[str, str]:
    definition = {**table.table_input["StorageDescriptor"], **table.table_input}
    return {column["Name"]: column["Type"] for part in parts for column in definition.get(part, [])}


def _columns(table: CatalogTable) -> tuple[dict[str, str], dict[str, str]]:
    """The columns inside the files and those in the path, with DuckDB's types."""
    inside, outside = (
        {name: _DUCKDB_TYPES[type_] for name, type_ in _glue_types(table, part).items()}
        for part in ("Columns", "PartitionKeys")
    )
    return inside, outside


def _duckdb_type(type_: Any) -> str:
    """DuckDB's name of the type of a column in a Parquet file; the file's own where the lake has no such type."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    if pa.types.is_timestamp(type_) and type_.tz is None:
        return "TIMESTAMP"
    if pa.types.is_list(type_) and _duckdb_type(type_.value_type) == "VARCHAR":
        return "VARCHAR[]"
    names = {
        "string": "VARCHAR",
        "large_string": "VARCHAR",
        "int64": "BIGINT",
        "int32": "INTEGER",
        "double": "DOUBLE",
        "bool": "BOOLEAN",
        "date32[day]": "DATE",
    }
    return names.get(str(type_), str(type_))


@contextmanager
def failures_said() -> Iterator[None]:
    """What DuckDB says of a query that fails, as an error of ours.

    Raises:
        InvalidSQL: the query cannot be run over its tables.
        QueryFailed: it failed on the data.
    """
    import duckdb  # noqa: PLC0415 - heavy

    try:
        yield
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as error:
        raise dialect.InvalidSQL(f"The query cannot be run: {_sentence(error)}") from error
    except duckdb.Error as error:
        raise QueryFailed(f"The query failed: {_sentence(error)}") from error


def in_milliseconds(table: pyarrow.Table) -> pyarrow.Table:
    """The rows, with instants as the lake has them."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    fields = [
        field.with_type(pa.timestamp("ms")) if pa.types.is_timestamp(field.type) else field for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _struct(types: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{text(name)}: {text(type_)}" for name, type_ in types.items()) + "}"


def _key(name: str) -> str:
    """A key of partitions, as a value like any other; files are still left out by it.

    DuckDB 2.0 takes windows over a key that it recognizes partition by partition, and breaks down where two of them
    order differently.
    """
    return f"COALESCE({quoted(name)}, {quoted(name)}) AS {quoted(name)}"


def _sentence(error: Exception) -> str:
    """The first line of an error, without the kind that DuckDB puts before it."""
    line = str(error).strip().splitlines()[0]
    _, kind, said = line.partition(" Error: ")
    if said.startswith("Division by zero"):  # DuckDB's own advice is of its own dialect
        return "Division by zero: divide by NULLIF(…, 0)."
    return (said if kind else line).rstrip(".") + "."
