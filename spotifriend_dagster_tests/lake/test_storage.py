"""A reader of the lake sees whole objects, whatever happens to their writers: in a folder, and in a bucket.

What only a bucket does is in test_s3.py.
"""

import errno
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import (
    FolderStorage,
    ObjectMissing,
    Storage,
    StorageError,
    StorageFull,
    instant_name,
    path_values,
    update,
)
from spotifriend_dagster_tests.aws.server import BUCKET
from spotifriend_dagster_tests.lake.processes import finished, killed, started, started_at_once

KEY = "cleaned/plays/listener=anna/year=2024/part.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "lake")


@pytest.fixture(params=["folder", "s3"])
def new_storage(request: pytest.FixtureRequest) -> Callable[[], Storage]:
    """Each call gives an empty storage, one for each home."""
    if request.param == "folder":
        path: Path = request.getfixturevalue("tmp_path")
        return lambda: FolderStorage(path / uuid.uuid4().hex)
    clients: AwsClients = request.getfixturevalue("clients")
    return lambda: S3Storage(clients, BUCKET, f"lakes/{uuid.uuid4().hex}")


@pytest.fixture
def storage(new_storage: Callable[[], Storage]) -> Storage:
    return new_storage()


def unfinished(storage: FolderStorage) -> list[Path]:
    return [path for path in (storage.root / ".writing").iterdir() if path.is_file()]


def test_what_is_written_is_read_and_listed(storage: Storage) -> None:
    """A listing says key, size and the instant of the change, by key."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    storage.write("b/2", b"two")
    storage.write("a/1", b"one!")
    storage.write("b/2", b"")
    assert storage.read("a/1") == b"one!"
    assert storage.read("b/2") == b""
    listed = storage.list("")
    assert [(stored.key, stored.size) for stored in listed] == [("a/1", 4), ("b/2", 0)]
    assert all(before <= stored.modified <= datetime.now(UTC) for stored in listed)


def test_a_prefix_is_whole_segments(storage: Storage) -> None:
    """One listener's id begins another's: `ann` must never find what is `anna`'s."""
    storage.write("raw/listener=anna/1", b"")
    storage.write("raw/listener=ann/1", b"")
    assert [stored.key for stored in storage.list("raw/listener=ann")] == ["raw/listener=ann/1"]
    assert storage.list("raw/listener=ann/") == storage.list("raw/listener=ann")
    assert storage.list("raw/listener=an") == []


def test_a_listing_begins_after_a_key(storage: Storage) -> None:
    """Years of days are not looked at for the last one; a key that begins like another is no part of its folder."""
    keys = [f"raw/a/dt=2025-0{month}-01/{name}" for month in (1, 2, 3) for name in "xy"]
    for key in (*keys, "raw/a/dt=2025-02-011/x", "raw/b/1", "raw/a.1"):
        storage.write(key, b"")

    def listed(after: str) -> list[str]:
        return [stored.key for stored in storage.list("raw/a", after)]

    assert listed("raw/a/dt=2025-02-01") == [*keys[2:4], "raw/a/dt=2025-02-011/x", *keys[4:]]
    assert listed("raw/a/dt=2025-02-01/x") == [keys[3], "raw/a/dt=2025-02-011/x", *keys[4:]]
    assert listed("raw/a/dt=2025-02-02") == listed("raw/a/dt=2025-02-9") == keys[4:]
    assert listed("raw/a/dt=2025-04") == listed("raw/b") == []
    assert listed("") == listed("a") == sorted([*keys, "raw/a/dt=2025-02-011/x"])


def test_the_folders_in_a_folder_are_named(storage: Storage) -> None:
    """Who has data is known without a look at any of it."""
    for key in ("raw/x/listener=b/dt=1/1", "raw/x/listener=a/1", "raw/x/1", "raw/xy/listener=c/1"):
        storage.write(key, b"")
    assert storage.folders("raw/x") == ["listener=a", "listener=b"]
    assert storage.folders("raw/nothing") == storage.folders("raw/x/1") == []


def test_a_version_is_replaced_once(storage: Storage) -> None:
    """Who read an older version is told, and overwrites nothing; nor does anybody bring back what was removed."""
    storage.write(KEY, b"one")
    content, version = storage.read_version(KEY)
    assert content == b"one"
    assert storage.replace(KEY, b"two", version)
    assert not storage.replace(KEY, b"three", version)
    assert storage.read(KEY) == b"two"
    _, version = storage.read_version(KEY)
    storage.delete([KEY])
    assert not storage.replace(KEY, b"four", version)
    with pytest.raises(ObjectMissing):
        storage.read_version(KEY)


def test_of_several_threads_that_change_one_object_each_does(storage: Storage) -> None:
    """Two runs put their days into one year: none of them may be lost."""

    def appended(letter: str) -> Callable[[bytes | None], bytes]:
        return lambda before: (before or b"") + letter.encode()

    with ThreadPoolExecutor(4) as threads:
        sizes = list(threads.map(lambda letter: update(storage, KEY, appended(letter)), "abcdefgh"))
    assert sorted(storage.read(KEY)) == sorted(b"abcdefgh")
    assert sorted(sizes) == list(range(1, 9))


def test_what_is_the_same_is_not_written(storage: Storage) -> None:
    """A day that is worked through again costs nothing, and looks no newer than it is."""
    update(storage, KEY, lambda _: b"same")
    storage.write = storage.replace = None  # type: ignore[assignment,method-assign]
    assert update(storage, KEY, lambda _: b"same") == 4


def test_a_missing_object_is_named(storage: Storage) -> None:
    """The error says which object, for whoever has to find out why it is gone."""
    storage.write(KEY, b"")
    for missing in ("cleaned/nothing", "cleaned/plays", f"{KEY}/below"):
        with pytest.raises(ObjectMissing, match=missing):
            storage.read(missing)


@pytest.mark.parametrize("key", ["", "../x", "a/../x", "/etc/passwd", "a//b", "a/./b", ".writing/x", "a/.b", "a\0b"])
def test_a_key_cannot_lead_out_of_the_lake(storage: Storage, key: str) -> None:
    """A name from outside (a listener, a file of an export) must not become a path of its own making."""
    for refused in (storage.read, storage.uri, lambda key: storage.write(key, b""), lambda key: storage.delete([key])):
        with pytest.raises(ValueError, match="Not a key"):
            refused(key)
    with pytest.raises(ValueError, match="Not a key"):
        storage.key_of(storage.uri("x")[:-1] + key)


def test_deleting_leaves_no_empty_folder(folder: FolderStorage) -> None:
    """Versions come and go; in an object store a folder without objects does not exist."""
    folder.write("a/b/c/1", b"")
    folder.write("a/2", b"")
    folder.delete(["a/b/c/1", "a/b/c/never-there"])
    assert not (folder.root / "a/b").exists()
    assert [stored.key for stored in folder.list("a")] == ["a/2"]
    folder.delete(["a/2"])
    assert folder.list("") == []
    assert folder.root.exists()


def test_a_lake_can_be_moved(folder: FolderStorage, tmp_path: Path) -> None:
    """URIs in the catalog hold wherever the folder is."""
    folder.write(KEY, b"here")
    uri, folder_uri = folder.uri(KEY), folder.uri("cleaned/plays/")
    shutil.move(folder.root, tmp_path / "elsewhere")
    moved = FolderStorage(tmp_path / "elsewhere")
    assert moved.read(moved.key_of(uri)) == b"here"
    assert moved.key_of(folder_uri) == "cleaned/plays/"
    with pytest.raises(ValueError, match="not in this lake"):
        moved.key_of("s3://bucket/cleaned/plays/")


def test_a_crash_before_the_name_is_given_changes_nothing(folder: FolderStorage) -> None:
    """The process dies after the content is written and before it replaces the old one."""
    folder.write(KEY, b"old")
    crash = """
        import os, sys
        from pathlib import Path
        from spotifriend_dagster.lake.storage import FolderStorage
        Path.replace = lambda *_: os._exit(0)
        FolderStorage(Path(sys.argv[1])).write(sys.argv[2], b"new")
        print("survived")
    """
    assert finished(started(crash, folder.root, KEY)) == ""
    assert folder.read(KEY) == b"old"
    assert [stored.key for stored in folder.list("")] == [KEY]


def test_what_a_killed_writer_leaves_is_unseen_and_swept(folder: FolderStorage) -> None:
    """Killed anywhere, a writer leaves whole objects, and what it left in `.writing` is gone a day later."""
    writes = """
        import sys
        from pathlib import Path
        from spotifriend_dagster.lake.storage import FolderStorage
        folder = FolderStorage(Path(sys.argv[1]))
        while True:
            for letter in b"ab":
                folder.write("object", bytes([letter]) * 5_000_000)
    """
    for moment in (0.0, 0.003, 0.007, 0.013):
        folder.delete(["object"])
        process = started(writes, folder.root)
        while not folder.list(""):
            time.sleep(0.001)
        time.sleep(moment)
        killed(process)
        content = folder.read("object")
        assert content in (b"a" * 5_000_000, b"b" * 5_000_000)
        assert [stored.key for stored in folder.list("")] == ["object"]

    left = folder.root / ".writing" / "left-by-a-kill"
    fresh = folder.root / ".writing" / "being-written"
    for path in (left, fresh):
        path.write_bytes(b"half")
    os.utime(left, (time.time() - 90_000,) * 2)
    FolderStorage(folder.root).write("other", b"")
    assert not left.exists()
    assert fresh.exists()


def test_two_writers_at_once_and_a_reader(folder: FolderStorage) -> None:
    """Two runs write the same object over and over: who reads meanwhile gets one of them whole, every time."""
    folder.root.mkdir()
    imports = "from spotifriend_dagster.lake.storage import FolderStorage"
    writes = """
        folder = FolderStorage(pathlib.Path(sys.argv[1], "lake"))
        for _ in range(60):
            folder.write("object", sys.argv[2].encode() * 300_000)
    """
    folder.write("object", b"a" * 300_000)
    writers = started_at_once(folder.root.parent, imports, writes, "ab")
    reads = 0
    while any(writer.poll() is None for writer in writers):
        content = folder.read("object")
        assert len(content) == 300_000
        assert len(set(content)) == 1
        reads += 1
    for writer in writers:
        finished(writer)
    assert reads > 10
    assert unfinished(folder) == []


def test_of_several_who_create_one_object_one_does(folder: FolderStorage) -> None:
    """Four processes race for fifty keys: each key is won once, and holds what its winner wrote."""
    imports = "from spotifriend_dagster.lake.storage import FolderStorage"
    races = """
        folder = FolderStorage(pathlib.Path(sys.argv[1], "lake"))
        print(*(n for n in range(50) if folder.write_new(f"key-{n}", sys.argv[2].encode())))
    """
    folder.root.mkdir()
    racers = started_at_once(folder.root.parent, imports, races, "abcd")
    won = {letter: finished(racer).split() for letter, racer in zip("abcd", racers, strict=True)}
    assert sorted(int(key) for keys in won.values() for key in keys) == list(range(50))
    for letter, keys in won.items():
        assert {folder.read(f"key-{key}") for key in keys} <= {letter.encode()}


def test_of_several_processes_that_change_one_object_each_does(folder: FolderStorage) -> None:
    """Four processes add to one object at once; a lock that one of them holds is gone when it is killed."""
    folder.root.mkdir()
    imports = "from spotifriend_dagster.lake.storage import FolderStorage, update"
    changes = """
        folder = FolderStorage(pathlib.Path(sys.argv[1], "lake"))
        for _ in range(20):
            update(folder, "object", lambda before: (before or b"") + sys.argv[2].encode())
    """
    writers = started_at_once(folder.root.parent, imports, changes, "abcd")
    for writer in writers:
        finished(writer)
    assert sorted(folder.read("object")) == sorted(b"abcd" * 20)
    holds = """
        import sys, time
        from pathlib import Path
        from spotifriend_dagster.lake.storage import FolderStorage
        with FolderStorage(Path(sys.argv[1]))._alone():
            print("held", flush=True)
            time.sleep(60)
    """
    process = started(holds, folder.root)
    assert process.stdout is not None and process.stdout.readline().strip() == "held"
    killed(process)
    assert update(folder, "object", lambda _: b"on") == 2
    assert [stored.key for stored in folder.list("")] == ["object"]


def test_a_write_beside_a_delete_finds_its_folder(folder: FolderStorage) -> None:
    """Deleting an object removes its folder at the very moment in which another object is put there."""
    failures: list[Exception] = []

    def come_and_go(name: str) -> None:
        try:
            for _ in range(300):
                folder.write(f"deep/folder/{name}", b"")
                folder.delete([f"deep/folder/{name}"])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_full_disk_is_one_sentence_and_no_loss(folder: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left: what was there stays, nothing half-written stays, and the sentence names folder and cure."""
    folder.write(KEY, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match=r"No space is left in .*lake to write cleaned/.* \(3 bytes\).*run again"):
        folder.write(KEY, b"new")
    with pytest.raises(StorageFull):
        folder.write_new("other", b"new")
    assert folder.read(KEY) == b"old"
    assert [stored.key for stored in folder.list("")] == [KEY]
    assert unfinished(folder) == []


def test_a_write_that_stops_half_way_leaves_the_old_object(folder: FolderStorage) -> None:
    """The system itself refuses after a part of the bytes (here by a limit on the size of files)."""
    folder.write(KEY, b"old")
    limited = """
        import resource, sys
        from pathlib import Path
        from spotifriend_dagster.lake.storage import FolderStorage, StorageError
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            FolderStorage(Path(sys.argv[1])).write(sys.argv[2], b"x" * 50_000)
        except StorageError as error:
            print(error)
    """
    assert "cannot be written" in finished(started(limited, folder.root, KEY))
    assert folder.read(KEY) == b"old"
    assert unfinished(folder) == []


def test_a_folder_that_cannot_be_one_is_one_sentence(tmp_path: Path) -> None:
    """The lake's folder is a file: a sentence, not a traceback of the operating system."""
    (tmp_path / "lake").write_text("I am a file")
    with pytest.raises(StorageError, match="cannot be written"):
        FolderStorage(tmp_path / "lake").write(KEY, b"")


_KEYS = st.sampled_from(["a", "b/1", "b/2", "b/c/1", "d/e/f"])
_ACTIONS = st.lists(st.tuples(st.sampled_from(["write", "write_new", "delete"]), _KEYS, st.binary(max_size=4)))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_ACTIONS)
def test_it_holds_what_a_dictionary_would(
    new_storage: Callable[[], Storage], actions: list[tuple[str, str, bytes]]
) -> None:
    """Whatever is written, created and deleted in whatever order, reading and listing agree with a plain dictionary."""
    storage = new_storage()
    expected: dict[str, bytes] = {}
    for action, key, content in actions:
        if action == "write":
            storage.write(key, content)
            expected[key] = content
        elif action == "write_new":
            assert storage.write_new(key, content) == (key not in expected)
            expected.setdefault(key, content)
        else:
            storage.delete([key])
            expected.pop(key, None)
    assert {stored.key: storage.read(stored.key) for stored in storage.list("")} == expected
    assert [stored.key for stored in storage.list("b")] == sorted(key for key in expected if key.startswith("b/"))
    assert {key: storage.sha256(key) for key in expected} == {
        key: sha256(content).hexdigest() for key, content in expected.items()
    }


def test_of_several_threads_that_create_one_object_one_does(storage: Storage) -> None:
    """Two runs claim a name at the same moment, again and again: each is claimed once, and nothing overwritten."""
    with ThreadPoolExecutor(4) as threads:
        for n in range(20):
            won = list(threads.map(lambda letter, n=n: storage.write_new(f"key-{n}", letter.encode()), "abcd"))
            assert won.count(True) == 1
            assert storage.read(f"key-{n}") == "abcd"[won.index(True)].encode()


def test_a_uri_leads_back_to_its_key(storage: Storage) -> None:
    """The catalog names folders and objects by it, and knows none of another lake."""
    for key in (KEY, "cleaned/plays/"):
        assert storage.key_of(storage.uri(key)) == key
    with pytest.raises(ValueError, match="not in this lake"):
        storage.key_of("s3://another-lake/cleaned/plays/")


def test_names_of_instants_sort_by_time() -> None:
    """Objects and versions are found in the order in which they were made, whatever zone their maker thought in."""
    instant = datetime(2025, 3, 1, 12, 0, 3, 123_999, UTC)
    assert instant_name(instant) == "20250301T120003123Z"
    assert instant_name(instant) < instant_name(instant + timedelta(milliseconds=1))
    with pytest.raises(ValueError, match="no time zone"):
        instant_name(datetime(2025, 3, 1))


def test_a_path_says_its_partitions() -> None:
    """A value may hold the sign itself; a file's name is no partition."""
    assert path_values("raw/x/listener=anna/export=ab=c/file.jsonl.gz") == {"listener": "anna", "export": "ab=c"}
