"""Rows in shorthand, as typed frames: what a test does not say about a row is ordinary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from spotifriend_dagster.tables.cleaned import HISTORY_PLAYS, PLAYS, RECENT_PLAYS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.frames import dtype

_NOON = pd.Timestamp("2024-03-01 12:00", tz="UTC")


def history_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of `history_plays`: extended, online, of three minutes."""
    ordinary = {"source": "extended", "ts": _NOON, "ms_played": 180_000, "is_video": False, "is_private": False}
    return _typed(HISTORY_PLAYS, ordinary, rows)


def recent_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of `recent_plays`."""
    return _typed(RECENT_PLAYS, {"played_at": _NOON, "track_uri": "spotify:track:a"}, rows)


def plays_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of `plays`, numbered as given, each ending with its sound: extended, counted tracks of three minutes."""
    ordinary = {
        "source": "extended",
        "started_at": _NOON,
        "ms_played": 180_000,
        "time_zone": "UTC",
        "media": "track",
        "artist_name": "Artist",
        "recording_id": "title|artist",
        "is_private": False,
        "is_counted": True,
        "is_listen": True,
        "ms_played_is_estimate": False,
    }
    plays = _typed(PLAYS, ordinary, [{"play_number": number, **row} for number, row in enumerate(rows, 1)])
    return plays.assign(ended_at=plays["started_at"] + pd.to_timedelta(plays["ms_played"], unit="ms"))


def _typed(table: Table, ordinary: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The columns that a row or `ordinary` gives, and those that may be null."""
    full = [{**ordinary, **row} for row in rows]
    names = {name for row in full for name in row} | set(ordinary)
    columns = [column for column in table.columns if column.nullable or column.name in names]
    return pd.DataFrame(
        {column.name: pd.Series([row.get(column.name) for row in full], dtype=dtype(column)) for column in columns}
    )
