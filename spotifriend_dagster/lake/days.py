"""Writing tables that are made day by day: a run replaces its days in the file of their year, by one conditional write.

So a reader finds every day once, and five years are six files. Which file that is: `stored_tables.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.storage import ObjectMissing, Storage, update
from spotifriend_dagster.lake.stored_tables import FORMATS, day_of_rows, year_file, year_of_day_file
from spotifriend_dagster.tables.declaration import Table

if TYPE_CHECKING:
    import pyarrow


def replace_days(
    storage: Storage,
    table: Table,
    listener: str,
    days: Mapping[str, pyarrow.Table],
    *,
    present: Collection[str],
    is_whole: Callable[[str], bool],
) -> None:
    """Let a listener's days hold these rows, and all other days what they hold: one write for each year.

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

    Raises:
        ValueError: a row is of another day.
        UnreadableFile: a file holds other days, and cannot be read. It is as it was.
        StorageFull: no space is left; a year that was not yet written is as it was.
    """
    for day, rows in days.items():
        if of_others := set(day_of_rows(rows, table).to_pylist()) - {day}:
            raise ValueError(f"Rows of {table.name} that were said to be of {day} are of {', '.join(of_others)}.")
    left = {key: year for key in present if (year := year_of_day_file(key))}
    years = {year_file(table, listener, year): list(of_year) for year, of_year in groupby(sorted(days), _year)}
    for key in sorted({*years, *left.values()}):
        of_year = {day: days[day] for day in years.get(key, [])}
        single = [one for one, year in left.items() if year == key]
        if key in present or single or any(rows.num_rows for rows in of_year.values()):
            _write(storage, table, key, of_year, single=single, is_whole=is_whole)
        storage.delete(single)


def _write(
    storage: Storage,
    table: Table,
    key: str,
    days: Mapping[str, pyarrow.Table],
    *,
    single: Iterable[str],
    is_whole: Callable[[str], bool],
) -> None:
    read, write = FORMATS[table.format].read, FORMATS[table.format].write
    year = key.rpartition("/")[2][: len("2025")]

    def changed(before: bytes | None) -> bytes:
        kept = []
        if before is None:
            for one in single:
                with suppress(ObjectMissing):  # another run took it into the year's file, and this one comes again
                    kept.append(_less(read(storage.read(one), table, one), table, days))
        else:
            try:
                kept.append(_less(read(before, table, key), table, days))
            except UnreadableFile as error:
                if not is_whole(year):
                    raise UnreadableFile(f"{error} It holds {year}: do so for all its days in one run.") from error
        return write(_in_order([*kept, *days.values()], table), table)

    update(storage, key, changed)


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
