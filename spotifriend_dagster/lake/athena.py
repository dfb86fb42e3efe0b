"""SQL over the tables of Glue, run by Athena. What is small is not for it: `in_process.py`. Errors of AWS: `aws.py`.

What a query may say is `dialect/`, as at home; only what is allowed is sent. awswrangler is not used: it reads '' and
'NaN' of a text as null, it makes a bucket where the workgroup has no place for results, and while it waits for a query
nobody knows which one to cancel.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore.exceptions as errors

from spotifriend_dagster.lake import dialect
from spotifriend_dagster.lake.aws import AwsClients, translated
from spotifriend_dagster.lake.catalog import Catalog, CatalogTable
from spotifriend_dagster.lake.dialect.types import OF_GLUE
from spotifriend_dagster.lake.engine import Engine, EngineError, Prepared, QueryFailed, Unloaded
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.publishing import Published
from spotifriend_dagster.lake.queries import check_columns, quoted, schema_of, tables_of, text
from spotifriend_dagster.lake.s3 import S3Storage, read_object
from spotifriend_dagster.tables.declaration import Table

if TYPE_CHECKING:
    import pyarrow

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0
_ATTEMPTS = 3
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_MOST_PARTITIONS = 100
_LONGEST_QUERY = timedelta(minutes=35)
"""A query runs for half an hour at most, so that one that ended later than this after a change began after it, too."""
_OLDEST_REUSED_MINUTES = 7 * 24 * 60

_CLASH = re.compile(r"(?:column|field) ['\"]?(?P<column>\w+)['\"]?(?:'s| in | is | of )", re.IGNORECASE)
_FILE = re.compile(r"s3://\S+?(?=[\s,;()\]]|\.?$)")
_KIND = re.compile(r"^(?P<kind>[A-Z][A-Z_0-9]{4,}):? ?")
_POSITION = re.compile(r"^line \d+:\d+: ")
_DENIED = re.compile("access denied|insufficient permissions|not authorized", re.IGNORECASE)
_NO_DATABASE = re.compile(r"(schema|database) \S+ (does not exist|not found)", re.IGNORECASE)
_BAD_FILES = (
    *("HIVE_BAD_DATA", "HIVE_CURSOR_ERROR", "HIVE_CANNOT_OPEN_SPLIT", "HIVE_PARTITION_SCHEMA_MISMATCH"),
    *("HIVE_FILE_NOT_FOUND", "HIVE_INVALID_BUCKET_FILES"),
)
_NOT_VALID = ("SYNTAX_ERROR", "TYPE_MISMATCH", "COLUMN_NOT_FOUND", "TABLE_NOT_FOUND", "FUNCTION_NOT_FOUND")


@dataclass(frozen=True)
class Execution:
    """A query that Athena has run: where its result is, and how many bytes it read."""

    id: str
    location: str
    bytes_scanned: int


class AthenaEngine(Engine):
    """The aws home's engine of questions, and of what is made of much. Safe to use from several threads.

    A query's result is used again where nothing that it read has changed since: Athena itself does not look. So that is
    asked for only of queries that read published tables alone, of which the catalog knows when they were moved.
    """

    def __init__(
        self, clients: AwsClients, storage: S3Storage, catalog: Catalog, *, database: str, workgroup: str
    ) -> None:
        self._clients = clients
        self._storage = storage
        self._catalog = catalog
        self._database = database
        self._workgroup = workgroup

    def query(self, sql: str) -> pyarrow.Table:
        """See Engine."""
        tables = tables_of(sql, self._catalog)
        schema = schema_of(tables)
        outputs = dialect.output_types(sql, schema)
        execution = self._run(dialect.arrays_as_json(sql, schema), reused_minutes=_reusable_minutes(tables.values()))
        if not execution.location:
            raise EngineError(self._no_place("it keeps them itself"))
        place = urlsplit(execution.location)
        with translated(EngineError, f"The query's result at {execution.location} cannot be read"):
            content = read_object(self._clients.client("s3"), place.netloc, place.path.removeprefix("/"))
        return _typed(content, outputs)

    def unload(
        self, sql: str, table: Table, prefix: str, files: Files | None = None, prepared: Prepared | None = None
    ) -> Unloaded:
        """See Engine. Athena writes into a hundred partitions at most, and only where nothing is.

        So of more listeners they are unloaded a hundred at a time, each into a folder of its own, and then moved.
        """
        tables = tables_of(sql, self._catalog)
        check_columns(dialect.output_types(sql, schema_of(tables)), table)
        folder = f"{prefix.rstrip('/')}/"
        listeners = _listeners(tables.values())
        if not table.partition_keys or len(listeners) <= _MOST_PARTITIONS:
            bytes_scanned = self._unload(sql, table, folder)
            return Unloaded(self._storage.list(folder), bytes_scanned)
        bytes_scanned = 0
        for first in range(0, len(listeners), _MOST_PARTITIONS):
            some = ", ".join(map(text, listeners[first : first + _MOST_PARTITIONS]))
            moved_from = f"{folder}unloaded={first}/"
            bytes_scanned += self._unload(sql, table, moved_from, f"WHERE listener IN ({some})")
            unloaded = [stored.key for stored in self._storage.list(moved_from)]
            for key in unloaded:
                self._storage.write(folder + key.removeprefix(moved_from), self._storage.read(key))
            self._storage.delete(unloaded)
        return Unloaded(self._storage.list(folder), bytes_scanned)

    def _unload(self, sql: str, table: Table, folder: str, where: str = "") -> int:
        """Unload a query into an empty folder; how many bytes were read for it."""
        keys = [key.name for key in table.partition_keys]
        columns = ", ".join(
            f"CAST({quoted(column.name)} AS {OF_GLUE[column.type]}) AS {quoted(column.name)}"
            for column in table.all_columns
        )
        order = ", ".join(map(quoted, dict.fromkeys([*keys, *table.grain])))
        partitioned = f", partitioned_by = ARRAY[{', '.join(map(text, keys))}]" if keys else ""
        statement = (
            f"UNLOAD (SELECT {columns} FROM (\n{sql.strip().rstrip(';')}\n) {where} ORDER BY {order}) "
            f"TO {text(self._storage.uri(folder))} WITH (format = 'PARQUET', compression = 'ZSTD'{partitioned})"
        )
        return self._run(statement, before_retry=lambda: self._clear(folder)).bytes_scanned

    def column_lineage(self, sql: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """See Engine."""
        return dialect.column_lineage(sql, schema_of(tables_of(sql, self._catalog)))

    def _clear(self, folder: str) -> None:
        self._storage.delete(stored.key for stored in self._storage.list(folder))

    def _run(
        self, statement: str, *, reused_minutes: int = 0, before_retry: Callable[[], None] = lambda: None
    ) -> Execution:
        """Run a statement to its end; again, where Athena says that it failed for reasons of its own.

        Raises:
            EngineError, QueryFailed, InvalidSQL, UnreadableFile: it failed, or was not accepted.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            said = self._ended(self._start(statement, reused_minutes))
            status = said["Status"]
            if status["State"] == "SUCCEEDED":
                statistics = said.get("Statistics", {})
                location = said.get("ResultConfiguration", {}).get("OutputLocation", "")
                return Execution(said["QueryExecutionId"], location, statistics.get("DataScannedInBytes", 0))
            reason = status.get("StateChangeReason", "")
            if not status.get("AthenaError", {}).get("Retryable") or attempt == _ATTEMPTS:
                raise self._failure(status["State"], reason)
            before_retry()
        raise AssertionError("The last attempt gives, or raises.")

    def _start(self, statement: str, reused_minutes: int) -> str:
        athena = self._clients.client("athena")
        reuse = {"Enabled": True, "MaxAgeInMinutes": reused_minutes} if reused_minutes else {"Enabled": False}
        with translated(EngineError, f"The query cannot be given to Athena's workgroup {self._workgroup}"):
            try:
                started = athena.start_query_execution(
                    QueryString=statement,
                    QueryExecutionContext={"Database": self._database},
                    WorkGroup=self._workgroup,
                    ResultReuseConfiguration={"ResultReuseByAgeConfiguration": reuse},
                )
            except athena.exceptions.InvalidRequestException as error:
                raise self._not_accepted(error) from error
        id_: str = started["QueryExecutionId"]
        return id_

    def _ended(self, id_: str) -> Mapping[str, Any]:
        """What Athena says of a query that has ended; whoever is interrupted meanwhile cancels it."""
        athena = self._clients.client("athena")
        wait = _FIRST_WAIT_SECONDS
        with translated(EngineError, f"How the query {id_} is doing cannot be asked"):
            try:
                while True:
                    said: Mapping[str, Any] = athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]
                    if said["Status"]["State"] in _ENDED:
                        return said
                    time.sleep(wait)
                    wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)
            except BaseException:
                with suppress(errors.BotoCoreError, errors.ClientError):
                    athena.stop_query_execution(QueryExecutionId=id_)
                raise

    def _not_accepted(self, error: errors.ClientError) -> EngineError:
        """Why Athena did not begin with a query."""
        said = error.response["Error"].get("Message", "")
        workgroup, lower = self._workgroup, said.lower()
        if "output location" in lower or "output bucket" in lower:
            return EngineError(self._no_place(said.rstrip(".")))
        if "workgroup" in lower:
            return EngineError(
                f"Athena's workgroup {workgroup} cannot be used ({said.rstrip('.')}): create or enable it, or correct "
                "SPOTIFRIEND_WORKGROUP or SPOTIFRIEND_REGION."
            )
        return EngineError(f"Athena did not accept the query: {said.rstrip('.')}.")

    def _no_place(self, why: str) -> str:
        return (
            f"Athena's workgroup {self._workgroup} has no place for results that can be used ({why}): give it a query "
            "result location of its own in S3 (Athena, Workgroups, Edit), in the region of the lake."
        )

    def _failure(self, state: str, reason: str) -> Exception:
        """What an execution that did not succeed means."""
        if state == "CANCELLED":
            limit = "bytes scanned limit" in reason.lower()
            cure = "raise the workgroup's limit, or ask of one listener and one year" if limit else "give it again"
            return QueryFailed(f"The query was cancelled ({reason.rstrip('.') or 'by somebody'}): {cure}.")
        kind = found["kind"] if (found := _KIND.match(reason)) else ""
        said = _POSITION.sub("", _KIND.sub("", " ".join(reason.split()))).rstrip(".")
        if kind in _BAD_FILES:
            return self._unreadable(said)
        if kind in _NOT_VALID:
            return dialect.InvalidSQL(f"The query cannot be run: {said}.")
        if sentence := self._outside_the_query(kind, said):
            return EngineError(sentence)
        if said == "Division by zero":
            said = "Division by zero: divide by NULLIF(…, 0)"
        return QueryFailed(f"The query failed: {said or state}.")

    def _outside_the_query(self, kind: str, said: str) -> str | None:
        """What is wrong where the query is not; None where it is not known to be that."""
        if kind == "PERMISSION_DENIED" or _DENIED.search(said):
            return (
                f"Athena may not do what the query needs ({said}): allow it in the policy of this user or role; "
                "`spotifriend doctor` tests every permission."
            )
        if kind == "HIVE_PATH_ALREADY_EXISTS":
            return f"The folder that Athena was to write is not empty ({said}): run again."
        if kind == "SCHEMA_NOT_FOUND" or _NO_DATABASE.search(said):
            return (
                f"Athena finds no database {self._database} in {self._clients.region}: create it, or correct "
                "SPOTIFRIEND_GLUE_DATABASE or SPOTIFRIEND_REGION."
            )
        return None

    def _unreadable(self, said: str) -> UnreadableFile:
        """A file is not as the catalog says: which one, where Athena tells."""
        file, column = _FILE.search(said), _CLASH.search(said)
        where = "A file"
        table = "the table"
        if file:
            with suppress(ValueError):
                where = key = self._storage.key_of(file[0].rstrip("."))
                table = "/".join(key.split("/")[:2])
        what = f"Column {column['column']} of {where}" if column else where
        return UnreadableFile(f"{what} is not what the catalog declares ({said}): materialize {table} again.")


def _listeners(tables: Iterable[CatalogTable]) -> list[str]:
    """The listeners whose folders a query reads, by what the catalog says of its tables."""
    said = (table.parameters.get("projection.listener.values", "") for table in tables)
    return sorted({listener for values in said for listener in values.split(",") if listener})


def _reusable_minutes(tables: Iterable[CatalogTable]) -> int:
    """For how many minutes nothing that is read has changed, by the age of results; 0 where that is not known."""
    published = [Published.of(table) for table in tables]
    if not published or None in published:
        return 0
    changed = max(datetime.fromisoformat(note.moved_at) for note in published if note)
    minutes = (datetime.now(UTC) - changed - _LONGEST_QUERY) // timedelta(minutes=1)
    return max(0, min(minutes, _OLDEST_REUSED_MINUTES))


def _typed(content: bytes, outputs: Sequence[tuple[str, str]]) -> pyarrow.Table:
    """Athena's CSV, in the types that the query gives. A null is nothing between commas, '' is in quotes."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    from pyarrow import csv  # noqa: PLC0415

    places = [str(place) for place, _ in enumerate(outputs)]  # two columns may have the same name
    types = {place: _csv_type(type_) for place, (_, type_) in zip(places, outputs, strict=True)}
    found = csv.read_csv(
        BytesIO(content),
        read_options=csv.ReadOptions(column_names=places, skip_rows_after_names=1, block_size=max(len(content), 1)),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    columns = [
        _lists(column) if type_ == "array<string>" else column
        for column, (_, type_) in zip(found.columns, outputs, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=[name for name, _ in outputs])


def _csv_type(type_: str) -> pyarrow.DataType:
    import pyarrow as pa  # noqa: PLC0415 - heavy

    types = {
        "bigint": pa.int64(),
        "int": pa.int32(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("ms"),
        "date": pa.date32(),
        "null": pa.null(),
    }
    return types.get(type_, pa.string())


def _lists(column: pyarrow.ChunkedArray) -> pyarrow.Array:
    import orjson  # noqa: PLC0415 - where it is used
    import pyarrow as pa  # noqa: PLC0415 - heavy

    values = [None if value is None else orjson.loads(value) for value in column.to_pylist()]
    return pa.array(values, pa.list_(pa.string()))
