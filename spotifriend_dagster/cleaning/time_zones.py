"""The listener's clock: which time zone was valid when, and what it showed. Daylight saving is exact.

Splitting listening time at the hours of that clock belongs to `hours.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS
_ALWAYS = int(np.iinfo("int64").min)
_NEVER = int(np.iinfo("int64").max)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYPARTS = pd.array(["night", "morning", "afternoon", "evening"], dtype="str")
_THURSDAY = 3  # the weekday of 1970-01-01, Monday being 0
_SATURDAY = 6


class TimeZoneError(ValueError):
    """A listener's time zones cannot be used as they are written."""


class UnknownTimeZone(TimeZoneError):
    """No time zone has this name."""

    def __init__(self, name: str) -> None:
        # Only places are proposed: an offset is wrong for half of the year, and Etc/GMT+2 lies in the west.
        zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
        by_words = {zone.rpartition("/")[2].lower(): zone for zone in zones} | {zone.lower(): zone for zone in zones}
        similar = difflib.get_close_matches(name.strip().lower().replace(" ", "_"), by_words, n=1, cutoff=0.75)
        cure = f"did you mean {by_words[similar[0]]!r}?" if similar else "use an IANA name, such as 'Europe/London'."
        super().__init__(f"There is no time zone {name!r}: {cure}")


class UnorderedTimeZones(TimeZoneError):
    """A list of time zones does not say, one after the other, from when each is valid."""


class ZoneHistory:
    """The time zones of one listener, each valid from an instant until the next.

    Args:
        zones: pairs of `valid_from` and IANA name, the oldest first. `valid_from` is an aware datetime, or a date or a
            naive datetime on the clock of that zone (a date is its midnight). The first pair's zone also holds for all
            time before, so its `valid_from` may be None; no other may.

    Raises:
        UnknownTimeZone: a name is not in the IANA list.
        UnorderedTimeZones: the list is empty, not in order of time, or one but the first lacks its `valid_from`.
    """

    def __init__(self, zones: Iterable[tuple[datetime | date | None, str]]) -> None:
        entries = list(zones)
        if not entries:
            raise UnorderedTimeZones("The list of time zones is empty: name at least one, such as 'Europe/London'.")
        starts: list[int] = []
        for valid_from, name in entries:
            zone = _zone(name)
            if valid_from is None and starts:
                raise UnorderedTimeZones(f"Time zone {name!r} needs a valid_from: only the first of a list has none.")
            start = _ALWAYS if valid_from is None else _instant_ms(valid_from, zone)
            if starts and start <= starts[-1]:
                raise UnorderedTimeZones(
                    f"Time zone {name!r} is valid from {valid_from}, which is not after the start of the zone before "
                    "it: list the zones from the oldest to the newest."
                )
            starts.append(start)
        self.names = tuple(name for _, name in entries)
        self._changes = np.array(starts[1:], dtype="int64")

    @classmethod
    def always(cls, zone: str) -> ZoneHistory:
        """The history of a listener who never left one zone.

        Raises:
            UnknownTimeZone: the name is not in the IANA list.
        """
        return cls([(None, zone)])

    def zone_at(self, instant: datetime) -> str:
        """The IANA name of the zone that was valid at an aware instant."""
        return self.names[int(np.searchsorted(self._changes, _milliseconds(instant), side="right"))]

    def localize(self, started_at: pd.Series) -> pd.DataFrame:
        """What the listener's clock showed.

        Args:
            started_at: instants, UTC-aware.

        Returns:
            With the index of `started_at`: time_zone, local_started_at (naive), local_date (naive midnight),
            local_hour (0 to 23), weekday (1 is Monday), is_weekend and daypart.
        """
        instants = epoch_ms(started_at)
        valid = np.searchsorted(self._changes, instants, side="right")
        local = np.empty_like(instants)
        for number in np.unique(valid):
            rows = valid == number
            local[rows] = instants[rows] + zone_clock(self.names[number], instants[rows]).offset_at(instants[rows])
        names = pd.Series(pd.array(self.names, dtype="str").take(valid), index=started_at.index)
        shown = pd.Series(local.astype("datetime64[ms]"), index=started_at.index)
        return pd.DataFrame({"time_zone": names, "local_started_at": shown, **_calendar(local, started_at.index)})


@dataclass(frozen=True)
class ZoneClock:
    """One zone's offset from UTC over a span of time: `offsets[i]` holds from `changes[i]` on. All in milliseconds."""

    changes: np.ndarray
    offsets: np.ndarray

    def offset_at(self, instants: np.ndarray) -> np.ndarray:
        """The offset from UTC at each instant."""
        return self.offsets[np.searchsorted(self.changes, instants, side="right") - 1]

    def next_change(self, instants: np.ndarray) -> np.ndarray:
        """The first change of offset after each instant; beyond all time where the span has none."""
        return np.append(self.changes, _NEVER)[np.searchsorted(self.changes, instants, side="right")]


def zone_clock(zone: str, instants: np.ndarray) -> ZoneClock:
    """The clock of a zone over the span of `instants` (milliseconds since 1970, UTC) and two days more.

    Raises:
        UnknownTimeZone: the name is not in the IANA list.
    """
    if not len(instants):
        return _zone_clock(zone, 0, 1)
    return _zone_clock(zone, int(instants.min()) // _DAY_MS - 1, int(instants.max()) // _DAY_MS + 2)


def daypart_of(hours: pd.Series) -> pd.Series:
    """The part of the day of local hours 0 to 23: night 0–6, morning 6–12, afternoon 12–18, evening 18–24."""
    return pd.Series(_DAYPARTS.take(hours.to_numpy() // 6), index=hours.index, name="daypart")


def calendar_of(local: pd.Series) -> pd.DataFrame:
    """local_date, local_hour, weekday, is_weekend and daypart of naive local times, with their index."""
    return pd.DataFrame(_calendar(epoch_ms(local), local.index), index=local.index)


def epoch_ms(instants: pd.Series) -> np.ndarray:
    """Milliseconds since 1970: of aware instants in UTC, of naive times on their own clock."""
    return instants.to_numpy(dtype="datetime64[ms]").astype("int64")


def _calendar(local_ms: np.ndarray, index: pd.Index) -> dict[str, pd.Series]:
    days = local_ms // _DAY_MS
    hour = pd.Series((local_ms // HOUR_MS % 24).astype("int32"), index=index)
    weekday = pd.Series(((days + _THURSDAY) % 7 + 1).astype("int32"), index=index)
    return {
        "local_date": pd.Series(days.astype("datetime64[D]").astype("datetime64[s]"), index=index),
        "local_hour": hour,
        "weekday": weekday,
        "is_weekend": weekday >= _SATURDAY,
        "daypart": daypart_of(hour),
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # a directory such as 'Europe' is an OSError
        raise UnknownTimeZone(name) from error


@lru_cache(maxsize=64)
def _zone_clock(name: str, first_day: int, last_day: int) -> ZoneClock:
    zone = _zone(name)
    changes, offsets = [first_day * _DAY_MS], [_offset_ms(zone, first_day * _DAY_MS)]
    for day in range(first_day, last_day):
        earlier, later = day * _DAY_MS, (day + 1) * _DAY_MS
        offset = _offset_ms(zone, later)
        if offset == offsets[-1]:
            continue
        while later - earlier > 1000:  # offsets change at full seconds
            middle = (earlier + later) // 2000 * 1000
            earlier, later = (middle, later) if _offset_ms(zone, middle) == offsets[-1] else (earlier, middle)
        changes.append(later)
        offsets.append(offset)
    return ZoneClock(np.array(changes, dtype="int64"), np.array(offsets, dtype="int64"))


def _offset_ms(zone: ZoneInfo, instant_ms: int) -> int:
    offset = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone).utcoffset()
    return int((offset or timedelta()) / timedelta(milliseconds=1))


def _instant_ms(valid_from: datetime | date, zone: ZoneInfo) -> int:
    if not isinstance(valid_from, datetime):
        valid_from = datetime(valid_from.year, valid_from.month, valid_from.day)
    return _milliseconds(valid_from if valid_from.tzinfo else valid_from.replace(tzinfo=zone))


def _milliseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)
