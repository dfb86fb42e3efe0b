"""What the simulated listener likes, and how that changes: artists found, loved, left and found again.

When there is listening is in `diary.py`; how the plays go is in `listener.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from spotifriend_dagster.demo.catalogue import GENRES, Catalogue

SLOTS = 8
"""The four parts of a workday, from midnight, then those of a weekend day: a slot is `4 × is_weekend + hour // 6`."""

_KNOWN_BEFORE = 0.3
_COMEBACK = 0.45


@dataclass(frozen=True)
class Obsession:
    """A recording that is played again and again for some days."""

    recording: int
    first_day: int
    last_day: int
    plays_per_day: float


class Taste:
    """The listener's interest in each artist, by week and slot, and in each recording of an artist.

    Attributes:
        found_in_week: by artist, the week of the discovery; below 0 where the artist was known before the first week.
    """

    def __init__(self, rng: Generator, catalogue: Catalogue, weeks: int) -> None:
        """Draw a taste for `weeks` weeks over a catalogue."""
        artists = len(catalogue.artists)
        genre = catalogue.artists["genre"].to_numpy()
        self.found_in_week = _found_in_week(rng, artists, weeks)
        self._interest = _interest(rng, self.found_in_week, weeks) * _fashion(rng, weeks)[:, genre]
        self._pull = _pull()[:, genre] * rng.lognormal(0, 0.3, (SLOTS, artists)).astype("float32")
        artist = catalogue.recordings["artist"].to_numpy()
        self._first = np.searchsorted(artist, np.arange(artists))
        self._last = np.append(self._first[1:], len(artist)) - 1
        self._reach = _reach(rng, artist, self._first)

    def artists(self, rng: Generator, week: np.ndarray, slot: np.ndarray) -> np.ndarray:
        """An artist for each play, by the interest in its week and slot."""
        chosen = np.empty(len(week), dtype="int64")
        key = week * SLOTS + slot
        order = np.argsort(key, kind="stable")
        uniform = rng.random(len(week))
        for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            if len(rows):
                reach = np.cumsum(self._interest[week[rows[0]]] * self._pull[slot[rows[0]]], dtype="float64")
                chosen[rows] = np.searchsorted(reach, uniform[rows] * reach[-1], side="right")
        return np.minimum(chosen, self._interest.shape[1] - 1)

    def recordings(self, rng: Generator, artist: np.ndarray) -> np.ndarray:
        """A recording of each given artist; a few of each are much preferred."""
        found = np.searchsorted(self._reach, artist + rng.random(len(artist)), side="right")
        return np.clip(found, self._first[artist], self._last[artist])

    def obsessions(self, rng: Generator, days: int) -> list[Obsession]:
        """The obsessions of `days` days, about one every three weeks."""
        starts = np.sort(rng.integers(0, days, max(days // 21, 1)))
        week, slot = starts // 7, rng.integers(0, SLOTS, len(starts))
        songs = self.recordings(rng, self.artists(rng, week, slot))
        length = np.clip(rng.gamma(3, 4.5, len(starts)), 4, 40).astype("int64")
        fervour = rng.uniform(1.5, 6, len(starts))
        return [
            Obsession(song, first, first + length, plays)
            for song, first, length, plays in zip(
                songs.tolist(), starts.tolist(), length.tolist(), fervour.tolist(), strict=True
            )
        ]


def _found_in_week(rng: Generator, artists: int, weeks: int) -> np.ndarray:
    """The listener finds more in some seasons than in others, and less with the years."""
    week = np.arange(weeks)
    appetite = (1 + 0.75 * np.sin(2 * np.pi * (week / rng.uniform(24, 44) + rng.random()))) * np.exp(-week / weeks)
    found = rng.choice(weeks, artists, p=appetite / appetite.sum())
    before = -1 - rng.exponential(40, artists).astype("int64")
    return np.where(rng.random(artists) < _KNOWN_BEFORE, before, found)


def _interest(rng: Generator, found: np.ndarray, weeks: int) -> np.ndarray:
    """By week and artist: first a spark; then a love that stays for years or fades within months, for one in four."""
    artists = len(found)
    age = (np.arange(weeks)[:, None] - found).astype("float32")
    fate = rng.random(artists)
    stays, fades = fate < 0.12, (fate >= 0.12) & (fate < 0.26)
    fame = np.where(stays | fades, rng.lognormal(0, 1.15, artists), 0).astype("float32")
    lasts = np.where(stays, rng.uniform(60, 300, artists), rng.uniform(4, 26, artists)).astype("float32")
    period, phase = rng.uniform(18, 60, artists).astype("float32"), rng.random(artists, dtype="float32")
    love = np.exp(-age.clip(0) / lasts) * (0.55 + 0.45 * np.sin(np.float32(2 * np.pi) * (age / period + phase)))
    love[love < 0.04] = 0  # forgotten, not nearly forgotten
    back = np.where(fades & (rng.random(artists) < _COMEBACK), 34 + rng.exponential(25, artists), np.inf)
    since = age - back.astype("float32")
    love += np.where(since >= 0, np.float32(0.8) * np.exp(-since.clip(0) / 5), 0)
    spark = np.where(fame > 0, 1.3 * fame, rng.exponential(0.5, artists)).astype("float32")
    sparks = spark * np.exp(-age.clip(0, 60) / np.float32(1.6)) * (age < 9)
    return np.where(age >= 0, love * fame + sparks, np.float32(0))


def _fashion(rng: Generator, weeks: int) -> np.ndarray:
    """By week and genre: which is in favour, in waves of about a year."""
    period, phase = rng.uniform(40, 110, len(GENRES)), rng.random(len(GENRES))
    return np.exp(0.6 * np.sin(2 * np.pi * (np.arange(weeks)[:, None] / period + phase))).astype("float32")


def _pull() -> np.ndarray:
    workday = GENRES[["night", "morning", "afternoon", "evening"]].to_numpy().T
    return np.vstack([workday, workday * GENRES["weekend"].to_numpy()]).astype("float32")


def _reach(rng: Generator, artist: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The cumulated preference over all recordings: that of artist `a` runs from `a` to `a + 1`."""
    order = np.lexsort((rng.random(len(artist)), artist))
    rank = np.empty(len(artist))
    rank[order] = np.arange(len(artist)) - first[artist]
    preference = 1 / (rank + 1.5)
    return np.cumsum(preference / np.bincount(artist, preference)[artist])
