"""Discovery and return: how each listen stands to the listens before it (docs/metrics.md).

What becomes of discoveries (conversion, retention, loyalty) is told by `insights/`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.typing import NaTType

from spotifriend_dagster.cleaning.time_zones import epoch_ms

RETURN_WITHIN = pd.Timedelta(days=180)
REPEAT_WITHIN = pd.Timedelta(hours=168)
KNOWN_WITHIN = pd.Timedelta(days=30)
_EARLIER_LISTENS = 3
_CLASSES = ["discovery", "returning", "rediscovery", "lapsed"]


def known_history_start(plays: pd.DataFrame) -> pd.Timestamp | NaTType:
    """When the known history starts: at the first listen that is followed by another within 30 days.

    Counted listens of any media take part: a podcast shows as well as a song that the history is known there. Exports
    hold stray first rows from years before.

    Args:
        plays: one listener's, in canonical order; it needs started_at, is_listen and is_counted.

    Returns:
        An instant, UTC; NaT where no listen is followed by another within 30 days.
    """
    started_at = plays.loc[plays["is_listen"] & plays["is_counted"], "started_at"]
    is_followed = (started_at.shift(-1) - started_at) <= KNOWN_WITHIN
    return started_at[is_followed].min()


def add_novelty(plays: pd.DataFrame) -> pd.DataFrame:
    """`plays` with artist_novelty, recording_novelty and is_repeat.

    Novelty is one of `discovery`, `returning`, `rediscovery` and `lapsed` for each counted listen of a track in the
    known history, by its artist (where one is known) and by its recording; null otherwise. Listens before the known
    history are strays: they have no novelty and do not count as earlier listens.

    is_repeat says whether the recording had been listened to within the 168 h before, by a play that started strictly
    earlier; null unless the play is a counted listen of a track.

    Args:
        plays: one listener's, in canonical order; it needs started_at, media, artist_name, recording_id, is_listen and
            is_counted.
    """
    is_music = plays["is_listen"] & plays["is_counted"] & (plays["media"] == "track")
    listens = plays.loc[is_music, ["started_at", "artist_name", "recording_id"]]
    known = listens.loc[listens["started_at"] >= known_history_start(plays)]
    return plays.assign(
        artist_novelty=_novelty(known["started_at"], known["artist_name"]).reindex(plays.index),
        recording_novelty=_novelty(known["started_at"], known["recording_id"]).reindex(plays.index),
        is_repeat=_is_repeat(listens["started_at"], listens["recording_id"]).reindex(plays.index),
    )


def _novelty(started_at: pd.Series, of: pd.Series) -> pd.Series:
    started_at, of = started_at[of.notna()], of.dropna()
    earlier = of.groupby(of, sort=False).cumcount().to_numpy()
    is_recent = (started_at - started_at.groupby(of, sort=False).shift()) < RETURN_WITHIN
    classes = np.select(
        [earlier == 0, is_recent.to_numpy(), earlier >= _EARLIER_LISTENS],
        [_CLASSES.index("discovery"), _CLASSES.index("returning"), _CLASSES.index("rediscovery")],
        default=_CLASSES.index("lapsed"),
    )
    return pd.Series(pd.array(_CLASSES, dtype="str").take(classes), index=of.index)


def _is_repeat(started_at: pd.Series, recording_id: pd.Series) -> pd.Series:
    recording = pd.factorize(recording_id)[0]
    started_ms = epoch_ms(started_at)
    order = np.lexsort((started_ms, recording))
    recording, started_ms = recording[order], started_ms[order]
    is_later = np.ones(len(order), dtype=bool)
    is_later[1:] = (recording[1:] != recording[:-1]) | (started_ms[1:] != started_ms[:-1])
    # The last listen that started strictly earlier is the one before the first of those that started together.
    before = np.maximum.accumulate(np.where(is_later, np.arange(len(order)), 0)) - 1
    is_repeat = (before >= 0) & (recording[before] == recording)
    is_repeat &= started_ms - started_ms[before] <= REPEAT_WITHIN // pd.Timedelta(milliseconds=1)
    return pd.Series(is_repeat, index=started_at.index[order], dtype="boolean")
