"""The library of liked songs, month by month."""

from __future__ import annotations

from datetime import datetime

import pytest

from spotifriend_dagster.tables.snapshots import PLAYLIST_TRACKS, SAVED_TRACKS, TOP_TRACKS
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame
from spotifriend_dagster_tests.insights.made_snapshots import saved_tracks_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, month_of, music_of, rows_of, share
from spotifriend_dagster_tests.insights.test_genre_evolution import next_month

NOTHING_ELSE = {"top_tracks": frame_of(TOP_TRACKS, []), "playlist_tracks": frame_of(PLAYLIST_TRACKS, [])}


def saved(collected_on, uri, added_at, *, whole=True, total=None):
    """A row of `saved_tracks`."""
    return {
        "listener": "anna",
        "year": 2024,
        "collected_on": collected_on,
        "pulled_at": collected_on,
        "track_uri": uri,
        "added_at": added_at,
        "library_total": total,
        "is_whole_library": whole,
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_months_are_what_plain_python_counts(made_lake, seed):
    """Added, removed, still saved and heard, with months in which nothing was saved."""
    plays = made_history(seed)
    music = music_of(plays)
    expected = []
    for listener in ("anna", "ben"):
        rows = [row for row in rows_of(saved_tracks_frame(plays)) if row["listener"] == listener]
        whole_on = max(row["collected_on"] for row in rows if row["is_whole_library"])
        last_on = max(row["collected_on"] for row in rows)
        names = {(row["track_name"], row["artist_name"]) for row in music[listener] if row["is_listen"]}
        uris = {row["track_uri"] for row in music[listener] if row["is_listen"]}
        songs = {}
        for row in sorted(rows, key=lambda row: row["collected_on"]):
            songs[row["track_uri"]] = row
        month, library, library_heard = min(month_of(row["added_at"]) for row in songs.values()), 0, 0
        month = datetime(month.year, month.month, 1)
        while month <= last_on:
            mine = [row for row in songs.values() if row["added_at"].strftime("%Y-%m") == f"{month:%Y-%m}"]
            kept = [row for row in mine if row["collected_on"] >= whole_on]
            heard = [
                row
                for row in kept
                if row["track_uri"] in uris or (row["artist_name"] and (row["track_name"], row["artist_name"]) in names)
            ]
            library, library_heard = library + len(kept), library_heard + len(heard)
            expected.append(
                {
                    "listener": listener,
                    "month": month,
                    "added_tracks": len(mine),
                    "removed_tracks": len(mine) - len(kept),
                    "library_tracks": library,
                    "heard_tracks": len(heard),
                    "heard_share": share(len(heard), len(kept)),
                    "library_heard_share": share(library_heard, library),
                    "spotify_tracks": 22,
                    "is_whole_library": True,
                    "is_minimum": False,
                }
            )
            month = next_month(month)
    assert any(row["removed_tracks"] for row in expected)
    assert any(not row["added_tracks"] for row in expected)
    assert_rows(made_lake(seed)("library_growth"), expected, "listener", "month")


def test_what_the_last_whole_collection_lacks_was_removed(lake):
    """Songs that came after it are there; songs that only earlier ones had are not."""
    rows = [
        saved("2024-03-01", "gone", "2024-01-05", total=2),
        saved("2024-03-01", "kept", "2024-01-06", total=2),
        saved("2024-03-10", "kept", "2024-01-06", total=1),
        saved("2024-03-11", "new", "2024-03-11", whole=False, total=2),
    ]
    told = [
        (f"{row['month']:%m}", row["added_tracks"], row["removed_tracks"], row["library_tracks"], row["spotify_tracks"])
        for row in rows_of(lake(saved_tracks=frame_of(SAVED_TRACKS, rows), **NOTHING_ELSE)("library_growth"))
    ]
    assert told == [("01", 2, 1, 1, 2), ("02", 0, 0, 1, 2), ("03", 1, 0, 2, 2)]


def test_without_a_whole_collection_older_songs_are_missing(lake):
    """The first pull broke off: what is known is told, and that it is not all; nothing is taken for removed."""
    rows = [
        saved("2024-03-01", "b", "2024-02-06", whole=False, total=900),
        saved("2024-03-09", "c", "2024-03-08", whole=False, total=901),
    ]
    found = rows_of(lake(saved_tracks=frame_of(SAVED_TRACKS, rows), **NOTHING_ELSE)("library_growth"))
    assert [(row["library_tracks"], row["removed_tracks"]) for row in found] == [(1, 0), (2, 0)]
    assert {(row["is_whole_library"], row["spotify_tracks"], row["is_minimum"]) for row in found} == {
        (False, 901, True)
    }


def test_a_song_saved_anew_counts_where_it_was_saved_last(lake):
    """Removed in January, saved again in March: one song, of March."""
    rows = [saved("2024-01-31", "a", "2024-01-05"), saved("2024-03-09", "a", "2024-03-08")]
    plays = plays_frame([play("anna", "2024-01-05 10:00", track_uri="a")])
    found = rows_of(lake(plays=plays, saved_tracks=frame_of(SAVED_TRACKS, rows), **NOTHING_ELSE)("library_growth"))
    assert [(row["month"], row["added_tracks"], row["heard_share"]) for row in found] == [
        (datetime(2024, 3, 1), 1, 1.0)
    ]
