"""A damaged object costs what it lost, and neither the other objects nor its own good lines."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from spotifriend_dagster.cleaning.recent import clean_recent
from spotifriend_dagster.lake.pulls import object_name, write_lines, write_pull
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.lake.stored_tables import DAMAGED, StoredTable
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster_tests.cleaning.received import NOW, polled

AT = datetime(2024, 3, 1, 12, 30, 0, 123_000, tzinfo=UTC)
ENDPOINT = "me/player/recently-played"


def page(*seconds: int) -> dict[str, Any]:
    return {"items": [polled(second) for second in seconds]}


def cut(content: bytes) -> bytes:
    return content[:-20]


def flipped(content: bytes) -> bytes:
    return content[:-30] + bytes(byte ^ 0x55 for byte in content[-30:-20]) + content[-20:]


def emptied(_: bytes) -> bytes:
    return b""


def not_packed(content: bytes) -> bytes:
    return gzip.decompress(content)


def half_a_line(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content)[:-40])


def of_another_type(content: bytes) -> bytes:
    *good, last = gzip.decompress(content).splitlines(keepends=True)
    return gzip.compress(b"".join([*good, orjson.dumps(orjson.loads(last) | {"page": "second"})]))


@pytest.mark.parametrize("damage", [cut, flipped, emptied, not_packed, half_a_line, of_another_type])
def test_a_damaged_poll_leaves_nobody_out(tmp_path: Path, damage: Any) -> None:
    """Its good lines are used, what is left of the others is set aside with its reason; other polls say what they said.

    It once left its listener out of every table until somebody removed it.
    """
    storage = FolderStorage(tmp_path)
    key = write_lines(storage, RECENTLY_PLAYED, "anna", [(AT, ENDPOINT, page(60)), (AT, ENDPOINT, page(0))])
    write_pull(storage, RECENTLY_PLAYED, "anna", AT + timedelta(hours=1), [(ENDPOINT, page(120))])
    storage.write(key, damage(storage.read(key)))
    stored = StoredTable(storage, RECENTLY_PLAYED)
    (raw,) = stored.batches("anna")
    cleaned = clean_recent(raw, NOW)
    assert stored.damaged == [key]
    rejects = cleaned.rejects[["origin", "file", "reason"]].to_numpy().tolist()
    assert rejects == [["2024-03-01", object_name(key), DAMAGED]]
    left = set(cleaned.plays["played_at"].dt.strftime("%M:%S"))
    assert "02:00" in left and left <= {"02:00", "01:00"}
    assert "01:00" in left or damage not in (half_a_line, of_another_type)
    of_object = cleaned.pages[cleaned.pages["page"] == object_name(key)].iloc[0]
    assert (of_object["pulled_at"], of_object["is_damaged"], of_object["rejected_rows"]) == (AT, True, 1)
    assert cleaned.pages["is_damaged"].tolist() == [True, False]


def test_what_is_left_of_a_damaged_poll_can_be_read(tmp_path: Path) -> None:
    """Somebody who looks for a play that is missing finds as much of the text as there is."""
    storage = FolderStorage(tmp_path)
    key = write_pull(storage, RECENTLY_PLAYED, "anna", AT, [(ENDPOINT, page(*range(0, 3000, 60)))])
    storage.write(key, cut(storage.read(key)))
    (raw,) = StoredTable(storage, RECENTLY_PLAYED).batches("anna")
    assert raw["payload"].tolist()[0].startswith('{"pulled_at":"2024-03-01T12:30:00.123Z"')
    assert "spotify:track:a" in raw["payload"].tolist()[0]
