"""A document of the lake that several writers change: by compare-and-set, with nothing that a storage need not have.

What is in a document belongs to whoever keeps one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from spotifriend_dagster.lake.storage import ObjectMissing, Storage

_KEPT = 20


@dataclass(frozen=True)
class NumberedDocument:
    """Versions of a text as objects, `<folder>/<number>.json`, of which the highest number is the present one.

    A change writes the next number, and only where that is free: `Storage.write_new` lets exactly one of several
    writers have it, so no lock is needed, and none can be left behind. The last 20 versions are kept.
    """

    storage: Storage
    folder: str

    def read(self) -> tuple[bytes | None, int]:
        """The document as it is now, and its number; None and 0 where there is none yet."""
        while numbers := self._numbers():
            with suppress(ObjectMissing):  # removed since the listing, because there are newer ones
                return self.storage.read(self._key(numbers[-1])), numbers[-1]
        return None, 0

    def replace(self, number: int, content: bytes) -> bool:
        """Write the version after `number`; False, and nothing is written, where another writer came first."""
        if not self.storage.write_new(self._key(number + 1), content):
            return False
        self.storage.delete(self._key(old) for old in self._numbers() if old <= number + 1 - _KEPT)
        return True

    def _numbers(self) -> list[int]:
        return sorted(int(PurePosixPath(stored.key).stem) for stored in self.storage.list(self.folder))

    def _key(self, number: int) -> str:
        return f"{self.folder}/{number:08d}.json"
