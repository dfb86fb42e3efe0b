"""Listening time by local hour: plays split where the listener's clock strikes.

Which clock that is belongs to `time_zones.py`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.time_zones import HOUR_MS, calendar_of, epoch_ms, zone_clock
from spotifriend_dagster.tables.cleaned import PLAY_HOURS
from spotifriend_dagster.tables.frames import empty_frame, typed_frame

_OF_PLAY = ["play_number", "media", "artist_name", "is_counted", "ms_played_is_estimate"]


def split_by_hour(plays: pd.DataFrame) -> pd.DataFrame:
    """Every play, counted or not, in parts that each lie within one hour of its own `time_zone`'s clock.

    A part ends where the local clock strikes a full hour or is set forward or back: the hour that comes twice on an
    autumn night gives two parts. The parts of a play add up to its ms_played; a play of 0 ms is one part of 0 ms.

    Args:
        plays: rows of `plays` with at least started_at, time_zone and the columns that `play_hours` takes from it.

    Returns:
        A typed frame of `play_hours`, in the order of `plays` and of the parts.
    """
    if plays.empty:
        return empty_frame(PLAY_HOURS)
    started_ms = epoch_ms(plays["started_at"])
    ended_ms = started_ms + plays["ms_played"].to_numpy()
    zone_of_play, zones = pd.factorize(plays["time_zone"])
    parts = pd.concat(
        _parts(zone, np.flatnonzero(zone_of_play == number), started_ms, ended_ms) for number, zone in enumerate(zones)
    ).sort_values(["play", "part"], ignore_index=True)
    of_play = plays[_OF_PLAY].take(parts["play"].to_numpy()).set_axis(parts.index)
    return typed_frame(pd.concat([parts, calendar_of(parts["local"]), of_play], axis="columns"), PLAY_HOURS)


def _parts(zone: str, rows: np.ndarray, started_ms: np.ndarray, ended_ms: np.ndarray) -> pd.DataFrame:
    """The parts of the plays of one zone: position of the play, number of the part, its local start and length."""
    at, end = started_ms[rows], ended_ms[rows]
    clock = zone_clock(zone, np.concatenate([at, end]))
    pieces = []
    part = 0
    while len(rows):
        local = at + clock.offset_at(at)
        until = np.minimum(end, np.minimum(at + HOUR_MS - local % HOUR_MS, clock.next_change(at)))
        pieces.append({"play": rows, "part": np.full(len(rows), part), "local": local, "ms_played": until - at})
        goes_on = until < end
        rows, at, end = rows[goes_on], until[goes_on], end[goes_on]
        part += 1
    columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return pd.DataFrame(columns | {"local": columns["local"].astype("datetime64[ms]")})
