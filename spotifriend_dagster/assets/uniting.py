"""The work of the asset `plays`, one listener after another, wherever it is done: in a run, or in a job of Glue's.

What uniting means is in `cleaning/plays.py`; who is worked on where, in `plays_on_glue.py`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from spotifriend_dagster.assets.resources import Listeners
from spotifriend_dagster.cleaning.plays import UnitedPlays, unite_plays
from spotifriend_dagster.lake.io_managers import Part
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables.cleaned import (
    HISTORY_FILES,
    HISTORY_PLAYS,
    HISTORY_REJECTS,
    LISTENING_GAPS,
    PLAY_HOURS,
    PLAYS,
    RECENT_PAGES,
    RECENT_PLAYS,
    RECENT_REJECTS,
    ROW_OUTCOMES,
)
from spotifriend_dagster.tables.declaration import Table

_Result = TypeVar("_Result")
SOURCES = (HISTORY_PLAYS, HISTORY_FILES, HISTORY_REJECTS, RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS)
"""What is united, by table."""
UNITED = (PLAYS, PLAY_HOURS, ROW_OUTCOMES, LISTENING_GAPS)
"""What is made of it, in the order in which it has to be written."""


def each_listener(
    present: Iterable[str], work: Callable[[str], _Result], failures: dict[str, str], log: logging.Logger
) -> Iterator[tuple[str, _Result]]:
    """`work`'s result for one listener after another; a listener's failure is kept, and stops nobody else."""
    for listener in present:
        try:
            result = work(listener)
        except Exception as error:
            log.exception("Listener %s was left out", listener)
            failures[listener] = f"{type(error).__name__}: {error}"
        else:
            yield listener, result


def shard_of(listener: str, shards: int) -> int:
    """Which of so many shards a listener belongs to: always the same, on every machine."""
    return int.from_bytes(sha256(listener.encode()).digest()[:8], "big") % shards


def sources_in(storage: Storage) -> dict[str, StoredTable]:
    """Handles on all sources, by table's name; nothing is read yet."""
    return {table.name: StoredTable(storage, table) for table in SOURCES}


def present_in(storage: Storage) -> list[str]:
    """The ids of the listeners of whom anything is to be united, sorted."""
    return _present(sources_in(storage))


def _present(sources: Mapping[str, StoredTable]) -> list[str]:
    return sorted({*sources[HISTORY_FILES.name].listeners(), *sources[RECENT_PAGES.name].listeners()})


@dataclass
class Uniting:
    """The sources of all listeners by table's name, and whom they could not be united of, with the reason."""

    sources: Mapping[str, StoredTable]
    listeners: Listeners
    log: logging.Logger
    failures: dict[str, str] = field(default_factory=dict)

    def present(self) -> list[str]:
        """The ids of the listeners of whom anything is known, sorted."""
        return _present(self.sources)

    def parts(self, present: Iterable[str]) -> Iterator[tuple[Table, Iterable[Part]]]:
        """What each table says of these listeners. A table's parts are to be read before the next table is asked for:
        plays are made one listener at a time, and the others, which are small, with them.
        """
        others: dict[Table, list[Part]] = {table: [] for table in UNITED if table is not PLAYS}

        def plays() -> Iterator[Part]:
            for listener, united in each_listener(present, self._unite, self.failures, self.log):
                others[PLAY_HOURS].append(Part(listener, united.play_hours))
                others[ROW_OUTCOMES].append(Part(listener, united.row_outcomes))
                others[LISTENING_GAPS].append(Part(listener, united.listening_gaps))
                yield Part(listener, united.plays)

        yield PLAYS, plays()
        yield from others.items()

    def _unite(self, listener: str) -> UnitedPlays:
        person = self.listeners.get(listener)
        return unite_plays(
            history=self.sources[HISTORY_PLAYS.name].frame(listener),
            history_files=self.sources[HISTORY_FILES.name].frame(listener),
            history_rejects=self.sources[HISTORY_REJECTS.name].frame(listener),
            recent=self.sources[RECENT_PLAYS.name].frame(listener),
            recent_pages=self.sources[RECENT_PAGES.name].frame(listener),
            recent_rejects=self.sources[RECENT_REJECTS.name].frame(listener),
            zones=person.zones,
            include_private=person.include_private_sessions,
        )
