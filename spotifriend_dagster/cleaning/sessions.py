"""Sessions: plays that follow each other without a long pause (docs/metrics.md).

What a session is like is told by `insights/sessions.sql`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.time_zones import epoch_ms

SESSION_GAP = pd.Timedelta(minutes=20)


def add_sessions(plays: pd.DataFrame, gap: pd.Timedelta = SESSION_GAP) -> pd.DataFrame:
    """`plays` with session_number and session_position, both from 1, null for plays that are not counted.

    A session starts when a play starts more than `gap` after the latest end of all plays before it (exactly `gap` is
    the same session). Plays of any media belong to sessions.

    Args:
        plays: one listener's, in canonical order; it needs started_at, ended_at and is_counted.
        gap: the longest pause within a session.
    """
    counted = plays.loc[plays["is_counted"].astype(bool), ["started_at", "ended_at"]]
    latest_end = np.maximum.accumulate(epoch_ms(counted["ended_at"]))
    pause_ms = epoch_ms(counted["started_at"])[1:] - latest_end[:-1]
    is_first = np.ones(len(counted), dtype=bool)
    is_first[1:] = pause_ms > gap // pd.Timedelta(milliseconds=1)
    number = np.cumsum(is_first)
    order = np.arange(len(counted))
    position = order - np.maximum.accumulate(np.where(is_first, order, 0)) + 1
    return plays.assign(
        session_number=pd.Series(number, index=counted.index, dtype="Int64").reindex(plays.index),
        session_position=pd.Series(position, index=counted.index, dtype="Int64").reindex(plays.index),
    )
