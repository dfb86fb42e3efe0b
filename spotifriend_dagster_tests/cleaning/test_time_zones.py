"""The listener's clock: zones over time, daylight saving to the instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.time_zones import (
    UnknownTimeZone,
    UnorderedTimeZones,
    ZoneHistory,
    daypart_of,
    epoch_ms,
    zone_clock,
)
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.frames import dtype

ODD_ZONES = [
    "Europe/London",
    "America/New_York",
    "Asia/Kathmandu",  # 5:45 east
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "America/St_Johns",  # set its clocks at 00:01 until 2011
    "Pacific/Apia",  # had no 30 December 2011
    "America/Caracas",  # moved by half an hour in 2007 and 2016
    "Africa/Casablanca",  # four changes a year
    "Pacific/Chatham",  # 12:45 east
    "UTC",
]
instants_of_spotify = st.datetimes(datetime(2006, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))


@settings(deadline=None, max_examples=40)
@given(zone=st.sampled_from(ODD_ZONES), instants=st.lists(instants_of_spotify, min_size=1, max_size=20))
def test_the_clock_shows_what_the_zone_database_says(zone: str, instants: list[datetime]) -> None:
    """Python's own zoneinfo, instant by instant, gives every column."""
    instants = [instant.replace(microsecond=instant.microsecond // 1000 * 1000) for instant in instants]
    shown = ZoneHistory.always(zone).localize(pd.Series(instants, dtype="datetime64[ms, UTC]"))
    expected = [instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for instant in instants]
    assert shown["local_started_at"].tolist() == expected
    assert shown["local_date"].tolist() == [pd.Timestamp(local.date()) for local in expected]
    assert shown["local_hour"].tolist() == [local.hour for local in expected]
    assert shown["weekday"].tolist() == [local.isoweekday() for local in expected]
    assert shown["is_weekend"].tolist() == [local.isoweekday() >= 6 for local in expected]


@pytest.mark.parametrize("zone", ODD_ZONES)
def test_every_change_of_the_clock_is_found_to_the_second(zone: str) -> None:
    """Thirty years, looked at every hour: each change lies where the offset changes, and none is missed."""
    first, last = datetime(2006, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
    clock = zone_clock(zone, epoch_ms(pd.Series([first, last], dtype="datetime64[ms, UTC]")))
    info = ZoneInfo(zone)
    for change in clock.changes[1:].tolist():
        at = datetime.fromtimestamp(change / 1000, UTC)
        assert at.astimezone(info).utcoffset() != (at - timedelta(seconds=1)).astimezone(info).utcoffset()
    hours = pd.Series(pd.date_range(first, last, freq="6h").as_unit("ms"))
    offsets = [instant.astimezone(info).utcoffset() for instant in hours.dt.to_pydatetime()]
    assert clock.offset_at(epoch_ms(hours)).tolist() == [offset / timedelta(milliseconds=1) for offset in offsets]


def test_the_two_half_past_ones_of_an_autumn_night_are_different_instants() -> None:
    """London, 29 October 2023: 01:30 came twice; in spring it did not come at all."""
    instants = pd.Series(
        pd.to_datetime(["2023-10-29 00:30", "2023-10-29 01:30", "2023-03-26 00:59", "2023-03-26 01:00"], utc=True)
    )
    shown = ZoneHistory.always("Europe/London").localize(instants)["local_started_at"]
    assert shown.astype(str).tolist() == [
        "2023-10-29 01:30:00",
        "2023-10-29 01:30:00",
        "2023-03-26 00:59:00",
        "2023-03-26 02:00:00",
    ]


def test_each_zone_holds_from_its_instant_until_the_next() -> None:
    """A journey: a naive time is read on the clock that it begins, an aware one is an instant, a date is a midnight."""
    zones = ZoneHistory(
        [
            (None, "Europe/London"),
            (date(2024, 3, 1), "Asia/Tokyo"),
            (datetime(2024, 3, 10, 8, tzinfo=UTC), "America/New_York"),
            (datetime(2024, 4, 1, 12), "Europe/London"),  # noon on London's clock
        ]
    )
    at = {
        "2024-02-29 14:59:59.999": "Europe/London",
        "2024-02-29 15:00": "Asia/Tokyo",
        "2024-03-10 07:59": "Asia/Tokyo",
        "2024-03-10 08:00": "America/New_York",
        "2024-04-01 10:59": "America/New_York",
        "2024-04-01 11:00": "Europe/London",
    }
    instants = pd.Series(pd.to_datetime(list(at), utc=True, format="ISO8601").as_unit("ms"))
    assert zones.localize(instants)["time_zone"].tolist() == list(at.values())
    assert [zones.zone_at(instant) for instant in instants.dt.to_pydatetime()] == list(at.values())
    assert zones.localize(instants)["local_started_at"][1] == pd.Timestamp("2024-03-01")


def test_the_first_zone_holds_for_all_time_before() -> None:
    """Somebody who writes when the first zone began still listened somewhere before."""
    zones = ZoneHistory([(date(2024, 1, 1), "Europe/Paris"), (date(2025, 1, 1), "Europe/Rome")])
    assert zones.zone_at(datetime(2010, 1, 1, tzinfo=UTC)) == "Europe/Paris"
    assert zones.zone_at(datetime(2025, 6, 1, tzinfo=UTC)) == "Europe/Rome"


def test_the_columns_are_those_that_plays_declares() -> None:
    """With the index of the plays, so that they can be joined; also when there are none."""
    instants = pd.Series(pd.to_datetime(["2024-03-01 12:00"], utc=True), index=[7])
    for shown in (ZoneHistory.always("UTC").localize(instants), ZoneHistory.always("UTC").localize(instants.iloc[:0])):
        assert {name: str(kind) for name, kind in shown.dtypes.items()} == {
            name: dtype(PLAYS.column(name)) for name in shown.columns
        }
    assert ZoneHistory.always("UTC").localize(instants).index.tolist() == [7]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("Europe/Londn", "Europe/London"),
        ("europe/berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("Tokyo", "Asia/Tokyo"),
    ],
)
def test_a_misspelt_zone_is_answered_with_the_one_that_was_meant(wrong: str, meant: str) -> None:
    """One sentence that names the cure."""
    with pytest.raises(UnknownTimeZone, match=f"no time zone '{wrong}': did you mean '{meant}'"):
        ZoneHistory.always(wrong)


@pytest.mark.parametrize(
    "wrong", ["", "Europe", "../../etc/passwd", "/etc/localtime", "a\0b", "x" * 300, "Mars", "GMT+1"]
)
def test_no_name_gets_past_the_list_of_zones(wrong: str) -> None:
    """Folders, paths and nonsense are unknown zones, not other errors; no zone with a misleading sign is proposed."""
    with pytest.raises(UnknownTimeZone) as error:
        ZoneHistory.always(wrong)
    assert "Etc/" not in str(error.value)


@pytest.mark.parametrize(
    "zones",
    [
        [],
        [(None, "UTC"), (None, "Europe/London")],
        [(date(2024, 1, 1), "UTC"), (None, "Europe/London")],
        [(None, "UTC"), (date(2024, 2, 1), "Europe/London"), (date(2024, 1, 1), "Europe/Paris")],
        [(date(2024, 1, 1), "Europe/London"), (date(2024, 1, 1), "Europe/Lisbon")],
    ],
)
def test_zones_out_of_order_are_refused(zones: list[tuple[date | None, str]]) -> None:
    """A list that leaves open which zone held is an error, never a guess."""
    with pytest.raises(UnorderedTimeZones):
        ZoneHistory(zones)


def test_the_parts_of_the_day_begin_at_0_6_12_and_18() -> None:
    """Each has six hours."""
    assert daypart_of(pd.Series(range(24))).tolist() == [
        *["night"] * 6,
        *["morning"] * 6,
        *["afternoon"] * 6,
        *["evening"] * 6,
    ]
