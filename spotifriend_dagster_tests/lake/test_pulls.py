"""Raw is append-only: what a pull received is kept under its own name, and nothing replaces it."""

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.pulls import (
    history_key,
    last_pull,
    object_name,
    pulls_of_day,
    pulls_since,
    read_pull,
    write_pull,
)
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

AT = datetime(2025, 3, 1, 12, 0, 3, 123_000, UTC)
ENDPOINT = "me/player/recently-played"


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path)


def lines(storage: FolderStorage, key: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in gzip.decompress(storage.read(key)).decode().splitlines()]


def test_a_pull_is_one_object_with_a_line_for_each_answer(storage: FolderStorage) -> None:
    """The payload is a JSON text, so that raw stays readable whatever Spotify sends."""
    key = write_pull(storage, RECENTLY_PLAYED, "anna", AT, [(ENDPOINT, {"items": ["ä"]}), (f"{ENDPOINT}?before=1", {})])
    assert key == "raw/recently_played/listener=anna/dt=2025-03-01/20250301T120003123Z.jsonl.gz"
    first, second = lines(storage, key)
    assert first == {
        "pulled_at": "2025-03-01T12:00:03.123Z",
        "endpoint": ENDPOINT,
        "page": 0,
        "payload": '{"items":["ä"]}',
    }
    assert (second["page"], second["endpoint"]) == (1, f"{ENDPOINT}?before=1")
    assert object_name(key) == "20250301T120003123Z"


def test_two_pulls_of_one_millisecond_are_two_objects(storage: FolderStorage) -> None:
    """Two runs at once must not lose what one of them received."""
    keys = [write_pull(storage, RECENTLY_PLAYED, "anna", AT, [(ENDPOINT, {"run": run})]) for run in range(3)]
    assert [object_name(key) for key in keys] == [
        "20250301T120003123Z",
        "20250301T120003123Z-2",
        "20250301T120003123Z-3",
    ]
    assert [lines(storage, key)[0]["payload"] for key in keys] == ['{"run":0}', '{"run":1}', '{"run":2}']


def test_the_day_is_that_of_utc(storage: FolderStorage) -> None:
    """A clock in New York says the evening before; without a zone nobody knows the day."""
    new_york = datetime(2025, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert "/dt=2025-03-02/20250302T043000000Z." in write_pull(storage, RECENTLY_PLAYED, "anna", new_york, [])
    with pytest.raises(ValueError, match="no time zone"):
        write_pull(storage, RECENTLY_PLAYED, "anna", datetime(2025, 3, 1), [])


def test_an_export_is_kept_by_its_own_name(storage: FolderStorage) -> None:
    """The same export again is the same objects."""
    key = history_key("anna", "5e8f", "Streaming_History_Audio_2023_1.json")
    assert key == ("raw/streaming_history/listener=anna/export=5e8f/Streaming_History_Audio_2023_1.json.jsonl.gz")
    storage.write(key, b"")


def test_a_pull_is_read_as_it_was_written(storage: FolderStorage) -> None:
    """What later pulls go by is what was answered, whatever characters are in it."""
    answers = [(ENDPOINT, {"items": ["ä\u2028\r\n"]}), (f"{ENDPOINT}?before=1", [None])]
    read = read_pull(storage, write_pull(storage, RECENTLY_PLAYED, "anna", AT, answers))
    assert [(answer.endpoint, answer.body()) for answer in read] == answers
    assert {answer.pulled_at for answer in read} == {AT}
    assert read_pull(storage, write_pull(storage, RECENTLY_PLAYED, "anna", AT, [])) == []


def test_pulls_are_found_by_day_in_their_order(storage: FolderStorage) -> None:
    """Two of one millisecond come in the order in which they were written; another listener's not at all."""
    keys = [write_pull(storage, RECENTLY_PLAYED, "anna", at, []) for at in (AT, AT, AT, AT + timedelta(seconds=1))]
    write_pull(storage, RECENTLY_PLAYED, "anna", AT - timedelta(days=1), [])
    write_pull(storage, RECENTLY_PLAYED, "ann", AT + timedelta(hours=1), [])
    assert pulls_of_day(storage, RECENTLY_PLAYED, "anna", AT.date()) == keys
    assert last_pull(storage, RECENTLY_PLAYED, "anna", AT + timedelta(days=20)) == keys[-1]
    assert last_pull(storage, RECENTLY_PLAYED, "anna", AT + timedelta(days=40)) is None
    assert object_name(last_pull(storage, RECENTLY_PLAYED, "anna", AT - timedelta(days=1)) or "").startswith("20250228")
    since = pulls_since(storage, RECENTLY_PLAYED, "anna", AT.date() - timedelta(days=1))
    assert since == [f"raw/recently_played/listener=anna/dt=2025-02-28/{object_name(since[0])}.jsonl.gz", *keys]
    assert pulls_since(storage, RECENTLY_PLAYED, "anna", AT.date()) == keys


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"{}"), gzip.compress(b"[1]"), gzip.compress(b"{")],
    # gzip writes the second into its bytes: as names, the tests' workers would not agree on them.
    ids=["empty", "no gzip", "an object", "a list of a number", "half an object"],
)
def test_a_damaged_pull_names_its_file_and_the_cure(storage: FolderStorage, content: bytes) -> None:
    """A disk that fails must not look like a day on which nothing came."""
    key = write_pull(storage, RECENTLY_PLAYED, "anna", AT, [(ENDPOINT, {})])
    storage.write(key, content)
    with pytest.raises(UnreadableFile, match=f"{key}.*put back a copy"):
        read_pull(storage, key)
