"""What is remembered of pulls: in the lake, and by it alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotifriend_dagster.collecting.records import PullLog, PullRecord
from spotifriend_dagster.lake.pulls import last_pull, pulls_of_day, read_pull
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables.raw import API_PULLS

NOON = datetime(2025, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path)


def log(storage: FolderStorage, now: datetime = NOON, listener: str = "robin") -> PullLog:
    return PullLog(storage, listener, now)


def test_another_process_remembers_what_this_one_did(storage: FolderStorage):
    """A record comes back as it was written: there is no state but in the lake."""
    record = PullRecord("tracks", NOON, "stopped", 7, 2, "Not now.", NOON + HOUR, {"missing": {"a": "b"}})
    log(storage).write(record)
    assert log(storage).latest("tracks") == record
    assert list(log(storage).stops()) == [record]


def test_calls_are_counted_by_listener_and_utc_day(storage: FolderStorage):
    """The budget is one of a day: yesterday's calls are over, and another listener's are theirs."""
    log(storage, NOON - 13 * HOUR).write(PullRecord("tracks", NOON - 13 * HOUR, "complete", 50))
    mine = log(storage)
    mine.write(PullRecord("tracks", NOON, "complete", 3))
    mine.write(PullRecord("artists", NOON, "failed", 4))
    log(storage, listener="kim").write(PullRecord("tracks", NOON, "complete", 9))
    assert mine.calls_today() == log(storage).calls_today() == 7


def test_the_newest_record_of_a_source_is_found_weeks_later(storage: FolderStorage):
    """A machine that slept for three weeks knows which playlists it holds; after a month all is asked for anew."""
    log(storage).write(PullRecord("playlist_items", NOON, "complete", remembered={"snapshots": {"a": "1"}}))
    log(storage, NOON + HOUR).write(PullRecord("playlist_items", NOON + HOUR, "complete", remembered={"snapshots": {}}))
    later = log(storage, NOON + timedelta(days=21)).latest("playlist_items")
    assert later is not None and later.pulled_at == NOON + HOUR
    assert log(storage, NOON + timedelta(days=40)).latest("playlist_items") is None


def test_a_damaged_record_stops_nobody(storage: FolderStorage):
    """What it remembered is asked for again."""
    log(storage).write(PullRecord("tracks", NOON, "complete", 5))
    log(storage).write(PullRecord("tracks", NOON + HOUR, "complete", 6))
    first, second = pulls_of_day(storage, API_PULLS, "robin", NOON.date())
    storage.write(second, storage.read(second)[:30])
    assert log(storage).calls_today() == 5
    assert last_pull(storage, API_PULLS, "robin", NOON) == second
    assert [answer.endpoint for answer in read_pull(storage, first)] == ["tracks"]
