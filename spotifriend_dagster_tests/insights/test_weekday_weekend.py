"""Weekdays against weekends: shares per day, the smoothed lift, time per covered day."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, play_hours_frame, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, listens_of, rows_of, share


@pytest.mark.parametrize("seed", [1, 2])
def test_the_comparison_is_what_plain_python_computes(made_lake, seed):
    """Every count, share and lift, for all music and for each artist with a listen."""
    plays = made_history(seed)
    times, estimated = Counter(), Counter()
    for row in rows_of(play_hours_frame(plays)):
        if row["is_counted"] and row["media"] == "track":
            for value in {"all", row["artist_name"]}:
                times[row["listener"], value, row["is_weekend"]] += row["ms_played"]
                estimated[row["listener"], value] += row["ms_played"] * row["ms_played_is_estimate"]
    expected = []
    for listener, listens in listens_of(plays).items():
        counts = Counter((row["artist_name"], row["is_weekend"]) for row in listens)
        artists = sorted({row["artist_name"] for row in listens if row["artist_name"]})
        week = {weekend: sum(counts[artist, weekend] for artist in artists) for weekend in (False, True)}
        for value in ["all", *artists]:
            if value == "all":
                weekday, weekend = (sum(row["is_weekend"] is kind for row in listens) for kind in (False, True))
            else:
                weekday, weekend = counts[value, False], counts[value, True]
            ms = [times[listener, value, kind] for kind in (False, True)]
            per_day = weekday / 5 + weekend / 2
            lift = math.log2(
                ((weekend + 0.5) / (week[True] + 0.5 * len(artists)))
                / ((weekday + 0.5) / (week[False] + 0.5 * len(artists)))
            )
            expected.append(
                {
                    "listener": listener,
                    "dimension": "all" if value == "all" else "artist",
                    "value": value,
                    "weekday_listens": weekday,
                    "weekend_listens": weekend,
                    "weekday_ms_played": ms[0],
                    "weekend_ms_played": ms[1],
                    "weekday_share": weekday / 5 / per_day,
                    "weekend_share": weekend / 2 / per_day,
                    "weekend_lift_log2": lift if value != "all" and weekday + weekend >= 20 else None,
                    "estimated_share": share(estimated[listener, value], sum(ms)),
                }
            )
    assert any(row["weekend_lift_log2"] is not None for row in expected)
    assert_rows(made_lake(seed)("weekday_weekend"), expected, "listener", "dimension", "value")


def test_shares_are_per_day(lake):
    """Five listens on the weekdays and two on the weekend are the same each day: one half."""
    plays = plays_frame(play("anna", f"2024-01-0{day} 10:00", artist="A") for day in range(1, 8))
    result = lake(plays=plays)("weekday_weekend")
    assert set(result["weekday_share"]) == set(result["weekend_share"]) == {0.5}


def test_the_lift_needs_twenty_listens(lake):
    """Nineteen listens have no lift, twenty have one: here every one is on a weekday, 5 a week."""
    plays = plays_frame(
        play("anna", f"2024-01-01 10:{minute:02}", artist=artist, ms_played=30_000)
        for artist, listens in (("A", 19), ("B", 20))
        for minute in range(listens)
    )
    lift = lake(plays=plays)("weekday_weekend").set_index("value")["weekend_lift_log2"]
    assert lift.notna().to_dict() == {"all": False, "A": False, "B": True}
    assert lift["B"] == pytest.approx(math.log2((0.5 / 1) / (20.5 / 40)))


def test_time_is_split_at_midnight_and_is_per_covered_day(lake):
    """Friday 23:58 to Saturday 00:04, in a coverage of Friday to Sunday: 2 minutes a weekday, 2 a day of weekend."""
    plays = plays_frame([play("anna", "2024-01-05 23:58", artist="A", ms_played=360_000)])
    result = lake(plays=plays, history_files=exports(anna=[("2024-01-05", "2024-01-07 12:00")]))("weekday_weekend")
    for row in rows_of(result):
        assert (row["weekday_listens"], row["weekend_listens"]) == (1, 0)
        assert (row["weekday_ms_played"], row["weekend_ms_played"]) == (120_000, 240_000)
    assert_rows(
        result.loc[result["dimension"] == "all"],
        [{"value": "all", "weekend_days": 2, "weekend_ms_per_day": 120_000.0}],
        "value",
    )


def test_days_that_no_source_reaches_do_not_thin_the_averages(lake):
    """Two exports, months apart: the days between them are not days without music."""
    plays = plays_frame([play("anna", "2024-01-01 10:00"), play("anna", "2024-06-03 10:00")])
    files = exports(anna=[("2024-01-01 09:00", "2024-01-01 12:00"), ("2024-06-03 09:00", "2024-06-03 12:00")])
    result = lake(plays=plays, history_files=files)("weekday_weekend")
    everything = rows_of(result)[0]
    assert (everything["value"], everything["weekdays"], everything["weekend_days"]) == ("all", 2, 0)
