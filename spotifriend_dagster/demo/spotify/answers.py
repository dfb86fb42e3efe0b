"""What is sent over HTTP: answers, and the errors in Spotify's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """The status, body and headers of an answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An answer that ends the work on a request."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body[:200]!r}")
        self.answer = answer


def json_answer(body: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(status, orjson.dumps(body))


def text_answer(status: int, text: str) -> Answer:
    """An answer in plain text."""
    return Answer(status, text.encode(), TEXT)


def api_error(status: int, message: str, **headers: str) -> Answer:
    """An error of the Web API."""
    return Answer(status, orjson.dumps({"error": {"status": status, "message": message}}), headers=headers)


def token_error(error: str, description: str) -> Answer:
    """An error of the token endpoint."""
    return Answer(400, orjson.dumps({"error": error, "error_description": description}))
