"""AWS on this machine: one moto server in this process, what an account of its own holds, and faults on the way there.

What moto leaves out of Glue is added here: UpdateTable minds the version that it is told.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import botocore.awsrequest
import requests
from moto.core.exceptions import JsonRESTError
from moto.glue.responses import GlueResponse
from moto.server import ThreadedMotoServer

from spotifriend_dagster.lake.aws import AwsClients

REGION = "eu-central-1"
BUCKET = "the-lake"
DATABASE = "spotifriend"
WORKGROUP = "spotifriend"
RESULTS = "the-results"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_AS_MOTO_UPDATES = GlueResponse.update_table
_UPDATING = threading.Lock()


def _update_table(response: GlueResponse) -> Any:
    """As Glue does: of two who change the same version of a table, one is refused."""
    with _UPDATING:
        expected = response.parameters.get("VersionId")
        name = response.parameters["TableInput"]["Name"]
        table = response.glue_backend.get_table(response.parameters["DatabaseName"], name)
        if expected not in (None, table.as_dict()["VersionId"]):
            sentence = "Update table failed due to concurrent modifications."
            raise JsonRESTError("ConcurrentModificationException", sentence)
        return _AS_MOTO_UPDATES(response)


@contextmanager
def moto_server() -> Iterator[str]:
    """A running server; gives its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    GlueResponse.update_table = _update_table
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    GlueResponse.update_table = _AS_MOTO_UPDATES


def new_account(address: str, clients: AwsClients) -> None:
    """Forget everything; then there are a bucket, a database, and a workgroup whose results go to another bucket."""
    requests.post(f"{address}/moto-api/reset", timeout=10).raise_for_status()
    here = {"LocationConstraint": REGION}
    for bucket in (BUCKET, RESULTS):
        clients.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=here)
    clients.client("glue").create_database(DatabaseInput={"Name": DATABASE})
    clients.client("athena").create_work_group(
        Name=WORKGROUP,
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{RESULTS}/athena/"}},
    )


@dataclass(frozen=True)
class _Fault:
    status: int = 200
    body: str = ""
    error: Exception | None = None
    is_let_through: bool = False


class Faults:
    """What a client gets instead of the server's answers, by operation, in the order in which it was put.

    Once they are ended, the client gets the server's answers.
    """

    def __init__(self, clients: AwsClients, service: str) -> None:
        self.asked: list[str] = []
        """The operations that were sent, repeats included."""
        self._service = service
        self._waiting: dict[str, list[_Fault]] = defaultdict(list)
        self._events = clients.client(service).meta.events
        self._events.register(f"before-send.{service}", self._instead)

    def end(self) -> None:
        """Stand in the way no longer."""
        self._events.unregister(f"before-send.{self._service}", self._instead)

    def put(self, operation: str, status: int, code: str, message: str = "No.", times: int = 1) -> None:
        """Answer with an error of AWS, `times` times."""
        self._waiting[operation] += [_Fault(status, self._error(code, message))] * times

    def put_body(self, operation: str, status: int, body: str) -> None:
        """Answer so."""
        self._waiting[operation].append(_Fault(status, body))

    def raise_(self, operation: str, error: Exception, times: int = 1) -> None:
        """Fail before an answer comes, `times` times."""
        self._waiting[operation] += [_Fault(error=error)] * times

    def lose(self, operation: str, status: int, code: str) -> None:
        """Let the request through, and answer with an error of AWS all the same."""
        body = self._error(code, "The answer was lost.")
        self._waiting[operation].append(_Fault(status, body, is_let_through=True))

    def _error(self, code: str, message: str) -> str:
        if self._service == "s3":
            return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return json.dumps({"__type": code, "message": message})

    def _instead(self, request: Any, event_name: str, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        self.asked.append(operation)
        if not self._waiting[operation]:
            return None
        fault = self._waiting[operation].pop(0)
        if fault.error:
            raise fault.error
        if fault.is_let_through:
            headers = {name: _text(value) for name, value in request.headers.items()}
            requests.request(request.method, request.url, data=request.body, headers=headers, timeout=10)
        body = b"" if request.method == "HEAD" else fault.body.encode()
        return botocore.awsrequest.AWSResponse(request.url, fault.status, {}, _Raw(body))


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value
