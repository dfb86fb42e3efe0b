"""Which days a rebuild needs, whatever order things happened in."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from spotifriend_dagster.automation.staleness import looked_back_to, stale_days
from spotifriend_dagster.lake.parquet import to_parquet
from spotifriend_dagster.lake.pulls import object_name, write_pull
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables import raw
from spotifriend_dagster.tables.cleaned import RECENT_PAGES
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.frames import typed_frame
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster.tables.snapshots import SNAPSHOT_PULLS, TOP_TRACKS

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
_NOT_BY_DAY = (raw.AUDIO_FEATURES, raw.API_PULLS)


class PolledLake:
    """A lake with pulls and cleaned days, at times that a test says."""

    def __init__(self, root: Path) -> None:
        self.storage = FolderStorage(root)

    def pull(self, at: datetime, listener: str = "robin", landed: datetime | None = None) -> str:
        """A pull of that instant; its object's name."""
        key = write_pull(
            self.storage, RECENTLY_PLAYED, listener, at, [("/v1/me/player/recently-played", {"items": []})]
        )
        self.touch(key, landed or at)
        return object_name(key)

    def clean(self, pages: list[str], at: datetime, day: str = "2025-03-01", listener: str = "robin") -> str:
        """A cleaned day, made at that instant from the pulls of these names."""
        frame = pd.DataFrame(dict.fromkeys(RECENT_PAGES.column_names), index=range(len(pages)))
        frame = frame.assign(page=pages, collected_on=pd.Timestamp(day), pulled_at=pd.Timestamp(NOON))
        frame = frame.assign(rows=0, rejected_rows=0, new_rows=0)
        key = f"{RECENT_PAGES.folder}/listener={listener}/year={day[:4]}/{day}.parquet"
        self.storage.write(key, to_parquet(typed_frame(frame, RECENT_PAGES), RECENT_PAGES))
        self.touch(key, at)
        return key

    def touch(self, key: str, at: datetime) -> None:
        """Say that an object was written then."""
        os.utime(self.storage.path(key), (at.timestamp(), at.timestamp()))

    def collect(self, table: Table, at: datetime, landed: datetime | None = None) -> tuple[str, str]:
        """A pull of another source at that instant; its source and its object's name."""
        key = write_pull(self.storage, table, "robin", at, [("/v1/me", {})])
        self.touch(key, landed or at)
        return table.name.removeprefix("raw_"), object_name(key)

    def clean_snapshots(self, pulls: list[tuple[str, str]], at: datetime) -> None:
        """The day's snapshots, made at that instant from these pulls."""
        frame = pd.DataFrame(pulls, columns=["source", "page"]).reindex(columns=list(SNAPSHOT_PULLS.column_names))
        counts = [column.name for column in SNAPSHOT_PULLS.columns if column.type == "bigint"]
        frame = frame.assign(collected_on=pd.Timestamp("2025-03-01"), pulled_at=pd.Timestamp(NOON))
        frame = frame.assign(**dict.fromkeys(counts, 0))
        key = f"{SNAPSHOT_PULLS.folder}/listener=robin/year=2025/2025-03-01.parquet"
        self.storage.write(key, to_parquet(typed_frame(frame, SNAPSHOT_PULLS), SNAPSHOT_PULLS))
        self.touch(key, at)


@pytest.fixture
def lake(tmp_path: Path) -> PolledLake:
    """A lake without anything."""
    return PolledLake(tmp_path)


def test_nothing_received_needs_nothing(lake: PolledLake):
    """An empty lake, and one of exports alone."""
    assert stale_days(lake.storage) == []


def test_what_was_received_is_cleaned_once(lake: PolledLake):
    """A day that was never cleaned needs it; one whose pulls all are in its file does not, and stays so."""
    names = [lake.pull(NOON), lake.pull(NOON + HOUR)]
    lake.pull(NOON + 24 * HOUR)
    assert stale_days(lake.storage) == ["2025-03-01", "2025-03-02"]
    lake.clean(names, NOON + 2 * HOUR)
    assert stale_days(lake.storage) == ["2025-03-02"]


def test_a_late_pull_makes_its_day_stale_again(lake: PolledLake):
    """The last poll of the day comes after the day was cleaned for the first time."""
    first = lake.pull(NOON)
    lake.clean([first], NOON + HOUR)
    lake.pull(NOON + 2 * HOUR)
    assert stale_days(lake.storage) == ["2025-03-01"]


def test_a_pull_that_lands_while_its_day_is_cleaned_is_not_lost(lake: PolledLake):
    """It is older than the cleaned file, but was not there when the raw objects were listed."""
    first = lake.pull(NOON)
    missed = lake.pull(NOON + HOUR)
    lake.clean([first], NOON + HOUR + timedelta(seconds=3))
    assert stale_days(lake.storage) == ["2025-03-01"]
    lake.clean([first, missed], NOON + 2 * HOUR)
    assert stale_days(lake.storage) == []


def test_a_copied_lake_needs_what_the_first_one_did(lake: PolledLake):
    """A copy's files are all of the same minute, in whatever order they were copied."""
    first = lake.pull(NOON, landed=NOON + 100 * HOUR)
    lake.clean([first], NOON + 99 * HOUR)
    assert stale_days(lake.storage) == []
    lake.pull(NOON + HOUR, landed=NOON + 98 * HOUR + timedelta(minutes=30))
    assert stale_days(lake.storage) == ["2025-03-01"]


def test_one_listener_does_not_answer_for_another(lake: PolledLake):
    """Robin's cleaned day says nothing of Kim's."""
    lake.clean([lake.pull(NOON)], NOON + HOUR)
    kims = lake.pull(NOON, listener="kim")
    assert stale_days(lake.storage) == ["2025-03-01"]
    lake.clean([kims], NOON + HOUR, listener="kim")
    assert stale_days(lake.storage) == []


def test_a_cleaned_day_of_another_time_is_made_anew(lake: PolledLake):
    """A file that an older version wrote, or that is broken, is no reason to stop."""
    name = lake.pull(NOON)
    key = lake.clean([name], NOON + timedelta(minutes=1))
    lake.storage.write(key, b"no parquet")
    lake.touch(key, NOON + timedelta(minutes=1))
    assert stale_days(lake.storage) == ["2025-03-01"]


def test_a_cleaned_day_of_an_earlier_version_is_made_anew(lake: PolledLake):
    """After an upgrade that declares a column more, days that were cleaned without it said nothing in it for good."""
    page = lake.pull(NOON)
    key = lake.clean([page], NOON)
    assert stale_days(lake.storage) == []
    now = pq.read_table(lake.storage.path(key))
    pq.write_table(now.drop_columns(["is_damaged"]), lake.storage.path(key))
    assert stale_days(lake.storage) == stale_days(lake.storage, NOON.date() + timedelta(days=90)) == ["2025-03-01"]


@pytest.mark.parametrize("table", [table for table in raw.COLLECTED_TABLES if table not in _NOT_BY_DAY], ids=str)
def test_every_source_that_is_cleaned_by_day_makes_its_day_stale(lake: PolledLake, table: Table):
    """A new source that nobody looks for would be collected and never cleaned."""
    lake.collect(table, NOON)
    assert stale_days(lake.storage) == ["2025-03-01"]


def test_a_day_of_snapshots_is_cleaned_once(lake: PolledLake):
    """Pulls of two sources may have one name: a pull is known by both."""
    tops = lake.collect(raw.TOP_TRACKS, NOON)
    lake.clean_snapshots([tops], NOON + HOUR / 2)
    assert stale_days(lake.storage) == []
    artists = lake.collect(raw.TOP_ARTISTS, NOON)
    assert stale_days(lake.storage) == ["2025-03-01"]
    lake.clean_snapshots([tops, artists], NOON + HOUR / 2)
    assert stale_days(lake.storage) == []
    lake.collect(raw.TOP_TRACKS, NOON + HOUR)
    assert stale_days(lake.storage) == ["2025-03-01"]


def test_a_night_looks_back_a_month_and_on_mondays_to_the_beginning(lake: PolledLake):
    """Nine thousand polls a year are nine listings each night; what was copied into an old day is found on Monday."""
    old, recent = NOON - timedelta(days=400), NOON - timedelta(days=30)
    lake.pull(old)
    lake.pull(recent)
    lake.collect(raw.TOP_TRACKS, old)
    tuesday, monday = datetime(2025, 3, 4, 3, 20, tzinfo=UTC), datetime(2025, 3, 3, 3, 20, tzinfo=UTC)
    everything = [f"{old:%Y-%m-%d}", f"{recent:%Y-%m-%d}"]
    assert stale_days(lake.storage) == stale_days(lake.storage, looked_back_to(monday)) == everything
    assert stale_days(lake.storage, looked_back_to(tuesday)) == everything, "other sources are few"
    lake.clean_snapshots([("top_tracks", f"{old:%Y%m%dT%H%M%S}000Z")], NOON)
    assert stale_days(lake.storage, looked_back_to(tuesday)) == everything[1:]
    assert stale_days(lake.storage, looked_back_to(monday)) == everything


def test_snapshots_that_cannot_be_read_are_made_anew_where_all_is_looked_at(lake: PolledLake):
    """On Mondays, and whenever somebody asks: their files are many, and nothing but insights reads old ones."""
    lake.clean_snapshots([lake.collect(raw.TOP_TRACKS, NOON)], NOON + HOUR)
    assert stale_days(lake.storage) == []
    lake.storage.write(f"{TOP_TRACKS.folder}/listener=robin/year=2025/2025.parquet", b"no parquet")
    assert stale_days(lake.storage, (NOON - 9 * HOUR).date()) == []
    assert stale_days(lake.storage) == ["2025-03-01"]
