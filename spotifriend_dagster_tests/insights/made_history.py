"""A made-up history of two listeners, by seed, with all that is awkward: what SQL and plain Python are compared on.

It has ties, nulls, private plays, podcasts, account rows, pauses of months, days on repeat, bouts of skipping, and two
time zones.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pandas as pd

from spotifriend_dagster_tests.insights.made_plays import play, play_hours_frame, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import Row, rows_of

_LISTENERS = {"anna": "Europe/London", "ben": "America/New_York"}
_MS_PLAYED = (0, 2_000, 29_999, 30_000, 180_000, 180_000, 240_000, 4_000_000)
_REASONS = ("trackdone", "trackdone", "fwdbtn", "fwdbtn", "nextbtn", "backbtn", "endplay", "logout", None)
_STARTS = ("trackdone", "clickrow", "click-row", "backbtn", "fwdbtn", None)
_PAUSES = (
    timedelta(0),
    timedelta(seconds=1),
    timedelta(minutes=4),
    timedelta(minutes=4),
    timedelta(minutes=4),
    timedelta(hours=5),
    timedelta(hours=13),
)
_CONTEXTS = (None, "spotify:playlist:mix", "spotify:album:1", "spotify:user:me:collection", "spotify:playlist:radio")
_LONG_PAUSES = (timedelta(days=13), timedelta(days=14), timedelta(days=45), timedelta(days=200))


@lru_cache
def made_history(seed: int, plays: int = 900) -> pd.DataFrame:
    """A typed frame of `plays` of two listeners; the same for the same seed."""
    chance = random.Random(seed)
    rows = []
    for listener, zone in _LISTENERS.items():
        at = datetime(2021, 10, 30, 20, 59, 58, tzinfo=UTC)
        song = skips_to_come = 0
        for _ in range(plays):
            if skips_to_come:
                at += timedelta(seconds=3)
                skips_to_come -= 1
            else:
                at += chance.choice(_LONG_PAUSES if chance.random() < 0.015 else _PAUSES)
                skips_to_come = chance.choice((1, 2, 3, 4)) if chance.random() < 0.03 else 0
            if chance.random() < 0.7:  # songs come in runs, so that some are on repeat
                song = min(int(chance.expovariate(0.15)), 120)
            values = {
                "artist": None if song % 11 == 10 else f"Artist {song % 17}",
                "title": f"Song {song}",
                "ms_played": chance.choice(_MS_PLAYED),
                "reason_start": chance.choice(_STARTS),
                "reason_end": chance.choice(_REASONS),
                "shuffle": chance.choice((True, False, None)),
                "is_private": chance.random() < 0.03,
                "source": "account" if chance.random() < 0.05 else "extended",
                "ms_played_is_estimate": chance.random() < 0.1,
                "zone": zone,
                "context_uri": _CONTEXTS[song % len(_CONTEXTS)],
            }
            if chance.random() < 0.04:
                values |= {"media": "episode", "artist": None, "title": None}
            if skips_to_come:
                values |= {"ms_played": 2_000, "reason_end": "fwdbtn", "source": "extended"}
            rows.append(play(listener, at, **values))
    return plays_frame(rows)


@lru_cache
def made_rows(seed: int) -> tuple[Row, ...]:
    """The plays of `made_history(seed)` as plain rows, by listener and in canonical order. Not to be changed."""
    return tuple(rows_of(made_history(seed)))


@lru_cache
def made_hours(seed: int) -> tuple[Row, ...]:
    """The plays of `made_history(seed)` split by local hour, as plain rows. Not to be changed."""
    return tuple(rows_of(play_hours_frame(made_history(seed))))
