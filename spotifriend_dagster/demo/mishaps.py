"""What becomes of plays before the Web API tells them: they come late, twice, or change their time.

All work on frames as `polls.polled_plays` gives them, and `event` still says which play of the truth each row is.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd


def drawn(plays: pd.DataFrame, share: float, seed: int = 0) -> pd.Series:
    """A mask of about that share of the plays."""
    return pd.Series(np.random.default_rng(seed).random(len(plays)) < share, index=plays.index)


def late(plays: pd.DataFrame, chosen: pd.Series, by: timedelta) -> pd.DataFrame:
    """The chosen plays are known only that much later."""
    return plays.assign(known_at=plays["known_at"].where(~chosen, plays["known_at"] + by))


def duplicated(plays: pd.DataFrame, chosen: pd.Series, shift: timedelta) -> pd.DataFrame:
    """The chosen plays are told twice, the second time with a `played_at` that is shifted."""
    return _ordered(plays, _shifted(plays[chosen], shift))


def redated(plays: pd.DataFrame, chosen: pd.Series, shift: timedelta, after: timedelta) -> pd.DataFrame:
    """The chosen plays change their `played_at`: `after` they were known first, they are told with it shifted."""
    until = plays["known_at"] + after
    once = plays.assign(known_until=plays["known_until"].where(~chosen, until))
    return _ordered(once, _shifted(plays[chosen].assign(known_at=until[chosen]), shift))


def _shifted(plays: pd.DataFrame, shift: timedelta) -> pd.DataFrame:
    return plays.assign(played_at=plays["played_at"] + shift)


def _ordered(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(frames).sort_values(["played_at", "event"], ignore_index=True)
