"""What to ask of the Web API now: decisions alone, as functions of what is known. Asking is in `pulls.py`.

The limits follow what is published and observed of Spotify's quota in development mode: a few hundred calls a day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from spotifriend_dagster.collecting.records import PullRecord

DENIED_FOR = timedelta(days=30)
"""How long an endpoint that was denied is not asked again."""
GOOD_FOR = timedelta(days=90)
"""How long a look-up is good for, one that found nothing included."""
LIBRARY_EVERY = timedelta(days=7)
"""How often a library that is too large for a day's budget is tried as a whole."""
POLLED_PLAYS = 50

_SPOTIFY_ID = re.compile(r"[0-9A-Za-z]{22}")


def is_spotify_id(text: object) -> bool:
    """Whether it is an id of Spotify's catalogue: local files, and what else has a URI, have none."""
    return isinstance(text, str) and _SPOTIFY_ID.fullmatch(text) is not None


def calls_left(budget: int, calls_today: int, now: datetime, *, is_poll: bool) -> int:
    """How many calls may still be made today: for polls all that is left, for all else less what polls will need.

    Args:
        budget: calls of one listener in one UTC day.
        calls_today: those that were made.
        now: an instant; polls need one call for each hour of its UTC day that is still to come.
        is_poll: whether it is recently-played that asks: a play that is not polled in time is lost.
    """
    reserve = 0 if is_poll else 24 - now.astimezone(UTC).hour
    return max(budget - calls_today - reserve, 0)


def stop_in_force(stops: Iterable[PullRecord], source: str, now: datetime, *, is_poll: bool) -> PullRecord | None:
    """The stop that forbids to ask for a source now: the one that lasts longest; None where nothing does.

    Spotify counts an app's calls in buckets of endpoints, unpublished. So a poll heeds only what stopped polls, as a
    play that is not polled in time is lost; all else heeds every stop.

    Args:
        stops: records with `retry_at`, of all listeners: the quota is of the app.
        source: what is to be asked for.
        now: an instant.
        is_poll: whether `source` is recently-played.
    """
    in_force = [
        stop for stop in stops if stop.retry_at and stop.retry_at > now and (not is_poll or stop.source == source)
    ]
    return max(in_force, key=lambda stop: stop.retry_at or now, default=None)


@dataclass(frozen=True)
class DuePlaylist:
    """A playlist whose content is to be pulled, and the snapshot that it has."""

    id: str
    snapshot_id: str | None


def playlists_due(
    playlists: Iterable[Any], own_id: str | None, held: Mapping[str, str | None], refused: Set[str]
) -> list[DuePlaylist]:
    """The playlists whose content is to be pulled: own and collaborative ones that changed since they were pulled.

    Args:
        playlists: the listener's playlists, as the Web API describes them.
        own_id: the listener's id as owner of playlists; where it is not known, no playlist is their own.
        held: the snapshot of each playlist's last pull, by its id.
        refused: the ids of those whose content was denied.
    """
    due = {}
    for playlist in playlists:
        if not isinstance(playlist, dict) or not isinstance(id_ := playlist.get("id"), str):
            continue
        owner = playlist.get("owner")
        is_own = own_id is not None and isinstance(owner, dict) and owner.get("id") == own_id
        if (is_own or playlist.get("collaborative") is True) and id_ not in refused:
            snapshot_id = playlist.get("snapshot_id")
            if id_ not in held or held[id_] != snapshot_id or snapshot_id is None:
                due[id_] = DuePlaylist(id_, snapshot_id)
    return list(due.values())


SavedTrack = tuple[str, str]
"""When a song was saved, as received, and its URI: together they name one saving."""


@dataclass(frozen=True)
class Library:
    """What is known of the saved tracks: how many there are, and the newest of them."""

    total: int
    newest: frozenset[SavedTrack]


class LibraryWalk:
    """Decides page by page, newest first, how much of the saved tracks is to be pulled.

    With what is `known` from the last pull: while there are new ones, on; at the first known one the rest is known too,
    if the total is what it must be then. If not, some were removed, and only the whole library tells which.
    """

    def __init__(self, known: Library | None) -> None:
        self._known = known
        self._new = 0
        self.is_whole = known is None
        """Whether the walk goes to the end."""
        self.found: Library | None = None
        """What the first page says, for the next walk."""

    def wants_more_after(self, page: Any) -> bool:
        """Whether the page after this one is wanted, if there is one. A page that is no page is no reason to go on."""
        if not isinstance(page, dict) or not isinstance(items := page.get("items"), list):
            return False
        rows = [row for item in items if (row := _saved_track(item))]
        total = page.get("total")
        if self.found is None and isinstance(total, int):
            self.found = Library(total, frozenset(rows))
        if self._known is None or self.is_whole:
            return True
        known = [place for place, row in enumerate(rows) if row in self._known.newest]
        self._new += known[0] if known else len(rows)
        if not known:
            self.is_whole = page.get("next") is None  # nothing of what was known is left
            return True
        self.is_whole = total != self._known.total + self._new
        return self.is_whole


def _saved_track(item: Any) -> SavedTrack | None:
    if not isinstance(item, dict) or not isinstance(track := item.get("track"), dict):
        return None
    added_at, uri = item.get("added_at"), track.get("uri")
    return (added_at, uri) if isinstance(added_at, str) and isinstance(uri, str) else None


def look_ups_due(
    needed: Mapping[str, datetime], looked_up: Mapping[str, datetime], now: datetime, limit: int
) -> list[str]:
    """The ids to be looked up now, the oldest need first: never looked up, or so long ago that it may have changed.

    Args:
        needed: ids with the instant since which each is needed: its first play. What is no id of Spotify's is skipped.
        looked_up: ids with the instant of the last look-up, in vain or not. One that was looked up is needed again
            when that is no longer good.
        now: an instant.
        limit: how many at most.
    """
    since = {
        id_: looked_up[id_] + GOOD_FOR if id_ in looked_up else first
        for id_, first in needed.items()
        if is_spotify_id(id_)
    }
    due = sorted((instant, id_) for id_, instant in since.items() if instant <= now)
    return [id_ for _, id_ in due[:limit]]


@dataclass(frozen=True)
class PageNews:
    """What a page of recently-played says that the page before did not.

    `gap` is the interval, as Spotify writes instants, in which plays may be missing: the page is full, and all of it is
    newer than everything in the page before (docs/metrics.md, Completeness).
    """

    new_plays: int
    gap: tuple[str, str] | None = None


def news_of_page(page: Any, before: Any) -> PageNews:
    """What is new in a page.

    Args:
        page: the answer's body.
        before: the body of the poll before; None where there is none, and everything is new.
    """
    plays, known = set(_plays(page)), set(_plays(before))
    gap = None
    if plays and known:
        newest_before, oldest = max(known)[0], min(plays)[0]
        if len(plays) >= POLLED_PLAYS and oldest > newest_before:
            gap = (newest_before, oldest)
    return PageNews(len(plays - known), gap)


def _plays(page: Any) -> Iterator[tuple[str, str]]:
    items = page.get("items") if isinstance(page, dict) else None
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and isinstance(track := item.get("track"), dict):
            played_at, uri = item.get("played_at"), track.get("uri")
            if isinstance(played_at, str) and isinstance(uri, str):
                yield played_at, uri
