"""Sessions, what they are like, and how they depend on the pause that ends one."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from spotifriend_dagster_tests.insights.made_history import made_rows
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import Row, assert_rows, share

SEEDS = [1, 2]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sessions_are_what_plain_python_computes(made_lake, seed):
    """Every column of every session with a listen; those without one are not there."""
    sessions = _sessions(seed, minutes=20)
    expected = []
    for (listener, number), own in sessions.items():
        if not any(row["is_listen"] for row in own):
            continue
        tracks = [row for row in own if row["media"] == "track"]
        shuffles = [row["shuffle"] for row in own if row["shuffle"] is not None]
        skips = [row["is_skip"] for row in tracks if row["is_skip"] is not None]
        start, end = own[0]["started_at"], max(row["ended_at"] for row in own)
        expected.append(
            {
                "listener": listener,
                "session_number": number,
                "started_at": start,
                "ended_at": end,
                "local_date": own[0]["local_date"],
                "local_hour": own[0]["local_hour"],
                "is_weekend": own[0]["is_weekend"],
                "span_ms": _ms(end - start),
                "ms_played": sum(row["ms_played"] for row in own),
                "plays": len(own),
                "listens": sum(row["is_listen"] for row in own),
                "skips": sum(skips),
                "skippable_plays": len(skips),
                "artists": len({row["artist_name"] for row in tracks if row["is_listen"]} - {None}),
                "shuffle_share": share(sum(shuffles), len(shuffles)),
                "first_track_name": tracks[0]["track_name"] if tracks else None,
                "last_track_name": tracks[-1]["track_name"] if tracks else None,
            }
        )
    assert len(expected) < len(sessions)
    assert_rows(made_lake(seed)("sessions"), expected, "listener", "session_number")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_patterns_are_what_plain_python_computes(made_lake, seed):
    """Lengths by numpy's percentiles, starts by hour, plays and skips by position."""
    expected = []
    for listener in ("anna", "ben"):
        sessions = [
            own
            for (of, _), own in _sessions(seed, minutes=20).items()
            if of == listener and any(row["is_listen"] for row in own)
        ]
        by_hour = defaultdict(list)
        by_position = defaultdict(list)
        for own in sessions:
            by_hour[f"{own[0]['local_hour']:02}"].append(own)
            for position, row in enumerate(own, start=1):
                by_position[_bucket(position)].append((own[0]["play_number"], row))
        for dimension, value, those in [("all", "all", sessions), *(("start_hour", *item) for item in by_hour.items())]:
            spans = [_ms(max(row["ended_at"] for row in own) - own[0]["started_at"]) for own in those]
            expected.append(
                {
                    "listener": listener,
                    "dimension": dimension,
                    "value": value,
                    "sessions": len(those),
                    "session_share": len(those) / len(sessions),
                    "median_span_ms": np.median(spans),
                    "p90_span_ms": np.percentile(spans, 90),
                    "median_ms_played": np.median([sum(row["ms_played"] for row in own) for own in those]),
                    **_counts([row for own in those for row in own]),
                }
            )
        for value, placed in by_position.items():
            reached = len({session for session, _ in placed})
            expected.append(
                {
                    "listener": listener,
                    "dimension": "position",
                    "value": value,
                    "sessions": reached,
                    "session_share": reached / len(sessions),
                    "median_span_ms": None,
                    **_counts([row for _, row in placed]),
                }
            )
    assert {row["value"] for row in expected} >= {"1", "2-5", "6-10", "11+"}
    assert_rows(made_lake(seed)("session_patterns"), expected, "listener", "dimension", "value")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sensitivity_is_what_plain_python_computes(made_lake, seed):
    """Sessions counted by a loop over the plays, for each of the three pauses."""
    expected = []
    for minutes in (10, 20, 30):
        for listener in ("anna", "ben"):
            sessions = [own for (of, _), own in _sessions(seed, minutes).items() if of == listener]
            counted = [own for own in sessions if any(row["is_listen"] for row in own)]
            spans = [_ms(max(row["ended_at"] for row in own) - own[0]["started_at"]) for own in counted]
            expected.append(
                {
                    "listener": listener,
                    "gap_minutes": minutes,
                    "sessions": len(counted),
                    "empty_sessions": len(sessions) - len(counted),
                    "median_span_ms": float(np.median(spans)),
                    "mean_listens": sum(row["is_listen"] for own in counted for row in own) / len(counted),
                }
            )
    assert_rows(made_lake(seed)("session_gap_sensitivity"), expected, "listener", "gap_minutes")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sensitivity_at_20_minutes_is_what_sessions_holds(made_lake, seed):
    """The number of sessions, told twice: from the column that cleaning made, and from the plays."""
    run = made_lake(seed)
    sensitivity = run("session_gap_sensitivity").query("gap_minutes == 20").set_index("listener")
    assert sensitivity["sessions"].to_dict() == run("sessions").groupby("listener").size().to_dict()
    assert sensitivity["median_span_ms"].to_dict() == run("sessions").groupby("listener")["span_ms"].median().to_dict()


def test_exactly_the_pause_is_the_same_session(lake):
    """A pause counts from the latest end, of whichever play; at exactly 10 minutes nothing starts anew."""
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00", ms_played=600_000, media="episode", artist=None),
            play("anna", "2024-01-01 10:01", ms_played=60_000),
            play("anna", "2024-01-01 10:20", ms_played=60_000),
            play("anna", "2024-01-01 10:31:00.001", ms_played=60_000),
        ]
    )
    expected = [{"listener": "anna", "gap_minutes": gap, "sessions": 2 if gap == 10 else 1} for gap in (10, 20, 30)]
    assert_rows(lake(plays=plays)("session_gap_sensitivity"), expected, "listener", "gap_minutes")


def test_private_plays_open_no_session_and_bridge_none(lake):
    """A private play between two others must not join them, neither in sessions nor in their sensitivity."""
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00", ms_played=60_000),
            play("anna", "2024-01-01 10:16", ms_played=600_000, is_private=True),
            play("anna", "2024-01-01 10:30", ms_played=60_000),
            play("anna", "2024-01-01 15:00", ms_played=60_000, is_private=True),
        ]
    )
    run = lake(plays=plays)
    assert len(run("sessions")) == 2
    assert run("session_gap_sensitivity")["sessions"].to_list() == [2, 2, 1]


def test_a_session_belongs_to_the_day_on_which_it_starts(lake):
    """One that runs over midnight, and into another year, is one session of the old year."""
    plays = plays_frame(
        [
            play("anna", "2023-12-31 22:59", zone="Europe/Berlin", ms_played=120_000),
            play("anna", "2023-12-31 23:02", zone="Europe/Berlin"),
        ]
    )
    session = lake(plays=plays)("sessions").iloc[0]
    assert (session["local_date"], session["local_hour"], session["plays"]) == (pd.Timestamp("2023-12-31"), 23, 2)


@lru_cache
def _sessions(seed: int, minutes: int) -> dict[tuple[str, int], list[Row]]:
    sessions: dict[tuple[str, int], list[Row]] = defaultdict(list)
    latest_end = {}
    number: dict[str, int] = defaultdict(int)
    for row in (row for row in made_rows(seed) if row["is_counted"]):
        listener = row["listener"]
        end = latest_end.get(listener)
        if end is None or row["started_at"] - end > timedelta(minutes=minutes):
            number[listener] += 1
        latest_end[listener] = max(end or row["ended_at"], row["ended_at"])
        sessions[listener, number[listener]].append(row)
    return sessions


def _counts(rows: list[Row]) -> Row:
    skips = [row["is_skip"] for row in rows if row["media"] == "track" and row["is_skip"] is not None]
    return {
        "plays": len(rows),
        "listens": sum(row["is_listen"] for row in rows),
        "ms_played": sum(row["ms_played"] for row in rows),
        "skips": sum(skips),
        "skippable_plays": len(skips),
        "skip_rate": share(sum(skips), len(skips)),
    }


def _bucket(position: int) -> str:
    if position == 1:
        return "1"
    return "2-5" if position <= 5 else "6-10" if position <= 10 else "11+"


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
