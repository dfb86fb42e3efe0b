"""The fields that objects of the Web API are known to have, in any of its dialects, and finding those that are new.

What is read of them is in `api_objects.py`. From Spotify's OpenAPI description, 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REFERENCE = ("external_urls", "href", "id", "name", "type", "uri", "images")
_PAGE = ("href", "limit", "next", "offset", "previous", "total", "cursors")
_PLAYABLE = ("available_markets", "duration_ms", "explicit", "is_playable", "restrictions")


def _kind(*fields: str, **inner: str) -> dict[str, str | None]:
    """Known fields; those of objects that are looked into by name, each with its kind."""
    return dict.fromkeys(fields) | inner


_ARTIST = _kind(*_REFERENCE, "genres", "followers", "popularity")
_ALBUM = _kind(
    *_REFERENCE,
    *("album_group", "album_type", "available_markets", "copyrights", "external_ids", "genres", "is_playable", "label"),
    *("popularity", "release_date", "release_date_precision", "restrictions", "total_tracks", "tracks"),
    artists="artist",
)
_TRACK = _kind(
    *_REFERENCE,
    *_PLAYABLE,
    *("disc_number", "external_ids", "is_local", "linked_from", "popularity", "preview_url", "track_number"),
    *("episode", "track"),  # what a playlist's entry is, said inside of it
    album="album",
    artists="artist",
)
_EPISODE = _kind(
    *_REFERENCE,
    *_PLAYABLE,
    *("audio_preview_url", "description", "html_description", "is_externally_hosted", "is_paywall_content", "language"),
    *("languages", "release_date", "release_date_precision", "resume_point", "show"),
)
_KINDS: Mapping[str, Mapping[str, str | None]] = {
    "artist": _ARTIST,
    "album": _ALBUM,
    "track": _TRACK,
    "track or episode": _TRACK | _EPISODE,
    "user": _kind(*_REFERENCE, "display_name", "followers"),
    "playlist": _kind(
        *_REFERENCE,
        *("collaborative", "description", "followers", "items", "primary_color", "public", "snapshot_id", "tracks"),
        owner="user",
    ),
    "playlist entry": _kind(
        *("added_at", "is_local", "primary_color", "video_thumbnail"),
        added_by="user",
        item="track or episode",
        track="track or episode",
    ),
    "saved track": _kind("added_at", track="track"),
    "profile": _kind(
        *_REFERENCE,
        *("account", "account_id", "country", "display_name", "email", "explicit_content", "followers", "product"),
    ),
    "play": _kind("played_at", "context", item="track or episode", track="track or episode"),
    "recently_played": _kind(*_PAGE, items="play"),
    "top_tracks": _kind(*_PAGE, items="track"),
    "top_artists": _kind(*_PAGE, items="artist"),
    "playlists": _kind(*_PAGE, items="playlist"),
    "playlist_items": _kind(*_PAGE, items="playlist entry"),
    "saved_tracks": _kind(*_PAGE, items="saved track"),
    "followed_artists": _kind(artists="page of artists"),
    "page of artists": _kind(*_PAGE, items="artist"),
}


def unknown_fields(value: Any, kind: str) -> set[str]:
    """The fields that nobody knows, as `kind.field`, of an object or of all objects in a list, at any depth.

    Args:
        value: what was received.
        kind: what it should be: a kind of object, or the source whose answer it is.
    """
    if isinstance(value, list):
        return set().union(*(unknown_fields(item, kind) for item in value))
    if not isinstance(value, dict):
        return set()
    known = _KINDS[kind]
    unknown = {f"{kind}.{field}" for field in value if field not in known}
    for field, inner in known.items():
        if inner and field in value:
            unknown |= unknown_fields(value[field], inner)
    return unknown
