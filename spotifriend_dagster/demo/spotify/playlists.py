"""Playlists as the Web API writes them: own, collaborative and other people's, and the odd things in them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from spotifriend_dagster.demo.library import OWN, kept
from spotifriend_dagster.demo.spotify.people import Listener, public_user

READ_COLLABORATIVE = "playlist-read-collaborative"

_LOCAL_ALBUM: dict[str, Any] = {
    "album_type": None,
    "artists": [],
    "external_urls": {},
    "href": None,
    "id": None,
    "images": [],
    "name": "Rehearsal Tapes",
    "release_date": None,
    "release_date_precision": None,
    "type": "album",
    "uri": None,
}
_LOCAL_TRACK: dict[str, Any] = {
    "album": _LOCAL_ALBUM,
    "artists": [
        {"external_urls": {}, "href": None, "id": None, "name": "The Cellar Band", "type": "artist", "uri": None}
    ],
    "disc_number": 0,
    "duration_ms": 213_000,
    "explicit": False,
    "external_ids": {},
    "external_urls": {},
    "href": None,
    "id": None,
    "is_local": True,
    "name": "Untitled Demo",
    "track_number": 0,
    "type": "track",
    "uri": "spotify:local:The+Cellar+Band:Rehearsal+Tapes:Untitled+Demo:213",
}
"""A file of the listener's own."""
_REMOVED_OF_LOCAL = {"available_markets": [], "popularity": 0, "preview_url": None}


class Playlist:
    """A playlist of a listener's library at an instant."""

    def __init__(self, listener: Listener, said: Mapping[Any, Any], now: datetime) -> None:
        """Take a row of the library's playlists."""
        self._listener = listener
        self._objects = listener.objects
        self._said = said
        self._rows = listener.library.entries(said["uri"], now)
        version = f"{listener.library.changes(said['uri'], now)},{said['uri']}"
        digest = hashlib.sha1(version.encode(), usedforsecurity=False).hexdigest()
        self.snapshot_id = b64encode(f"{version.partition(',')[0]},{digest}".encode()).decode()

    @property
    def is_readable(self) -> bool:
        """Whether its items may be had: in development mode only the owner and collaborators may."""
        return self._objects.is_extended or self._said["owner"] == OWN or self._said["is_collaborative"]

    @property
    def entries(self) -> Sequence[Mapping[Any, Any]]:
        """Its entries, as rows of the library."""
        return self._rows.to_dict("records")

    @property
    def items_name(self) -> str:
        """What the field with the items is called."""
        return "tracks" if self._objects.is_extended else "items"

    def simplified(self) -> dict[str, Any]:
        """The playlist as the library lists it."""
        said = self._said
        path = "tracks" if self._objects.is_extended else "items"
        named = self._objects.reference(said["uri"])
        items = {"href": f"{named['href']}/{path}", "total": len(self._rows)}
        return {
            "collaborative": said["is_collaborative"],
            "description": "",
            "images": [],
            "name": said["name"],
            "owner": self._person(said["owner"]) | {"display_name": self._display_name(said["owner"])},
            "public": said["is_public"],
            "snapshot_id": self.snapshot_id,
            **named,
            **({self.items_name: items} if self.is_readable else {}),
        }

    def entry(self, row: Mapping[Any, Any], name: str) -> dict[str, Any]:
        """An entry, whose track or episode is called `name`."""
        is_dated = row["is_dated"]
        entry = {
            "added_at": f"{row['added_at']:%Y-%m-%dT%H:%M:%SZ}" if is_dated else None,
            "added_by": self._person(row["added_by"]) if is_dated else None,
            "is_local": row["kind"] == "local",
            name: self._item(row),
        }
        return entry | ({"primary_color": None, "video_thumbnail": {"url": None}} if self._objects.is_extended else {})

    def _item(self, row: Mapping[Any, Any]) -> dict[str, Any] | None:
        match row["kind"]:
            case "track":
                return self._objects.track(row["release"])
            case "episode":
                return self._objects.episode(row["spoken"])
            case "local":
                return _LOCAL_TRACK | (_REMOVED_OF_LOCAL if self._objects.is_extended else {})
        return None

    def _person(self, owner: str) -> dict[str, Any]:
        return public_user(self._listener.user_id if owner == OWN else owner, self._objects)

    def _display_name(self, owner: str) -> str:
        return self._listener.display_name if owner == OWN else owner.partition(".")[0].title()


def library_playlists(listener: Listener, scopes: frozenset[str], now: datetime) -> list[Playlist]:
    """The playlists in a listener's library that an app with these scopes may know of."""
    rows: pd.DataFrame = kept(listener.library.playlists, now)
    if READ_COLLABORATIVE not in scopes:
        rows = rows[~rows["is_collaborative"]]
    return [Playlist(listener, row, now) for row in rows.to_dict("records")]
