"""Seasonality: months of the year against each other, on complete months of two years or more."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import mean

import pytest

from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, rows_of

DAY = timedelta(days=1)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_months_are_what_plain_python_computes(made_lake, seed):
    """Means per day of whole calendar months, by month of the year; an index where two years are covered."""
    expected = []
    for listener in ("anna", "ben"):
        days = [row for row in rows_of(made_lake(seed)("daily_listening")) if row["listener"] == listener]
        months = defaultdict(list)
        for day in days:
            months[day["local_date"].replace(day=1)].append(day["ms_played"])
        last_month = days[-1]["local_date"].replace(day=1)
        whole = {
            month: mean(times)
            for month, times in months.items()
            if month + len(times) * DAY == (month + 31 * DAY).replace(day=1) and month != last_month
        }
        assert len(whole) < len(months)
        for number in {month.month for month in whole}:
            own = [per_day for month, per_day in whole.items() if month.month == number]
            expected.append(
                {
                    "listener": listener,
                    "month": number,
                    "years": len(own),
                    "ms_played_per_day": mean(own),
                    "all_months_ms_played_per_day": mean(whole.values()),
                    "complete_months": len(whole),
                    "covered_days": len(days),
                    "seasonal_index": mean(own) / mean(whole.values()) if len(days) >= 730 else None,
                }
            )
    assert_rows(made_lake(seed)("seasonality"), expected, "listener", "month")


@pytest.mark.parametrize(("days", "has_index"), [(730, True), (729, False)])
def test_two_years_are_needed_for_an_index(lake, days, has_index):
    """A year alone cannot tell a season from a whim; a leap year's February counts by its days."""
    start = datetime(2023, 1, 1, 12)
    plays = [
        play("anna", start + DAY * day, ms_played=600_000 if (start + DAY * day).month == 2 else 300_000)
        for day in range(days)
    ]
    months = lake(plays=plays_frame(plays))("seasonality").set_index("month")
    assert months["ms_played_per_day"].loc[[1, 2]].to_list() == [300_000, 600_000]
    if has_index:
        assert months.loc[2, "seasonal_index"] == pytest.approx(600_000 / (300_000 * 21 + 600_000 * 2) * 23)
    else:
        assert months["seasonal_index"].isna().all()


def test_partial_months_and_months_with_gaps_are_left_out(lake):
    """A month whose export begins on its second day, or that lies between two exports, would look like a quiet one."""
    plays = plays_frame([play("anna", "2024-01-02 10:00"), play("anna", "2024-06-15 10:00")])
    spans = exports(anna=[("2024-01-02 10:00", "2024-03-20 10:00"), ("2024-04-10 10:00", "2024-06-15 10:00")])
    assert lake(plays=plays, history_files=spans)("seasonality")["month"].to_list() == [2, 5]
