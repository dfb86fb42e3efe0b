"""Which days a rebuild needs: read from the lake alone, so that losing Dagster's database changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING

from spotifriend_dagster.lake.days import COLLECTED_BY_DAY, OF_POLLS
from spotifriend_dagster.lake.parquet import UnreadableFile, has_every_column
from spotifriend_dagster.lake.pulls import object_name
from spotifriend_dagster.lake.storage import ObjectMissing, Storage, path_values
from spotifriend_dagster.lake.stored_tables import FORMATS, StoredTable, keys_of, year_of
from spotifriend_dagster.tables import raw
from spotifriend_dagster.tables.cleaned import RECENT_PAGES
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.snapshots import DAILY_SNAPSHOTS, SNAPSHOT_PULLS

if TYPE_CHECKING:
    import pyarrow

_LOOKED_BACK = timedelta(days=35)
_MONDAY = 0

Pull = tuple[str, str]
"""A pull as cleaned tables name it: its source, and its object."""


def stale_days(storage: Storage, since: date | None = None) -> list[str]:
    """The days of collection, YYYY-MM-DD, of which something was received that is not cleaned yet.

    Where a file of a year cannot be read, or an earlier version made it with fewer columns, nothing of that listener's
    year counts as cleaned: all of it is made anew.

    Args:
        storage: the lake's.
        since: where it is given, polls of earlier days are not looked at: there are nine thousand a year. Nor are files
            of snapshots.
    """
    cleaned, is_all_whole = _cleaned(storage, RECENT_PAGES, OF_POLLS)
    polled = _stale(storage, raw.RECENTLY_PLAYED, cleaned, since if is_all_whole else None)
    known, _ = _cleaned(storage, SNAPSHOT_PULLS, () if since else DAILY_SNAPSHOTS)
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


def _cleaned(storage: Storage, register: Table, made_with_it: Iterable[Table]) -> tuple[dict[str, set[Pull]], bool]:
    """By listener the pulls that cleaned days were made from, by the table that says so; and whether all are whole.

    Of a year of which a file is not, there or of a table that is made with it, nothing counts as cleaned.
    """
    made = list(_files(storage, register))
    others = (file for table in made_with_it if table != register for file in _files(storage, table))
    unusable = {(listener, year) for listener, year, rows in chain(made, others) if rows is None}
    found: dict[str, set[Pull]] = {}
    for listener, year, rows in made:
        if rows is not None and (listener, year) not in unusable:
            sources = (
                rows["source"].to_pylist() if "source" in rows.column_names else repeat(_source(raw.RECENTLY_PLAYED))
            )
            found.setdefault(listener, set()).update(zip(sources, rows["page"].to_pylist(), strict=False))
    return found, not unusable


def _files(storage: Storage, table: Table) -> Iterator[tuple[str, str, pyarrow.Table | None]]:
    """The listener, the year and the rows of each file of a table made day by day; None where it is not whole."""
    stored = StoredTable(storage, table)
    for listener in stored.listeners():
        for key in stored.keys(listener):
            with suppress(ObjectMissing):  # it was taken into its year's file
                content = storage.read(key)
                yield listener, year_of(key), _rows(content, table, key)


def _rows(content: bytes, table: Table, key: str) -> pyarrow.Table | None:
    try:
        rows = FORMATS[table.format].read(content, table, key)
    except UnreadableFile:
        return None
    is_of_now = table.format != "parquet" or has_every_column(content, table)  # lines leave out what is null
    return rows if is_of_now else None


def _source(table: Table) -> str:
    return table.name.removeprefix("raw_")
