"""The lake's files as one run finds them: listed once and fetched once, however many queries read them.

In an object store each listing and each fetch is paid for. What is in a file is read by `reading.py` and `engine.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from spotifriend_dagster.lake.storage import Storage, StoredObject

_KEPT_BYTES = 32_000_000
"""Twice what the largest query in process reads (`in_process.py`), so that what the next one reads is still there."""
_THREADS = 8


class Files:
    """The files of folders, for whoever reads them after they were made, and until others are to be seen.

    A folder is taken as it was when it was first listed. Of the contents, those read last are kept. Safe to use from
    several threads.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._listed: dict[PurePosixPath, Sequence[StoredObject]] = {}
        self._contents: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def list(self, prefix: str) -> list[StoredObject]:
        """The objects in a folder and in those below it, by key; see Storage."""
        folder = PurePosixPath(prefix)
        for known in (folder, *folder.parents):
            if known in self._listed:
                within = f"{folder}/"
                return [stored for stored in self._listed[known] if stored.key.startswith(within)]
        found = self._storage.list(prefix)
        return list(self._listed.setdefault(folder, found))  # one of two threads was first

    def add(self, prefix: str, written: Sequence[StoredObject]) -> None:
        """Know all that is in a folder, which was just written: it need not be listed."""
        self._listed[PurePosixPath(prefix)] = written

    def read(self, key: str) -> bytes:
        """An object's content.

        Raises:
            ObjectMissing: it was removed since its folder was listed.
        """
        with self._lock:
            content = self._contents.pop(key, None)
        if content is None:
            content = self._storage.read(key)
        with self._lock:
            self._contents[key] = content  # as the latest
            while sum(map(len, self._contents.values())) > _KEPT_BYTES:
                del self._contents[next(iter(self._contents))]
        return content

    def read_all(self, stored: Iterable[StoredObject]) -> dict[str, bytes]:
        """The contents of objects, by key, several fetched at once."""
        keys = [each.key for each in stored]
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(keys, pool.map(self.read, keys), strict=True))

    def key_of(self, uri: str) -> str:
        """See Storage."""
        return self._storage.key_of(uri)
