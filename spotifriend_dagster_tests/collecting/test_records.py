"""What is remembered of pulls: in the lake, and by it alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotifriend_dagster.collecting.records import PullLog, PullRecord
from spotifriend_dagster.lake.pulls import object_name, pulls_of_day, write_pull
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables.raw import API_PULLS

NOON = datetime(2025, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path)


def log(storage: FolderStorage, now: datetime = NOON, listener: str = "robin") -> PullLog:
    return PullLog(storage, listener, now)


def kept(storage: FolderStorage, *records: PullRecord, now: datetime = NOON, listener: str = "robin") -> PullLog:
    """The log of a run that left these records."""
    found = log(storage, now, listener)
    for record in records:
        found.add(record)
    found.write()
    return found


def old_object(storage: FolderStorage, record: PullRecord) -> str:
    """A record as it was kept before names said anything: an object of its own."""
    said = {
        **{"source": record.source, "calls": record.calls, "retries": record.retries, "outcome": record.outcome},
        **{"message": record.message, "remembered": record.remembered},
        "retry_at": record.retry_at and record.retry_at.isoformat(),
    }
    return write_pull(storage, API_PULLS, "robin", record.pulled_at, [(record.source, said)])


def test_another_process_remembers_what_this_one_did(storage: FolderStorage):
    """A record comes back as it was written: there is no state but in the lake."""
    record = PullRecord("tracks", NOON, "stopped", 7, 2, "Not now.", NOON + HOUR, {"missing": {"a": "b"}})
    kept(storage, record)
    assert log(storage).latest("tracks") == record
    assert list(log(storage).stops()) == [record]


def test_a_run_is_one_object_which_comes_back_record_by_record(storage: FolderStorage):
    """A collection was a dozen objects, each of which every poll of three days read again."""
    records = [PullRecord(source, NOON + n * HOUR / 60, "complete", n) for n, source in enumerate(("albums", "tracks"))]
    mine = kept(storage, *records)
    mine.write()
    assert [object_name(key) for key in pulls_of_day(storage, API_PULLS, "robin", NOON.date())] == [
        "20250320T120100000Z-1-calls-several"
    ]
    assert [log(storage).latest(record.source) for record in records] == records


def test_a_poll_reads_nothing_but_the_poll_before(storage: FolderStorage, monkeypatch: pytest.MonkeyPatch):
    """Names say the calls, and who was stopped: of a month of objects, one is read."""
    for hours in range(48, 0, -1):
        at = NOON - hours * HOUR
        kept(storage, PullRecord("recently_played", at, "complete", 1, remembered={"page": f"{hours}"}), now=at)
    at = NOON - 9 * HOUR
    kept(storage, *(PullRecord(source, at, "complete", 10) for source in ("albums", "tracks")), now=at)
    read: list[str] = []
    monkeypatch.setattr(storage, "read", lambda key: (read.append(key), FolderStorage.read(storage, key))[1])
    mine = log(storage)
    assert mine.calls_today() == 20 + 12
    assert list(mine.stops()) == []
    latest = mine.latest("recently_played")
    assert latest is not None and latest.remembered == {"page": "1"}
    assert len(read) == 1


def test_records_of_before_are_understood(storage: FolderStorage):
    """A lake of an earlier version: each record an object, whose name says nothing but its instant."""
    stop = PullRecord("recently_played", NOON - HOUR, "stopped", 1, 0, "Later.", NOON + HOUR)
    tracks = PullRecord("tracks", NOON - 2 * HOUR, "complete", 5, remembered={"missing": {}})
    for record in (tracks, stop):
        old_object(storage, record)
    kept(storage, PullRecord("albums", NOON, "complete", 3))
    mine = log(storage)
    assert mine.calls_today() == 9
    assert list(mine.stops()) == [stop]
    assert mine.latest("tracks") == tracks


def test_calls_are_counted_by_listener_and_utc_day(storage: FolderStorage):
    """The budget is one of a day: yesterday's calls are over, and another listener's are theirs."""
    kept(storage, PullRecord("tracks", NOON - 13 * HOUR, "complete", 50), now=NOON - 13 * HOUR)
    mine = kept(storage, PullRecord("tracks", NOON, "complete", 3), PullRecord("artists", NOON, "failed", 4))
    kept(storage, PullRecord("tracks", NOON, "complete", 9), listener="kim")
    assert mine.calls_today() == log(storage).calls_today() == 7


def test_the_newest_record_of_a_source_is_found_weeks_later(storage: FolderStorage):
    """A machine that slept for three weeks knows which playlists it holds; after a month all is asked for anew."""
    kept(storage, PullRecord("playlist_items", NOON, "complete", remembered={"snapshots": {"a": "1"}}))
    later = PullRecord("playlist_items", NOON + HOUR, "complete", remembered={"snapshots": {}})
    kept(storage, later, now=NOON + HOUR)
    assert log(storage, NOON + timedelta(days=21)).latest("playlist_items") == later
    assert log(storage, NOON + timedelta(days=40)).latest("playlist_items") is None


def test_a_damaged_record_stops_nobody(storage: FolderStorage):
    """What it remembered is asked for again; its calls its name says, too."""
    first = PullRecord("tracks", NOON, "complete", 5)
    kept(storage, first)
    kept(storage, PullRecord("tracks", NOON + HOUR, "complete", 6), now=NOON + HOUR)
    old = old_object(storage, PullRecord("tracks", NOON + 2 * HOUR, "complete", 7))
    _, second, _ = pulls_of_day(storage, API_PULLS, "robin", NOON.date())
    for damaged in (second, old):
        storage.write(damaged, storage.read(damaged)[:30])
    assert log(storage).calls_today() == 11
    assert log(storage).latest("tracks") == first
