"""AWS on this machine: moto's server in this process, with a log of what was asked, and faults on demand.

What moto leaves out of Glue is in `glue.py`; an Athena that executes is in `athena.py`.
"""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from spotifriend_dagster_tests.aws.athena import Athena, Engine, executing_athena
from spotifriend_dagster_tests.aws.duckdb_engine import DuckDBEngine
from spotifriend_dagster_tests.aws.glue import glue_as_it_is

REGION = "eu-central-1"
BUCKET = "lake-of-tests"
DATABASE = "spotifriend"
WORKGROUP = "spotifriend"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Request:
    """What was asked: `PutObject` of `s3` and the like; `key` is the object's key, or a listing's prefix.

    `who` is the access key that it was signed by.
    """

    service: str
    operation: str
    key: str = ""
    who: str = field(default="", compare=False)


@dataclass
class Fault:
    """What is answered instead, so many times, to requests that it is for.

    A fault whose answer is lost strikes after AWS did what was asked, and only its answer does not arrive.
    """

    is_for: Callable[[Request], bool]
    status: int
    code: str
    times: int
    is_answer_lost: bool = False


def every_third(*operations: str, key: str = "") -> Callable[[Request], bool]:
    """Every third request of S3 that is one of these operations, on keys with this text.

    Of one key and operation two fail at most: with two such faults at once, and however the requests of several threads
    fall, none fails as often as it is repeated.
    """
    numbers, failed = itertools.count(), Counter[tuple[str, str]]()

    def is_for(asked: Request) -> bool:
        if asked.service != "s3" or asked.operation not in operations or key not in asked.key:
            return False
        what = (asked.operation, asked.key)
        is_due = not next(numbers) % 3 and failed[what] < 2
        failed[what] += is_due
        return is_due

    return is_for


@dataclass
class AwsServer:
    """A running AWS: S3, Glue, SSM, STS by moto, and an Athena that executes."""

    url: str
    athena: Athena
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to talk to this AWS, and to no other."""
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL": self.url}

    def fail(
        self,
        operation: str,
        *,
        status: int,
        code: str,
        times: int = 1,
        key: str = "",
        is_answer_lost: bool = False,
    ) -> Fault:
        """Answer the next requests of an operation, for keys that hold `key`, with an error."""
        fault = Fault(lambda asked: asked.operation == operation and key in asked.key, status, code, times)
        fault.is_answer_lost = is_answer_lost
        self.faults.append(fault)
        return fault

    def renew(self) -> None:
        """Be new and empty again, for whoever keeps it longer than a test."""
        self.requests.clear()
        self.faults.clear()
        _reset()
        _furnish()

    def counted(self, service: str, since: int = 0) -> Counter[str]:
        """How often each operation of a service was asked for, from the request of that number on."""
        return Counter(asked.operation for asked in self.requests[since:] if asked.service == service)


@contextmanager
def aws_server(engine: Callable[[str], Engine] | None = None) -> Iterator[AwsServer]:
    """A new and empty AWS, with a bucket, a database and a workgroup.

    moto keeps its state for the whole process: there is one at a time.

    Args:
        engine: what runs Athena's queries, made for the server's URL; DuckDB by default.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    with ExitStack() as stack:
        stack.enter_context(glue_as_it_is())
        athena = stack.enter_context(executing_athena())
        server = AwsServer("", athena)
        moto = _Server(server)
        moto.start()
        stack.callback(moto.stop)
        host, port = moto.get_host_and_port()
        server.url = f"http://{host}:{port}"
        _reset()
        _furnish()
        athena.engine = engine(server.url) if engine else DuckDBEngine(REGION)
        yield server
        athena.close()


class _Server(ThreadedMotoServer):
    def __init__(self, server: AwsServer) -> None:
        super().__init__("127.0.0.1", 0, verbose=False)
        self._wrapped = server

    def _server_entry(self) -> None:
        moto = DomainDispatcherApplication(create_backend_app)
        app = _Overheard(moto, self._wrapped)
        self._server = make_server(self._ip_address, self._port, app, threaded=True, request_handler=None)
        self._server_ready_event.set()
        self._server.serve_forever()


class _Overheard:
    """moto's application, with every request noted, and faults in the place of answers."""

    def __init__(self, moto: Any, server: AwsServer) -> None:
        self._moto = moto
        self._server = server
        self._lock = threading.Lock()
        self._conditions = threading.Lock()  # between looking and writing, moto lets others write

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        signed = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
        asked = replace(_request_of(environ), who=signed.partition("/")[0])
        with self._lock:
            self._server.requests.append(asked)
            fault = next((each for each in self._server.faults if each.times and each.is_for(asked)), None)
            if fault:
                fault.times -= 1
        if fault is None:
            is_conditional = "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ
            with self._conditions if is_conditional else nullcontext():
                return self._moto(environ, start_response)
        if fault.is_answer_lost:
            b"".join(self._moto(environ, lambda *_: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body, kind = _error(asked.service, fault.code)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response(f"{fault.status} {fault.code}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


def _request_of(environ: dict[str, Any]) -> Request:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        service, _, operation = target.rpartition(".")
        named = {"AWSGlue": "glue", "AmazonAthena": "athena", "AmazonSSM": "ssm"}
        return Request(named.get(service, service), operation)
    scope = environ.get("HTTP_AUTHORIZATION", "")
    if "/s3/" not in scope:
        return Request("sts" if "/sts/" in scope else "", "")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    key = unquote(environ.get("PATH_INFO", "")).lstrip("/").partition("/")[2]
    if environ["REQUEST_METHOD"] == "GET" and not key and ("list-type" in query or not query):
        return Request("s3", "ListObjectsV2", query.get("prefix", [""])[0])
    return Request("s3", _operation(environ["REQUEST_METHOD"], key, query, environ), key)


def _operation(method: str, key: str, query: dict[str, list[str]], environ: dict[str, Any]) -> str:
    if method == "POST":
        known = {"delete": "DeleteObjects", "uploads": "CreateMultipartUpload", "uploadId": "CompleteMultipartUpload"}
        return next((name for parameter, name in known.items() if parameter in query), "PostObject")
    if method == "PUT" and "partNumber" in query:
        return "UploadPart"
    if method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "CopyObject"
    noun = "Object" if key else "Bucket"
    verb = {"GET": "Get", "PUT": "Put", "HEAD": "Head", "DELETE": "Delete"}[method]
    return verb + noun


def _error(service: str, code: str) -> tuple[bytes, str]:
    said = f"{code}, as the test wanted it."
    if service == "s3":
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{said}</Message></Error>'
        return text.encode(), "application/xml"
    return json.dumps({"__type": code, "message": said}).encode(), "application/x-amz-json-1.1"


def _reset() -> None:
    from moto.moto_api._internal import moto_api_backend

    moto_api_backend.reset()


def _furnish() -> None:
    """A bucket, a database and a workgroup, straight into moto."""
    from moto.athena.models import athena_backends
    from moto.glue.models import glue_backends
    from moto.s3.models import s3_backends

    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(BUCKET, REGION)
    glue_backends[DEFAULT_ACCOUNT_ID][REGION].create_database(DATABASE, {"Name": DATABASE})
    output = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/athena-results/"}}
    athena_backends[DEFAULT_ACCOUNT_ID][REGION].create_work_group(WORKGROUP, output, "", [])
