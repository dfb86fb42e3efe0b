"""An Athena that executes, for tests: moto's, with queries that run over moto's own Glue tables and S3 objects.

It writes results where Athena writes them: for a SELECT a CSV file with its `.metadata`, for an UNLOAD Parquet and a
manifest. What is read for a query is `planning.py`; what runs it is an engine: DuckDB, or a real Trino.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol
from unittest import mock

import pyarrow as pa
import sqlglot
from moto.athena.models import WorkGroup, athena_backends
from moto.athena.responses import AthenaResponse
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from spotifriend_dagster_tests.aws.planning import Plan, QueryFailed, plan, split_uri
from spotifriend_dagster_tests.aws.unloading import put, unload_of, write_parquet

PATCHED = (
    "start_query_execution",
    "get_query_execution",
    "batch_get_query_execution",
    "stop_query_execution",
    "get_query_results",
    "list_query_executions",
    "get_work_group",
)
"""The actions that are answered here instead of by moto."""
_NEW = ("batch_get_query_execution",)
_FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
_ROWS_AT_ONCE = 1000
_ZONED = ("AtTimeZone", "CurrentTimestamp", "FromISO8601Timestamp")


@dataclass(frozen=True)
class Answer:
    """The rows of a query, and the Athena types of its columns."""

    rows: pa.Table
    types: tuple[str, ...]


class Engine(Protocol):
    """Runs one query."""

    def run(self, sql: str, database: str, plan: Plan) -> Answer:
        """The rows of a query over a database of Glue.

        Raises:
            QueryFailed: with Athena's message.
        """


class InvalidRequest(Exception):
    """Athena would refuse the request, and start nothing."""


class _Cancelled(Exception):
    """Athena itself would end the query, in the state CANCELLED."""


@dataclass
class Execution:
    """A query, from its start to its end."""

    sql: str
    database: str
    workgroup: str
    output: str
    settings: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    reason: str = ""
    is_retryable: bool = False
    submitted: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed: datetime | None = None
    plan: Plan | None = None
    answer: Answer | None = None
    written: int | None = None
    is_reused: bool = False

    @property
    def is_unload(self) -> bool:
        """Whether it writes files instead of giving rows."""
        return bool(re.match(r"\s*UNLOAD\b", self.sql, re.IGNORECASE))

    @property
    def result(self) -> str:
        """The address of its result."""
        return f"{self.output}{self.id}" + ("" if self.is_unload else ".csv")

    @property
    def manifest(self) -> str:
        """The address of the list of files that it wrote."""
        return f"{self.output}{self.id}-manifest.csv"

    @property
    def scanned(self) -> int:
        """The bytes it read, as Athena counts and bills them."""
        return 0 if self.plan is None or self.is_reused else self.plan.bytes


class Athena:
    """The running stand-in.

    Attributes:
        engine: what runs queries.
        executions: all queries by id, in the order in which they were started.
        before: called with each query when it runs, in its own thread: waits, or raises QueryFailed.
        seconds: how long the engine was at work, all queries together.
        rows_per_file: how many rows go into a file of an UNLOAD; few, so that nobody relies on one file.
    """

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.executions: dict[str, Execution] = {}
        self.before: Callable[[Execution], None] = lambda _: None
        self.seconds = 0.0
        self.rows_per_file = 1000
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._by_token: dict[str, str] = {}

    def close(self) -> None:
        """Wait for what still runs."""
        for thread in self._threads:
            thread.join()

    def start_query_execution(self, asked: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Start a query, in a thread of its own."""
        if asked.get("ExecutionParameters"):
            raise InvalidRequest("The stand-in takes no ExecutionParameters.")
        workgroup = _workgroup(asked.get("WorkGroup", "primary"), region)
        configuration = _result_configuration(asked, workgroup)
        output = configuration.get("OutputLocation")
        if not output:
            raise InvalidRequest(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        if split_uri(output)[0] not in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets:
            raise InvalidRequest(f"Unable to verify/create output bucket {split_uri(output)[0]}")
        token = asked.get("ClientRequestToken")
        with self._lock:
            if token in self._by_token:
                return {"QueryExecutionId": self._by_token[token]}
            execution = Execution(
                asked["QueryString"],
                asked.get("QueryExecutionContext", {}).get("Database", "default"),
                workgroup.name,
                output.rstrip("/") + "/",
                {**asked, "ResultConfiguration": configuration},
            )
            self.executions[execution.id] = execution
            if token:
                self._by_token[token] = execution.id
        thread = threading.Thread(target=self._run, args=(execution, workgroup, region), daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"QueryExecutionId": execution.id}

    def get_query_execution(self, asked: Mapping[str, Any], _region: str) -> dict[str, Any]:
        """What became of a query."""
        with self._lock:
            return {"QueryExecution": _said(self._execution(asked["QueryExecutionId"]))}

    def batch_get_query_execution(self, asked: Mapping[str, Any], _region: str) -> dict[str, Any]:
        """What became of several queries."""
        with self._lock:
            known = [self.executions[id_] for id_ in asked["QueryExecutionIds"] if id_ in self.executions]
            unknown = [{"QueryExecutionId": id_} for id_ in asked["QueryExecutionIds"] if id_ not in self.executions]
            return {"QueryExecutions": [_said(each) for each in known], "UnprocessedQueryExecutionIds": unknown}

    def list_query_executions(self, asked: Mapping[str, Any], _region: str) -> dict[str, Any]:
        """The queries of a workgroup, the newest first."""
        workgroup = asked.get("WorkGroup", "primary")
        ids = [each.id for each in reversed(self.executions.values()) if each.workgroup == workgroup]
        return {"QueryExecutionIds": ids[: asked.get("MaxResults", 50)]}

    def stop_query_execution(self, asked: Mapping[str, Any], _region: str) -> dict[str, Any]:
        """End a query that still runs; to one that has ended nothing happens."""
        with self._lock:
            self._end(self._execution(asked["QueryExecutionId"]), "CANCELLED", "Query cancelled by user")
        return {}

    def get_query_results(self, asked: Mapping[str, Any], _region: str) -> dict[str, Any]:
        """The rows of a query as texts, page by page; the first one of a SELECT is its header."""
        execution = self._execution(asked["QueryExecutionId"])
        if execution.state in ("FAILED", "CANCELLED"):
            raise InvalidRequest(f"Query did not finish successfully. Final query state: {execution.state}")
        if execution.state != "SUCCEEDED" or execution.answer is None:
            raise InvalidRequest(f"Query has not yet finished. Current state: {execution.state}")
        if execution.is_unload:
            column = _column_info("rows", "bigint")
            return {"UpdateCount": execution.written, "ResultSet": _result_set([], [column])}
        answer = execution.answer
        columns = [
            _column_info(name, type_) for name, type_ in zip(answer.rows.column_names, answer.types, strict=True)
        ]
        rows = [answer.rows.column_names, *_texts(answer)]
        begin = int(asked.get("NextToken") or 0)
        end = begin + min(asked.get("MaxResults", _ROWS_AT_ONCE), _ROWS_AT_ONCE)
        page = [{"Data": [{} if text is None else {"VarCharValue": text} for text in row]} for row in rows[begin:end]]
        said: dict[str, Any] = {"UpdateCount": 0, "ResultSet": _result_set(page, columns)}
        return said | ({"NextToken": str(end)} if end < len(rows) else {})

    def get_work_group(self, asked: Mapping[str, Any], region: str) -> dict[str, Any]:
        """A workgroup's configuration."""
        workgroup = _workgroup(asked["WorkGroup"], region, is_used=False)
        said = {"Name": workgroup.name, "State": workgroup.state, "Description": workgroup.description}
        return {"WorkGroup": {**said, "Configuration": workgroup.configuration}}

    def _execution(self, id_: str) -> Execution:
        if id_ not in self.executions:
            raise InvalidRequest(f"QueryExecution {id_} was not found")
        return self.executions[id_]

    def _run(self, execution: Execution, workgroup: WorkGroup, region: str) -> None:
        time.sleep(0.005)  # queued, so that who asks at once sees it
        with self._lock:
            if execution.state != "QUEUED":
                return
            execution.state = "RUNNING"
        try:
            self.before(execution)
            began = time.perf_counter()
            try:
                if not self._reuse(execution):
                    self._answer(execution, workgroup, region)
                self._publish(execution)
            finally:
                self.seconds += time.perf_counter() - began
        except QueryFailed as error:
            execution.is_retryable = error.is_retryable
            self._end(execution, "FAILED", str(error))
        except _Cancelled as error:
            self._end(execution, "CANCELLED", str(error))
        except Exception as error:  # a fault of the stand-in must end the query, too
            self._end(execution, "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}")

    def _answer(self, execution: Execution, workgroup: WorkGroup, region: str) -> None:
        """Plan the query, and run it."""
        assert self.engine
        sql = unload_of(execution.sql)[0] if execution.is_unload else execution.sql
        execution.plan = plan(sql, execution.database, region)
        cutoff = workgroup.configuration.get("BytesScannedCutoffPerQuery")
        if cutoff is not None and execution.plan.bytes > cutoff:
            raise _Cancelled(f"Bytes scanned limit was exceeded: {execution.plan.bytes} > {cutoff}")
        if execution.is_unload:
            _refuse_zoned(sql)
        execution.answer = self.engine.run(sql, execution.database, execution.plan)

    def _reuse(self, execution: Execution) -> bool:
        """Take the rows of an earlier query that said the same, however old its data are by now."""
        wanted = execution.settings.get("ResultReuseConfiguration", {}).get("ResultReuseByAgeConfiguration", {})
        if not wanted.get("Enabled") or execution.is_unload:
            return False
        oldest = execution.submitted.timestamp() - 60 * wanted.get("MaxAgeInMinutes", 60)
        said = (execution.sql, execution.database, execution.workgroup)
        with self._lock:
            for earlier in reversed(self.executions.values()):
                is_same = (earlier.sql, earlier.database, earlier.workgroup) == said and earlier.state == "SUCCEEDED"
                if is_same and earlier.completed and earlier.completed.timestamp() >= oldest:
                    execution.answer, execution.is_reused = earlier.answer, True
                    return True
        return False

    def _publish(self, execution: Execution) -> None:
        """Write the result, unless somebody cancelled the query; the files of an UNLOAD are written even then."""
        assert execution.answer
        if execution.is_unload:
            _, target, properties = unload_of(execution.sql)
            files = write_parquet(execution.answer, target, properties, self.rows_per_file)
            execution.written = execution.answer.rows.num_rows
            results = {execution.manifest: "".join(f"{uri}\n" for uri in files), f"{execution.result}.metadata": ""}
        else:
            results = {execution.result: _csv(execution.answer), f"{execution.result}.metadata": ""}
        with self._lock:
            if execution.state == "RUNNING":
                for uri, text in results.items():
                    put(uri, text.encode())
                self._end(execution, "SUCCEEDED", "")

    def _end(self, execution: Execution, state: str, reason: str) -> None:
        with self._lock:
            if execution.state not in _FINAL:
                execution.state, execution.reason = state, reason
                execution.completed = datetime.now(UTC)


@contextmanager
def executing_athena() -> Iterator[Athena]:
    """Let moto's Athena execute within the context; the engine is to be set before the first query."""
    athena = Athena()

    def answering(action: str) -> Callable[[AthenaResponse], Any]:
        def answered(self: AthenaResponse) -> Any:
            try:
                return json.dumps(getattr(athena, action)(json.loads(self.body or "{}"), self.region))
            except InvalidRequest as error:
                said = {"__type": "InvalidRequestException", "Message": str(error)}
                return json.dumps({**said, "AthenaErrorCode": "INVALID_INPUT"}), {"status": 400}

        return answered

    with ExitStack() as stack:
        for action in PATCHED:
            patch = mock.patch.object(AthenaResponse, action, answering(action), create=action in _NEW)
            stack.enter_context(patch)
        yield athena


def _workgroup(name: str, region: str, *, is_used: bool = True) -> WorkGroup:
    found: WorkGroup | None = athena_backends[DEFAULT_ACCOUNT_ID][region].work_groups.get(name)
    if found is None:
        raise InvalidRequest(f"WorkGroup {name} is not found.")
    if is_used and found.state != "ENABLED":
        raise InvalidRequest(f"WorkGroup {name} is disabled.")
    return found


def _result_configuration(asked: Mapping[str, Any], workgroup: WorkGroup) -> dict[str, Any]:
    """Where results go: what the workgroup says, where it says so for all; else what was asked."""
    of_workgroup: dict[str, Any] = dict(workgroup.configuration.get("ResultConfiguration") or {})
    of_client: dict[str, Any] = dict(asked.get("ResultConfiguration") or {})
    is_enforced = workgroup.configuration.get("EnforceWorkGroupConfiguration", True)
    return of_workgroup if is_enforced else {**of_workgroup, **of_client}


def _refuse_zoned(sql: str) -> None:
    """Files of Hive have no instants with a zone."""
    for selected in sqlglot.parse_one(sql, dialect="trino").selects:
        value = selected.unalias()
        if type(value).__name__ in _ZONED or value.name.lower() in ("with_timezone", "at_timezone"):
            raise QueryFailed("NOT_SUPPORTED: Unsupported Hive type: timestamp(3) with time zone")


def _csv(answer: Answer) -> str:
    """Rows as Athena's CSV: every value in quotes, and null nothing at all."""
    target = io.StringIO()
    lines = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")
    lines.writerow(answer.rows.column_names)
    for row in _texts(answer):
        target.write(",".join("" if text is None else '"' + text.replace('"', '""') + '"' for text in row) + "\n")
    return target.getvalue()


def _texts(answer: Answer) -> list[list[str | None]]:
    columns = [[_text(value) for value in column.to_pylist()] for column in answer.rows.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _text(value: Any) -> str | None:
    """A value as Athena writes it."""
    if value is None:
        return None
    written: Mapping[type, Callable[[Any], str]] = {
        bool: lambda truth: str(truth).lower(),
        float: _double,
        datetime: lambda instant: instant.isoformat(" ", "milliseconds"),
        list: lambda values: "[" + ", ".join(_text(each) or "null" for each in values) + "]",
    }
    return written.get(type(value), str)(value)


def _double(value: float) -> str:
    """A double as Java writes it."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    digits, _, exponent = f"{Decimal(repr(value)).normalize():E}".partition("E")
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"


def _column_info(name: str, type_: str) -> dict[str, Any]:
    kind = "array" if type_.startswith("array") else type_
    named = {"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": kind}
    return {**named, "Precision": 0, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": kind == "varchar"}


def _result_set(rows: list[Any], columns: list[Any]) -> dict[str, Any]:
    return {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}}


def _said(execution: Execution) -> dict[str, Any]:
    """An execution as GetQueryExecution has it."""
    status: dict[str, Any] = {"State": execution.state, "SubmissionDateTime": execution.submitted.timestamp()}
    if execution.completed:
        status["CompletionDateTime"] = execution.completed.timestamp()
    if execution.reason:
        status["StateChangeReason"] = execution.reason
    if execution.state == "FAILED":
        category = 1 if execution.is_retryable else 2  # Athena's own fault, or the query's
        status["AthenaError"] = {"ErrorCategory": category, "Retryable": execution.is_retryable}
    took = ((execution.completed or datetime.now(UTC)) - execution.submitted).total_seconds()
    statistics: dict[str, Any] = {
        "DataScannedInBytes": execution.scanned,
        "EngineExecutionTimeInMillis": int(took * 1000),
        "TotalExecutionTimeInMillis": int(took * 1000),
        "ResultReuseInformation": {"ReusedPreviousResult": execution.is_reused},
    }
    if execution.is_unload and execution.state == "SUCCEEDED":
        statistics["DataManifestLocation"] = execution.manifest
    return {
        "QueryExecutionId": execution.id,
        "Query": execution.sql,
        "StatementType": "DML",
        "SubstatementType": "UNLOAD" if execution.is_unload else "SELECT",
        "ResultConfiguration": {**execution.settings["ResultConfiguration"], "OutputLocation": execution.result},
        "QueryExecutionContext": execution.settings.get("QueryExecutionContext", {}),
        "Status": status,
        "Statistics": statistics,
        "WorkGroup": execution.workgroup,
        "EngineVersion": {"EffectiveEngineVersion": "Athena engine version 3"},
    }
