"""What an HTTP response of Spotify means: a body, or one of the errors of `errors.py`. Imported where calls are made.

Bodies of errors come as JSON in two shapes, as plain text and as pages: none of it may break the reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
import requests

from spotifriend_dagster.sources.errors import PermanentError, SourceError
from spotifriend_dagster.sources.spotify.app import SCOPES
from spotifriend_dagster.sources.spotify.errors import (
    Forbidden,
    MissingScope,
    NotAllowListed,
    NotFound,
    PremiumNeeded,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from spotifriend_dagster.sources.spotify.patience import TryAgain

_QUOTA_WINDOW_SECONDS = 24 * 3600
_SHOWN = 150
_LONG_SECRET = re.compile(r"[\w.+/~=-]{60,}")
_BAD_ID = re.compile(r"invalid.{0,10}\bid\b", re.IGNORECASE)


@contextmanager
def network_errors_named(what: str) -> Iterator[None]:
    """Turn what can happen on the way into TryAgain. `what` was asked ("Spotify", "Spotify's sign-in")."""
    try:
        yield
    except requests.Timeout:
        raise TryAgain(Unavailable(f"{what} did not answer in time")) from None
    except (requests.RequestException, OSError) as error:
        raise TryAgain(Unavailable(f"{what} cannot be reached ({_kind(error)})")) from None


def json_object(response: requests.Response, what: str) -> dict[str, Any]:
    """The body of a successful response, such as any reader of JSON takes: half a character, with which a title may end
    that was cut by bytes, becomes a replacement character.

    Raises:
        TryAgain: it is no JSON object, so it was cut off on the way or comes from somebody else.
    """
    try:
        body = _parsed(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise TryAgain(Unavailable(f"{what} answered with something that cannot be read"))
    return body


def said(response: requests.Response) -> str:
    """What the body of an error says, as one short line without anything that could be a token."""
    text = response.text
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict):
        error = body.get("error")
        parts = [error.get("message")] if isinstance(error, dict) else [error, body.get("error_description")]
        text = ": ".join(part for part in parts if isinstance(part, str))
    if text.lstrip().startswith("<"):  # a page
        text = ""
    return _LONG_SECRET.sub("…", " ".join(text.split()))[:_SHOWN] or f"status {response.status_code}"


def error_code(response: requests.Response) -> str | None:
    """The `error` of an answer of the token endpoint, such as invalid_grant."""
    try:
        body = response.json()
    except ValueError:
        return None
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None


def wait_or_stop(response: requests.Response, now: datetime, longest_wait: float, what: str) -> None:
    """Where a response says that another try may do, say so; where it says to come back much later, say when.

    Raises:
        TryAgain: too many requests for a moment, or an error on Spotify's side.
        QuotaExceeded: the quota is used up.
        RateLimited: Spotify asks to wait for longer than `longest_wait` seconds.
    """
    status = response.status_code
    if status == 408 or status >= 500:
        wait = _retry_after(response)
        error = Unavailable(f"{what} has trouble of its own (status {status})")
        raise TryAgain(error, None if wait is None else min(wait, longest_wait))
    if status == 429:
        wait = _retry_after(response)
        if "QUOTA_EXCEEDED" in response.text:
            raise QuotaExceeded(now + timedelta(seconds=_QUOTA_WINDOW_SECONDS if wait is None else wait))
        limited = RateLimited(now + timedelta(seconds=wait or longest_wait))
        if wait is not None and wait > longest_wait:
            raise limited
        raise TryAgain(limited, wait)


def refusal(response: requests.Response, endpoint: str, listener: str, scope: str | None) -> SourceError:
    """What a refusal of the Web API means, other than 401.

    Args:
        response: the response.
        endpoint: what was asked.
        listener: in whose name.
        scope: what the listener has to consent to for it; None where nothing is needed.
    """
    text, status = said(response), response.status_code
    lower = text.lower()
    if status == 403:
        if "premium" in lower:
            return PremiumNeeded()
        if "registered" in lower:
            return NotAllowListed(listener)
        if "scope" in lower and scope is not None:
            return MissingScope(listener, scope, SCOPES[scope])
    path = endpoint.partition("?")[0]
    if status in (403, 405, 410):
        return Forbidden(path, text)
    if status == 404 or (status == 400 and _BAD_ID.search(text)):
        return NotFound(path)
    return PermanentError(
        f"Spotify answered {path} with status {status} ({text}), which this version of SpotiFriend does not expect: "
        "update it, or report it."
    )


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        halves = json.dumps(json.loads(content), ensure_ascii=False)
        return orjson.loads(halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _kind(error: Exception) -> str:
    """What kind of network error it is; its own text may hold addresses with queries."""
    kinds = {
        requests.exceptions.ProxyError: "the proxy refuses",
        requests.exceptions.SSLError: "its certificate cannot be verified",
        requests.exceptions.ChunkedEncodingError: "the connection broke",
    }
    return next((text for kind, text in kinds.items() if isinstance(error, kind)), "no connection")


def _retry_after(response: requests.Response) -> float | None:
    """Seconds to wait. A date is read against the server's own clock, because this machine's may be wrong."""
    text = response.headers.get("Retry-After", "")
    try:
        return max(float(int(text)), 0)
    except ValueError:
        pass
    try:
        until, since = (parsedate_to_datetime(value) for value in (text, response.headers.get("Date", "")))
        return max((until - since).total_seconds(), 0)
    except (ValueError, TypeError):
        return None
