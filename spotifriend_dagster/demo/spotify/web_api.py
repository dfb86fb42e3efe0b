"""The Web API's door: who may ask, what exists in which dialect, and pages. What is behind it is in `endpoints.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from spotifriend_dagster.demo.objects import Dialect, Objects
from spotifriend_dagster.demo.spotify.answers import Answer, Refusal, api_error, json_answer, text_answer
from spotifriend_dagster.demo.spotify.people import Listener

NO_PREMIUM = (
    "Active premium subscription required for the owner of the app. When the subscription status changes, it can take "
    "a few hours before requests are allowed again."
)
NOT_ALLOW_LISTED = "Check settings on developer.spotify.com/dashboard, the user may not be registered."
MOST_ITEMS = 50


@dataclass(frozen=True)
class Call:
    """A request that may be answered.

    Attributes:
        listener: whose token it bears.
        scopes: what that listener agreed to.
        address: without its query.
        query: its parameters.
        now: when it is asked (UTC-aware).
        catalogues: where an id may be found.
    """

    listener: Listener
    scopes: frozenset[str]
    address: str
    query: Mapping[str, str]
    now: datetime
    catalogues: Collection[Objects]

    @property
    def is_extended(self) -> bool:
        """Whether the app has extended quota."""
        return self.listener.objects.is_extended

    def elsewhere(self, address: str) -> Call:
        """The same call, without its query, of another address."""
        return replace(self, address=address, query={})

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A parameter that is a number, or 400."""
        said = self.query.get(name, str(default))
        if not said.isascii() or not said.isdigit() or not least <= int(said) <= most:
            raise Refusal(api_error(400, f"Invalid {name}"))
        return int(said)

    def at(self, **changed: object) -> str:
        """The address of this call, with parameters changed."""
        said = dict(self.query) | {name: str(value) for name, value in changed.items()}
        return f"{self.address}?{urlencode(said)}" if said else self.address


def page(
    call: Call, rows: Sequence[Any], write: Callable[[Any], Any], *, limit: int = 20, most: int = MOST_ITEMS
) -> Any:
    """A page by offset of what `write` makes of the rows; `limit` is the default, `most` the highest."""
    limit = call.number("limit", limit, 1, most)
    offset = call.number("offset", 0, 0, 100_000)
    before = max(offset - limit, 0)
    return {
        "href": call.at(offset=offset, limit=limit),
        "items": [write(row) for row in rows[offset : offset + limit]],
        "limit": limit,
        "next": call.at(offset=offset + limit, limit=limit) if offset + limit < len(rows) else None,
        "offset": offset,
        "previous": call.at(offset=before, limit=limit) if offset else None,
        "total": len(rows),
    }


@dataclass(frozen=True)
class Endpoint:
    """A path below /v1 that can be asked.

    Attributes:
        path: a regular expression for all of it; its groups are given to `answer`.
        answer: makes the body.
        scope: without which it is refused.
        is_removed: whether an app in development mode is refused.
    """

    path: str
    answer: Callable[..., Any]
    scope: str | None = None
    is_removed: bool = False


class WebApi:
    """The endpoints, for apps in one dialect; `owner_has_premium` is about the owner of the app."""

    def __init__(
        self, endpoints: tuple[Endpoint, ...], dialect: Dialect, api_url: str, catalogues: Collection[Objects]
    ) -> None:
        self.owner_has_premium = True
        self._catalogues = catalogues
        self._endpoints = [(re.compile(endpoint.path), endpoint) for endpoint in endpoints]
        self._is_reduced = dialect == "development"
        self._api_url = api_url

    def answer(
        self, path: str, query: Mapping[str, str], listener: Listener, scopes: frozenset[str], now: datetime
    ) -> Answer:
        """The answer to a GET of a path below /v1 by an app that bears a listener's token, good for `scopes`.

        Raises:
            Refusal: with Spotify's answer to what may not be had, or is not there.
        """
        if self._is_reduced and not self.owner_has_premium:
            raise Refusal(text_answer(403, NO_PREMIUM))
        if self._is_reduced and not listener.is_allow_listed:
            raise Refusal(text_answer(403, NOT_ALLOW_LISTED))
        path = path.strip("/")
        for pattern, endpoint in self._endpoints:
            if match := pattern.fullmatch(path):
                if self._is_reduced and endpoint.is_removed:
                    raise Refusal(api_error(403, "Forbidden"))
                if endpoint.scope is not None and endpoint.scope not in scopes:
                    raise Refusal(api_error(403, "Insufficient client scope"))
                call = Call(listener, scopes, f"{self._api_url}{path}", query, now, self._catalogues)
                return json_answer(endpoint.answer(call, *match.groups()))
        raise Refusal(api_error(404, "Service not found"))
