"""Forgotten favourites: once played to the end again and again, now left for half a year."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, music_of, rows_of

START = datetime(2023, 1, 1, 10)


@pytest.mark.parametrize("seed", [1, 2])
def test_favourites_are_what_plain_python_finds(lake, seed):
    """On a history that ended almost half a year ago."""
    plays = made_history(seed)
    now = plays["closed_at"].max().tz_convert(None) + timedelta(days=175)
    expected = []
    for listener, music in music_of(plays).items():
        recordings, own = defaultdict(list), []
        for row in music:
            recordings[row["recording_id"]].append(row)
        for recording, rows in recordings.items():
            heard = [row for row in rows if row["is_listen"] or row["is_full"]]
            full = [row for row in rows if row["is_full"]]
            if len(full) >= 15 and now - heard[-1]["started_at"] >= timedelta(days=180):
                own.append(
                    {
                        "listener": listener,
                        "recording_id": recording,
                        "track_name": rows[-1]["track_name"],
                        "artist_name": rows[-1]["artist_name"],
                        "full_plays": len(full),
                        "listens": sum(row["is_listen"] for row in rows),
                        "ms_played": sum(row["ms_played"] for row in rows),
                        "first_heard_at": heard[0]["started_at"],
                        "last_heard_at": heard[-1]["started_at"],
                        "idle_days": (now - heard[-1]["started_at"]).days,
                    }
                )
        own.sort(key=lambda row: (-row["listens"], -row["ms_played"], row["first_heard_at"], row["recording_id"]))
        expected += [row | {"favourite_rank": rank} for rank, row in enumerate(own, start=1)]
    assert expected
    files = exports(anna=[("2021-10-01", str(now))], ben=[("2021-10-01", str(now))])
    assert_rows(lake(plays=plays, history_files=files)("forgotten_favourites"), expected, "listener", "recording_id")


def favourites(lake, plays, now):
    files = exports(anna=[("2023-01-01", str(now))])
    return rows_of(lake(plays=plays_frame(plays), history_files=files)("forgotten_favourites"))


def loved(times, **values):
    return [play("anna", START + timedelta(days=day), **values) for day in range(times)]


def test_fifteen_full_plays_and_a_hundred_and_eighty_days(lake):
    """Fourteen full plays are too few; 180 × 24 h less a second is too soon."""
    last = START + timedelta(days=14)
    after = last + timedelta(days=180)
    assert favourites(lake, loved(14), after) == []
    assert favourites(lake, loved(15), after - timedelta(seconds=1)) == []
    (row,) = favourites(lake, loved(15), after)
    assert (row["full_plays"], row["idle_days"], row["last_heard_at"]) == (15, 180, last)


def test_a_listen_wakes_it_up_a_skip_does_not(lake):
    """Idle means not heard: a song that shuffle brings up and that is skipped is forgotten still."""
    last = START + timedelta(days=14)
    now = last + timedelta(days=200)
    skipped = play("anna", last + timedelta(days=100), ms_played=2_000, reason_end="fwdbtn")
    heard = play("anna", last + timedelta(days=100), ms_played=30_000, reason_end="fwdbtn")
    assert len(favourites(lake, [*loved(15), skipped], now)) == 1
    assert favourites(lake, [*loved(15), heard], now) == []


def test_a_short_song_can_be_a_favourite(lake):
    """A song of 20 s is never a listen, but it is played to the end."""
    plays = loved(15, ms_played=20_000, is_full=True)
    now = START + timedelta(days=400)
    (row,) = favourites(lake, plays, now)
    assert (row["full_plays"], row["listens"]) == (15, 0)
