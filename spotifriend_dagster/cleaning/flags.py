"""What a play counts as: listen, scrobble, full play, skip, early exit (docs/metrics.md).

Sessions and novelty, which depend on other plays, belong to `sessions.py` and `novelty.py`.
"""

from __future__ import annotations

import pandas as pd

LISTEN_MS = 30_000
_SCROBBLE_MS = 240_000
_TRACK_DONE = "trackdone"
_SKIPPED_BY = ("fwdbtn", "nextbtn")
_CHOSEN_BY = ("clickrow", "click-row", "playbtn")
_LEFT_BY = (*_SKIPPED_BY, "backbtn", *_CHOSEN_BY)
_REPLACED = "endplay"
_NO_REASON = ("", "unknown")
_FAILED = "trackerror"


def add_flags(plays: pd.DataFrame, include_private: bool) -> pd.DataFrame:
    """`plays` with is_counted, is_listen, is_scrobble, is_full, is_skip and is_early_exit.

    A flag is null where it cannot be decided. is_skip and is_early_exit: polled and account plays, and plays without a
    telling reason_end; so both rates have one denominator. is_scrobble: unknown durations. is_full: plays of 30 s and
    more with neither a telling reason_end nor a duration.

    Args:
        plays: one listener's, in canonical order (the next row is the next play); it needs source, ms_played,
            duration_ms, reason_start, reason_end and is_private.
        include_private: whether the listener's private sessions take part in insights.
    """
    ms_played = plays["ms_played"]
    duration_ms = plays["duration_ms"].astype("Int64").mask(plays["duration_ms"] <= 0)
    reason = plays["reason_end"].mask(plays["reason_end"].isin(_NO_REASON))
    is_listen = ms_played >= LISTEN_MS
    has_duration = duration_ms.notna()

    is_skip_decidable = (plays["source"] == "extended") & reason.notna() & (reason != _FAILED)
    skip_limit = (duration_ms / 2).clip(upper=LISTEN_MS).fillna(LISTEN_MS).astype("float64")
    is_skip = reason.isin(_SKIPPED_BY) & (ms_played < skip_limit)

    next_is_chosen = plays["reason_start"].shift(-1).isin(_CHOSEN_BY)
    is_left = reason.isin(_LEFT_BY) | ((reason == _REPLACED) & next_is_chosen)

    is_done = (reason == _TRACK_DONE) & is_listen
    is_heard_out = (ms_played * 10 >= duration_ms * 8).fillna(False).astype(bool)
    is_full_decidable = reason.notna() | has_duration | ~is_listen

    is_scrobble = (duration_ms > LISTEN_MS) & (ms_played * 2 >= duration_ms.clip(upper=2 * _SCROBBLE_MS))

    return plays.assign(
        is_counted=~plays["is_private"].astype(bool) | include_private,
        is_listen=is_listen,
        is_scrobble=is_scrobble.astype("boolean"),
        is_full=_decided(is_done | is_heard_out, is_full_decidable),
        is_skip=_decided(is_skip, is_skip_decidable),
        is_early_exit=_decided(is_left & ~is_listen, is_skip_decidable),
    )


def _decided(flag: pd.Series, is_decidable: pd.Series) -> pd.Series:
    return flag.astype("boolean").where(is_decidable)
