"""Which tracks, artists and albums the lake's plays name, and which of them were looked up.

The one loop in the data's way: look-ups take their ids from what was cleaned before. Which are due is in `plans.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import unquote

import pandas as pd

from spotifriend_dagster.collecting.plans import GOOD_FOR
from spotifriend_dagster.lake.pulls import object_name, pulls_since, read_pull
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables import raw
from spotifriend_dagster.tables.cleaned import PLAYS, RECENT_PLAYS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.snapshots import ALBUMS, ARTISTS, SNAPSHOT_PULLS, TRACKS

_ASKED_FOR = re.compile(r"/?(?:v1/)?(?:tracks|artists|albums)/([^/?]+)|.*[?&]ids=([^&]+)")
_CLEANED = {
    raw.TRACKS.name: (TRACKS, "track_id"),
    raw.ARTISTS.name: (ARTISTS, "artist_id"),
    raw.ALBUMS.name: (ALBUMS, "album_id"),
    raw.AUDIO_FEATURES.name: None,
}
"""By raw table, the cleaned table of its look-ups, and the id's column there."""


class Needs:
    """The ids that one listener's plays need, each with the instant (UTC) of the first play that names it.

    They are read from the tables' files: what SQL costs on a far-away engine, a few columns of one listener do not.
    """

    def __init__(self, storage: Storage, listener: str, now: datetime) -> None:
        self._storage = storage
        self._listener = listener
        self._now = now

    @cached_property
    def tracks(self) -> Mapping[str, datetime]:
        """The tracks that were played. What has no URI of Spotify's catalogue is none of them."""
        played = self._rows(PLAYS, "track_uri", "started_at")
        first = played.groupby("track_uri")["started_at"].min()
        return _first((_id_of(str(uri), "track"), instant) for uri, instant in first.items())

    @cached_property
    def artists(self) -> Mapping[str, datetime]:
        """The artists of those tracks: polled plays name them, and look-ups of tracks do for all others."""
        polled = self._rows(RECENT_PLAYS, "artist_ids", "played_at")
        of_polls = zip(polled["artist_ids"], polled["played_at"], strict=True)
        of_tracks = zip(self._tracks_known["artist_ids"], self._tracks_known["first_at"], strict=True)
        return _first((id_, instant) for ids, instant in (*of_polls, *of_tracks) for id_ in ids or ())

    @cached_property
    def albums(self) -> Mapping[str, datetime]:
        """The albums of those tracks, as far as the tracks were looked up."""
        return _first(zip(self._tracks_known["album_id"], self._tracks_known["first_at"], strict=True))

    def looked_up(self, table: Table) -> dict[str, datetime]:
        """The ids that were asked for, each with the last time (UTC): those that are still good, and older ones where
        they are cleaned.

        Args:
            table: the raw table of the look-ups.

        Raises:
            UnreadableFile: a file of the tables, or a raw object, is damaged.
        """
        found: dict[str, datetime] = {}
        if cleaned := _CLEANED[table.name]:
            of_table, id_ = cleaned
            latest = self._rows(of_table, id_, "pulled_at").groupby(id_)["pulled_at"].max()
            found = {str(known): instant for known, instant in latest.items()}
        since = (self._now - GOOD_FOR).astimezone(UTC).date()
        for key in pulls_since(self._storage, table, self._listener, since):
            if (table.name.removeprefix("raw_"), object_name(key)) not in self._known_whole:
                for answer in read_pull(self._storage, key):
                    for asked in ids_asked_for(answer.endpoint):
                        found[asked] = max(answer.pulled_at, found.get(asked, answer.pulled_at))
        return found

    @cached_property
    def _tracks_known(self) -> pd.DataFrame:
        """The played tracks that were looked up, with the instant of the first play of each."""
        known = self._rows(TRACKS, "track_id", "artist_ids", "album_id")
        return known.assign(first_at=known["track_id"].map(dict(self.tracks))).dropna(subset=["first_at"])

    @cached_property
    def _known_whole(self) -> set[tuple[str, str]]:
        """The pulls, by source and object, all of whose answers became rows: what they asked for is cleaned."""
        pulls = self._rows(SNAPSHOT_PULLS, "source", "page", "rows", "kept_rows", "unused_rows")
        whole = pulls[pulls["kept_rows"] + pulls["unused_rows"] == pulls["rows"]]
        return set(zip(whole["source"], whole["page"], strict=True))

    def _rows(self, table: Table, *columns: str) -> pd.DataFrame:
        return StoredTable(self._storage, table).frame(self._listener, columns)


def ids_asked_for(endpoint: str) -> list[str]:
    """The ids that an endpoint of a look-up names, in its path or in its query."""
    named = _ASKED_FOR.fullmatch(endpoint.partition("?")[0]) or _ASKED_FOR.match(endpoint)
    if named is None:
        return []
    return unquote(named[1] or named[2]).split(",")


def _id_of(uri: str, kind: str) -> str | None:
    prefix = f"spotify:{kind}:"
    return uri.removeprefix(prefix) if uri.startswith(prefix) else None


def _first(named: Iterable[tuple[str | None, datetime]]) -> dict[str, datetime]:
    """Each id with the first of its instants."""
    first: dict[str, datetime] = {}
    for id_, instant in named:
        if isinstance(id_, str):  # a null of a frame is none
            first[id_] = min(first.get(id_, instant), instant)
    return first
