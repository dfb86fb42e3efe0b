"""Forgetting a listener: what of a lake is theirs or names them, removing it, and finding whether anything is left.

Who is named in an object is found in `mentions.py`. What is kept of objects that are gone is behind the port
`Versions`; its side on S3 is in `s3_versions.py`. What is forgotten outside of the lake is in `cli/forgetting.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Protocol

from spotifriend_dagster.lake.catalog import Catalog, TableInput
from spotifriend_dagster.lake.mentions import is_everybodys, is_of, names, without
from spotifriend_dagster.lake.publishing import Published, state_of
from spotifriend_dagster.lake.storage import WRITING, ObjectMissing, Storage, StoredObject

_THREADS = 8
_CATALOG = "catalog/"


@dataclass(frozen=True)
class Version:
    """What is kept of an object that was replaced or deleted; of a deletion itself the `size` is 0."""

    key: str
    id: str
    size: int


class Versions(Protocol):
    """What a storage keeps of objects that were replaced or deleted."""

    def earlier(self) -> list[Version]:
        """All there are, by key.

        Raises:
            StorageError: they cannot be listed.
        """

    def read(self, version: Version) -> bytes:
        """What the object held.

        Raises:
            StorageError: it cannot be read.
        """

    def remove(self, versions: Iterable[Version]) -> None:
        """Remove them for good; one that is not there is no error.

        Raises:
            StorageError: one cannot be removed.
        """


class Written(Protocol):
    """What is written of everybody, outside of the lake's own objects, and not needed: answers to queries, logs."""

    @property
    def what(self) -> str:
        """What it is, in words."""

    def count(self) -> int:
        """How many objects there are.

        Raises:
            StorageError: they cannot be listed.
        """

    def remove(self) -> None:
        """Remove them all.

        Raises:
            StorageError: one cannot be removed.
        """


@dataclass(frozen=True)
class FolderLeftovers(Versions):
    """A folder keeps nothing but what killed writers left half-written."""

    root: Path

    def earlier(self) -> list[Version]:
        """See Versions."""
        files = sorted((self.root / WRITING).glob("*"))
        return [Version(f"{WRITING}/{file.name}", "", file.stat().st_size) for file in files]

    def read(self, version: Version) -> bytes:
        """See Versions."""
        return (self.root / version.key).read_bytes()

    def remove(self, versions: Iterable[Version]) -> None:
        """See Versions."""
        for version in versions:
            (self.root / version.key).unlink(missing_ok=True)


@dataclass(frozen=True)
class Found:
    """What a lake holds of a listener.

    `own` are objects of theirs alone, `naming` are objects of everybody that name them or hold rows of theirs,
    `versions` is what is kept of either from before, and `tables` those whose definitions name them.
    """

    own: tuple[StoredObject, ...]
    naming: tuple[StoredObject, ...]
    versions: tuple[Version, ...]
    tables: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.own or self.naming or self.versions or self.tables)


def search(
    listener: str,
    storage: Storage,
    catalog: Catalog,
    versions: Versions,
    *,
    everywhere: bool = False,
    on_read: Callable[[int, int], None] = lambda *_: None,
) -> Found:
    """Find what there is of a listener, by the keys of objects and by what is in them.

    Args:
        listener: the id.
        storage: where objects are.
        catalog: where tables are defined.
        versions: what is kept of objects from before.
        everywhere: read other listeners' objects, too, in which nothing of this one should be.
        on_read: called after each object that was read with how many are done, of how many.

    Raises:
        StorageError, CatalogError: something cannot be read.
    """
    stored = storage.list("")
    own = [each for each in stored if is_of(each.key, listener)]
    others = [each for each in stored if not is_of(each.key, listener) and not each.key.startswith(_CATALOG)]
    looked_at = [each for each in others if everywhere or is_everybodys(each.key)]
    naming = []
    with ThreadPoolExecutor(_THREADS) as threads:
        contents = threads.map(lambda each: _content(storage, each.key), looked_at)
        for number, (each, content) in enumerate(zip(looked_at, contents, strict=True), 1):
            if content is not None and names(each.key, content, listener):
                naming.append(each)
            on_read(number, len(looked_at))
    tables = [
        name
        for name in catalog.names()
        if any(listener in _listeners(definition.table_input) for definition in catalog.history(name))
    ]
    return Found(tuple(own), tuple(naming), tuple(_earlier(listener, versions)), tuple(tables))


def forget_objects(listener: str, found: Found, storage: Storage, versions: Versions) -> None:
    """Remove a listener's objects, rewrite those of everybody that name them, and remove what is kept from before.

    Everything can be done again, after whatever ended it. What nobody knows how to rewrite is left, for people.

    Raises:
        StorageError: something cannot be removed, or rewritten.
    """
    storage.delete(each.key for each in found.own)
    for each in found.naming:
        content = _content(storage, each.key)
        if content is None or not names(each.key, content, listener):
            continue
        left = without(each.key, content, listener)
        if left is None:
            storage.delete([each.key])
        elif left != content:
            storage.write(each.key, left)
    versions.remove(_earlier(listener, versions))


def forget_in_insight(name: str, listener: str, catalog: Catalog, storage: Storage) -> None:
    """Bring what the catalog says of an insight's table to what its files hold without a listener.

    What was published stays published, and what is pinned stays pinned. There is no earlier version to go back to until
    the table is published again.

    Raises:
        CatalogConflict: others moved the table at this moment.
        StorageError: a file cannot be read.
    """
    present = catalog.get(name)
    if present is None:
        return
    changed = without_listener(present.table_input, listener)
    if published := Published.of(present):
        folder = storage.key_of(present.location)
        rows = sum(_rows(storage.read(each.key)) for each in storage.list(folder))
        # As of now it is built from what the tables hold now: their newest files may have been the listener's.
        states = {table: (noted, state_of(table, catalog, storage)) for table, noted in published.inputs.items()}
        inputs = {table: now if now.as_of < noted.as_of else noted for table, (noted, now) in states.items()}
        moved_at = datetime.now(UTC).isoformat(timespec="microseconds")  # results of queries before are no longer true
        changed = replace(published, rows=rows, inputs=inputs, moved_at=moved_at).noted_in(changed)
    catalog.put(changed, present.version)
    catalog.forget_history(name)


def without_listener(table_input: TableInput, listener: str) -> TableInput:
    """A table's definition that names a listener no more."""
    parameters = dict(table_input.get("Parameters", {}))
    listeners = [id_ for id_ in _listeners(table_input) if id_ != listener]
    if listeners:
        parameters["projection.listener.values"] = ",".join(listeners)
    elif "projection.listener.values" in parameters:
        projected = ("projection.", "storage.location.template")
        parameters = {name: value for name, value in parameters.items() if not name.startswith(projected)}
        parameters["projection.enabled"] = "false"
    return table_input | {"Parameters": parameters}


def _earlier(listener: str, versions: Versions) -> Iterator[Version]:
    """The versions that are of a listener, or of everybody and name them; and what nobody knows whose it is."""
    for version in versions.earlier():
        key = version.key
        is_read = version.size > 0 and is_everybodys(key)
        if (
            is_of(key, listener)
            or key.startswith(WRITING)
            or (is_read and names(key, versions.read(version), listener))
        ):
            yield version


def _content(storage: Storage, key: str) -> bytes | None:
    try:
        return storage.read(key)
    except ObjectMissing:  # removed since it was listed
        return None


def _listeners(table_input: TableInput) -> list[str]:
    said: str = table_input.get("Parameters", {}).get("projection.listener.values", "")
    return [id_ for id_ in said.split(",") if id_]


def _rows(content: bytes) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    count: int = pq.ParquetFile(BytesIO(content)).metadata.num_rows
    return count
