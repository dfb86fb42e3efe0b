"""What became of each pull: the records in `raw_api_pulls`, written by the pulls and read by those that follow.

A source's newest record carries all that its next pull has to know; what to make of it is decided in `plans.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any, Literal

from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.pulls import object_name, pulls_since, read_pull, write_lines
from spotifriend_dagster.lake.storage import Storage, path_values
from spotifriend_dagster.tables.raw import API_PULLS

Outcome = Literal["complete", "stopped", "denied", "failed"]
"""`stopped`: not now (quota, rate limit, budget); `denied`: not to this app or consent; `failed`: anything else."""

_MEMORY = timedelta(days=31)
_LONGEST_STOP = timedelta(days=2)
_SEVERAL = "several"
_NOTE = re.compile(r"-(?P<calls>\d+)-calls-(?P<source>[a-z_]+)(?P<stopped>-stopped)?$")


@dataclass(frozen=True)
class PullRecord:
    """What became of one pull of one source of one listener. Instants are UTC-aware.

    `message` is a sentence for the user where the pull did not end well; `retry_at` is when asking makes sense again;
    `remembered` is what the source's next pull has to know, as JSON has it; `clock_off` by how many seconds this
    machine's clock is ahead of Spotify's, None where no answer said.
    """

    source: str
    pulled_at: datetime
    outcome: Outcome
    calls: int = 0
    retries: int = 0
    message: str | None = None
    retry_at: datetime | None = None
    remembered: Mapping[str, Any] = field(default_factory=dict)
    clock_off: int | None = None


class PullLog:
    """The records of one listener, the newest last.

    The records of one run are one object, whose name says what most pulls need to know: the calls, the source, and
    whether any of them was stopped until later. So a poll lists a month once, and reads few of them. A record that
    cannot be read is left out: what it remembers is asked for again, and nobody's plays wait for it.
    """

    def __init__(self, storage: Storage, listener: str, now: datetime) -> None:
        self._storage = storage
        self._listener = listener
        self._today = now.astimezone(UTC).date()
        self._own: list[PullRecord] = []
        self._unwritten: list[PullRecord] = []

    def calls_today(self) -> int:
        """The calls that were made since midnight UTC."""
        own = sum(record.calls for record in self._own)
        return own + sum(self._calls(stored) for stored in self._stored if stored.day == self._today)

    def stops(self) -> Iterator[PullRecord]:
        """The records of these days that say when to ask again."""
        first = self._today - _LONGEST_STOP
        before = (
            record
            for stored in self._stored
            if stored.day >= first and stored.has_stop is not False
            for record in self._read(stored)
        )
        yield from (record for record in (*before, *self._own) if _is_stop(record))

    def latest(self, source: str) -> PullRecord | None:
        """The source's newest record; None where there is none of the last month."""
        before = (self._read(stored) for stored in reversed(self._stored) if stored.source in (source, _SEVERAL, None))
        for records in chain([self._own], before):  # read one by one, as far as need be
            for record in reversed(records):
                if record.source == source:
                    return record
        return None

    def add(self, record: PullRecord) -> None:
        """Know a record of now, and keep it with the next `write`."""
        self._stored  # noqa: B018 - listed before anything of this run is there
        self._own.append(record)
        self._unwritten.append(record)

    def write(self) -> None:
        """Keep what was added since the last time."""
        if not self._unwritten:
            return
        sources = {record.source for record in self._unwritten}
        calls = sum(record.calls for record in self._unwritten)
        stopped = "-stopped" if any(map(_is_stop, self._unwritten)) else ""
        note = f"-{calls}-calls-{sources.pop() if len(sources) == 1 else _SEVERAL}{stopped}"
        lines = [(record.pulled_at, record.source, _said(record)) for record in self._unwritten]
        write_lines(self._storage, API_PULLS, self._listener, lines, note)
        self._unwritten.clear()

    @cached_property
    def _stored(self) -> list[_Stored]:
        keys = pulls_since(self._storage, API_PULLS, self._listener, self._today - _MEMORY)
        return [stored for key in keys if (stored := _Stored.of(key)).day <= self._today]

    def _calls(self, stored: _Stored) -> int:
        return sum(record.calls for record in self._read(stored)) if stored.calls is None else stored.calls

    def _read(self, stored: _Stored) -> list[PullRecord]:
        if stored.records is None:
            stored.records = []
            with suppress(UnreadableFile, KeyError, TypeError, ValueError):
                answers = read_pull(self._storage, stored.key)
                stored.records = [_record(answer.pulled_at, answer.body()) for answer in answers]
        return stored.records


@dataclass
class _Stored:
    """What an object's name says of its records; None where it does not say it, as it is from before names did."""

    key: str
    day: date
    calls: int | None = None
    source: str | None = None
    has_stop: bool | None = None
    records: list[PullRecord] | None = None

    @classmethod
    def of(cls, key: str) -> _Stored:
        day = date.fromisoformat(path_values(key)["dt"])
        said = _NOTE.search(object_name(key))
        return cls(key, day, int(said["calls"]), said["source"], bool(said["stopped"])) if said else cls(key, day)


def _is_stop(record: PullRecord) -> bool:
    return record.outcome == "stopped" and record.retry_at is not None


def _said(record: PullRecord) -> dict[str, Any]:
    return {
        "source": record.source,
        "calls": record.calls,
        "retries": record.retries,
        "outcome": record.outcome,
        "message": record.message,
        "retry_at": record.retry_at and record.retry_at.astimezone(UTC).isoformat(),
        "remembered": record.remembered,
        "clock_off": record.clock_off,
    }


def _record(pulled_at: datetime, said: dict[str, Any]) -> PullRecord:
    return PullRecord(
        source=said["source"],
        pulled_at=pulled_at,
        outcome=said["outcome"],
        calls=said["calls"],
        retries=said["retries"],
        message=said["message"],
        retry_at=datetime.fromisoformat(said["retry_at"]) if said["retry_at"] else None,
        remembered=said["remembered"],
        clock_off=said.get("clock_off"),
    )
