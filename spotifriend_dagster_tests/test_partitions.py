"""Days of collection: today is one of them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from spotifriend_dagster.partitions import days_from


def test_today_is_a_day_from_its_first_second_on():
    """What is collected now is usable now, not tomorrow; tomorrow is not offered yet."""
    days = days_from(date(2025, 1, 1))
    just_begun = datetime(2025, 3, 2, 0, 0, 1, tzinfo=UTC)
    keys = days.get_partition_keys(current_time=just_begun)
    assert (keys[0], keys[-1], len(keys)) == ("2025-01-01", "2025-03-02", 61)


def test_days_are_utc_whatever_clocks_do():
    """Each day is one partition, also those of 23 and 25 hours elsewhere, and a leap day."""
    days = days_from(date(2024, 2, 28))
    keys = days.get_partition_keys(current_time=datetime(2024, 11, 1, tzinfo=UTC))
    assert len(keys) == len(set(keys)) == 248
    assert {"2024-02-29", "2024-03-31", "2024-10-27"} <= set(keys)
    window = days.time_window_for_partition_key("2024-03-31")
    assert (window.end - window.start).total_seconds() == 86_400
    assert window.start.utcoffset().total_seconds() == 0


def test_the_first_day_may_be_today():
    """Who begins to collect today has one day."""
    today = datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert days_from(today.date()).get_partition_keys(current_time=today) == ["2025-03-01"]
