"""A lake is taken to another home whole, and nothing that is there is lost: either way, interrupted or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.moving import copy, copy_folder, fetch
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import FolderStorage, StorageError, StoredDocument
from spotifriend_dagster_tests.aws.server import BUCKET
from spotifriend_dagster_tests.lake.client_faults import Faults

KEYS = [f"raw/recently_played/listener=anna/dt=2025-01-{day:02d}/pull.jsonl.gz" for day in range(1, 21)]


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "lake")


@pytest.fixture
def bucket(clients: AwsClients) -> S3Storage:
    return S3Storage(clients, BUCKET, "lake")


@pytest.fixture
def faults(clients: AwsClients) -> Iterator[Faults]:
    faults = Faults(clients, "s3")
    yield faults
    faults.end()


def filled(storage: FolderStorage | S3Storage) -> dict[str, bytes]:
    contents = {key: f"of {key}".encode() for key in KEYS}
    for key, content in contents.items():
        storage.write(key, content)
    storage.write("cleaned/plays/listener=anna/year=2025/part.parquet", b"made again, not copied")
    return contents


@pytest.mark.parametrize("direction", ["to aws", "to local"])
def test_what_was_received_arrives_whole(folder: FolderStorage, bucket: S3Storage, direction: str):
    """Each object under its key, each verified; what is made of it stays; the second time nothing is copied."""
    source, target = (folder, bucket) if direction == "to aws" else (bucket, folder)
    contents = filled(source)
    progress: list[tuple[int, int]] = []
    copies = copy_folder(source, target, "raw", lambda *done: progress.append(done))
    assert (copies.counts, copies.size) == ({"copied": 20}, sum(map(len, contents.values())))
    assert {stored.key: target.read(stored.key) for stored in target.list("")} == contents
    assert progress == [(n, 20) for n in range(1, 21)]
    assert copy_folder(source, target, "raw").counts == {"same": 20}
    assert copy_folder(target, source, "raw").counts == {"same": 20}


def test_both_homes_may_have_what_the_other_lacks(folder: FolderStorage, bucket: S3Storage):
    """Somebody polled from both; there and back, each has everything."""
    for key in KEYS[:12]:
        folder.write(key, key.encode())
    for key in KEYS[8:]:
        bucket.write(key, key.encode())
    assert copy_folder(folder, bucket, "raw").counts == {"copied": 8, "same": 4}
    assert copy_folder(bucket, folder, "raw").counts == {"copied": 8, "same": 12}
    assert [stored.key for stored in folder.list("raw")] == [stored.key for stored in bucket.list("raw")] == KEYS


@pytest.mark.parametrize("content", [b"of another length", b"OF"], ids=["another size", "the same size"])
def test_what_differs_is_named_and_left(folder: FolderStorage, bucket: S3Storage, content: bytes):
    """Raw never changes: two contents of one name mean that somebody must look."""
    for key in KEYS[:3]:
        folder.write(key, b"of")
    bucket.write(KEYS[1], content)
    for source, target in ((folder, bucket), (bucket, folder)):
        assert copy_folder(source, target, "raw").different == [KEYS[1]]
    assert (folder.read(KEYS[1]), bucket.read(KEYS[1])) == (b"of", content)
    assert bucket.read(KEYS[2]) == b"of"


def test_an_interrupted_copy_goes_on(folder: FolderStorage, bucket: S3Storage, faults: Faults):
    """The network fails in the middle; what has arrived is whole, and is not sent again."""
    contents = filled(folder)
    for key in KEYS[:7]:
        copy(StoredDocument(folder, key), StoredDocument(bucket, key))
    faults.put("PutObject", 400, "ExpiredToken", times=30)
    with pytest.raises(StorageError, match="credentials have expired"):
        copy_folder(folder, bucket, "raw")
    faults.clear()
    copies = copy_folder(folder, bucket, "raw")
    assert copies.counts == {"same": 7, "copied": 13}
    assert faults.asked.count("PutObject") == 13
    assert {stored.key: bucket.read(stored.key) for stored in bucket.list("")} == contents


def test_a_copy_that_does_not_arrive_as_it_was_sent_is_an_error(
    folder: FolderStorage, bucket: S3Storage, monkeypatch: pytest.MonkeyPatch
):
    """And is not left there, where it would be taken for the real one."""
    bucket.write(KEYS[0], b"content")
    write_new = folder.write_new
    monkeypatch.setattr(folder, "write_new", lambda key, content: write_new(key, content[:-1]))
    with pytest.raises(StorageError, match="did not arrive as it was sent, and is removed"):
        copy_folder(bucket, folder, "raw")
    assert folder.list("") == []


def test_two_who_copy_at_once_overwrite_nothing(folder: FolderStorage, bucket: S3Storage):
    """Since the listing, another one wrote the object: it is compared as any other."""
    folder.write("raw/a", b"mine")
    bucket.write("raw/a", b"theirs")
    source, target = StoredDocument(folder, "raw/a"), StoredDocument(bucket, "raw/a")
    assert copy(source, target) == "different"
    assert bucket.read("raw/a") == b"theirs"
    bucket.write("raw/a", b"mine")
    assert copy(source, target) == "same"
    assert copy(StoredDocument(folder, "raw/b"), target) == "missing"


def test_the_user_s_files_are_fetched_as_they_are_now(bucket: S3Storage, tmp_path: Path):
    """Changed and removed in the lake, they change and go on this machine."""
    bucket.write("config/genres.csv", b"old")
    bucket.write("config/audio_features.csv", b"features")
    assert fetch(bucket, "config", tmp_path / "config") == tmp_path / "config"
    bucket.write("config/genres.csv", b"new")
    bucket.delete(["config/audio_features.csv"])
    folder = fetch(bucket, "config", tmp_path / "config")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {"genres.csv": b"new"}
