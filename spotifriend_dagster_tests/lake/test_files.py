"""What a run reads of the lake costs a request once, and no more memory than is meant."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotifriend_dagster.lake import files as files_module
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.storage import FolderStorage, ObjectMissing, StoredObject

KEYS = [f"cleaned/plays/listener={name}/year={year}/part.parquet" for name in ("ann", "anna") for year in (2024, 2025)]


class CountingStorage(FolderStorage):
    """Notes what is asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []
        self.lists: list[str] = []

    def read(self, key: str) -> bytes:
        self.reads.append(key)
        return super().read(key)

    def list(self, prefix: str, after: str = "") -> list[StoredObject]:
        self.lists.append(prefix)
        return super().list(prefix, after)


@pytest.fixture
def storage(tmp_path: Path) -> CountingStorage:
    made = CountingStorage(tmp_path)
    for key in KEYS:
        made.write(key, key.encode())
    return made


def test_a_folder_is_listed_once_and_answers_for_those_below_it(storage: CountingStorage) -> None:
    """By whole segments: what belongs to anna is not ann's."""
    files = Files(storage)
    assert [stored.key for stored in files.list("cleaned/plays/")] == KEYS
    assert [stored.key for stored in files.list("cleaned/plays")] == KEYS
    assert [stored.key for stored in files.list("cleaned/plays/listener=ann")] == KEYS[:2]
    assert files.list("cleaned/plays/listener=bert") == []
    assert storage.lists == ["cleaned/plays/"]


def test_what_comes_later_is_for_new_files(storage: CountingStorage) -> None:
    """A run answers from one state of a table, however many queries read it."""
    files = Files(storage)
    before = files.list("cleaned/plays")
    storage.write(f"{KEYS[0]}.later", b"")
    assert files.list("cleaned/plays") == before
    assert len(Files(storage).list("cleaned/plays")) == len(KEYS) + 1


def test_what_was_just_written_need_not_be_listed(storage: CountingStorage) -> None:
    files = Files(storage)
    written = [StoredObject("insights/sums/version=2/listener=ann/part-0.parquet", 3, datetime(2025, 1, 1, tzinfo=UTC))]
    files.list("insights/sums/version=1")
    files.add("insights/sums/version=2/", written)
    assert files.list("insights/sums/version=2") == files.list("insights/sums/version=2/listener=ann") == written
    assert storage.lists == ["insights/sums/version=1"]


def test_a_file_is_fetched_once(storage: CountingStorage) -> None:
    files = Files(storage)
    for _ in range(2):
        found = files.read_all(files.list("cleaned/plays/listener=ann"))
        assert found == {key: key.encode() for key in KEYS[:2]}
    assert files.read(KEYS[0]) == KEYS[0].encode()
    assert sorted(storage.reads) == KEYS[:2]


def test_no_more_is_kept_than_is_meant(storage: CountingStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files read last are kept; one that is larger than all that is kept is read all the same."""
    monkeypatch.setattr(files_module, "_KEPT_BYTES", len(KEYS[0]) + len(KEYS[1]))
    files = Files(storage)
    for key in (KEYS[0], KEYS[1], KEYS[0], KEYS[2], KEYS[0]):
        files.read(key)
    assert storage.reads == [KEYS[0], KEYS[1], KEYS[2], KEYS[0]]
    storage.write("large", bytes(1000))
    for _ in range(2):
        assert len(files.read("large")) == 1000
    assert storage.reads.count("large") == 2


def test_a_file_that_went_meanwhile_is_said_to_be_missing(storage: CountingStorage) -> None:
    files = Files(storage)
    stored = files.list("cleaned/plays")
    storage.delete([KEYS[3]])
    with pytest.raises(ObjectMissing, match="listener=anna/year=2025"):
        files.read_all(stored)
