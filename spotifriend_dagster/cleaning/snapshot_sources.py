"""What each source of the Web API beside plays answers, and how one item of an answer becomes a row.

Which of a day's answers count belongs to `snapshots.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from spotifriend_dagster.cleaning.api_objects import count, credited, mapping, text, texts, track_facts, yes_or_no
from spotifriend_dagster.tables import raw, snapshots
from spotifriend_dagster.tables.declaration import Table

_PLAYLIST_OF = re.compile(r"(?:^|/)playlists/([^/]+)/")
_LOCAL = "spotify:local:"

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What was asked: the path and query of an answer."""

    endpoint: str

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The query's parameters."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.endpoint).query).items()}

    @property
    def time_range(self) -> str:
        """The range of a top; Spotify's own default where none was asked for."""
        return self.parameters.get("time_range", "medium_term")

    @property
    def playlist(self) -> str:
        """The id of the playlist whose content was asked for; empty where there is none."""
        found = _PLAYLIST_OF.search(urlsplit(self.endpoint).path)
        return unquote(found[1]) if found else ""

    @property
    def looked_up(self) -> str:
        """The id that was looked up."""
        return unquote(urlsplit(self.endpoint).path.rpartition("/")[2])

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        said = self.parameters.get("offset", "")
        return int(said) if said.isdecimal() else 0


def page_of(body: Any) -> Mapping[str, Any]:
    """The page in an answer; that of followed artists lies one level deeper."""
    return mapping(body.get("artists", body)) if isinstance(body, dict) else {}


def _listed(body: Any) -> list[Any] | None:
    items = page_of(body).get("items")
    return items if isinstance(items, list) else None


def _itself(body: Any) -> list[Any]:
    return [body]


def _everything(_question: Question) -> str:
    return ""


def _of_range(question: Question) -> str:
    return question.time_range


def _of_playlist(question: Question) -> str:
    return question.playlist


def _of_id(question: Question) -> str:
    return question.looked_up


@dataclass(frozen=True)
class SnapshotSource:
    """One raw table, and the cleaned table of its items.

    Args:
        raw: where its answers are kept.
        table: what its items become.
        kind: what an answer is, for finding unknown fields.
        row: an item's columns, or in a few words why it has none; it gets the item, what was asked, and the item's
            position in all that the question's pages list, from 0.
        items: an answer's items; None where it has no list of them.
        subject: what a question is about; answers about different things do not replace each other.
        is_paged: whether it takes several answers to hear all of a subject; else each answer says all.
        is_ordered: whether an item is known by its position, so that two pulls cannot be mixed.
    """

    raw: Table
    table: Table
    kind: str
    row: Callable[[Any, Question, int], Row | str]
    items: Callable[[Any], list[Any] | None] = _listed
    subject: Callable[[Question], str] = _everything
    is_paged: bool = False
    is_ordered: bool = False

    @property
    def name(self) -> str:
        """The source's name, such as `top_tracks`."""
        return self.raw.name.removeprefix("raw_")


def _top_track(item: Any, asked: Question, position: int) -> Row | str:
    track = mapping(item)
    uri = text(track.get("uri"))
    if uri is None:
        return "no track"
    return {"time_range": asked.time_range, "rank": position + 1, "track_uri": uri, **track_facts(track)}


def _artist(item: Any) -> Row | str:
    artist = mapping(item)
    named = {"artist_id": text(artist.get("id")), "artist_name": text(artist.get("name"))}
    return named if all(named.values()) else "no artist"


def _top_artist(item: Any, asked: Question, position: int) -> Row | str:
    named = _artist(item)
    return named if isinstance(named, str) else {"time_range": asked.time_range, "rank": position + 1, **named}


def _followed_artist(item: Any, _asked: Question, _position: int) -> Row | str:
    return _artist(item)


def _playlist(item: Any, _asked: Question, _position: int) -> Row | str:
    playlist = mapping(item)
    id_ = text(playlist.get("id"))
    if id_ is None:
        return "no playlist"
    content = playlist.get("items", playlist.get("tracks"))
    return {
        "playlist_id": id_,
        "playlist_uri": text(playlist.get("uri")) or f"spotify:playlist:{id_}",
        "playlist_name": text(playlist.get("name")),
        "owner": text(mapping(playlist.get("owner")).get("id")),
        "is_collaborative": yes_or_no(playlist.get("collaborative")),
        "is_public": yes_or_no(playlist.get("public")),
        "snapshot_id": text(playlist.get("snapshot_id")),
        "items_total": count(mapping(content).get("total")),
    }


def _playlist_entry(item: Any, asked: Question, position: int) -> Row | str:
    entry = mapping(item)
    held = mapping(entry.get("item")) or mapping(entry.get("track"))
    if not held:
        return "no track: removed, or not to be had"
    uri = text(held.get("uri"))
    if uri is None:
        return "no URI"
    if held.get("is_local") is True or entry.get("is_local") is True or uri.startswith(_LOCAL):
        media = "local"
    elif held.get("type") == "episode" or held.get("episode") is True:
        media = "episode"
    elif held.get("type", "track") == "track":
        media = "track"
    else:
        return "neither a track nor an episode"
    facts = track_facts(held)
    return {
        "playlist_id": asked.playlist,
        "position": position,
        "media": media,
        "item_uri": uri,
        **(dict.fromkeys(facts) if media == "episode" else facts),
        "added_at": text(entry.get("added_at")),
        "added_by": text(mapping(entry.get("added_by")).get("id")),
    }


def _saved_track(item: Any, _asked: Question, _position: int) -> Row | str:
    saved = mapping(item)
    track = mapping(saved.get("track")) or mapping(saved.get("item"))
    uri = text(track.get("uri"))
    if uri is None:
        return "no track"
    return {"track_uri": uri, **track_facts(track), "added_at": text(saved.get("added_at"))}


def _profile(item: Any, _asked: Question, _position: int) -> Row | str:
    profile = mapping(item)
    account, owner = text(profile.get("account")), text(profile.get("id"))
    if account is None or owner is None:
        return "no account"
    return {
        "account": account,
        "owner": owner,
        "country": text(profile.get("country")),
        "product": text(profile.get("product")),
        "followers": count(mapping(profile.get("followers")).get("total")),
    }


def _looked_up_artist(item: Any, asked: Question, _position: int) -> Row | str:
    named = _artist(item)
    if isinstance(named, str):
        return named
    return {
        **named,
        "artist_id": asked.looked_up,
        "genres": texts(item.get("genres")),
        "popularity": count(item.get("popularity")),
        "followers": count(mapping(item.get("followers")).get("total")),
    }


def _looked_up_track(item: Any, asked: Question, _position: int) -> Row | str:
    track = mapping(item)
    uri = text(track.get("uri"))
    if uri is None:
        return "no track"
    return {
        "track_id": asked.looked_up,
        "track_uri": uri,
        **track_facts(track),
        "album_id": text(mapping(track.get("album")).get("id")),
        "is_explicit": yes_or_no(track.get("explicit")),
        "popularity": count(track.get("popularity")),
    }


def _looked_up_album(item: Any, asked: Question, _position: int) -> Row | str:
    album = mapping(item)
    if text(album.get("id")) is None:
        return "no album"
    return {
        "album_id": asked.looked_up,
        "album_name": text(album.get("name")),
        "album_type": text(album.get("album_type")),
        **credited(album.get("artists")),
        "release_date": text(album.get("release_date")),
        "release_date_precision": text(album.get("release_date_precision")),
        "total_tracks": count(album.get("total_tracks")),
        "upc": text(mapping(album.get("external_ids")).get("upc")),
    }


SNAPSHOT_SOURCES = (
    SnapshotSource(raw.PROFILE, snapshots.PROFILES, "profile", _profile, _itself),
    SnapshotSource(raw.TOP_TRACKS, snapshots.TOP_TRACKS, "top_tracks", _top_track, subject=_of_range, is_ordered=True),
    SnapshotSource(
        raw.TOP_ARTISTS, snapshots.TOP_ARTISTS, "top_artists", _top_artist, subject=_of_range, is_ordered=True
    ),
    SnapshotSource(raw.PLAYLISTS, snapshots.PLAYLISTS, "playlists", _playlist, is_paged=True),
    SnapshotSource(
        raw.PLAYLIST_ITEMS,
        snapshots.PLAYLIST_TRACKS,
        "playlist_items",
        _playlist_entry,
        subject=_of_playlist,
        is_paged=True,
        is_ordered=True,
    ),
    SnapshotSource(raw.SAVED_TRACKS, snapshots.SAVED_TRACKS, "saved_tracks", _saved_track, is_paged=True),
    SnapshotSource(
        raw.FOLLOWED_ARTISTS, snapshots.FOLLOWED_ARTISTS, "followed_artists", _followed_artist, is_paged=True
    ),
    SnapshotSource(raw.ARTISTS, snapshots.ARTISTS, "artist", _looked_up_artist, _itself, _of_id),
    SnapshotSource(raw.TRACKS, snapshots.TRACKS, "track", _looked_up_track, _itself, _of_id),
    SnapshotSource(raw.ALBUMS, snapshots.ALBUMS, "album", _looked_up_album, _itself, _of_id),
)
