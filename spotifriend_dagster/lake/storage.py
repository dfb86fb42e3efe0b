"""Objects by key: the port, and the local home's folder behind it.

A key is a path of plain segments ("cleaned/plays/listener=anna/year=2024/part.parquet"). What is inside an object, and
which keys there are, belongs to the modules beside this one.
"""

from __future__ import annotations

import errno
import os
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

_SCHEME = "lake:///"
WRITING = ".writing"
_ABANDONED_AFTER_SECONDS = 24 * 3600
_ATTEMPTS = 50
_LOCK = ".replacing"
_WAIT_SECONDS = 0.02


class StorageError(Exception):
    """The storage could not do what was asked; the message is a sentence for the user."""


class ObjectMissing(StorageError):
    """There is no object of that key."""


class Elsewhere(StorageError, ValueError):
    """What a definition names is not in this lake."""

    def __init__(self, uri: str, root: str) -> None:
        super().__init__(
            f"{uri} is not in this lake, whose objects are named {root}…: a table that lies there was edited by hand, "
            "and `spotifriend run` puts it back."
        )


class StorageFull(StorageError):
    """There is no space left; nothing was half-written."""


@dataclass(frozen=True)
class StoredObject:
    """What a listing says of an object: `size` in bytes, `modified` as an instant in UTC."""

    key: str
    size: int
    modified: datetime


def instant_name(instant: datetime) -> str:
    """An instant as part of a key: `20250301T120003123Z`. Names sort by time.

    Raises:
        ValueError: it has no time zone, so it is no instant.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant} is no instant: it has no time zone.")
    utc = instant.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%S}{utc.microsecond // 1000:03d}Z"


def segments(key: str) -> list[str]:
    """The segments of a key, or of a prefix, which may end in a slash.

    Raises:
        ValueError: it is not a path of plain segments, and might lead out of the lake.
    """
    found = key.removesuffix("/").split("/")
    if any(not segment or segment.startswith(".") or "\0" in segment for segment in found):
        raise ValueError(f"Not a key of the lake: {key!r}.")
    return found


def path_values(key: str) -> dict[str, str]:
    """What the `name=value` segments of a key say: a table's partition keys, or an insight's version."""
    return dict(segment.split("=", 1) for segment in key.split("/") if "=" in segment)


class Storage(Protocol):
    """Objects by key. A reader sees an object whole, as it was or as it is, never in between."""

    def read(self, key: str) -> bytes:
        """The object's content.

        Raises:
            ObjectMissing: there is none; the message names the key.
        """

    def write(self, key: str, content: bytes) -> None:
        """Put an object in place of whatever has its key.

        Raises:
            StorageFull: no space is left; what was there is still there.
        """

    def write_new(self, key: str, content: bytes) -> bool:
        """Put an object where there is none; of several writers exactly one gets True, and nothing is overwritten.

        Raises:
            StorageFull: no space is left.
        """

    def read_version(self, key: str) -> tuple[bytes, str]:
        """The object's content, and the version that a `replace` must name.

        Raises:
            ObjectMissing: there is none; the message names the key.
        """

    def replace(self, key: str, content: bytes, version: str) -> bool:
        """Put an object in place of that version; False, and nothing is written, where it is not there any more.

        Of several writers who name one version exactly one gets True.

        Raises:
            StorageFull: no space is left; what was there is still there.
        """

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders right in the folder `prefix`, sorted; what is in them is not looked at."""

    def list(self, prefix: str, after: str = "") -> list[StoredObject]:
        """The objects in the folder `prefix` and in those below it, by key; those of the whole lake for "".

        A prefix is whole segments: `listener=ann` does not find what belongs to `listener=anna`. `after` leaves out the
        keys up to this one, unlooked-at: of a folder of days, `<folder>/dt=2025-03-01` gives that day and later ones.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""

    def sha256(self, key: str) -> str:
        """The SHA-256 of an object's content, in hexadecimal digits.

        Raises:
            ObjectMissing: there is none.
        """

    def uri(self, key: str) -> str:
        """How the catalog names an object, or (ending in a slash) a folder."""

    def address(self, key: str) -> str:
        """Where a person finds an object: what a browser or a file manager opens."""

    def key_of(self, uri: str) -> str:
        """The key that `uri` names: the inverse of `uri`.

        Raises:
            Elsewhere: it names nothing in this storage.
        """


@dataclass(frozen=True)
class StoredDocument:
    """An object that people edit, and call by its URI."""

    storage: Storage
    key: str

    def read(self) -> bytes | None:
        """Its content; None where there is none."""
        try:
            return self.storage.read(self.key)
        except ObjectMissing:
            return None

    def write(self, content: bytes) -> None:
        """Replace it in one step.

        Raises:
            StorageError: it cannot be written.
        """
        self.storage.write(self.key, content)

    def __str__(self) -> str:
        return self.storage.uri(self.key)


def update(storage: Storage, key: str, change: Callable[[bytes | None], bytes]) -> int:
    """Put what `change` makes of an object's content (None: there is none yet); again, if others were faster.

    What would be the same is not written.

    Returns:
        The size of what is there then, in bytes.

    Raises:
        StorageError: others were faster again and again.
    """
    for attempt in range(_ATTEMPTS):
        try:
            before, version = storage.read_version(key)
        except ObjectMissing:
            before, version = None, ""
        content = change(before)
        if content == before:
            return len(content)
        if storage.write_new(key, content) if before is None else storage.replace(key, content, version):
            return len(content)
        time.sleep(random.uniform(0, _WAIT_SECONDS * min(attempt + 1, 10)))  # noqa: S311 - no secret
    raise StorageError(f"{key} is changed by other runs again and again: wait until they have ended, and run again.")


class FolderStorage:
    """Objects as files in a folder.

    A file is first written whole in `.writing/` of the same folder, hence on the same disk, where no listing sees it;
    then it gets its name in one step. Its content is flushed to the disk (fsync, well under a millisecond on an SSD)
    before that step: without it, a power cut could leave the new name on an empty file. The name itself is not
    flushed: losing it leaves the object as it was, which a rebuild repairs.

    URIs (`lake:///…`) are relative to the folder, so that a lake can be moved or copied as it is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept = False

    def path(self, key: str) -> Path:
        """The file of an object, or the folder of a prefix.

        Raises:
            ValueError: the key is not a path of plain segments, and might lead out of the lake.
        """
        return self.root.joinpath(*segments(key))

    def read(self, key: str) -> bytes:
        """See Storage."""
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectMissing(f"The lake has no object {key} (looked in {self.root}).") from None
        except OSError as error:
            raise StorageError(f"{key} cannot be read in {self.root}: {error.strerror}.") from error

    def write(self, key: str, content: bytes) -> None:
        """See Storage."""
        path = self.path(key)
        with self._written(content, key) as written:
            _in_its_folder(path, lambda: written.replace(path))

    def write_new(self, key: str, content: bytes) -> bool:
        """See Storage. A hard link is made only where the name is free, and appears with its whole content."""
        path = self.path(key)
        if path.exists():
            return False
        with self._written(content, key) as written:
            try:
                _in_its_folder(path, lambda: path.hardlink_to(written))
            except FileExistsError:
                return False
        return True

    def read_version(self, key: str) -> tuple[bytes, str]:
        """See Storage. A version is known by its content."""
        content = self.read(key)
        return content, sha256(content).hexdigest()

    def replace(self, key: str, content: bytes, version: str) -> bool:
        """See Storage. Whoever replaces holds a lock, which the system takes from whoever dies."""
        path = self.path(key)
        with self._written(content, key) as written, self._alone():
            try:
                is_still = self.sha256(key) == version
            except ObjectMissing:
                is_still = False
            if is_still:
                written.replace(path)
            return is_still

    def folders(self, prefix: str) -> list[str]:
        """See Storage."""
        try:
            with os.scandir(self.path(prefix)) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def list(self, prefix: str, after: str = "") -> list[StoredObject]:
        """See Storage."""
        folder = self.path(prefix) if prefix else self.root
        return sorted(self._files(str(folder), prefix.rstrip("/"), after), key=lambda stored: stored.key)

    def delete(self, keys: Iterable[str]) -> None:
        """See Storage. Folders that become empty go too: in an object store there would be none."""
        for key in keys:
            path = self.path(key)
            path.unlink(missing_ok=True)
            with suppress(OSError):  # the first folder that is not empty ends it
                for folder in path.relative_to(self.root).parents[:-1]:
                    (self.root / folder).rmdir()

    def sha256(self, key: str) -> str:
        """See Storage."""
        return sha256(self.read(key)).hexdigest()

    def uri(self, key: str) -> str:
        """See Storage."""
        self.path(key)
        return _SCHEME + key

    def address(self, key: str) -> str:
        """See Storage."""
        return str(self.path(key))

    def key_of(self, uri: str) -> str:
        """See Storage."""
        key = uri.removeprefix(_SCHEME)
        if key == uri:
            raise Elsewhere(uri, _SCHEME)
        self.path(key)
        return key

    @contextmanager
    def _written(self, content: bytes, key: str) -> Iterator[Path]:
        """A file with that content, on the disk, under a name that is nobody else's."""
        folder = self.root / WRITING
        self._sweep(folder)
        written = folder / uuid.uuid4().hex
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with written.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield written
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(
                    f"No space is left in {self.root} to write {key} ({len(content):,} bytes). What was there before "
                    "is untouched: free some space and run again."
                ) from error
            raise StorageError(f"{key} cannot be written in {self.root}: {error.strerror}.") from error
        finally:
            with suppress(OSError):
                written.unlink(missing_ok=True)

    def _sweep(self, folder: Path) -> None:
        """Remove what killed writers left behind; once is enough, and a day old is nobody's work in progress."""
        if self._swept:
            return
        self._swept = True
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.stat().st_mtime < time.time() - _ABANDONED_AFTER_SECONDS:
                    Path(entry.path).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        import fcntl  # noqa: PLC0415 - where it is used

        with (self.root / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _files(self, folder: str, prefix: str, after: str) -> Iterator[StoredObject]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            key = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.is_dir():
                if f"{key}/" > after or after.startswith(f"{key}/"):
                    yield from self._files(entry.path, key, after)
                continue
            if key <= after:
                continue
            with suppress(FileNotFoundError):  # removed since the folder was read
                status = entry.stat()
                yield StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _in_its_folder(path: Path, give_name: Callable[[], object]) -> None:
    """Give a file its name in a folder that may not be there yet, or that a `delete` beside us removes meanwhile."""
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            give_name()
            return
        with suppress(FileNotFoundError, FileExistsError):  # a folder above it came or went at this moment
            path.parent.mkdir(parents=True, exist_ok=True)
    give_name()
