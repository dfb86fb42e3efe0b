"""Writing tables that are made day by day: a run replaces its days in the file of their year, by one conditional write.

So a reader finds every day once, and five years are six files. Which file that is: `stored_tables.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from spotifriend_dagster.lake.parquet import DamagedFile, UnreadableFile
from spotifriend_dagster.lake.storage import ObjectMissing, Storage, update
from spotifriend_dagster.lake.stored_tables import FORMATS, day_of_rows, keys_of, year_file, year_of, year_of_day_file
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import API_PULLS, AUDIO_FEATURES, COLLECTED_TABLES, RECENTLY_PLAYED
from spotifriend_dagster.tables.rendering import arrow_schema
from spotifriend_dagster.tables.snapshots import SNAPSHOT_PULLS

if TYPE_CHECKING:
    import pyarrow


OF_POLLS = (RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS)
COLLECTED_BY_DAY = tuple(
    table for table in COLLECTED_TABLES if table not in (RECENTLY_PLAYED, AUDIO_FEATURES, API_PULLS)
)


class DaysLost(UnreadableFile):
    """A file of a `year` cannot be read, and of some of its days nothing is left that they could be made of."""

    def __init__(self, sentence: str, year: str) -> None:
        super().__init__(sentence)
        self.year = year


def replace_days(
    storage: Storage,
    table: Table,
    listener: str,
    days: Mapping[str, pyarrow.Table],
    *,
    present: Collection[str],
    is_whole: Callable[[str], bool],
) -> list[str]:
    """Let a listener's days hold these rows, and all other days what they hold: one write for each year.

    A file that cannot be read is replaced by one of these days alone. The others count as not made from then on, so
    that the next rebuild makes them anew.

    Where two runs meet, the later one puts its days into what the earlier one wrote. Files of single days, as an
    earlier layout had them, are taken into their year's and removed after it is there: between the two steps SQL finds
    their rows twice, and who reads by `StoredTable` once.

    Args:
        storage: where.
        table: a table that is made day by day.
        listener: whose.
        days: by day, YYYY-MM-DD, its rows as they are stored; no rows for a day that has none.
        present: the keys of the listener's files of this table.
        is_whole: whether nothing but these days is in a year: then a file that cannot be read is no loss.

    Returns:
        The keys of the files that were found damaged.

    Raises:
        ValueError: a row is of another day.
        DaysLost: a file cannot be read, and holds days that nothing can make again. It is as it was.
        StorageFull: no space is left; a year that was not yet written is as it was.
    """
    for day, rows in days.items():
        if of_others := set(day_of_rows(rows, table).to_pylist()) - {day}:
            raise ValueError(f"Rows of {table.name} that were said to be of {day} are of {', '.join(of_others)}.")
    left = {key: year for key in present if (year := year_of_day_file(key))}
    years = {year_file(table, listener, year): list(of_year) for year, of_year in groupby(sorted(days), _year)}
    damaged: list[str] = []
    for key in sorted({*years, *left.values()}):
        of_year = {day: days[day] for day in years.get(key, [])}
        single = [one for one, year in left.items() if year == key]
        if key in present or single or any(rows.num_rows for rows in of_year.values()):
            unreadable = _write(storage, table, listener, key, of_year, single=single, is_whole=is_whole)
            damaged += [at for at, error in unreadable.items() if isinstance(error, DamagedFile)]
        storage.delete(single)
    return damaged


def _write(
    storage: Storage,
    table: Table,
    listener: str,
    key: str,
    days: Mapping[str, pyarrow.Table],
    *,
    single: Iterable[str],
    is_whole: Callable[[str], bool],
) -> dict[str, UnreadableFile]:
    """Replace days of a year; gives, by key, why a file could not be read that held others."""
    read, write = FORMATS[table.format].read, FORMATS[table.format].write
    unreadable: dict[str, UnreadableFile] = {}

    def changed(before: bytes | None) -> bytes:
        kept = []
        for one in [key] if before is not None else single:
            with suppress(ObjectMissing):  # another run took it into the year's file, and this one comes again
                try:
                    found = read(storage.read(one) if before is None else before, table, one)
                except UnreadableFile as error:
                    unreadable[one] = error
                    if not is_whole(year_of(one)):
                        _let_be_made_again(storage, table, listener, days, error, year_of(one))
                else:
                    kept.append(_less(found, table, days))
        return write(_in_order([*kept, *days.values()], table), table)

    update(storage, key, changed)
    return unreadable


def _let_be_made_again(  # noqa: PLR0917 - one file's
    storage: Storage, table: Table, listener: str, days: Collection[str], error: UnreadableFile, year: str
) -> None:
    """Before a file is given up: let all days of its year but these count as not made.

    Raises:
        DaysLost: of one of them nothing is left that it could be made of.
    """
    register, sources = (RECENT_PAGES, (RECENTLY_PLAYED,)) if table in OF_POLLS else (SNAPSHOT_PULLS, COLLECTED_BY_DAY)
    keys = [key for key in keys_of(storage, register).get(listener, ()) if year_of(key) == year]
    made: set[str] = set()
    for key in keys:
        with suppress(UnreadableFile, ObjectMissing):
            made.update(
                day_of_rows(FORMATS[register.format].read(storage.read(key), register, key), register).to_pylist()
            )
    received = {name for source in sources for name in storage.folders(f"{source.folder}/listener={listener}")}
    others = sorted(made.difference(days))
    if lost := [day for day in others if f"dt={day}" not in received]:
        span = lost[0] + (f" to {lost[-1]}" if lost[1:] else "")
        raise DaysLost(f"{error} Of {span}, which it holds, nothing is left in raw.", year) from error
    if others and table != register:
        none = arrow_schema(register).empty_table()
        replace_days(
            storage, register, listener, dict.fromkeys(others, none), present=keys, is_whole=lambda _year: True
        )


def _less(rows: pyarrow.Table, table: Table, days: Iterable[str]) -> pyarrow.Table:
    """The rows of other days."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.compute as pc  # noqa: PLC0415

    return rows.filter(pc.invert(pc.is_in(day_of_rows(rows, table), pa.array(list(days), pa.string()))))


def _in_order(parts: list[pyarrow.Table], table: Table) -> pyarrow.Table:
    """The rows of all days in the order of the days, and within a day as they were: whoever wrote which day when."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.compute as pc  # noqa: PLC0415

    rows = pa.concat_tables(parts)
    return rows.take(pc.sort_indices(day_of_rows(rows, table))).combine_chunks()


def _year(day: str) -> str:
    return day[: len("2025")]
