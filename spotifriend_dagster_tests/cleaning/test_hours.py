"""Listening time by local hour: nothing lost, nothing across an hour."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.hours import split_by_hour
from spotifriend_dagster.tables.cleaned import PLAY_HOURS
from spotifriend_dagster.tables.frames import empty_frame
from spotifriend_dagster_tests.cleaning.typed_rows import plays_of

MINUTE = timedelta(minutes=1)
# Days around which clocks were set, by zone: half hours, three quarters, one minute past midnight, a day left out.
CHANGES = [
    ("Europe/London", datetime(2023, 3, 26, 1)),
    ("Europe/London", datetime(2023, 10, 29, 1)),
    ("America/New_York", datetime(2024, 11, 3, 6)),
    ("Australia/Lord_Howe", datetime(2024, 4, 6, 15)),
    ("Australia/Lord_Howe", datetime(2024, 10, 5, 15, 30)),
    ("America/St_Johns", datetime(2010, 11, 7, 2, 31)),
    ("America/Caracas", datetime(2016, 5, 1, 7)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10)),
    ("Asia/Kathmandu", datetime(2024, 1, 1)),
    ("UTC", datetime(2023, 12, 31, 23)),
]
Part = tuple[int, int, date, int, int]


def parts_by_the_letter(rows: list[dict[str, Any]]) -> list[Part]:
    """Walks through each play minute by minute: clocks strike and are set at full minutes only."""
    parts: list[Part] = []
    for number, row in enumerate(rows, 1):
        zone = ZoneInfo(row["time_zone"])
        at, end = row["started_at"], row["started_at"] + timedelta(milliseconds=row["ms_played"])
        shown, part, played = None, -1, timedelta()
        while True:
            local = at.astimezone(zone)
            if (local.date(), local.hour, local.utcoffset()) != shown:
                if shown is not None:
                    parts.append((number, part, shown[0], shown[1], played // timedelta(milliseconds=1)))
                shown, part, played = (local.date(), local.hour, local.utcoffset()), part + 1, timedelta()
            following = min(end, at.replace(second=0, microsecond=0) + MINUTE)
            played += following - at
            at = following
            if at >= end:
                break
        parts.append((number, part, shown[0], shown[1], played // timedelta(milliseconds=1)))
    return parts


def parts_of(rows: list[dict[str, Any]]) -> list[Part]:
    parts = split_by_hour(plays_of(rows))
    return list(
        zip(
            parts["play_number"],
            parts["part"],
            parts["local_date"].dt.date,
            parts["local_hour"],
            parts["ms_played"],
            strict=True,
        )
    )


def near_a_change(change: tuple[str, datetime], ms: int) -> dict[str, Any]:
    zone, at = change
    return {"time_zone": zone, "started_at": at.replace(tzinfo=UTC) + timedelta(milliseconds=ms)}


plays = st.builds(
    lambda start, ms_played: start | {"ms_played": ms_played},
    st.builds(near_a_change, st.sampled_from(CHANGES), st.integers(-10_000_000, 7_200_000)),
    st.integers(0, 400_000) | st.integers(0, 15_000_000) | st.sampled_from([0, 1, 3_600_000]),
)


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(plays, max_size=6))
def test_parts_follow_the_clock(rows: list[dict[str, Any]]) -> None:
    """A walk through every play, minute by minute on the local clock, finds the same parts."""
    assert parts_of(rows) == parts_by_the_letter(rows)


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(plays, min_size=1, max_size=8))
def test_parts_add_up_and_none_crosses_an_hour(rows: list[dict[str, Any]]) -> None:
    """The sum over parts is ms_played to the millisecond; a part is empty only where the play is."""
    plays = plays_of(rows)
    parts = split_by_hour(plays)
    assert parts.groupby("play_number")["ms_played"].sum().tolist() == plays["ms_played"].tolist()
    assert parts["ms_played"].between(0, 3_600_000).all()
    assert (parts["ms_played"] == 0).sum() == (plays["ms_played"] == 0).sum()
    assert not parts.duplicated(["play_number", "local_date", "local_hour", "part"]).any()
    assert parts["part"].eq(parts.groupby("play_number").cumcount()).all()


def test_the_hour_that_comes_twice_gives_two_parts() -> None:
    """London, 29 October 2023: from 00:30 for two hours and a half, the clock strikes one twice."""
    row = {"time_zone": "Europe/London", "started_at": datetime(2023, 10, 28, 23, 30, tzinfo=UTC)}
    parts = [(hour, ms // 60_000) for _, _, _, hour, ms in parts_of([row | {"ms_played": 9_000_000}])]
    assert parts == [(0, 30), (1, 60), (1, 60)]


def test_the_hour_that_does_not_come_has_no_part() -> None:
    """New York, 10 March 2024: the clock goes from 01:59 to 03:00."""
    row = {"time_zone": "America/New_York", "started_at": datetime(2024, 3, 10, 6, 30, tzinfo=UTC)}
    parts = [(hour, ms // 60_000) for _, _, _, hour, ms in parts_of([row | {"ms_played": 5_400_000}])]
    assert parts == [(1, 30), (3, 60)]


def test_midnight_begins_another_date_and_weekday() -> None:
    """New Year's Eve 2023 was a Sunday: its last minute is weekend, the next is not."""
    rows = [{"started_at": datetime(2023, 12, 31, 23, 59, tzinfo=UTC), "ms_played": 120_000}]
    parts = split_by_hour(plays_of(rows))
    assert parts["local_date"].tolist() == [pd.Timestamp("2023-12-31"), pd.Timestamp("2024-01-01")]
    assert parts["is_weekend"].tolist() == [True, False]
    assert parts["weekday"].tolist() == [7, 1]
    assert parts["daypart"].tolist() == ["evening", "night"]


@pytest.mark.parametrize("ms_played", [0, 1, 3_600_000])
def test_a_play_that_begins_on_the_hour_and_fits_in_it_is_one_part(ms_played: int) -> None:
    """No empty part beside it, however short or exact; a play of nothing keeps its row."""
    assert [part[1:] for part in parts_of([{"ms_played": ms_played}])] == [(0, date(2024, 3, 1), 12, ms_played)]


def test_plays_that_are_not_counted_are_split_too() -> None:
    """And every part carries what its play is, in the order of the plays."""
    rows = [
        {"ms_played": 4_000_000, "is_counted": False, "media": "episode", "artist_name": None},
        {"time_zone": "Asia/Kathmandu", "ms_played": 1_000, "ms_played_is_estimate": True},
    ]
    parts = split_by_hour(plays_of(rows))
    assert parts["play_number"].tolist() == [1, 1, 2]
    assert parts["is_counted"].tolist() == [False, False, True]
    assert parts["media"].tolist() == ["episode", "episode", "track"]
    assert parts["artist_name"].isna().tolist() == [True, True, False]
    assert parts["ms_played_is_estimate"].tolist() == [False, False, True]
    assert parts["local_hour"].tolist() == [12, 13, 17]


def test_no_plays_give_an_empty_typed_frame() -> None:
    """An empty lake is a lake."""
    pd.testing.assert_frame_equal(split_by_hour(plays_of([])), empty_frame(PLAY_HOURS))
