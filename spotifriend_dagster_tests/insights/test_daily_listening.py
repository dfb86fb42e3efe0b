"""Listening day by day: totals, moving averages, and the trend over the weeks."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import pytest

from spotifriend_dagster.tables.cleaned import LISTENING_GAPS, RECENT_PAGES
from spotifriend_dagster_tests.insights.made_history import made_history, made_hours, made_rows
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, rows_of, share

SEEDS = [1, 2]
DAY = timedelta(days=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_days_are_what_plain_python_computes(made_lake, seed):
    """Every figure of every day, days without listening included, and both moving averages."""
    assert_rows(made_lake(seed)("daily_listening"), _days(seed), "listener", "local_date")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_days_add_up_to_the_plays(made_lake, seed):
    """Splitting at midnight loses no listening time, and no play is counted twice."""
    run = made_lake(seed)
    days = run("daily_listening").groupby("listener")
    counted = made_history(seed).query("is_counted").groupby("listener")
    assert days["ms_played"].sum().to_dict() == counted["ms_played"].sum().to_dict()
    assert days["listens"].sum().to_dict() == counted["is_listen"].sum().to_dict()
    assert days["plays"].sum().to_dict() == counted.size().to_dict()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_trend_is_what_numpy_computes(made_lake, seed):
    """Least squares over complete weeks with Student's interval; means per covered and per active day."""
    t_975 = {1: 12.706, 6: 2.4469, 10: 2.2281, 20: 2.0860, 30: 2.0423, 60: 2.0003, 120: 1.9799, 240: 1.9699}
    expected = []
    for listener in ("anna", "ben"):
        days = [day for day in _days(seed) if day["listener"] == listener]
        weeks = defaultdict(list)
        for day in days:
            monday = day["local_date"] - DAY * day["local_date"].weekday()
            weeks[(monday - datetime(2021, 1, 4)) // timedelta(days=7)].append(day["ms_played"])
        totals = {week: sum(times) for week, times in weeks.items() if len(times) == 7 and week != max(weeks)}
        x, y = np.array(list(totals)), np.array(list(totals.values()), dtype=float)
        (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
        freedom = len(x) - 2
        quantile = np.interp(1 / freedom, sorted(1 / n for n in t_975), sorted(t_975.values()))
        error = quantile * np.sqrt(covariance[0, 0])
        longest = max(days, key=lambda day: (day["ms_played"], -day["local_date"].timestamp()))
        ms_played = sum(day["ms_played"] for day in days)
        expected.append(
            {
                "listener": listener,
                "covered_days": len(days),
                "active_days": sum(day["listens"] > 0 for day in days),
                "ms_played_per_covered_day": ms_played / len(days),
                "ms_played_per_active_day": ms_played / sum(day["listens"] > 0 for day in days),
                "longest_date": longest["local_date"],
                "longest_ms_played": longest["ms_played"],
                "complete_weeks": len(totals),
                "ms_played_per_week": y.mean(),
                "slope_ms_per_week": pytest.approx(slope),
                "slope_low_ms_per_week": pytest.approx(slope - error, rel=0.01),
                "slope_high_ms_per_week": pytest.approx(slope + error, rel=0.01),
                "is_minimum": False,
            }
        )
    trend = rows_of(made_lake(seed)("listening_trend"))
    for row, wanted in zip(trend, expected, strict=True):
        assert {name: row[name] for name in wanted} == wanted


def test_midnight_splits_time_but_not_plays(lake):
    """A play over New Year gives its milliseconds to both years and itself to the old one."""
    plays = plays_frame([play("anna", "2023-12-31 23:59", ms_played=180_000), play("anna", "2024-01-02 12:00")])
    expected = [
        {"local_date": datetime(2023, 12, 31), "ms_played": 60_000, "plays": 1, "listens": 1, "weekday": 7},
        {"local_date": datetime(2024, 1, 1), "ms_played": 120_000, "plays": 0, "listens": 0, "weekday": 1},
        {"local_date": datetime(2024, 1, 2), "ms_played": 180_000, "plays": 1, "listens": 1, "weekday": 2},
    ]
    assert_rows(lake(plays=plays)("daily_listening"), expected, "local_date")


def test_a_day_without_an_hour_and_one_with_an_hour_twice(lake):
    """Around both changes of the clocks each day holds what was played in it, 23 or 25 hours long."""
    whole_day = [
        play("anna", start, zone="Europe/London", ms_played=hours * 3_600_000)
        for start, hours in (("2024-03-31 00:00", 23), ("2024-10-26 23:00", 25))
    ]
    days = lake(plays=plays_frame(whole_day))("daily_listening").set_index("local_date")["ms_played"]
    assert days.loc["2024-03-31"] == 23 * 3_600_000
    assert days.loc["2024-10-27"] == 25 * 3_600_000
    assert days.sum() == 48 * 3_600_000


def test_a_moving_average_over_a_gap_is_a_minimum_and_over_unknown_days_is_none(lake):
    """An average must not take days that nobody knows for days of silence."""
    plays = plays_frame([play("anna", f"2024-01-{day:02} 10:00", ms_played=70_000) for day in range(1, 9)])
    page = {"listener": "anna", "year": 2024, "rejected_rows": 0, "rows": 50, "new_rows": 50}
    polls = [
        page | {"collected_on": day, "page": day, "pulled_at": f"{day} 12:00"} | ends
        for day, ends in {
            "2024-01-10": {"oldest_played_at": "2024-01-07 09:00", "newest_played_at": "2024-01-10 11:00"},
            "2024-01-13": {"oldest_played_at": "2024-01-12 09:00", "newest_played_at": "2024-01-13 11:00"},
        }.items()
    ]
    gap = {"listener": "anna", "page": "2024-01-13", "kind": "pages_apart", "is_open": True}
    gap |= dict.fromkeys(("starts_at", "pulled_before", "open_from"), "2024-01-10 11:00")
    gap |= dict.fromkeys(("ends_at", "pulled_at", "open_until"), "2024-01-12 09:00")
    gaps = frame_of(LISTENING_GAPS, [gap])
    run = lake(plays=plays, recent_pages=frame_of(RECENT_PAGES, polls), listening_gaps=gaps)
    days = run("daily_listening").set_index("local_date")
    assert days.loc["2024-01-10", "status"] == "minimum"
    assert days["mean_ms_played_7_days"].isna().sum() == 6
    assert days.loc["2024-01-09", "mean_ms_played_7_days"] == pytest.approx(60_000)
    assert days["is_minimum_7_days"].dropna().astype(bool).to_list() == [False, False, False, True, True, True, True]
    assert bool(run("listening_trend")["is_minimum"].item())

    apart = exports(anna=[("2024-01-01 10:00", "2024-01-03 10:00")])
    days = lake(plays=plays, recent_pages=frame_of(RECENT_PAGES, polls[1:]), history_files=apart)("daily_listening")
    days = days.set_index("local_date")
    assert "2024-01-09" not in days.index, "a day without a source or a play has no row"
    assert days.loc["2024-01-07", "status"] == "unknown"
    assert days["mean_ms_played_7_days"].isna().all()


def test_fewer_than_eight_complete_weeks_have_no_slope(lake):
    """Two points always lie on a line."""
    plays = [play("anna", datetime(2024, 1, 1, 10) + DAY * day) for day in range(7 * 8 + 1)]
    run = lake(plays=plays_frame(plays[:-1]))
    assert (run("listening_trend")["complete_weeks"].item(), run("listening_trend")["slope_ms_per_week"].item()) == (
        7,
        pytest.approx(np.nan, nan_ok=True),
    )
    flat = lake(plays=plays_frame(plays))("listening_trend").iloc[0]
    assert flat[["complete_weeks", "slope_ms_per_week", "slope_low_ms_per_week"]].to_list() == [8, 0.0, 0.0]


@lru_cache
def _days(seed):
    rows = [row for row in made_rows(seed) if row["is_counted"]]
    parts = [row for row in made_hours(seed) if row["is_counted"]]
    days = []
    for listener in ("anna", "ben"):
        times, track_times, estimated = Counter(), Counter(), Counter()
        for part in parts:
            if part["listener"] == listener:
                times[part["local_date"]] += part["ms_played"]
                track_times[part["local_date"]] += part["ms_played"] * (part["media"] == "track")
                estimated[part["local_date"]] += part["ms_played"] * part["ms_played_is_estimate"]
        by_day = defaultdict(list)
        for row in rows:
            if row["listener"] == listener:
                by_day[row["local_date"]].append(row)
        ends = [
            row["local_started_at"] + (row["ended_at"] - row["started_at"])
            for row in made_rows(seed)
            if row["listener"] == listener
        ]
        first = min(by_day)
        day = first
        last = max(ends)
        while day <= last:
            own = by_day[day]
            tracks = [row for row in own if row["media"] == "track"]
            listens = [row for row in tracks if row["is_listen"]]
            skips = [row["is_skip"] for row in tracks if row["is_skip"] is not None]
            means = {}
            for length in (7, 28):
                is_full = day - first >= DAY * (length - 1)
                window = [times[day - DAY * before] for before in range(length)]
                means[f"mean_ms_played_{length}_days"] = sum(window) / length if is_full else None
                means[f"is_minimum_{length}_days"] = False if is_full else None
            days.append(
                {
                    "listener": listener,
                    "local_date": day,
                    "weekday": day.isoweekday(),
                    "is_weekend": day.isoweekday() >= 6,
                    "status": "complete",
                    "is_minimum": False,
                    "ms_played": times[day],
                    "track_ms_played": track_times[day],
                    "estimated_share": share(estimated[day], times[day]),
                    "plays": len(own),
                    "listens": sum(row["is_listen"] for row in own),
                    "track_listens": len(listens),
                    "artists": len({row["artist_name"] for row in listens} - {None}),
                    "recordings": len({row["recording_id"] for row in listens} - {None}),
                    "artist_discoveries": sum(row["artist_novelty"] == "discovery" for row in own),
                    "recording_discoveries": sum(row["recording_novelty"] == "discovery" for row in own),
                    "skips": sum(skips),
                    "skippable_plays": len(skips),
                    **means,
                }
            )
            day += DAY
    return days
