"""Which tracks, artists and albums the lake's plays name, and which of them were looked up.

The one loop in the data's way: look-ups take their ids from what was cleaned before. Which are due is in `plans.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from spotifriend_dagster.collecting.plans import GOOD_FOR
from spotifriend_dagster.lake.catalog import Catalog
from spotifriend_dagster.lake.engine import Engine
from spotifriend_dagster.lake.pulls import pulls_of_day, read_pull
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import ALBUMS, ARTISTS, AUDIO_FEATURES, TRACKS

_ASKED_FOR = re.compile(r"/?(?:v1/)?(?:tracks|artists|albums)/([^/?]+)|.*[?&]ids=([^&]+)")
_CLEANED = {
    TRACKS.name: ("tracks", "track_id"),
    ARTISTS.name: ("artists", "artist_id"),
    ALBUMS.name: ("albums", "album_id"),
    AUDIO_FEATURES.name: None,
}
"""By raw table, the cleaned table of its look-ups, and the id's column there."""


class Needs:
    """The ids that one listener's plays need, each with the instant (UTC) of the first play that names it."""

    def __init__(self, engine: Engine, catalog: Catalog, storage: Storage, listener: str, now: datetime) -> None:
        self._engine = engine
        self._catalog = catalog
        self._storage = storage
        self._listener = listener
        self._now = now

    @cached_property
    def tracks(self) -> Mapping[str, datetime]:
        """The tracks that were played. What has no URI of Spotify's catalogue is none of them."""
        played = self._rows("plays", "track_uri, MIN(started_at) AS first_at", "GROUP BY track_uri")
        return _first((_id_of(row["track_uri"], "track"), row["first_at"]) for row in played)

    @cached_property
    def artists(self) -> Mapping[str, datetime]:
        """The artists of those tracks: polled plays name them, and look-ups of tracks do for all others."""
        polled = self._rows("recent_plays", "artist_ids, played_at")
        of_polls = [(id_, row["played_at"]) for row in polled for id_ in row["artist_ids"] or ()]
        of_tracks = [
            (id_, self.tracks[row["track_id"]])
            for row in self._tracks_known
            if row["track_id"] in self.tracks
            for id_ in row["artist_ids"] or ()
        ]
        return _first([*of_polls, *of_tracks])

    @cached_property
    def albums(self) -> Mapping[str, datetime]:
        """The albums of those tracks, as far as the tracks were looked up."""
        known = [row for row in self._tracks_known if row["track_id"] in self.tracks]
        return _first((row["album_id"], self.tracks[row["track_id"]]) for row in known)

    def looked_up(self, table: Table) -> dict[str, datetime]:
        """The ids that were asked for, each with the last time (UTC): those that are still good, and older ones where
        they are cleaned.

        Args:
            table: the raw table of the look-ups.

        Raises:
            UnreadableFile: a raw object is damaged.
        """
        found: dict[str, datetime] = {}
        if cleaned := _CLEANED[table.name]:
            name, id_ = cleaned
            for row in self._rows(name, f"{id_}, MAX(pulled_at) AS pulled_at", f"GROUP BY {id_}"):
                found[row[id_]] = row["pulled_at"].replace(tzinfo=UTC)
        for back in range(GOOD_FOR.days + 1):
            day = (self._now - timedelta(days=back)).astimezone(UTC).date()
            for key in pulls_of_day(self._storage, table, self._listener, day):
                for answer in read_pull(self._storage, key):
                    for asked in ids_asked_for(answer.endpoint):
                        found[asked] = max(answer.pulled_at, found.get(asked, answer.pulled_at))
        return found

    @cached_property
    def _tracks_known(self) -> list[dict[str, Any]]:
        return self._rows("tracks", "track_id, artist_ids, album_id")

    def _rows(self, table: str, columns: str, rest: str = "") -> list[dict[str, Any]]:
        """Rows of the listener's; none where the table is not in the catalog yet."""
        if self._catalog.get(table) is None:
            return []
        rows = self._engine.query(f"SELECT {columns} FROM {table} WHERE listener = '{self._listener}' {rest}")
        found: list[dict[str, Any]] = rows.to_pylist()
        return found


def ids_asked_for(endpoint: str) -> list[str]:
    """The ids that an endpoint of a look-up names, in its path or in its query."""
    named = _ASKED_FOR.fullmatch(endpoint.partition("?")[0]) or _ASKED_FOR.match(endpoint)
    if named is None:
        return []
    return unquote(named[1] or named[2]).split(",")


def _id_of(uri: str | None, kind: str) -> str | None:
    prefix = f"spotify:{kind}:"
    return uri.removeprefix(prefix) if uri is not None and uri.startswith(prefix) else None


def _first(named: Iterable[tuple[str | None, datetime]]) -> dict[str, datetime]:
    """Each id with the first of its instants, which come as the engine has them: naive, in UTC."""
    first: dict[str, datetime] = {}
    for id_, instant in named:
        if id_ is not None:
            utc = instant.replace(tzinfo=UTC)
            first[id_] = min(first.get(id_, utc), utc)
    return first
