"""When plays started: the rules of docs/metrics.md, "The play"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.starts import recent_start_times, start_times
from spotifriend_dagster_tests.cleaning.typed_rows import history_of, recent_of

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
LATE_REASONS = ("logout", "unexpected-exit", "unexpected-exit-while-paused", "endplay", "remote")


def start_by_the_letter(row: dict[str, Any]) -> tuple[datetime, datetime, str, bool]:
    closed_at = row["ts"] + timedelta(seconds=30) if row["source"] == "account" else row["ts"]
    latest = closed_at - timedelta(milliseconds=row["ms_played"])
    offline_at = row["offline_at"]
    if (
        row["source"] == "extended"
        and offline_at is not None
        and row["ts"] - timedelta(days=30) <= offline_at <= latest + timedelta(seconds=10)
    ):
        return offline_at, closed_at, "offline_ts", False
    return latest, closed_at, "ts_minus_ms", row["offline"] is True or row["reason_end"] in LATE_REASONS


rows_of_exports = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["extended", "account"]),
        "ts": st.integers(0, 10_000).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        "ms_played": st.integers(0, 4_000_000),
        "offline_at": st.none()
        | st.integers(-50_000_000, 50_000_000).map(lambda ms: NOON + timedelta(milliseconds=ms)),
        "offline": st.sampled_from([True, False, None]),
        "reason_end": st.sampled_from([*LATE_REASONS, "trackdone", "fwdbtn", None]),
    }
)


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(rows_of_exports, max_size=12))
def test_every_start_follows_the_rule(rows: list[dict[str, Any]]) -> None:
    """A plain reading of the rule, row by row, gives the same; and a play always ends when its sound does."""
    starts = start_times(history_of(rows))
    assert list(
        zip(starts["started_at"], starts["closed_at"], starts["start_rule"], starts["is_start_uncertain"], strict=True)
    ) == [start_by_the_letter(row) for row in rows]
    assert [
        round((end - start) / timedelta(milliseconds=1))
        for start, end in zip(starts["started_at"], starts["ended_at"], strict=True)
    ] == [row["ms_played"] for row in rows]


@pytest.mark.parametrize(
    ("before_close", "rule"),
    [
        (timedelta(minutes=3) - timedelta(seconds=10), "offline_ts"),
        (timedelta(minutes=3) - timedelta(seconds=10, milliseconds=1), "ts_minus_ms"),
        (timedelta(hours=5), "offline_ts"),
        (timedelta(days=30), "offline_ts"),
        (timedelta(days=30, milliseconds=1), "ts_minus_ms"),
    ],
)
def test_an_offline_timestamp_is_believed_only_within_its_window(before_close: timedelta, rule: str) -> None:
    """Both ends of the window count: 30 days before `ts`, and 10 s after `ts` less ms_played."""
    starts = start_times(history_of([{"ts": NOON, "offline_at": NOON - before_close}]))
    assert starts["start_rule"].tolist() == [rule]


def test_a_paused_play_ends_with_its_sound_not_with_its_report() -> None:
    """A song of 3 minutes reported hours later lasted 3 minutes, and `closed_at` keeps the report."""
    starts = start_times(history_of([{"ts": NOON, "offline_at": NOON - timedelta(hours=5)}])).iloc[0]
    assert starts["started_at"] == NOON - timedelta(hours=5)
    assert starts["ended_at"] == NOON - timedelta(hours=5) + timedelta(minutes=3)
    assert starts["closed_at"] == NOON


def test_account_ends_are_taken_in_the_middle_of_their_minute() -> None:
    """`endTime` is cut to the minute; an account row has no reasons, so nothing calls its start uncertain."""
    starts = start_times(history_of([{"source": "account", "ts": NOON, "offline_at": NOON - timedelta(hours=1)}]))
    start = starts.iloc[0]
    assert (start["ended_at"], start["closed_at"]) == (NOON + timedelta(seconds=30),) * 2
    assert (start["start_rule"], start["is_start_uncertain"]) == ("ts_minus_ms", False)


def test_starts_keep_the_index_and_do_not_depend_on_the_order_of_rows() -> None:
    """Callers join the result to frames of their own by index."""
    history = history_of([{"ms_played": ms, "offline_at": NOON - timedelta(minutes=ms)} for ms in range(9)])
    shuffled = history.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(start_times(shuffled).sort_index(), start_times(history))


def test_no_rows_give_typed_columns() -> None:
    """An empty lake is a lake."""
    assert start_times(history_of([])).dtypes["started_at"] == "datetime64[ms, UTC]"
    assert recent_start_times(recent_of([])).dtypes["started_at"] == "datetime64[ms, UTC]"


def estimate_by_the_letter(rows: list[dict[str, Any]]) -> list[int]:
    estimates = []
    for row in rows:
        duration = row["duration_ms"] or 30_000
        earlier = [other["played_at"] for other in rows if other["played_at"] < row["played_at"]]
        gap = round((row["played_at"] - max(earlier)) / timedelta(milliseconds=1)) if earlier else duration
        estimates.append(min(duration, max(min(duration, gap), 30_000)))
    return estimates


recent_rows = st.fixed_dictionaries(
    {
        "played_at": st.integers(0, 1_500_000).map(lambda ms: NOON + timedelta(milliseconds=ms)),
        "duration_ms": st.none() | st.integers(1, 400_000),
    }
)


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(recent_rows, max_size=10), seed=st.integers(0, 9))
def test_polled_plays_are_estimated_by_the_rule(rows: list[dict[str, Any]], seed: int) -> None:
    """The plain reading agrees, whatever the order of rows; and the play ends at `played_at`."""
    recent = recent_of(rows)
    starts = recent_start_times(recent.sample(frac=1, random_state=seed)).sort_index()
    assert starts["ms_played"].tolist() == estimate_by_the_letter(rows)
    assert (starts["ended_at"] == recent["played_at"]).all()
    assert (starts["ended_at"] - starts["started_at"]).equals(
        pd.to_timedelta(starts["ms_played"], unit="ms").astype("timedelta64[ms]")
    )


@pytest.mark.parametrize(
    ("gap_s", "duration_ms", "estimate"),
    [
        (100, 200_000, 100_000),  # another play was reported 100 s before: it cannot have lasted longer
        (9_000, 200_000, 200_000),  # a pause before it is not listening
        (5, 200_000, 30_000),  # Spotify lists a play after 30 s
        (5, 20_000, 20_000),  # but a track cannot last longer than it is
        (100, None, 30_000),  # its listing proves no more
        (100, 0, 30_000),  # a length of nothing is not known
    ],
)
def test_a_polled_play_lasts_as_long_as_can_be_believed(gap_s: int, duration_ms: int | None, estimate: int) -> None:
    """The bounds of the estimate, one by one."""
    rows = [{"played_at": NOON}, {"played_at": NOON + timedelta(seconds=gap_s), "duration_ms": duration_ms}]
    assert recent_start_times(recent_of(rows))["ms_played"].tolist()[1] == estimate


def test_a_play_polled_on_two_days_is_estimated_as_if_polled_once() -> None:
    """Pages overlap around midnight: the repeat must not become the play before it, at a gap of nothing."""
    first, second = {"played_at": NOON}, {"played_at": NOON + timedelta(seconds=150), "duration_ms": 200_000}
    starts = recent_start_times(recent_of([first, second, first, second]))
    assert starts["ms_played"].tolist()[1::2] == [150_000, 150_000]
    assert starts["is_start_uncertain"].all()
    assert starts["ms_played_is_estimate"].all()
