"""Milestones: the play that reached each, and who led when."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, music_of, rows_of

DAY = timedelta(days=1)
GRAIN = ("listener", "kind", "threshold", "play_number")


@pytest.mark.parametrize("seed", [1, 2])
def test_who_led_when_is_what_plain_python_computes(made_lake, seed):
    """The most-played artist after every play, by listens, then time, then the earliest first listen, then the name."""
    assert_rows(_tops(made_lake(seed)), _leaders(made_history(seed)), *GRAIN)


@pytest.mark.parametrize("seed", range(4))
def test_ties_between_artists_are_broken_as_in_every_ranking(lake, seed):
    """Plays of few lengths, many at the same instant, so that listens, time and first listens all tie."""
    chance = random.Random(seed)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    plays = plays_frame(
        play(
            listener,
            start + chance.choice((0, 1, 2, 3)) * timedelta(minutes=10) * number,
            artist=chance.choice(("Zoe", "Abe", "Mia", None)),
            ms_played=chance.choice((60_000, 60_000, 90_000, 10_000)),
            is_private=chance.random() < 0.1,
            media=chance.choice(("track", "track", "track", "unknown")),
        )
        for listener in ("anna", "ben")
        for number in range(40)
    )
    leaders = _leaders(plays)
    assert len(leaders) > 3
    assert_rows(_tops(lake(plays=plays)), leaders, *GRAIN)


def test_listens_and_hours_are_reached_by_one_play_each(lake):
    """The 1,000th listen in canonical order, and the play that completed hour 100; of all media, not private."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    plays = [
        play(
            "anna",
            start + timedelta(minutes=20) * number,
            ms_played=(0, 360_000, 720_000)[number % 3],
            media="episode" if number % 5 == 0 else "track",
            is_private=number % 7 == 0,
            artist=f"Artist {number}",
        )
        for number in range(2_000)
    ]
    frame = plays_frame(plays)
    listens, ms_played, expected = count(1), 0, []
    for row in rows_of(frame):
        if not row["is_counted"]:
            continue
        told = {name: row[name] for name in ("listener", "play_number", "local_date", "media", "artist_name")}
        told["reached_at"] = row["started_at"]
        if row["is_listen"] and next(listens) == 1_000:
            expected.append(told | {"kind": "listens", "threshold": 1_000})
        if ms_played < 100 * 3_600_000 <= ms_played + row["ms_played"]:
            expected.append(told | {"kind": "hours", "threshold": 100})
        ms_played += row["ms_played"]
    milestones = lake(plays=frame)("milestones")
    assert len(expected) == 2
    assert_rows(milestones[milestones["kind"].isin(["listens", "hours"])], expected, *GRAIN)


def test_a_streak_is_a_milestone_once_at_the_first_listen_of_its_day(lake):
    """The second streak of 7 days is none, unless it gets to 30."""
    start = datetime(2024, 1, 1, 10, tzinfo=UTC)
    days = [*range(8), *range(20, 28), *range(40, 72)]
    plays = plays_frame(
        [
            *(play("anna", start + DAY * day, title=f"Day {day}") for day in days),
            *(play("anna", start + DAY * day - timedelta(hours=1), ms_played=5_000) for day in days),
            *(play("anna", start + DAY * day + timedelta(hours=1), title="Later") for day in days),
        ]
    )
    milestones = lake(plays=plays)("milestones").query("kind == 'streak_days'")
    assert milestones[["threshold", "track_name"]].to_numpy().tolist() == [[7, "Day 6"], [30, "Day 69"]]


def _tops(run):
    return run("milestones").query("kind == 'top_artist'")


def _leaders(plays):
    expected = []
    for listener, own in music_of(plays).items():
        listens, times, first, leader = {}, {}, {}, None
        for row in own:
            artist = row["artist_name"]
            if artist is None:
                continue
            times[artist] = times.get(artist, 0) + row["ms_played"]
            if row["is_listen"]:
                listens[artist] = listens.get(artist, 0) + 1
                first.setdefault(artist, row["started_at"])
            if not listens:
                continue
            best = min(listens, key=lambda name: (-listens[name], -times[name], first[name], name))
            if best != leader:
                leader = best
                expected.append(
                    {
                        "listener": listener,
                        "kind": "top_artist",
                        "threshold": listens[best],
                        "play_number": row["play_number"],
                        "reached_at": row["started_at"],
                        "local_date": row["local_date"],
                        "artist_name": best,
                    }
                )
    return expected
