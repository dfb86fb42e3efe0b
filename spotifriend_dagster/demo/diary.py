"""When the simulated listener listens: habits, journeys, days on a train, breaks, nights on which the clocks change.

What is listened to is in `taste.py`; how the plays go is in `listener.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.random import Generator

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True)
class Habit:
    """A time of day at which the listener is used to listen.

    `weekdays` count from 0, Monday; `hour` and `spread` are the mean and the deviation of its local start in hours,
    `chance` how likely it is on such a day, `plays` its usual length; `devices` share it out.
    """

    playlist: str
    weekdays: tuple[int, ...]
    hour: float
    spread: float
    chance: float
    plays: float
    devices: dict[str, float]
    podcasts: float = 0.02
    audiobooks: float = 0.0
    offline: float = 0.0


_EVERY_DAY = tuple(range(7))
_WORKDAYS, _WEEKEND, _NIGHTS_OUT = _EVERY_DAY[:5], _EVERY_DAY[5:], (4, 5)
HABITS = (
    Habit("On the Way", _WORKDAYS, 7.3, 0.3, 0.80, 9, {"phone": 1.0}, podcasts=0.14, offline=0.05),
    Habit("Deep Work", _WORKDAYS, 9.6, 0.5, 0.62, 15, {"desktop": 0.9, "phone": 0.1}),
    Habit("Deep Work", _WORKDAYS, 14.1, 0.6, 0.50, 13, {"desktop": 0.85, "web": 0.15}),
    Habit("On the Way", _WORKDAYS, 17.7, 0.5, 0.66, 8, {"phone": 1.0}, podcasts=0.06, offline=0.05),
    Habit("Slow Evening", _WORKDAYS, 20.4, 0.8, 0.50, 12, {"speaker": 0.55, "phone": 0.35, "desktop": 0.1}),
    Habit("Lights Out", _WORKDAYS, 23.3, 0.6, 0.14, 8, {"phone": 1.0}, audiobooks=0.12),
    Habit("Saturday Kitchen", _WEEKEND, 10.4, 0.9, 0.72, 16, {"speaker": 0.5, "phone": 0.5}, podcasts=0.08),
    Habit("Out and About", _WEEKEND, 15.0, 1.2, 0.52, 13, {"phone": 1.0}, offline=0.04),
    Habit("Slow Evening", _WEEKEND, 19.6, 0.9, 0.55, 14, {"speaker": 0.6, "phone": 0.4}),
    Habit("Night Drive", _NIGHTS_OUT, 23.6, 0.9, 0.34, 20, {"phone": 0.8, "speaker": 0.2}),
)
FLIGHT = Habit("On the Way", _EVERY_DAY, 12.0, 0.1, 1.0, 50, {"phone": 1.0}, podcasts=0.0, offline=1.0)
CLOCK_CHANGE = Habit("Night Drive", _EVERY_DAY, 0.4, 0.1, 1.0, 75, {"phone": 1.0}, podcasts=0.0)

PLAYLISTS = tuple(dict.fromkeys(habit.playlist for habit in HABITS))
DESTINATIONS = (("Asia/Tokyo", "JP"), ("America/New_York", "US"), ("America/Sao_Paulo", "BR"), ("Asia/Kolkata", "IN"))
HOME_COUNTRY = "DE"
_LANDING_HOUR = 20  # UTC, late enough for every flight to be over


@dataclass(frozen=True)
class Diary:
    """The sessions of a listener and where they took place.

    Attributes:
        sessions: one row each, by start: started_ms (UTC), local_ms (what the clock showed), plays, playlist, platform,
            kind (`music`, `podcast` or `audiobook`), is_private, offline, country.
        zones: pairs of `valid_from` (UTC; None for the first) and IANA name.
    """

    sessions: pd.DataFrame
    zones: list[tuple[datetime | None, str]]


@dataclass(frozen=True)
class _Journey:
    first_day: int
    last_day: int
    zone: str
    country: str


def write_diary(rng: Generator, start: date, days: int, plays_per_day: float, home: str) -> Diary:
    """A diary of `days` local days from `start`, whose sessions have about `days × plays_per_day` plays in all.

    Args:
        rng: what is drawn from.
        start: the first local date.
        days: how many.
        plays_per_day: the mean.
        home: the IANA name of the zone where the listener lives.
    """
    weekday = (np.arange(days) + start.weekday()) % 7
    nights = _clock_changes(start, days, home)
    journeys = _journeys(rng, days, nights)
    flights = np.array([day for journey in journeys for day in (journey.first_day, journey.last_day)], dtype="int64")
    is_open = _days_with_music(rng, days)
    is_open[nights] = True
    is_open[flights] = False
    drawn = [_draw(rng, habit, is_open & np.isin(weekday, habit.weekdays)) for habit in HABITS]
    sessions = pd.concat(drawn, ignore_index=True)
    mood = _mood(rng, start, days)
    length = sessions["plays"] * mood[sessions["day"]] * rng.gamma(4, 0.25, len(sessions))
    spoken = sessions["kind"] != "music"
    length *= max(days * plays_per_day - spoken.sum() * 1.5, 1) / max(length[~spoken].sum(), 1)
    sessions["plays"] = np.where(spoken, rng.integers(1, 3, len(sessions)), np.maximum(rng.poisson(length), 1))

    special = [_draw(rng, FLIGHT, _marks(days, flights)), _draw(rng, CLOCK_CHANGE, _marks(days, nights))]
    sessions = pd.concat([sessions, *special], ignore_index=True)
    sessions["plays"] = sessions["plays"].astype("int64")
    sessions["offline"] |= rng.random(days)[sessions["day"]] < 0.015  # a day on a train
    sessions["is_private"] = rng.random(len(sessions)) < 0.012
    sessions["platform"] = _platforms(sessions, days)
    return Diary(*_placed(rng, sessions, journeys, start, home))


def _draw(rng: Generator, habit: Habit, is_open: np.ndarray) -> pd.DataFrame:
    day = np.flatnonzero(is_open & (rng.random(len(is_open)) < habit.chance))
    count = len(day)
    hour = habit.hour + habit.spread * rng.normal(size=count)
    kind = rng.random(count)
    is_podcast = kind < habit.podcasts
    is_audiobook = ~is_podcast & (kind < habit.podcasts + habit.audiobooks)
    devices, shares = list(habit.devices), list(habit.devices.values())
    return pd.DataFrame(
        {
            "day": day,
            "ms_of_day": (hour * HOUR_MS).astype("int64"),
            "plays": habit.plays,
            "playlist": habit.playlist,
            "device": rng.choice(devices, count, p=shares),
            "kind": np.where(is_podcast, "podcast", np.where(is_audiobook, "audiobook", "music")),
            "offline": rng.random(count) < habit.offline,
            "is_flight": habit is FLIGHT,
        }
    )


def _marks(days: int, marked: np.ndarray) -> np.ndarray:
    marks = np.zeros(days, dtype=bool)
    marks[marked] = True
    return marks


def _journeys(rng: Generator, days: int, nights: np.ndarray) -> list[_Journey]:
    """About one a year, of one to three weeks, in the middle of that year (or of what there is of it).

    None is on one of the `nights`: when the clocks change, the listener is at home to hear it.
    """
    journeys = []
    for first in range(0, days, 365):
        span = min(365, days - first)
        length = min(int(rng.integers(9, 21)), span // 5)
        zone, country = DESTINATIONS[int(rng.integers(len(DESTINATIONS)))]
        departures = first + np.arange(span * 3 // 10, span * 7 // 10)
        away = (departures[:, None] <= nights) & (nights <= departures[:, None] + length)
        departures = departures[~away.any(axis=1)]
        if length >= 3 and len(departures):
            departure = int(rng.choice(departures))
            journeys.append(_Journey(departure, departure + length, zone, country))
    return journeys


def _days_with_music(rng: Generator, days: int) -> np.ndarray:
    is_open = rng.random(days) > 0.03
    for first in range(0, days - 60, 365):
        quiet = first + int(rng.integers(0, 50))
        is_open[quiet : quiet + int(rng.integers(4, 9))] = False
    return is_open


def _mood(rng: Generator, start: date, days: int) -> np.ndarray:
    """How much there is to hear on a day, around 1: more in winter, and in waves of some weeks."""
    day = np.arange(days)
    season = 0.18 * np.cos(2 * np.pi * (day + start.timetuple().tm_yday) / 365.25)
    wave = 0.15 * np.sin(2 * np.pi * (day / rng.uniform(50, 110) + rng.random()))
    return np.exp(season + wave + 0.25 * rng.normal(size=days))


def _clock_changes(start: date, days: int, zone: str) -> np.ndarray:
    midnights = pd.date_range(pd.Timestamp(start), periods=days + 1, tz=zone).tz_convert("UTC")
    return np.flatnonzero(np.diff(midnights.asi8) != np.diff(midnights.floor("D").asi8))


def _platforms(sessions: pd.DataFrame, days: int) -> pd.Series:
    phone = pd.Series(np.where(sessions["day"] < days * 0.55, "android", "ios"), index=sessions.index)
    fixed = sessions["device"].map({"desktop": "windows", "web": "web_player", "speaker": "cast"})
    # Without a connection there is only the phone.
    return fixed.where(fixed.notna() & ~sessions["offline"], phone)


def _placed(
    rng: Generator, sessions: pd.DataFrame, journeys: list[_Journey], start: date, home: str
) -> tuple[pd.DataFrame, list[tuple[datetime | None, str]]]:
    """The sessions in the zone of their day, and the zones. A flight takes off in the zone that it leaves."""
    zone = pd.Series(home, index=sessions.index)
    country = pd.Series(HOME_COUNTRY, index=sessions.index)
    zones: list[tuple[datetime | None, str]] = [(None, home)]
    for journey in journeys:
        is_away = sessions["day"].between(journey.first_day + 1, journey.last_day)
        zone[is_away], country[is_away] = journey.zone, journey.country
        landing = datetime(start.year, start.month, start.day, _LANDING_HOUR, tzinfo=UTC)
        zones.append((landing + timedelta(days=journey.first_day), journey.zone))
        zones.append((landing + timedelta(days=journey.last_day), home))
    first_midnight = int(pd.Timestamp(start).timestamp()) * 1000
    sessions["local_ms"] = first_midnight + sessions["day"] * DAY_MS + sessions["ms_of_day"]
    sessions["country"] = country.where(~sessions["is_flight"], "ZZ")
    sessions["started_ms"] = np.int64(0)
    for name, rows in sessions.groupby(zone, sort=True):
        local = pd.DatetimeIndex(rows["local_ms"].to_numpy().astype("datetime64[ms]"))
        zoned = local.tz_localize(str(name), ambiguous=rng.random(len(rows)) < 0.5, nonexistent="shift_forward")
        utc = zoned.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ms]")
        sessions.loc[rows.index, "started_ms"] = utc.astype("int64")
    kept = ["started_ms", "local_ms", "plays", "playlist", "platform", "kind", "is_private", "offline", "country"]
    return sessions.sort_values("started_ms", kind="stable", ignore_index=True)[kept], zones
