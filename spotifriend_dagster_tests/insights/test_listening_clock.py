"""The listening clock: 168 hours of the week, time split at the hour."""

from __future__ import annotations

from collections import Counter

import pytest

from spotifriend_dagster_tests.insights.made_history import made_hours, made_rows
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, rows_of


@pytest.mark.parametrize("seed", [1, 2])
def test_the_clock_is_what_plain_python_computes(made_lake, seed):
    """Time and listens of every hour of the week, hours without listening included, per covered day of that weekday."""
    coverage = made_lake(seed)("listening_coverage")
    times, tracks, listens, days = Counter(), Counter(), Counter(), Counter()
    for part in made_hours(seed):
        if part["is_counted"]:
            times[part["listener"], part["weekday"], part["local_hour"]] += part["ms_played"]
            tracks[part["listener"], part["weekday"], part["local_hour"]] += part["ms_played"] * (
                part["media"] == "track"
            )
    for row in made_rows(seed):
        listens[row["listener"], row["weekday"], row["local_hour"]] += row["is_counted"] and row["is_listen"]
    for row in rows_of(coverage):
        days[row["listener"], row["local_date"].isoweekday()] += 1
    total = Counter()
    for (listener, _, _), ms in times.items():
        total[listener] += ms
    expected = [
        {
            "listener": listener,
            "weekday": weekday,
            "local_hour": hour,
            "ms_played": times[listener, weekday, hour],
            "track_ms_played": tracks[listener, weekday, hour],
            "listens": listens[listener, weekday, hour],
            "share": times[listener, weekday, hour] / total[listener],
            "covered_days": days[listener, weekday],
            "ms_played_per_day": times[listener, weekday, hour] / days[listener, weekday],
        }
        for listener in ("anna", "ben")
        for weekday in range(1, 8)
        for hour in range(24)
    ]
    assert_rows(made_lake(seed)("listening_clock"), expected, "listener", "weekday", "local_hour")


def test_the_hour_that_comes_twice_holds_both(lake):
    """On an autumn night 02:30 comes twice; both plays, and both halves of a play across, belong to hour 2."""
    plays = plays_frame(
        [
            play("anna", "2024-10-27 00:30", zone="Europe/Berlin", ms_played=1_800_000),
            play("anna", "2024-10-27 01:30", zone="Europe/Berlin", ms_played=3_600_000),
        ]
    )
    clock = lake(plays=plays)("listening_clock").set_index(["weekday", "local_hour"])
    assert clock.loc[(7, 2), ["ms_played", "listens"]].to_list() == [3_600_000, 2]
    assert clock.loc[(7, 3), ["ms_played", "listens"]].to_list() == [1_800_000, 0]
    assert clock["ms_played"].sum() == 5_400_000


def test_days_that_no_source_reaches_do_not_thin_the_average(lake):
    """Time per day is over the days that are known, not over those between two exports."""
    plays = plays_frame([play("anna", "2024-01-01 10:00"), play("anna", "2024-07-01 10:00")])
    spans = exports(anna=[("2024-01-01 10:00", "2024-01-03 10:00"), ("2024-06-30 10:00", "2024-07-02 10:00")])
    mondays = lake(plays=plays, history_files=spans)("listening_clock").query("weekday == 1 and local_hour == 10")
    assert mondays[["covered_days", "ms_played_per_day"]].to_numpy().tolist() == [[2, 180_000.0]]
