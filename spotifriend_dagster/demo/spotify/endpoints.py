"""What the Web API answers, endpoint by endpoint. Who may ask is in `web_api.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from spotifriend_dagster.demo.library import WINDOWS, kept
from spotifriend_dagster.demo.objects import Objects
from spotifriend_dagster.demo.spotify.answers import Refusal, api_error
from spotifriend_dagster.demo.spotify.playlists import Playlist, library_playlists
from spotifriend_dagster.demo.spotify.web_api import MOST_ITEMS, Call, Endpoint, page

_ID = re.compile(r"[0-9A-Za-z]{22}")


def _me(call: Call) -> Any:
    return call.listener.profile(call.scopes)


def _recently_played(call: Call) -> Any:
    if {"before", "after"} <= call.query.keys():
        raise Refusal(api_error(400, "Only one of before and after may be given"))
    limit = call.number("limit", 20, 1, MOST_ITEMS)
    cursors = {name: call.number(name, 0, 0, 10**15) for name in ("before", "after") if name in call.query}
    return call.listener.recently_played.answer(call.now, limit, **cursors)


def _top(call: Call, kind: Literal["artists", "tracks"]) -> Any:
    time_range = call.query.get("time_range", "medium_term")
    if time_range not in WINDOWS:
        raise Refusal(api_error(400, "Invalid time range"))
    objects = call.listener.objects
    rows = call.listener.favourites(kind, time_range, call.now)
    return page(call, rows, objects.artist if kind == "artists" else objects.track)


def _playlists(call: Call) -> Any:
    return page(call, library_playlists(call.listener, call.scopes, call.now), Playlist.simplified)


def _playlist(call: Call, id_: str) -> Any:
    playlist = _found_playlist(call, id_)
    said = playlist.simplified()
    if call.listener.objects.is_extended:
        said["followers"] = {"href": None, "total": 0}
    if playlist.is_readable:
        of_items = call.elsewhere(f"{call.address}/{playlist.items_name}")
        said[playlist.items_name] = _entries_page(of_items, playlist, "track" if call.is_extended else "item")
    return said


def _playlist_items(call: Call, id_: str) -> Any:
    playlist = _found_playlist(call, id_)
    if not playlist.is_readable:
        raise Refusal(api_error(403, "Forbidden"))
    return _entries_page(call, playlist, "item", limit=20, most=MOST_ITEMS)


def _playlist_tracks(call: Call, id_: str) -> Any:
    return _entries_page(call, _found_playlist(call, id_), "track")


def _found_playlist(call: Call, id_: str) -> Playlist:
    rows = call.listener.library.playlists
    for said in rows[rows["uri"] == f"spotify:playlist:{id_}"].to_dict("records"):
        return Playlist(call.listener, said, call.now)
    raise Refusal(_not_found(id_))


def _entries_page(call: Call, playlist: Playlist, name: str, *, limit: int = 100, most: int = 100) -> Any:
    return page(call, playlist.entries, lambda row: playlist.entry(row, name), limit=limit, most=most)


def _saved_tracks(call: Call) -> Any:
    saved = kept(call.listener.library.saved, call.now).iloc[::-1]
    track = call.listener.objects.track
    return page(
        call,
        saved.to_dict("records"),
        lambda row: {"added_at": f"{row['added_at']:%Y-%m-%dT%H:%M:%SZ}", "track": track(row["release"])},
    )


def _following(call: Call) -> Any:
    if call.query.get("type") != "artist":
        raise Refusal(api_error(400, "Invalid type"))
    objects = call.listener.objects
    limit = call.number("limit", 20, 1, MOST_ITEMS)
    artists = [objects.artist(row) for row in kept(call.listener.library.followed, call.now)["artist"].tolist()]
    ids = [artist["id"] for artist in artists]
    after = call.query.get("after")
    begin = ids.index(after) + 1 if after in ids else 0
    items = artists[begin : begin + limit]
    last = items[-1]["id"] if begin + limit < len(artists) else None
    return {
        "artists": {
            "href": call.at(),
            "items": items,
            "limit": limit,
            "next": None if last is None else call.at(after=last, limit=limit),
            "cursors": {"after": last},
            "total": len(artists),
        }
    }


def _artist(call: Call, id_: str) -> Any:
    objects, row = _found(call, "artist", id_)
    return objects.artist(row)


def _track(call: Call, id_: str) -> Any:
    objects, row = _found(call, "track", id_)
    return objects.track(row)


def _features(call: Call, id_: str) -> Any:
    objects, row = _found(call, "track", id_)
    return objects.audio_features(row)


def _album(call: Call, id_: str) -> Any:
    objects, row = _found(call, "album", id_)
    tracks = page(
        call.elsewhere(f"{objects.api_url}albums/{id_}/tracks"),
        objects.tracks_of(row),
        objects.simplified_track,
        limit=50,
    )
    return objects.album(row) | {"tracks": tracks}


def _album_tracks(call: Call, id_: str) -> Any:
    objects, row = _found(call, "album", id_)
    return page(call, objects.tracks_of(row), objects.simplified_track)


def _batch(field: str, one: Callable[[Call, str], Any], most: int) -> Callable[[Call], Any]:
    """An endpoint of several ids, which says null for what it does not know."""

    def several(call: Call) -> Any:
        ids = call.query.get("ids", "").split(",")
        if len(ids) > most:
            raise Refusal(api_error(400, "Too many ids requested"))
        return {field: [_or_none(one, call, id_) for id_ in ids]}

    return several


def _or_none(one: Callable[[Call, str], Any], call: Call, id_: str) -> Any:
    try:
        return one(call, id_)
    except Refusal:
        return None


def _search(call: Call) -> Any:
    wanted = call.query.get("q", "").casefold()
    if not wanted:
        raise Refusal(api_error(400, "No search query"))
    objects = call.listener.objects
    catalogue = objects.catalogue
    limit, most = (20, 50) if call.is_extended else (5, 10)
    shelves: dict[str, tuple[Any, Callable[[int], Any]]] = {
        "album": (catalogue.albums["title"], objects.simplified_album),
        "artist": (catalogue.artists["name"], objects.artist),
        "track": (catalogue.recordings["title"], objects.track),
    }
    kinds = call.query.get("type", "").split(",")
    if not set(kinds) <= shelves.keys():
        raise Refusal(api_error(400, "Bad search type field"))
    found = {}
    for kind in kinds:
        names, write = shelves[kind]
        rows = [row for row, name in enumerate(names) if wanted in name.casefold()]
        found[f"{kind}s"] = page(call, rows, write, limit=limit, most=most)
    return found


def _found(call: Call, kind: str, id_: str) -> tuple[Objects, int]:
    """Where an id is to be found, in whosever catalogue."""
    uri = f"spotify:{kind}:{id_}"
    for objects in call.catalogues:
        if uri in objects.rows:
            return objects, objects.rows[uri]
    raise Refusal(_not_found(id_))


def _not_found(id_: str) -> Any:
    return api_error(404, "Resource not found") if _ID.fullmatch(id_) else api_error(400, "Invalid base62 id")


_ONE = r"([^/]+)"
ENDPOINTS = (
    Endpoint("me", _me),
    Endpoint("me/player/recently-played", _recently_played, "user-read-recently-played"),
    Endpoint("me/top/(artists|tracks)", _top, "user-top-read"),
    Endpoint("me/playlists", _playlists, "playlist-read-private"),
    Endpoint(f"playlists/{_ONE}", _playlist),
    Endpoint(f"playlists/{_ONE}/items", _playlist_items, "playlist-read-private"),
    Endpoint(f"playlists/{_ONE}/tracks", _playlist_tracks, "playlist-read-private", is_removed=True),
    Endpoint("me/tracks", _saved_tracks, "user-library-read"),
    Endpoint("me/following", _following, "user-follow-read"),
    Endpoint(f"artists/{_ONE}", _artist),
    Endpoint(f"albums/{_ONE}", _album),
    Endpoint(f"albums/{_ONE}/tracks", _album_tracks),
    Endpoint(f"tracks/{_ONE}", _track),
    Endpoint("search", _search),
    Endpoint("artists", _batch("artists", _artist, 50), is_removed=True),
    Endpoint("albums", _batch("albums", _album, 20), is_removed=True),
    Endpoint("tracks", _batch("tracks", _track, 50), is_removed=True),
    Endpoint("audio-features", _batch("audio_features", _features, 100), is_removed=True),
    Endpoint(f"audio-features/{_ONE}", _features, is_removed=True),
)
