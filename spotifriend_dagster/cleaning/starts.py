"""When a play started and ended: the start rules of docs/metrics.md, for exports and for polls.

Local time belongs to `time_zones.py`; which plays are the same belongs to `duplicates.py` and `matching.py`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.time_zones import epoch_ms

SHORTEST_POLLED_MS = 30_000
"""Spotify lists a play as recently played only after 30 s: the least that a polled play can have lasted."""

_OLDEST_OFFLINE_AT = pd.Timedelta(days=30)
_CLOCK_TOLERANCE = pd.Timedelta(seconds=10)
_HALF_A_MINUTE = pd.Timedelta(seconds=30)  # `endTime` is cut to the minute; its middle is off by 30 s at most
_LATE_REASONS = ("logout", "endplay", "remote")
_LATE_PREFIX = "unexpected-exit"


def start_times(history: pd.DataFrame) -> pd.DataFrame:
    """When each row of an export started (docs/metrics.md, "The play").

    Args:
        history: rows of `history_plays`; it needs source, ts, ms_played, offline_at, offline and reason_end.

    Returns:
        With the index of `history`: started_at, ended_at (started_at + ms_played), closed_at (`ts`, or an account
        row's `endTime` + 30 s), start_rule and is_start_uncertain. Instants are UTC.
    """
    played = pd.to_timedelta(history["ms_played"], unit="ms")
    is_account = history["source"] == "account"
    closed_at = history["ts"] + _HALF_A_MINUTE * is_account.astype("int64")
    latest_start = closed_at - played
    by_offline = (
        ~is_account
        & history["offline_at"].ge(closed_at - _OLDEST_OFFLINE_AT)
        & history["offline_at"].le(latest_start + _CLOCK_TOLERANCE)
    )
    started_at = history["offline_at"].where(by_offline, latest_start)
    reason = history["reason_end"]
    is_late = reason.isin(_LATE_REASONS) | reason.str.startswith(_LATE_PREFIX)
    return pd.DataFrame(
        {
            "started_at": _instants(started_at),
            "ended_at": _instants(started_at + played),
            "closed_at": _instants(closed_at),
            "start_rule": _chosen(by_offline, "offline_ts", "ts_minus_ms"),
            "is_start_uncertain": ~by_offline & (is_late | history["offline"].fillna(False).astype(bool)),
        },
        index=history.index,
    )


def recent_start_times(recent: pd.DataFrame) -> pd.DataFrame:
    """When each polled play started, and how long it may have lasted: both are estimates.

    `played_at` is about the end. The estimate is the track's duration, or the gap to the instant before at which a play
    was reported if that is shorter; at least 30 s, but never above the duration. A track of unknown duration
    counts as one of 30 s, which is what its listing proves. Rows of one instant (one play, polled on two days) get the
    same gap, so that neither repeats nor the order of rows matter.

    Args:
        recent: rows of `recent_plays` of all days; it needs played_at and duration_ms.

    Returns:
        With the index of `recent`: started_at, ended_at, closed_at (`played_at`), start_rule, is_start_uncertain,
        ms_played and ms_played_is_estimate. Instants are UTC.
    """
    ended_at = recent["played_at"]
    duration_ms = recent["duration_ms"].where(recent["duration_ms"] > 0).fillna(SHORTEST_POLLED_MS).astype("int64")
    played_at = pd.Series(epoch_ms(ended_at), index=recent.index)
    instants = np.unique(played_at)
    gap_ms = played_at.map(pd.Series(np.diff(instants), index=instants[1:], dtype="float64"))
    ms_played = np.fmin(duration_ms, gap_ms.clip(lower=SHORTEST_POLLED_MS)).astype("int64")
    return pd.DataFrame(
        {
            "started_at": _instants(ended_at - pd.to_timedelta(ms_played, unit="ms")),
            "ended_at": _instants(ended_at),
            "closed_at": _instants(ended_at),
            "start_rule": pd.Series("played_at_is_end", index=recent.index, dtype="str"),
            "is_start_uncertain": True,
            "ms_played": ms_played,
            "ms_played_is_estimate": True,
        },
        index=recent.index,
    )


def _instants(instants: pd.Series) -> pd.Series:
    return instants.astype("datetime64[ms, UTC]")


def _chosen(condition: pd.Series, yes: str, no: str) -> pd.Series:
    return pd.Series(np.where(condition, yes, no), index=condition.index, dtype="str")
