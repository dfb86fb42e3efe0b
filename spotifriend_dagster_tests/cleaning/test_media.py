"""What was played, and names that are none."""

from __future__ import annotations

from typing import Any

import pytest

from spotifriend_dagster.cleaning.media import media_of, without_placeholder_names
from spotifriend_dagster_tests.cleaning.typed_rows import history_of

TRACK = {"track_uri": "spotify:track:a", "track_name": "Song"}
AUDIOBOOK = {"audiobook_uri": "spotify:show:b"}
EPISODE = {"episode_uri": "spotify:episode:c"}


@pytest.mark.parametrize(
    ("row", "media"),
    [
        (TRACK, "track"),
        ({"track_uri": "spotify:track:a"}, "track"),  # removed from Spotify: the URI is all that is left
        ({"source": "account", "track_name": "Song", "artist_name": "Artist"}, "track"),
        (TRACK | AUDIOBOOK, "audiobook"),
        ({"audiobook_title": "Book"}, "audiobook"),
        (TRACK | AUDIOBOOK | EPISODE, "episode"),
        ({"source": "account", "episode_name": "One", "show_name": "Show"}, "episode"),
        (TRACK | AUDIOBOOK | EPISODE | {"is_video": True}, "video"),
        ({"is_video": True}, "video"),
        ({}, "unknown"),
        ({"artist_name": "Artist", "album_name": "Album"}, "unknown"),
    ],
)
def test_the_first_kind_that_matches_is_the_media(row: dict[str, Any], media: str) -> None:
    """In the order video, episode, audiobook, track, unknown; account rows go by their titles."""
    assert media_of(history_of([row])).tolist() == [media]


@pytest.mark.parametrize(
    ("title", "artist", "kept_title", "kept_artist"),
    [
        ("Song", "Artist", "Song", "Artist"),
        ("Unknown Track", "Unknown Artist", None, None),
        ("Unknown Track", None, None, None),
        ("Song", "Unknown Artist", "Song", None),
        ("Unknown Track", "Artist", "Unknown Track", "Artist"),
        ("", " ", None, None),
    ],
)
def test_placeholders_are_no_names(
    title: str | None, artist: str | None, kept_title: str | None, kept_artist: str | None
) -> None:
    """ "Unknown Artist" would lead the rankings of many listeners; a song may be called "Unknown Track"."""
    rows = without_placeholder_names(history_of([{"track_name": title, "artist_name": artist}]))
    names = rows[["track_name", "artist_name"]]
    assert names.astype(object).where(names.notna(), None).to_numpy().tolist() == [[kept_title, kept_artist]]


def test_a_row_of_placeholders_is_unknown_media() -> None:
    """An account row "Unknown Track" by "Unknown Artist" is counted in time, not in music."""
    rows = history_of([{"source": "account", "track_name": "Unknown Track", "artist_name": "Unknown Artist"}])
    assert media_of(without_placeholder_names(rows)).tolist() == ["unknown"]
