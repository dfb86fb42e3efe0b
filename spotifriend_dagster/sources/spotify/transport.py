"""The session under spotipy: how a call of the Web API is made, repeated, refused and read. Imports requests.

spotipy sees good answers only, less what must not be kept, and never a token: its own retries sleep for hours, its log
prints what it sees, and it fails at errors that are no JSON object.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from spotifriend_dagster.sources.spotify.errors import NotSignedIn, OverBudget
from spotifriend_dagster.sources.spotify.patience import Patience, patiently
from spotifriend_dagster.sources.spotify.responses import json_object, network_errors_named, refusal, wait_or_stop

_WHAT = "Spotify"


class Bearer(Protocol):
    """Who has an access token."""

    listener: str

    def access_token(self) -> str:
        """One that should be good."""

    def renew(self) -> None:
        """Get another one, or raise why there is none."""


@dataclass
class Received:
    """What spotipy uses of a response: here it is good, and read."""

    body: Any

    def raise_for_status(self) -> None:
        """Nothing: a bad response never gets here."""

    def json(self) -> Any:
        """The body."""
        return self.body


class PatientSession(requests.Session):
    """A session in one listener's name, with a budget.

    Attributes:
        scope: what the next call needs the listener's consent to; None where nothing is needed.
        deadline: when the present pull must have ended, as the patience's `monotonic` counts.
        endpoint: the path with query of the last call, without its host.
        calls: how many calls were made; `retries` of them repeated one that had failed.
        clock_off: by how much this machine's clock is ahead of Spotify's, as the last answer says; None where none did.
    """

    def __init__(
        self,
        bearer: Bearer,
        budget: int,
        now: Callable[[], datetime],
        patience: Patience,
        read_body: Callable[[dict[str, Any]], Any],
    ) -> None:
        super().__init__()
        self._bearer, self._budget, self._now, self._patience = bearer, budget, now, patience
        self._read_body = read_body
        self.scope: str | None = None
        self.deadline = patience.deadline()
        self.endpoint = ""
        self.calls = 0
        self.retries = 0
        self.clock_off: timedelta | None = None

    def request(self, method: str, url: str, params: Any = None, **_: Any) -> Received:  # type: ignore[override]
        """The answer to a call, tried a few times.

        Raises:
            SourceError: there is none; see `errors.py`.
        """
        before = self.calls

        def attempt() -> dict[str, Any]:
            response = self._sent(method, url, params)
            if response.status_code == 401:
                self._bearer.renew()
                response = self._sent(method, url, params)
            if 200 <= response.status_code < 300:
                return json_object(response, _WHAT)
            if response.status_code == 401:
                raise NotSignedIn(self._bearer.listener, "is refused by Spotify, although just let in again")
            wait_or_stop(response, self._now(), self._patience.longest_wait, _WHAT)
            raise refusal(response, self.endpoint, self._bearer.listener, self.scope)

        try:
            body = patiently(attempt, self._patience, self.deadline)
        finally:
            self.retries += max(self.calls - before - 1, 0)
        return Received(self._read_body(body))

    def _sent(self, method: str, url: str, params: Any) -> requests.Response:
        if self.calls >= self._budget:
            midnight = self._now().replace(hour=0, minute=0, second=0, microsecond=0)
            raise OverBudget(self._bearer.listener, midnight + timedelta(days=1))
        token = self._bearer.access_token()

        def authorized(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {token}"
            parts = urlsplit(request.url or "")
            self.endpoint = f"{parts.path}?{parts.query}" if parts.query else parts.path
            return request

        self.calls += 1
        with network_errors_named(_WHAT):
            response = super().request(
                method,
                url,
                params=params,
                auth=authorized,
                allow_redirects=False,
                timeout=(self._patience.connect, self._patience.read),
            )
        with suppress(KeyError, ValueError):  # an answer need not say when it was given
            self.clock_off = self._now() - parsedate_to_datetime(response.headers["Date"])
        return response
