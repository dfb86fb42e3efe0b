"""What a client of AWS gets instead of its server's answers: by botocore's own events, on the way to the server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import botocore.awsrequest
import requests

from spotifriend_dagster.lake.aws import AwsClients


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

    def clear(self) -> None:
        """Forget what was put, and what was asked."""
        self._waiting.clear()
        self.asked.clear()

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
