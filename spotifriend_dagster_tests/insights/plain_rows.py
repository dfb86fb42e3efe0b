"""Plain rows: what tests of insights compute with in loops, apart from SQL, and how the two are compared.

Plays in shorthand are in `made_plays.py`; a whole made-up history to compare on is in `made_history.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import pytest

from spotifriend_dagster.tables.cleaned import HISTORY_FILES
from spotifriend_dagster_tests.insights.made_plays import frame_of

Row = dict[str, Any]


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """The frame's rows in Python's own types: None for null, naive UTC for instants, midnight for dates."""
    columns = {name: _plain(column) for name, column in frame.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def music_of(plays: pd.DataFrame) -> dict[str, list[Row]]:
    """By listener, the counted plays of tracks, in canonical order."""
    by_listener = defaultdict(list)
    for row in rows_of(plays.sort_values("play_number")):
        if row["is_counted"] and row["media"] == "track":
            by_listener[row["listener"]].append(row)
    return by_listener


def listens_of(plays: pd.DataFrame) -> dict[str, list[Row]]:
    """By listener, the counted listens of tracks, in canonical order."""
    return {listener: [row for row in own if row["is_listen"]] for listener, own in music_of(plays).items()}


def exports(**spans: list[tuple[str, str]]) -> pd.DataFrame:
    """`history_files` of one extended export for each span of a listener, from its first to its last time stamp (UTC).

    The last of them is the listener's now.
    """
    files = [
        {
            "listener": listener,
            "export": str(number) * 64,
            "file": "Streaming_History_Audio_0.json",
            "source": "extended",
            "rows": 1,
            "rejected_rows": 0,
            "first_ts": pd.Timestamp(first, tz="UTC"),
            "last_ts": pd.Timestamp(last, tz="UTC"),
        }
        for listener, own in spans.items()
        for number, (first, last) in enumerate(own)
    ]
    return frame_of(HISTORY_FILES, files)


def now_of(plays: pd.DataFrame) -> dict[str, datetime]:
    """By listener, the end of coverage where the export ends with its last play: the latest time stamp."""
    ends = plays.groupby("listener")["closed_at"].max().dt.tz_convert(None)
    return {listener: end.to_pydatetime() for listener, end in ends.items()}


def today_of(plays: pd.DataFrame) -> dict[str, datetime]:
    """By listener, the local date of `now_of`, on the clock of the last play."""
    today = {}
    for listener, now in now_of(plays).items():
        last = rows_of(plays.loc[plays["listener"] == listener].sort_values("play_number").tail(1))[0]
        today[listener] = _midnight(now + (last["local_started_at"] - last["started_at"]))
    return today


def month_of(date: datetime) -> datetime:
    """The first day of a date's month."""
    return date.replace(day=1)


def months_between(earlier: datetime, later: datetime) -> int:
    """Calendar months from one date's month to another's."""
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def share(part: float, whole: float) -> float | None:
    """part ÷ whole; None of nothing."""
    return part / whole if whole else None


def assert_rows(result: pd.DataFrame, expected: Iterable[Mapping[str, Any]], *grain: str) -> None:
    """The result holds exactly the expected rows, in any order; only the columns that these name are compared."""
    wanted = {tuple(row[key] for key in grain): dict(row) for row in expected}
    got = {tuple(row[key] for key in grain): row for row in rows_of(result)}
    assert sorted(got, key=str) == sorted(wanted, key=str)
    for key, row in wanted.items():
        about = {name: _about(value) for name, value in row.items()}
        assert {name: got[key][name] for name in row} == about, key


def _about(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value


def _plain(column: pd.Series) -> list[Any]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(None)
    # In microseconds, NumPy turns its instants into Python's.
    values = column.to_numpy(dtype="datetime64[us]" if column.dtype.kind == "M" else "object").tolist()
    return [None if is_null else value for value, is_null in zip(values, column.isna().to_numpy(), strict=True)]


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
