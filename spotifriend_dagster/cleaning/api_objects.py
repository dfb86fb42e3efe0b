"""Objects of the Web API as columns: tracks, artists, albums, playlists, in either of its dialects.

Which answers hold them belongs to `recent.py` and `snapshots.py`. Optional values of another kind are read as null.
"""

from __future__ import annotations

from typing import Any

from spotifriend_dagster.cleaning.instants import LONGEST_PLAY_MS

_LARGEST_INT = 2**31 - 1


def text(value: Any) -> str | None:
    """The text, if it is one and not empty."""
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> dict[str, Any]:
    """The object's fields, if it is an object."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list, if it is one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """The texts in a list, if it is one."""
    return [item for item in value if text(item)] if isinstance(value, list) else []


def count(value: Any) -> int | None:
    """The whole number, if it is one that counts something."""
    return value if type(value) is int and 0 <= value <= _LARGEST_INT else None


def yes_or_no(value: Any) -> bool | None:
    """The truth value, if it is one."""
    return value if isinstance(value, bool) else None


def credited(artists: Any) -> dict[str, list[str | None]]:
    """artist_ids and artist_names of all credited artists, the primary one first; a local file's have no ids."""
    listed = objects(artists)
    return {
        "artist_ids": [text(artist.get("id")) for artist in listed],
        "artist_names": [text(artist.get("name")) for artist in listed],
    }


def track_facts(track: dict[str, Any]) -> dict[str, Any]:
    """What a track object says: title, credits, album, ISRC and duration, as `recent_plays` has them."""
    credits = credited(track.get("artists"))
    names = credits["artist_names"]
    duration_ms = track.get("duration_ms")
    return {
        "track_name": text(track.get("name")),
        "artist_name": names[0] if names else None,
        "album_name": text(mapping(track.get("album")).get("name")),
        **credits,
        "isrc": text(mapping(track.get("external_ids")).get("isrc")),
        "duration_ms": duration_ms if type(duration_ms) is int and 0 < duration_ms <= LONGEST_PLAY_MS else None,
    }
