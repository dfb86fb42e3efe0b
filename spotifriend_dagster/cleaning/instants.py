"""Time stamps as Spotify writes them, and which times and lengths can be true. What they are of, the callers know."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

NO_SPOTIFY_BEFORE = pd.Timestamp("2006-01-01", tz="UTC")
CLOCK_ERROR = pd.Timedelta(days=1)
"""How far a time stamp may lie after now: the clocks of devices are wrong, but seldom by more than a day."""
LONGEST_PLAY_MS = 7 * 24 * 3_600_000
"""A stream can run for many hours (audiobooks, a player left on); one that ran for over a week is a fault."""

_WRITTEN = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"


def read_instants(texts: pd.Series) -> pd.Series:
    """Instants, UTC in milliseconds, from texts of any era; NaT where a text is no time.

    Exports write `2023-05-13T15:35:46Z`, around 2019 `2019-05-13 15:35:46`; account data writes `2023-05-13 15:35`, the
    Web API fractions of a second. A time without an offset is UTC.
    """
    written = texts.where(texts.str.fullmatch(_WRITTEN).fillna(False).astype(bool))
    return pd.to_datetime(written, format="ISO8601", utc=True, errors="coerce").astype("datetime64[ms, UTC]")


def problems_of_instants(instants: pd.Series, texts: pd.Series, now: pd.Timestamp) -> pd.Series:
    """Why each time stamp cannot be true, in a few words; null where it can.

    Args:
        instants: what `read_instants` made of `texts`.
        texts: as received; null where there was none.
        now: the wall clock, UTC-aware.
    """
    return first_problem(
        {
            "no time stamp": texts.isna(),
            "time stamp is no time": instants.isna(),
            "time stamp is in the future": instants > now + CLOCK_ERROR,
            "time stamp is before 2006, when there was no Spotify": instants < NO_SPOTIFY_BEFORE,
        }
    )


def first_problem(problems: Mapping[str, pd.Series]) -> pd.Series:
    """By row, the first of the problems whose condition holds; null where none does, or is known to."""
    index = next(iter(problems.values())).index
    conditions = [condition.astype("boolean").fillna(False).to_numpy(dtype=bool) for condition in problems.values()]
    number = np.select(conditions, range(len(problems)), default=-1)
    return pd.Series(pd.array(list(problems), dtype="str").take(number, allow_fill=True), index=index)
