"""Sessions: who belongs to which, at every gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.sessions import add_sessions
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster_tests.cleaning.typed_rows import plays_of

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
Place = tuple[int, int] | None


def places_by_the_letter(rows: list[dict[str, Any]], gap: timedelta) -> list[Place]:
    places: list[Place] = []
    latest_end, number, position = None, 0, 0
    for row in rows:
        if not row["is_counted"]:
            places.append(None)
            continue
        if latest_end is None or row["started_at"] - latest_end > gap:
            number, position = number + 1, 0
        position += 1
        end = row["started_at"] + timedelta(milliseconds=row["ms_played"])
        latest_end = end if latest_end is None else max(latest_end, end)
        places.append((number, position))
    return places


def places_of(rows: list[dict[str, Any]], gap: timedelta = timedelta(minutes=20)) -> list[Place]:
    plays = add_sessions(plays_of(rows), pd.Timedelta(gap))
    return [
        None if pd.isna(number) else (number, position)
        for number, position in zip(plays["session_number"], plays["session_position"], strict=True)
    ]


plays = st.fixed_dictionaries(
    {
        "started_at": st.integers(0, 600).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        "ms_played": st.integers(0, 60).map(lambda minutes: minutes * 60_000),
        "is_counted": st.sampled_from([True, True, True, False]),
        "media": st.sampled_from(["track", "episode", "unknown"]),
    }
)


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(plays, max_size=20), minutes=st.sampled_from([0, 10, 20, 30]))
def test_sessions_follow_the_rule(rows: list[dict[str, Any]], minutes: int) -> None:
    """A plain loop over the plays agrees, at every gap."""
    rows.sort(key=lambda row: (row["started_at"], row["ms_played"]))
    assert places_of(rows, timedelta(minutes=minutes)) == places_by_the_letter(rows, timedelta(minutes=minutes))


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(plays, min_size=1, max_size=20))
def test_sessions_partition_the_counted_plays(rows: list[dict[str, Any]]) -> None:
    """Every counted play has one place; numbers and positions leave none out; and a longer gap only joins sessions."""
    rows.sort(key=lambda row: (row["started_at"], row["ms_played"]))
    counted = sum(row["is_counted"] for row in rows)
    fewer = counted
    for minutes in (10, 20, 30):
        places = [place for place in places_of(rows, timedelta(minutes=minutes)) if place is not None]
        assert len(set(places)) == len(places) == counted
        numbers = sorted({number for number, _ in places})
        assert numbers == list(range(1, len(numbers) + 1))
        for number in numbers:
            positions = [position for of, position in places if of == number]
            assert positions == list(range(1, len(positions) + 1))
        assert len(numbers) <= fewer
        fewer = len(numbers)


@pytest.mark.parametrize(
    ("pause", "sessions"), [(timedelta(minutes=20), 1), (timedelta(minutes=20, milliseconds=1), 2)]
)
def test_twenty_minutes_are_the_same_session(pause: timedelta, sessions: int) -> None:
    """Exactly 20 minutes of pause do not end it; a millisecond more does."""
    rows = [{"started_at": NOON, "ms_played": 60_000}, {"started_at": NOON + timedelta(minutes=1) + pause}]
    assert places_of(rows)[-1] == (sessions, 3 - sessions)


def test_a_short_play_inside_a_long_one_does_not_end_the_session() -> None:
    """The pause counts from the latest end so far, not from the end of the play before."""
    rows = [
        {"started_at": NOON, "ms_played": 3_600_000, "media": "episode"},
        {"started_at": NOON + timedelta(minutes=5), "ms_played": 1_000},
        {"started_at": NOON + timedelta(minutes=70)},
    ]
    assert places_of(rows) == [(1, 1), (1, 2), (1, 3)]


def test_a_private_play_does_not_bridge_a_pause() -> None:
    """Plays that are not counted are taken out before sessions are made."""
    rows = [{"started_at": NOON + timedelta(minutes=15 * n), "is_counted": n != 1} for n in range(3)]
    assert places_of(rows) == [(1, 1), None, (2, 1)]


def test_sessions_have_the_types_that_plays_declares() -> None:
    """Also without plays."""
    for rows in ([], [{}], [{"is_counted": False}]):
        plays = add_sessions(plays_of(rows))
        for name in ("session_number", "session_position"):
            assert str(plays[name].dtype) == dtype(PLAYS.column(name))
