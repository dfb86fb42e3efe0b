"""What the Web API answers, endpoint by endpoint. Who may ask is in `web_api.py`."""

from __future__ import annotations

from typing import Any

from spotifriend_dagster.demo.spotify.answers import Refusal, api_error
from spotifriend_dagster.demo.spotify.web_api import MOST_ITEMS, Call, Endpoint


def _me(call: Call) -> Any:
    return call.listener.profile(call.scopes)


def _recently_played(call: Call) -> Any:
    if {"before", "after"} <= call.query.keys():
        raise Refusal(api_error(400, "Only one of before and after may be given"))
    limit = call.number("limit", 20, 1, MOST_ITEMS)
    cursors = {name: call.number(name, 0, 0, 10**15) for name in ("before", "after") if name in call.query}
    return call.listener.recently_played.answer(call.now, limit, **cursors)


ENDPOINTS = (
    Endpoint("me", _me),
    Endpoint("me/player/recently-played", _recently_played, "user-read-recently-played"),
)
