"""What became of each pull: the records in `raw_api_pulls`, written by the pulls and read by those that follow.

A source's newest record carries all that its next pull has to know; what to make of it is decided in `plans.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.pulls import pulls_of_day, read_pull, write_pull
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.tables.raw import API_PULLS

Outcome = Literal["complete", "stopped", "denied", "failed"]
"""`stopped`: not now (quota, rate limit, budget); `denied`: not to this app or consent; `failed`: anything else."""

_MEMORY = timedelta(days=31)
_LONGEST_STOP = timedelta(days=2)


@dataclass(frozen=True)
class PullRecord:
    """What became of one pull of one source of one listener. Instants are UTC-aware.

    `message` is a sentence for the user where the pull did not end well; `retry_at` is when asking makes sense again;
    `remembered` is what the source's next pull has to know, as JSON has it.
    """

    source: str
    pulled_at: datetime
    outcome: Outcome
    calls: int = 0
    retries: int = 0
    message: str | None = None
    retry_at: datetime | None = None
    remembered: Mapping[str, Any] = field(default_factory=dict)


class PullLog:
    """The records of one listener, the newest last. A day is read when it is asked for, and once.

    A record that cannot be read is left out: what it remembers is asked for again, and nobody's plays wait for it.
    """

    def __init__(self, storage: Storage, listener: str, now: datetime) -> None:
        self._storage = storage
        self._listener = listener
        self._today = now.astimezone(UTC).date()
        self._days: dict[int, list[PullRecord]] = {}

    def calls_today(self) -> int:
        """The calls that were made since midnight UTC."""
        return sum(record.calls for record in self._day(0))

    def stops(self) -> Iterator[PullRecord]:
        """The records of these days that say when to ask again."""
        for back in range(_LONGEST_STOP.days + 1):
            yield from (record for record in self._day(back) if record.outcome == "stopped" and record.retry_at)

    def latest(self, source: str) -> PullRecord | None:
        """The source's newest record; None where there is none of the last month."""
        for back in range(_MEMORY.days + 1):
            for record in reversed(self._day(back)):
                if record.source == source:
                    return record
        return None

    def write(self, record: PullRecord) -> None:
        """Keep a record of now."""
        said = {
            "source": record.source,
            "calls": record.calls,
            "retries": record.retries,
            "outcome": record.outcome,
            "message": record.message,
            "retry_at": record.retry_at and record.retry_at.astimezone(UTC).isoformat(),
            "remembered": record.remembered,
        }
        of_today = self._day(0)  # read before the record is there
        write_pull(self._storage, API_PULLS, self._listener, record.pulled_at, [(record.source, said)])
        of_today.append(record)

    def _day(self, back: int) -> list[PullRecord]:
        if back not in self._days:
            day = self._today - timedelta(days=back)
            records: list[PullRecord] = []
            for key in pulls_of_day(self._storage, API_PULLS, self._listener, day):
                with suppress(UnreadableFile, KeyError, TypeError, ValueError):
                    records += [_record(answer.pulled_at, answer.body()) for answer in read_pull(self._storage, key)]
            self._days[back] = records
        return self._days[back]


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
    )
