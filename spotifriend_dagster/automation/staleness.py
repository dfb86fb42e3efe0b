"""Which days a rebuild needs: read from the lake alone, so that losing Dagster's database changes nothing."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta

from spotifriend_dagster.lake.days import COLLECTED_BY_DAY, OF_POLLS
from spotifriend_dagster.lake.parquet import UnreadableFile, read_parquet
from spotifriend_dagster.lake.pulls import object_name
from spotifriend_dagster.lake.storage import ObjectMissing, Storage, path_values
from spotifriend_dagster.lake.stored_tables import FORMATS, StoredTable, keys_of, year_of
from spotifriend_dagster.tables import raw
from spotifriend_dagster.tables.cleaned import RECENT_PAGES
from spotifriend_dagster.tables.declaration import Table, narrowed
from spotifriend_dagster.tables.snapshots import DAILY_SNAPSHOTS, SNAPSHOT_PULLS

_LOOKED_BACK = timedelta(days=35)
_MONDAY = 0

Pull = tuple[str, str]
"""A pull as cleaned tables name it: its source, and its object."""
Year = tuple[str, str]
"""A listener, and a year of theirs."""


def stale_days(storage: Storage, since: date | None = None) -> list[str]:
    """The days of collection, YYYY-MM-DD, of which something was received that is not cleaned yet.

    Where a file of a year cannot be read, nothing of that listener's year counts as cleaned: all of it is made anew.

    Args:
        storage: the lake's.
        since: where it is given, polls of earlier days are not looked at: there are nine thousand a year. Nor are files
            of snapshots.
    """
    unreadable = _unreadable(storage, OF_POLLS)
    cleaned = _cleaned(storage, RECENT_PAGES, unreadable)
    polled = _stale(storage, raw.RECENTLY_PLAYED, cleaned, None if unreadable else since)
    known = _cleaned(storage, SNAPSHOT_PULLS, set() if since else _unreadable(storage, DAILY_SNAPSHOTS))
    return sorted({*polled, *(day for table in COLLECTED_BY_DAY for day in _stale(storage, table, known))})


def looked_back_to(tick: datetime) -> date | None:
    """How far back the rebuild of a night looks for polls: a month, and on Mondays to the first one.

    What comes to an older day was copied into the lake; who copies runs a rebuild, and else it is found on Monday.
    """
    return None if tick.weekday() == _MONDAY else (tick - _LOOKED_BACK).date()


def _stale(storage: Storage, received: Table, known: dict[str, set[Pull]], since: date | None = None) -> Iterator[str]:
    """The days of a raw table that have a pull which is not among those of its listener that are known."""
    for listener, keys in keys_of(storage, received, since=since.isoformat() if since else None).items():
        of_listener = known.get(listener, set())
        yield from (path_values(key)["dt"] for key in keys if (_source(received), object_name(key)) not in of_listener)


def _unreadable(storage: Storage, tables: Iterable[Table]) -> set[Year]:
    """The years of which a file cannot be read, be it damaged, or of another declaration."""
    found = set()
    for table in tables:
        for listener, keys in keys_of(storage, table).items():
            for key in keys:
                try:
                    FORMATS[table.format].read(storage.read(key), table, key)
                except UnreadableFile:
                    found.add((listener, year_of(key)))
                except ObjectMissing:  # it was taken into its year's file
                    continue
    return found


def _cleaned(storage: Storage, table: Table, unreadable: Collection[Year]) -> dict[str, set[Pull]]:
    """By listener the pulls that cleaned days were made from, but for those years."""
    stored = StoredTable(storage, table)
    of_pulls = narrowed(table, [name for name in ("source", "page") if name in table.column_names])
    found: dict[str, set[Pull]] = {listener: set() for listener in stored.listeners()}
    for listener, pulls in found.items():
        for key in stored.keys(listener):
            if (listener, year_of(key)) in unreadable:
                continue
            with suppress(UnreadableFile):
                rows = read_parquet(storage.read(key), of_pulls, key).to_pylist()
                pulls.update((row.get("source", _source(raw.RECENTLY_PLAYED)), row["page"]) for row in rows)
    return found


def _source(table: Table) -> str:
    return table.name.removeprefix("raw_")
