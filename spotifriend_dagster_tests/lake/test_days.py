"""A year of days in one file: every day is there once, whoever wrote which days when, whatever the layout before."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.lake.days import DaysLost, replace_days
from spotifriend_dagster.lake.parquet import to_arrow
from spotifriend_dagster.lake.storage import FolderStorage, ObjectMissing, Storage
from spotifriend_dagster.lake.stored_tables import FORMATS, StoredTable, keys_of, year_file
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster.tables.snapshots import DAILY_SNAPSHOTS
from spotifriend_dagster_tests.lake.made_frames import made_frame

DAYS = ("2024-12-30", "2024-12-31", "2025-01-01", "2025-01-02", "2025-03-01")
TABLES = (RECENT_PLAYS, RECENT_REJECTS)
Versions = Mapping[str, int]
"""By day how many rows it has: a day of so many rows is always the same."""


def rows_of(table: Table, day: str, count: int) -> pa.Table:
    """The rows of a day as they are stored."""
    frame = made_frame(table, count, seed=count)
    name = table.day_of or ""
    return to_arrow(frame.assign(**{name: pd.Series([day] * count, dtype=frame[name].dtype)}), table)


def write(storage: Storage, table: Table, versions: Versions, *, whole: Collection[str] = ()) -> list[str]:
    """Replace days, as a run does that knows what is there."""
    days = {day: rows_of(table, day, count) for day, count in versions.items()}
    present = keys_of(storage, table).get("anna", [])
    return replace_days(storage, table, "anna", days, present=present, is_whole=lambda year: year in whole)


def write_single(storage: Storage, table: Table, day: str, count: int) -> str:
    """A day's own file, as an earlier layout had it."""
    year = year_file(table, "anna", day[:4])
    key = year.replace(f"/{day[:4]}.", f"/{day}.")
    storage.write(key, FORMATS[table.format].write(rows_of(table, day, count), table))
    return key


def content(storage: Storage, table: Table) -> dict[str, bytes]:
    """Every file of the table."""
    return {stored.key: storage.read(stored.key) for stored in storage.list(table.folder)}


def counted(storage: Storage, table: Table) -> Versions:
    """By day how many rows are read."""
    frame = StoredTable(storage, table).frame("anna")
    return frame[table.day_of].astype("str").str[:10].value_counts().to_dict()


def test_every_table_that_is_made_by_day_says_so() -> None:
    """One that did not would be written whole by each day."""
    made_by_day = {table.name for table in DECLARED_TABLES if table.day_of}
    assert made_by_day == {"recent_plays", "recent_pages", "recent_rejects", *(one.name for one in DAILY_SNAPSHOTS)}


_RUNS = st.lists(st.dictionaries(st.sampled_from(DAYS), st.integers(0, 3)), max_size=6)


@settings(max_examples=20, deadline=None)
@given(runs=_RUNS, single=st.dictionaries(st.sampled_from(DAYS), st.integers(0, 3)), table=st.sampled_from(TABLES))
def test_order_repeats_and_splits_of_days_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, runs: list[Versions], single: Versions, table: Table
) -> None:
    """Each day holds what was written of it last, once; the bytes are those of one run over all days."""
    storage, at_once = (FolderStorage(tmp_path_factory.mktemp("lake")) for _ in range(2))
    for day, count in single.items():
        write_single(storage, table, day, count)
    expected = dict(single)
    for versions in runs:
        write(storage, table, versions)
        expected |= versions
        assert counted(storage, table) == {day: count for day, count in expected.items() if count}
    write(storage, table, {})  # an earlier layout is gone with the next write of the listener's, whatever that is
    write(at_once, table, expected)
    assert counted(storage, table) == counted(at_once, table)
    for key, stored in content(at_once, table).items():
        assert content(storage, table)[key] == stored
    years = {year_file(table, "anna", day[:4]) for day in expected}
    assert set(content(storage, table)) <= years


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_two_runs_at_once_lose_no_day(tmp_path: Path, table: Table) -> None:
    """A backfill of last year's days beside the night's run: both are there in the end, and no day of both twice."""
    storage = FolderStorage(tmp_path)
    write_single(storage, table, "2025-06-30", 2)
    months = [[f"2025-{month:02d}-{day:02d}" for day in range(1, 8)] for month in range(1, 7)]
    with ThreadPoolExecutor(len(months)) as pool:
        for ended in [pool.submit(write, storage, table, dict.fromkeys(month, 1)) for month in months]:
            ended.result()
    assert counted(storage, table) == {day: 1 for month in months for day in month} | {"2025-06-30": 2}
    assert list(content(storage, table)) == [year_file(table, "anna", "2025")]


def test_a_reader_throughout_finds_every_day_once(tmp_path: Path) -> None:
    """While a lake of single days is converted and then rewritten, whoever reads finds each day, and once."""
    storage, days = FolderStorage(tmp_path), [f"2025-01-{day:02d}" for day in range(1, 21)]
    for day in days:
        write_single(storage, RECENT_PLAYS, day, 1)
    seen: list[Versions] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            with suppress(ObjectMissing):  # a file that was listed may be gone: so it is for SQL
                seen.append(counted(storage, RECENT_PLAYS))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for day in days:
            write(storage, RECENT_PLAYS, {day: 1})
        is_over.set()
        reading.result()
    assert len(seen) > 3
    assert all(versions == dict.fromkeys(days, 1) for versions in seen)


def test_what_a_killed_conversion_left_is_read_once_and_removed(tmp_path: Path) -> None:
    """The year's file is there, the days' own not yet gone: they are in it, even where they differ by now."""
    storage = FolderStorage(tmp_path)
    write(storage, RECENT_PLAYS, {"2025-01-01": 2, "2025-01-02": 0})
    left = [write_single(storage, RECENT_PLAYS, "2025-01-02", 3), write_single(storage, RECENT_PLAYS, "2024-05-05", 1)]
    assert counted(storage, RECENT_PLAYS) == {"2025-01-01": 2, "2024-05-05": 1}
    write(storage, RECENT_PLAYS, {"2025-01-03": 1})
    assert counted(storage, RECENT_PLAYS) == {"2025-01-01": 2, "2025-01-03": 1, "2024-05-05": 1}
    assert not content(storage, RECENT_PLAYS).keys() & set(left)


def register(storage: Storage, days: Collection[str]) -> None:
    """Note days as made, as the table of the polls' pages does."""
    rows = {day: rows_of(RECENT_PAGES, day, 1) for day in days}
    replace_days(storage, RECENT_PAGES, "anna", rows, present=[], is_whole=lambda _: False)


def test_a_year_that_cannot_be_read_counts_as_not_made_but_for_the_days_that_are_written(tmp_path: Path) -> None:
    """A column's type changed, or the disk failed: the other days are made by whoever looks for what is not made."""
    storage, key = FolderStorage(tmp_path), year_file(RECENT_PLAYS, "anna", "2025")
    storage.write(key, b"no parquet")
    register(storage, DAYS)
    for day in DAYS:
        storage.write(f"{RECENTLY_PLAYED.folder}/listener=anna/dt={day}/x.jsonl.gz", b"")
    assert write(storage, RECENT_PLAYS, {"2025-01-01": 1, "2024-12-30": 2}) == [key]
    assert counted(storage, RECENT_PLAYS) == {"2025-01-01": 1, "2024-12-30": 2}
    assert counted(storage, RECENT_PAGES).keys() == {"2024-12-30", "2024-12-31", "2025-01-01"}


def test_a_year_that_cannot_be_read_nor_made_again_is_given_up_by_a_run_of_all_its_days_alone(tmp_path: Path) -> None:
    """One day's run must not cost the year days of which nothing is left in raw."""
    storage, key = FolderStorage(tmp_path), year_file(RECENT_PLAYS, "anna", "2025")
    storage.write(key, b"no parquet")
    register(storage, DAYS)
    with pytest.raises(
        DaysLost, match=r"2025.parquet .*Of 2025-01-02 to 2025-03-01, .* nothing is left in raw"
    ) as told:
        write(storage, RECENT_PLAYS, {"2025-01-01": 1})
    assert told.value.year == "2025"
    assert storage.read(key) == b"no parquet"
    assert counted(storage, RECENT_PAGES).keys() == set(DAYS)
    assert write(storage, RECENT_PLAYS, {"2025-01-01": 1}, whole=["2025"]) == [key]
    assert counted(storage, RECENT_PLAYS) == {"2025-01-01": 1}


def test_a_file_of_another_declaration_is_not_damaged(tmp_path: Path) -> None:
    """After an upgrade that changes a type its days are made anew; nobody has to look at the disk."""
    storage, key = FolderStorage(tmp_path), year_file(RECENT_PLAYS, "anna", "2025")
    storage.write(key, FORMATS["parquet"].write(rows_of(RECENT_PAGES, "2025-01-01", 1), RECENT_PAGES))
    assert write(storage, RECENT_PLAYS, {"2025-01-01": 1}) == []
    assert counted(storage, RECENT_PLAYS) == {"2025-01-01": 1}


def test_a_row_of_another_day_is_refused(tmp_path: Path) -> None:
    """It would never be replaced by its own day's run, and so be there twice."""
    storage = FolderStorage(tmp_path)
    with pytest.raises(ValueError, match="said to be of 2025-01-02 are of 2025-01-01"):
        rows = rows_of(RECENT_PLAYS, "2025-01-01", 1)
        replace_days(storage, RECENT_PLAYS, "anna", {"2025-01-02": rows}, present=[], is_whole=lambda _: False)
