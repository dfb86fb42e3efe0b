"""What goes wrong on request: rules that make the next answers to some requests late, broken or missing.

Plays that come late or change are in `demo/mishaps.py`: they are what Spotify knows, not how it answers.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from typing import Any

from spotifriend_dagster.demo.spotify.answers import Answer, api_error, json_answer, text_answer


@dataclass(frozen=True)
class Fault:
    """What happens to a request.

    Attributes:
        answer: sent in place of the true answer; the true one where None.
        seconds: of real time to wait before.
        is_cut: whether only the first half of the body is sent, as if it were whole.
        is_dropped: whether the connection is closed without an answer.
    """

    answer: Answer | None = None
    seconds: float = 0.0
    is_cut: bool = False
    is_dropped: bool = False

    @classmethod
    def rate_limited(cls, retry_after: int | None = 2) -> Fault:
        """429 of the rate limit, with the seconds to wait, or without."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls(api_error(429, "Too many requests", **headers))

    @classmethod
    def quota_exceeded(cls, hours: float = 14.0) -> Fault:
        """429 of the developer account's quota: hours to wait."""
        body = {"error": {"status": 429, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}}
        return cls(replace(json_answer(body, 429), headers={"Retry-After": str(round(hours * 3600))}))

    @classmethod
    def server_error(cls, status: int = 503) -> Fault:
        """500, 502, 503 or 504."""
        return cls(api_error(status, {500: "Server error.", 502: "Bad gateway."}.get(status, "Service unavailable")))

    @classmethod
    def refused(cls, text: str, status: int = 403) -> Fault:
        """A refusal in plain text."""
        return cls(text_answer(status, text))

    @classmethod
    def sent(cls, body: Any, status: int = 200) -> Fault:
        """Any JSON with any status."""
        return cls(json_answer(body, status))

    @classmethod
    def broken_json(cls) -> Fault:
        """The first half of the true answer."""
        return cls(is_cut=True)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """The true answer, late."""
        return cls(seconds=seconds)

    @classmethod
    def dropped(cls) -> Fault:
        """No answer: the connection is closed."""
        return cls(is_dropped=True)


@dataclass
class _Rule:
    pattern: re.Pattern[str]
    fault: Fault
    times: int | None
    skip: int
    listener: str | None


class Faults:
    """Rules, of which the first that applies to a request is used."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def add(
        self, pattern: str, fault: Fault, times: int | None = 1, *, skip: int = 0, listener: str | None = None
    ) -> None:
        """Let a fault happen.

        Args:
            pattern: a regular expression to be found in the path with its query, as in `/me/top/tracks.*offset=50`.
            fault: what happens.
            times: how often; None for always.
            skip: how many requests that match go well before.
            listener: whose requests; None for everybody's. The token endpoint is asked by nobody.
        """
        with self._lock:
            self._rules.append(_Rule(re.compile(pattern), fault, times, skip, listener))

    def clear(self) -> None:
        """Let all go well from now on."""
        with self._lock:
            self._rules.clear()

    def take(self, target: str, listener: str | None) -> Fault | None:
        """The fault for this request, counted as used."""
        with self._lock:
            for rule in self._rules:
                if rule.times == 0 or rule.listener not in (None, listener) or not rule.pattern.search(target):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None
