"""Copying from one lake to another, of which one may be far away: what is there is never overwritten.

What is copied is decided by whoever moves; what can be made again is not worth it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

from spotifriend_dagster.lake.storage import Storage, StorageError, StoredDocument

_THREADS = 8  # an object store answers many at once, and each of them slowly

Outcome = Literal["copied", "same", "different", "missing"]
"""What became of an object: it was copied; it was there already, the same or `different`; or there is none to copy."""


@dataclass
class Copies:
    """How many objects of a folder there were of each outcome, the bytes copied, and the keys of those that differ."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    size: int = 0
    different: list[str] = field(default_factory=list)


def copy(source: StoredDocument, target: StoredDocument) -> Outcome:
    """Copy an object to where there is none, and compare the checksum of what arrived.

    Raises:
        StorageError: it cannot be read or written, or what arrived is not what was sent.
    """
    content = source.read()
    if content is None:
        return "missing"
    is_new = target.storage.write_new(target.key, content)
    is_same = target.storage.sha256(target.key) == sha256(content).hexdigest()
    if is_new and not is_same:
        target.storage.delete([target.key])
        raise StorageError(f"{target} did not arrive as it was sent, and is removed: give the same command again.")
    if is_new:
        return "copied"
    return "same" if is_same else "different"


def copy_folder(
    source: Storage, target: Storage, prefix: str, on_copy: Callable[[int, int], None] = lambda *_: None
) -> Copies:
    """Copy the objects of a folder. Interrupted, it goes on from there the next time: what arrived is compared only.

    Args:
        source: where they are.
        target: where they are to be, too.
        prefix: the folder, of the same name in both.
        on_copy: called after each object with how many are done, of how many.

    Raises:
        StorageError: as `copy`.
    """
    stored = source.list(prefix)
    sizes = {other.key: other.size for other in target.list(prefix)}
    copies = Copies()

    def copied(key: str, size: int) -> Outcome:
        if sizes.get(key, size) != size:
            return "different"
        if key in sizes and source.sha256(key) == target.sha256(key):
            return "same"
        return copy(StoredDocument(source, key), StoredDocument(target, key))

    with ThreadPoolExecutor(_THREADS) as threads:
        outcomes = threads.map(lambda each: copied(each.key, each.size), stored)
        for number, (each, outcome) in enumerate(zip(stored, outcomes, strict=True), 1):
            copies.counts[outcome] += 1
            if outcome == "copied":
                copies.size += each.size
            elif outcome == "different":
                copies.different.append(each.key)
            on_copy(number, len(stored))
    return copies


def fetch(storage: Storage, prefix: str, folder: Path) -> Path:
    """The objects directly in a folder of a lake, as files in a folder of this machine: those that there are now.

    Raises:
        StorageError: one cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = {stored.key.rpartition("/")[2]: stored.key for stored in storage.list(prefix)}
    for file in folder.iterdir():
        if file.name not in keys:
            file.unlink()
    for name, key in keys.items():
        (folder / name).write_bytes(storage.read(key))
    return folder
