"""The simulated Spotify's answers against Spotify's own schemas, and the fields that tell its two dialects apart."""

from __future__ import annotations

from typing import Any

import pytest

from spotifriend_dagster.demo.objects import Dialect
from spotifriend_dagster.demo.spotify import Fault, SimulatedSpotify
from spotifriend_dagster_tests.demo.apps import App
from spotifriend_dagster_tests.demo.spotify_schemas import errors

ANSWERS = {
    "me": "PrivateUserObject",
    "me/player/recently-played?limit=50": "CursorPagingPlayHistoryObject",
    "me/player/recently-played?before=1": "CursorPagingPlayHistoryObject",
    "me/top/artists?limit=50": "PagingArtistObject",
    "me/top/tracks?time_range=long_term&limit=50": "PagingTrackObject",
    "me/playlists?limit=50": "PagingPlaylistObject",
    "me/tracks?limit=50": "PagingSavedTrackObject",
}
REMOVED = {
    "user": {"country", "email", "explicit_content", "followers", "product"},
    "track": {"available_markets", "popularity", "preview_url"},
    "simplified track": {"available_markets", "preview_url"},
    "album": {"available_markets", "genres", "label", "popularity"},
    "simplified album": {"available_markets"},
    "artist": {"followers", "popularity"},
    "show": {"available_markets", "publisher"},
}
"""What development mode no longer has (Spotify's changelog of February 2026, what it took back in March included)."""


def without_local_files(page: dict[str, Any]) -> dict[str, Any]:
    """A page of a playlist that the schemas can judge: they do not know that a local file has no ids."""
    return page | {"items": [entry for entry in page["items"] if not entry["is_local"]]}


@pytest.mark.parametrize(("path", "schema"), ANSWERS.items(), ids=list(ANSWERS))
def test_what_is_said_of_the_listener_is_what_spotify_says(reading: App, dialect: Dialect, path: str, schema: str):
    """A field of our own making would be cleaned here and missing in the wild."""
    body = reading.get(path)
    assert errors(body, schema, dialect) == []
    assert body.get("items") != [] or "before=1" in path


def test_followed_artists_and_look_ups_are_what_spotify_says(reading: App, dialect: Dialect):
    """Look-ups are where the dialects differ most."""
    followed = reading.get("me/following?type=artist&limit=50")["artists"]
    track = reading.get("me/tracks")["items"][0]["track"]
    assert errors(followed, "CursorPagingSimplifiedArtistObject", dialect) == []
    assert errors(reading.get(f"artists/{followed['items'][0]['id']}"), "ArtistObject", dialect) == []
    assert errors(reading.get(f"tracks/{track['id']}"), "TrackObject", dialect) == []
    assert errors(reading.get(f"albums/{track['album']['id']}"), "AlbumObject", dialect) == []
    assert errors(reading.get(f"albums/{track['album']['id']}/tracks"), "PagingSimplifiedTrackObject", dialect) == []
    found = reading.get("search?q=the&type=album,artist,track")
    assert errors(found["albums"], "PagingSimplifiedAlbumObject", dialect) == []
    assert errors(found["artists"], "PagingArtistObject", dialect) == []
    assert errors(found["tracks"], "PagingTrackObject", dialect) == []
    if dialect == "extended":
        assert errors(reading.get(f"audio-features/{track['id']}"), "AudioFeaturesObject", dialect) == []


def test_every_playlist_and_what_is_in_it_is_what_spotify_says(reading: App, dialect: Dialect):
    """With a null item, episodes, undated entries and other people's playlists among them."""
    name, entry = ("items", "item") if dialect == "development" else ("tracks", "track")
    kinds = set()
    for listed in reading.items("me/playlists"):
        whole = reading.get(f"playlists/{listed['id']}")
        if name in whole:
            assert listed[name]["total"] == whole[name]["total"]
            for page in reading.pages(f"playlists/{listed['id']}/{name}?limit=50"):
                kinds |= {"null" if said[entry] is None else said[entry]["type"] for said in page["items"]}
                assert errors(without_local_files(page), "PagingPlaylistTrackObject", dialect) == []
            whole[name] = without_local_files(whole[name])
        assert errors(whole, "PlaylistObject", dialect) == []
    assert kinds == {"null", "track", "episode"}


def test_errors_are_what_spotify_says(app: App, spotify: SimulatedSpotify, dialect: Dialect):
    """The client reads status, message and reason out of them."""
    spotify.faults.add("/me$", Fault.quota_exceeded())
    refused = [app.ask(path) for path in ("me", "me/top/tracks?limit=51", "artists/nobody", "nowhere")]
    assert [answer.status_code for answer in refused] == [429, 400, 400, 404]
    for answer in refused:
        assert errors(answer.json()["error"], "ErrorObject", dialect) == []
        assert answer.json()["error"]["status"] == answer.status_code


def test_development_mode_lacks_what_spotify_removed_and_nothing_else(reading: App, dialect: Dialect):
    """The tables must be the same from both: this says where they start from."""
    track = reading.get("me/tracks")["items"][0]["track"]
    playlist = reading.get("me/playlists")["items"][1]
    entries = reading.get(f"playlists/{playlist['id']}/items")["items"]
    episode = next(entry["item"] for entry in entries if entry["item"]["type"] == "episode")
    album = reading.get(f"albums/{track['album']['id']}")
    said = {
        "user": reading.get("me"),
        "track": track,
        "simplified track": album["tracks"]["items"][0],
        "album": album,
        "simplified album": track["album"],
        "artist": reading.get(f"artists/{track['artists'][0]['id']}"),
        "show": episode["show"],
    }
    found = {kind: fields & said[kind].keys() for kind, fields in REMOVED.items()}
    assert found == ({kind: set() for kind in REMOVED} if dialect == "development" else REMOVED)
    assert {"isrc"} == set(track["external_ids"])
    assert said["user"].keys() >= {"account_id", "display_name", "id"}
    assert ("items" in playlist, "tracks" in playlist) == (dialect == "development", dialect == "extended")


@pytest.mark.parametrize("change", ["unknown field", "missing field", "removed field", "wrong type"])
def test_the_schemas_would_find_what_is_wrong(reading: App, dialect: Dialect, change: str):
    """Spotify's schemas allow anything by themselves."""
    album = reading.get(f"albums/{reading.get('me/tracks')['items'][0]['track']['album']['id']}")
    match change:
        case "unknown field":
            album["tracks"]["items"][0]["mood"] = "good"
        case "missing field":
            del album["release_date"]
        case "removed field":
            album = (
                album | {"label": "L"} if dialect == "development" else {k: v for k, v in album.items() if k != "label"}
            )
        case "wrong type":
            album["total_tracks"] = "9"
    assert len(errors(album, "AlbumObject", dialect)) == 1
