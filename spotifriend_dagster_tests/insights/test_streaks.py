"""Streaks: local dates in a row, each with a listen."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history, made_rows
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, today_of

DAY = timedelta(days=1)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_streaks_are_what_plain_python_computes(made_lake, seed):
    """Every streak, its rank, and whether it is current."""
    today = today_of(made_history(seed))
    expected = []
    for listener in ("anna", "ben"):
        listens = [
            row for row in made_rows(seed) if row["listener"] == listener and row["is_counted"] and row["is_listen"]
        ]
        dates = sorted({row["local_date"] for row in listens})
        streaks = []
        for date in dates:
            if not streaks or date - streaks[-1][-1] > DAY:
                streaks.append([])
            streaks[-1].append(date)
        for rank, streak in enumerate(sorted(streaks, key=lambda own: (-len(own), own[0])), start=1):
            expected.append(
                {
                    "listener": listener,
                    "first_date": streak[0],
                    "last_date": streak[-1],
                    "days": len(streak),
                    "listens": sum(streak[0] <= row["local_date"] <= streak[-1] for row in listens),
                    "streak_rank": rank,
                    "is_current": streak[-1] >= today[listener] - DAY,
                    "as_of_date": today[listener],
                    "is_minimum": False,
                }
            )
    assert_rows(made_lake(seed)("streaks"), expected, "listener", "first_date")


@pytest.mark.parametrize(
    ("coverage_end", "is_current"), [("01-03 23:00", True), ("01-04 23:59", True), ("01-05 00:01", False)]
)
def test_a_current_streak_may_end_yesterday_but_no_earlier(lake, coverage_end, is_current):
    """Today's listening may still come. What today is, the end of coverage says."""
    plays = plays_frame([play("anna", f"2024-01-0{day} 20:00") for day in (1, 2, 3)])
    streaks = lake(plays=plays, history_files=exports(anna=[("2024-01-01 20:03", f"2024-{coverage_end}")]))("streaks")
    assert streaks["is_current"].to_list() == [is_current]


def test_private_plays_and_short_plays_hold_no_streak(lake):
    """A day with nothing but a skip, or a private listen, breaks it; a podcast does not."""
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00"),
            play("anna", "2024-01-02 10:00", media="episode", artist=None),
            play("anna", "2024-01-03 10:00", ms_played=29_999),
            play("anna", "2024-01-04 10:00"),
            play("anna", "2024-01-05 10:00", is_private=True),
            play("anna", "2024-01-06 10:00"),
        ]
    )
    streaks = lake(plays=plays)("streaks")
    assert streaks["days"].to_list() == [2, 1, 1]
    assert streaks["streak_rank"].to_list() == [1, 2, 3]


def test_a_streak_goes_over_new_year_and_the_change_of_clocks_by_local_dates(lake):
    """Two listens on one UTC day may be two local days; the dates on the listener's clock decide."""
    plays = plays_frame(
        [
            play("anna", "2023-12-31 10:30", zone="Pacific/Auckland"),
            play("anna", "2023-12-31 11:30", zone="Pacific/Auckland"),
            play("ben", "2024-10-26 22:30", zone="Europe/London"),
            play("ben", "2024-10-27 23:30", zone="Europe/London"),
        ]
    )
    expected = [
        {"listener": "anna", "first_date": datetime(2023, 12, 31), "last_date": datetime(2024, 1, 1), "days": 2},
        {"listener": "ben", "first_date": datetime(2024, 10, 26), "last_date": datetime(2024, 10, 27), "days": 2},
    ]
    assert_rows(lake(plays=plays)("streaks"), expected, "listener")


def test_a_streak_beside_a_day_that_is_not_known_is_a_minimum(lake):
    """It may be longer than it looks."""
    plays = plays_frame(
        [play("anna", "2024-01-01 20:00"), play("anna", "2024-02-10 20:00"), play("anna", "2024-02-12 20:00")]
    )
    spans = exports(anna=[("2024-01-01 20:03", "2024-01-03 10:00"), ("2024-02-10 20:03", "2024-02-12 20:03")])
    assert lake(plays=plays, history_files=spans)("streaks")["is_minimum"].to_list() == [False, True, False]
