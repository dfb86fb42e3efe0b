"""Write, audit, publish: how an insight's table moves from one version to the next, and back.

A version is a folder, `insights/<table>/version=<id>/`, written once, with a folder for each listener. The catalog's
table points to one of them, names its listeners, and notes what it was built from; moving it is one compare-and-set.
What a version must hold is audited by `audits.py`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from spotifriend_dagster.lake.audits import Audit, audit_declaration, audit_listener, audit_rows, together
from spotifriend_dagster.lake.catalog import Catalog, CatalogConflict, CatalogTable, TableInput
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.storage import Storage, StoredObject, instant_name, path_values
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.insight import Insight
from spotifriend_dagster.tables.rendering import arrow_schema, glue_table_input

if TYPE_CHECKING:
    import pyarrow

    from spotifriend_dagster.lake.engine import Engine, Prepared

KEPT_VERSIONS = 3
"""One to go back to, and one more, because a fault is often a run old when it is seen."""
_REMOVED_AFTER = timedelta(days=1)
_BEGUN = 8  # their rows are held until they are asked for, which need not be in this order
_ATTEMPTS = 5


class PublishingError(Exception):
    """A table could not be published, or moved back; the message is a sentence for the user."""


class StalePublication(PublishingError):
    """The published version was built from newer inputs."""


class _Pinned(Exception):
    """A rollback holds the table where it is."""


@dataclass(frozen=True)
class Input:
    """The state of a table when a query began to read it.

    `as_of` is the instant of its last change, ISO 8601 in UTC ("" where it has no files); of two states of a table
    the later one is the newer. `fingerprint` names its files, or its version.
    """

    as_of: str
    fingerprint: str


@dataclass(frozen=True)
class Published:
    """What the catalog notes of an insight's published version.

    `moved_at` is the instant, ISO 8601 in UTC, at which the table was moved to it, forwards or back.
    """

    version: str
    moved_at: str
    rows: int
    inputs: Mapping[str, Input]
    is_pinned: bool = False

    @classmethod
    def of(cls, definition: CatalogTable | None) -> Published | None:
        """What a definition notes; None where the table is not there, or no insight."""
        noted = definition.parameters.get(_NOTE) if definition else None
        if noted is None:
            return None
        values = json.loads(noted)
        return cls(**values | {"inputs": {name: Input(**input_) for name, input_ in values["inputs"].items()}})

    def noted_in(self, table_input: TableInput) -> TableInput:
        """The definition with this note."""
        return table_input | {"Parameters": table_input["Parameters"] | {_NOTE: json.dumps(asdict(self))}}


_NOTE = "spotifriend.published"


@dataclass(frozen=True)
class Content:
    """What the files of a version hold.

    `listeners` are those who have rows, sorted; `sample` are the rows of the first one, as they are in the files;
    `size` is in bytes; `audits` are of what was declared.
    """

    listeners: tuple[str, ...]
    sample: pyarrow.Table
    rows: int
    size: int
    audits: tuple[Audit, ...]


@dataclass(frozen=True)
class Publication:
    """What became of a new version.

    `outcome` is `published`; `failed_audits`: readers stay on the version before, and the new one can be looked at in
    its folder for a day; or `pinned`: it passed, but the table is held back by a rollback until it is released.
    `bytes_scanned` is what Athena read for it: 0 where it was made in process; None where there is no Athena.
    """

    table: Table
    version: str
    uri: str
    content: Content
    bytes_scanned: int | None
    audits: tuple[Audit, ...]
    inputs: Mapping[str, Input]
    outcome: Literal["published", "failed_audits", "pinned"]


def version_folder(table: Table, version: str) -> str:
    """The folder of a version, ending in a slash."""
    return f"{table.folder}/version={version}/"


class States:
    """The tables that one run's queries read, and their states. Files are looked up once for all of them: a table that
    others change meanwhile is noted as older than what is read, and never as newer.

    Queries that come next are run beside the publishing of others, where all that they read is made already.
    """

    def __init__(self, catalog: Catalog, storage: Storage) -> None:
        self._catalog = catalog
        self._storage = storage
        self._beside = ThreadPoolExecutor(max_workers=1)
        self.look_anew()

    def look_anew(self) -> None:
        """Look files up again: one that was there may be gone."""
        self.files = Files(self._storage)
        self._of_files: dict[str, Input] = {}
        self._made: set[str] = set()
        self._begun: dict[str, Future[Prepared | None]] = {}

    def begin(self, to_come: Iterable[Insight], engine: Engine) -> None:
        """Begin with the queries of the next insights of the run, given in their order.

        Only of those whose every table was read or published in this run before: of a table that the run is yet to
        make, files would be looked up that are soon others.
        """
        for insight in to_come:
            name = insight.table.name
            if len(self._begun) < _BEGUN and name not in self._begun and self._made.issuperset(insight.reads):
                self._begun[name] = self._beside.submit(engine.prepare, insight.query, insight.table, self.files)

    def begun(self, insight: Insight) -> Prepared | None:
        """What was found of an insight that was begun with, waited for; None where nothing was."""
        future = self._begun.pop(insight.table.name, None)
        if future is None or future.cancel():
            return None
        with suppress(Exception):  # whoever asks runs it again, and says what is wrong
            return future.result()
        return None

    def made(self, names: Iterable[str]) -> None:
        """Know tables that this run makes no more."""
        self._made.update(names)

    def of(self, name: str) -> Input:
        """The state of a table, see `state_of`."""
        if name in self._of_files:
            return self._of_files[name]
        state = state_of(name, self._catalog, self.files)
        if Published.of(self._catalog.get(name)) is None:  # insights are published one after the other
            self._of_files[name] = state
        return state

    def versions(self, table: Table) -> list[StoredObject]:
        """The files of an insight's versions, as they were when those of the first insight were asked for."""
        return [stored for stored in self._insights if stored.key.startswith(f"{table.folder}/")]

    @cached_property
    def _insights(self) -> list[StoredObject]:
        return self._storage.list("insights")


def publish(
    insight: Insight, engine: Engine, catalog: Catalog, storage: Storage, states: States | None = None
) -> Publication:
    """Run an insight's query into a new version, audit it, and move the catalog's table there.

    Args:
        insight: the insight.
        engine: what runs its query.
        catalog: where its table is.
        storage: where its files are.
        states: those of the run that this is part of; looked up anew without.

    Raises:
        StalePublication: what is published was built from newer inputs than this run read.
        CatalogConflict: others moved the table again and again at the same time.
    """
    table = insight.table
    states = states or States(catalog, storage)
    inputs = {name: states.of(name) for name in insight.reads}  # before it reads: never too new
    version = f"{instant_name(_now())}-{secrets.token_hex(3)}"
    folder = version_folder(table, version)
    try:
        unloaded = engine.unload(insight.query, table, folder, states.files, states.begun(insight))
    except Exception:
        states.look_anew()
        storage.delete(stored.key for stored in storage.list(folder))  # a full disk must not stay full
        raise
    before = Published.of(catalog.get(table.name))
    states.files.add(folder, unloaded.files)
    content = _content(unloaded.files, table, states.files)
    audits = (*content.audits, audit_rows(content.rows, before.rows if before else None))
    uri = storage.uri(folder)
    publication = Publication(table, version, uri, content, unloaded.bytes_scanned, audits, inputs, "failed_audits")
    if any(audit.blocks for audit in audits):
        return publication

    def moved(present: CatalogTable | None) -> TableInput:
        if published := Published.of(present):
            if published.is_pinned:
                raise _Pinned
            _refuse_if_older(table.name, inputs, published.inputs)
        note = Published(version, _iso(_now()), content.rows, inputs)
        return note.noted_in(glue_table_input(table, uri, listeners=content.listeners))

    try:
        _compare_and_set(table.name, catalog, moved)
    except _Pinned:
        return replace(publication, outcome="pinned")
    states.made([table.name])
    _remove_old(states.versions(table), table, catalog, storage)
    return replace(publication, outcome="published")


def rollback(name: str, catalog: Catalog, storage: Storage) -> str:
    """Move an insight's table to the version before the present one, and pin it there until it is released.

    Returns:
        The version that is published now.

    Raises:
        PublishingError: the table was never published, or no earlier version is kept.
        CatalogConflict: others moved the table again and again at the same time.
    """

    def moved_back(present: CatalogTable | None) -> TableInput:
        published = Published.of(present)
        if published is None:
            raise PublishingError(f"{name} is no insight that was ever published, so there is no way back.")
        by_version = {note.version: (note, each) for each in catalog.history(name) if (note := Published.of(each))}
        for earlier, definition in by_version.values():  # each as it was first defined, before somebody edited it
            if earlier.version < published.version and _is_kept(earlier, definition, storage):
                return replace(earlier, is_pinned=True, moved_at=_iso(_now())).noted_in(definition.table_input)
        raise PublishingError(f"Of {name}, no version before {published.version} is kept: it stays where it is.")

    moved_to = _compare_and_set(name, catalog, moved_back)
    return path_values(moved_to["StorageDescriptor"]["Location"])["version"]


def release(name: str, catalog: Catalog) -> None:
    """Let a table that was rolled back be published again, from the next run on.

    Raises:
        PublishingError: the table is not held back.
        CatalogConflict: others moved the table again and again at the same time.
    """

    def released(present: CatalogTable | None) -> TableInput:
        published = Published.of(present)
        if present is None or published is None or not published.is_pinned:
            raise PublishingError(f"{name} was not rolled back, so there is nothing to release.")
        return replace(published, is_pinned=False).noted_in(present.table_input)

    _compare_and_set(name, catalog, released)


def _compare_and_set(
    name: str, catalog: Catalog, change: Callable[[CatalogTable | None], TableInput], attempts: int = _ATTEMPTS
) -> TableInput:
    """Put what `change` makes of the present definition; again, if others were faster."""
    present = catalog.get(name)
    table_input = change(present)
    try:
        catalog.put(table_input, present.version if present else None)
    except CatalogConflict:
        if attempts == 1:
            raise
        return _compare_and_set(name, catalog, change, attempts - 1)
    return table_input


def state_of(name: str, catalog: Catalog, files: Files | Storage) -> Input:
    """The state of a table that a query reads: of an insight its version, of any other its files."""
    definition = catalog.get(name)
    if definition is None:
        return Input("", "")  # the engine refuses the query, and names what it may read
    if published := Published.of(definition):
        return Input(published.moved_at, published.version)
    stored = files.list(files.key_of(definition.location))
    listing = "\n".join(f"{file.key} {file.size} {_iso(file.modified)}" for file in stored)
    newest = max((file.modified for file in stored), default=None)
    return Input(_iso(newest) if newest else "", sha256(listing.encode()).hexdigest()[:16])


def _refuse_if_older(name: str, mine: Mapping[str, Input], theirs: Mapping[str, Input]) -> None:
    for table, state in mine.items():
        if table in theirs and theirs[table].as_of > state.as_of:
            raise StalePublication(
                f"{name} is published from {table} as of {theirs[table].as_of}, and this run read it as of "
                f"{state.as_of or 'before it had files'}: bring {table} up to date, then materialize {name} again."
            )


def listeners_of(stored: Iterable[StoredObject]) -> list[str]:
    """Whose files those of a version are, sorted; nobody's where it was written before there was a folder for each."""
    return sorted({said["listener"] for file in stored if "listener" in (said := path_values(file.key))})


def _content(stored: Sequence[StoredObject], table: Table, files: Files) -> Content:
    """What a version holds, read and audited listener by listener: all of them at once may be more than fits."""
    sample, rows = arrow_schema(table).empty_table(), 0
    audits = []
    for listener, of_listener in groupby(stored, lambda file: path_values(file.key)["listener"]):
        found = _read(of_listener, files)
        sample, rows = found if not rows else sample, rows + found.num_rows
        audits.append((listener, audit_listener(found, table, listener)))
    size = sum(file.size for file in stored)
    audits = audits or [("", audit_declaration(sample, table))]
    return Content(tuple(listeners_of(stored)), sample, rows, size, together(audits))


def _read(stored: Iterable[StoredObject], files: Files) -> pyarrow.Table:
    """What Parquet files hold, as they hold it."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    # Athena packs instants into the 96 bits of old, of which Arrow makes nanoseconds by itself.
    opened = (
        pq.ParquetFile(pa.BufferReader(files.read(file.key)), coerce_int96_timestamp_unit="ms") for file in stored
    )
    return pa.concat_tables([file.read() for file in opened])


def _is_kept(published: Published, definition: CatalogTable, storage: Storage) -> bool:
    """Whether there still is what was published: of no rows there are no files."""
    return not published.rows or bool(storage.list(storage.key_of(definition.location)))


def _remove_old(stored: Iterable[StoredObject], table: Table, catalog: Catalog, storage: Storage) -> None:
    """Remove the versions that nobody goes back to, and what crashed runs left.

    Not before they are a day old: until then a query may still be reading one, or a run be writing it.
    """
    versions = [
        published.version for definition in catalog.history(table.name) if (published := Published.of(definition))
    ]
    kept = list(dict.fromkeys(versions))[:KEPT_VERSIONS]  # the published one is the first
    oldest = instant_name(_now() - _REMOVED_AFTER)
    of_version = ((file.key, path_values(file.key).get("version", oldest)) for file in stored)
    if old := [key for key, version in of_version if version < oldest and version not in kept]:
        storage.delete(old)


def _now() -> datetime:
    return datetime.now(UTC)


def _iso(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds")  # always as long, so that the texts sort as the instants do
