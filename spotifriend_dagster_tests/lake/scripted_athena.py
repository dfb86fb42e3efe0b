"""An Athena that answers what a test says: no SQL runs, but results lie where Athena puts them."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import botocore.awsrequest
import pyarrow as pa
import pyarrow.parquet as pq

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster_tests.aws.server import BUCKET


class ScriptedAthena:
    """Stands between a client and its server; what was asked is in `started` and `stopped`.

    Each query ends as the next of `endings` says, and well where there is none; `rows` is the CSV of its result, and
    `files` are put by name into the folder that UNLOAD names. `location` is where Athena says that results are.
    """

    def __init__(self, clients: AwsClients) -> None:
        self.started: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.endings: list[dict[str, Any]] = []
        self.refusal: str | None = None
        self.rows = '"_col0"\n"1"\n'
        self.files: dict[str, bytes] = {}
        self.bytes_scanned = 4321
        self.location = f"s3://{BUCKET}/athena-results/"
        self.on_poll: Callable[[], None] = lambda: None
        self._states: dict[str, dict[str, Any]] = {}
        self._s3 = clients.client("s3")
        self._events = clients.client("athena").meta.events
        self._events.register("before-send.athena", self._answer)

    def end(self) -> None:
        """Stand in the way no longer."""
        self._events.unregister("before-send.athena", self._answer)

    def fail(self, reason: str, *, state: str = "FAILED", is_retryable: bool = False) -> None:
        """Let the next query end so."""
        error = {"AthenaError": {"Retryable": is_retryable, "ErrorMessage": reason}}
        self.endings.append({"State": state, "StateChangeReason": reason, **error})

    def _answer(self, request: Any, event_name: str, **_: Any) -> Any:
        operation, asked = event_name.rpartition(".")[2], json.loads(request.body)
        status, said = getattr(self, f"_{operation}")(asked)
        raw = _Raw(json.dumps(said).encode())
        return botocore.awsrequest.AWSResponse(request.url, status, {}, raw)

    def _StartQueryExecution(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - AWS's name
        self.started.append(asked)
        if self.refusal is not None:
            return 400, {"__type": "InvalidRequestException", "Message": self.refusal, "message": self.refusal}
        id_ = f"query-{len(self.started)}"
        self._states[id_] = self.endings.pop(0) if self.endings else {"State": "SUCCEEDED"}
        self._s3.put_object(Bucket=BUCKET, Key=f"athena-results/{id_}.csv", Body=self.rows.encode())
        if asked["QueryString"].startswith("UNLOAD"):
            bucket, _, folder = asked["QueryString"].split("TO 's3://")[1].split("'")[0].partition("/")
            for name, content in self.files.items():
                self._s3.put_object(Bucket=bucket, Key=folder + name, Body=content)
        return 200, {"QueryExecutionId": id_}

    def _GetQueryExecution(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        self.on_poll()
        id_ = asked["QueryExecutionId"]
        return 200, {
            "QueryExecution": {
                "QueryExecutionId": id_,
                "Status": self._states[id_],
                "Statistics": {"DataScannedInBytes": self.bytes_scanned},
                "ResultConfiguration": {"OutputLocation": f"{self.location}{id_}.csv"} if self.location else {},
            }
        }

    def _StopQueryExecution(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        self.stopped.append(asked["QueryExecutionId"])
        return 200, {}


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


def as_athena_writes(rows: pa.Table) -> bytes:
    """A Parquet file as Athena's: instants in 96 bits."""
    target = BytesIO()
    pq.write_table(rows, target, use_deprecated_int96_timestamps=True, store_schema=False, compression="zstd")
    return target.getvalue()
