"""What the Web API's recently-played knows of a truth, and answers at an instant.

Exports are in `exports.py`, the objects in `objects.py`, a server that can be asked in `spotify/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.objects import Objects

PATH = "me/player/recently-played"
PAGE_PLAYS = 50
LEAST_MS = 30_000
"""Shorter plays are not told."""
_HOUR = timedelta(hours=1)
_LOOK_BACK = 400  # plays among which the newest 50 are looked for first: offline ones in between are not yet known


def poll_answers(
    truth: Truth, first: datetime, last: datetime, every: timedelta = _HOUR
) -> Iterator[tuple[pd.Timestamp, dict[str, Any]]]:
    """The answer to a poll at `first`, and from then on at each `every`, up to and including `last`.

    Args:
        truth: what really happened.
        first: the first poll, UTC-aware.
        last: no poll is later, UTC-aware.
        every: the time between two polls.

    Yields:
        The instant and the answer, as `answers_at` gives it.
    """
    return answers_at(truth, pd.date_range(first, last, freq=every))


def answers_at(truth: Truth, instants: Iterable[datetime]) -> Iterator[tuple[pd.Timestamp, dict[str, Any]]]:
    """The answer of recently-played at each instant (UTC-aware, in any order).

    An answer holds the newest 50 plays that Spotify knows of then: tracks of at least 30 s, none of a private session.
    `played_at` is about the end of the play, pauses included; plays without a connection are known later, with their
    own times.

    Yields:
        The instant and the answer's body. A play is one object in all answers that hold it: not to be changed.
    """
    recently_played = RecentlyPlayed(polled_plays(truth), Objects(truth.catalogue))
    for instant in instants:
        now = pd.Timestamp(instant)
        yield now, recently_played.answer(now)


def polled_plays(truth: Truth) -> pd.DataFrame:
    """Every play that the Web API ever knows of, by `played_at`.

    Returns:
        event (the index in `truth.events`), played_at, known_at and known_until (UTC, in milliseconds; no
        `known_until` where it is known for good), context_uri, and shown: the row of `catalogue.releases` that the API
        names. Now and then that is another release of the recording than the
        one that was played, and that the exports name.
    """
    events = truth.events
    events = events.loc[(events["media"] == "track") & (events["ms_played"] >= LEAST_MS) & ~events["is_private"]]
    rng = np.random.default_rng([truth.seed, 5])
    # Drawn for all plays, so that a play has its own draw.
    delay = rng.integers(0, 1200, len(truth.events))[events.index]
    is_relinked = rng.random(len(truth.catalogue.releases)) < 0.1
    release, recording = events["release"].to_numpy(), events["recording"].to_numpy()
    played_at = events["stopped_at"] + delay.astype("timedelta64[ms]")
    plays = pd.DataFrame(
        {
            "event": events.index,
            "played_at": played_at,
            "known_at": events["reported_at"].where(events["reported_at"] > played_at, played_at),
            "known_until": pd.Series(pd.NaT, events.index, dtype="datetime64[ms, UTC]"),
            "context_uri": events["context_uri"],
            "shown": np.where(is_relinked[release], recording, release),
        }
    )
    return plays.sort_values(["played_at", "event"], ignore_index=True)


class RecentlyPlayed:
    """Answers of recently-played to one listener, from plays as `polled_plays` gives them.

    A play is one object in all answers that hold it: not to be changed.
    """

    def __init__(self, plays: pd.DataFrame, objects: Objects) -> None:
        plays = plays.sort_values(["played_at", "event"], ignore_index=True)
        instants = plays[["played_at", "known_at", "known_until"]].to_numpy(dtype="datetime64[ms]").T
        self._played_at, self._known_at, self._known_until = instants
        self._written = np.datetime_as_string(self._played_at, timezone="UTC")
        self._said = {name: plays[name].tolist() for name in ("shown", "context_uri")}
        self._objects = objects
        self._items: dict[int, dict[str, Any]] = {}

    def answer(
        self, now: datetime, limit: int = PAGE_PLAYS, *, before: int | None = None, after: int | None = None
    ) -> dict[str, Any]:
        """The newest plays of the 50 that can be had at `now` (UTC-aware).

        Args:
            now: when it is asked.
            limit: how many at most, up to 50.
            before: only plays before this instant, in milliseconds of Unix time.
            after: only plays after this instant, in milliseconds of Unix time.
        """
        places = self._newest(np.datetime64(int(now.timestamp() * 1000), "ms"))
        epoch_ms = self._played_at[places].astype("int64")
        if before is not None:
            places = places[epoch_ms < before]
        elif after is not None:
            places = places[epoch_ms > after]
        return self._page(places[:limit].tolist(), limit, after)

    def _newest(self, at: np.datetime64) -> np.ndarray:
        """The places of the 50 newest plays that are known, newest first."""
        end = int(np.searchsorted(self._played_at, at, side="right"))
        begin = max(end - _LOOK_BACK, 0)
        known = begin + np.flatnonzero(self._is_known(begin, end, at))
        if len(known) < PAGE_PLAYS:
            known = np.flatnonzero(self._is_known(0, end, at))
        return known[: -PAGE_PLAYS - 1 : -1]

    def _is_known(self, begin: int, end: int, at: np.datetime64) -> np.ndarray:
        is_forgotten = self._known_until[begin:end] <= at  # false where there is no such instant
        return np.asarray((self._known_at[begin:end] <= at) & ~is_forgotten)

    def _page(self, places: list[int], limit: int, after: int | None) -> dict[str, Any]:
        address, cursors, next_ = f"{self._objects.api_url}{PATH}", None, None
        if places:
            newest, oldest = self._played_at[[places[0], places[-1]]].astype("int64").tolist()
            cursors = {"after": str(newest), "before": str(oldest)}
            onwards = f"before={oldest}" if after is None else f"after={newest}"
            next_ = f"{address}?{onwards}&limit={limit}"
        return {
            "items": [self._item(place) for place in places],
            "next": next_,
            "cursors": cursors,
            "limit": limit,
            "href": f"{address}?limit={limit}",
        }

    def _item(self, place: int) -> dict[str, Any]:
        if place not in self._items:
            context = self._said["context_uri"][place]
            named = ("uri", "type", "href", "external_urls")
            self._items[place] = {
                "track": self._objects.track(self._said["shown"][place]),
                "played_at": str(self._written[place]),
                "context": self._objects.reference(context, *named) if isinstance(context, str) else None,
            }
        return self._items[place]
