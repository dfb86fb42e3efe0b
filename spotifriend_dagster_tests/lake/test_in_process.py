"""Insights of small lakes are made without Athena: the same files as at home, of what Athena would have read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from spotifriend_dagster.lake.dialect import InvalidSQL
from spotifriend_dagster.lake.engine import Engine, Prepared, Unloaded
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.in_process import ThriftyEngine
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.publishing import States
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster_tests.lake.test_engine import LISTENS, TRACKS, TRACKS_SQL, Lake, lake, listen, listens
from spotifriend_dagster_tests.lake.test_files import CountingStorage

if TYPE_CHECKING:
    import pyarrow

__all__ = ["lake"]

MUCH = 10**9
FOLDER = "insights/tracks/version=1"


@dataclass
class PaidEngine(Engine):
    """What is asked of an engine that is paid for each query."""

    asked: list[str] = field(default_factory=list)

    def query(self, sql: str) -> pyarrow.Table:
        self.asked.append(sql)
        raise NotImplementedError

    def unload(
        self, sql: str, table: Table, prefix: str, files: Files | None = None, prepared: Prepared | None = None
    ) -> Unloaded:
        self.asked.append(sql)
        return Unloaded([], bytes_scanned=4321)

    def column_lineage(self, sql: str) -> dict[str, tuple[tuple[str, str], ...]]:
        return {"track": (("listens", "track"),)}


def unloaded(lake: Lake, sql: str = TRACKS_SQL, below_bytes: int = MUCH) -> Unloaded:
    """What a query writes, by whomever."""
    return ThriftyEngine(PaidEngine(), lake.storage, lake.catalog, below_bytes=below_bytes).unload(sql, TRACKS, FOLDER)


def known_listeners(lake: Lake, *listeners: str) -> None:
    """Let the catalog name these listeners."""
    present = lake.catalog.get("listens")
    assert present is not None
    named = present.parameters | {"projection.listener.values": ",".join(listeners)}
    lake.catalog.put(present.table_input | {"Parameters": named}, present.version)


def test_the_files_are_those_of_the_home_in_a_folder(lake: Lake) -> None:
    """Byte by byte, and nothing is paid for."""
    listens(lake)
    known_listeners(lake, "007", "anna")
    made = unloaded(lake)
    at_home = lake.engine.unload(TRACKS_SQL, TRACKS, "insights/tracks/version=home")
    assert made.bytes_scanned == 0
    assert [stored.key.replace("version=1", "version=home") for stored in made.files] == [
        stored.key for stored in at_home.files
    ]
    assert len(made.files) == 2
    for one, other in zip(made.files, at_home.files, strict=True):
        assert lake.storage.read(one.key) == lake.storage.read(other.key)
        assert one.size == other.size == len(lake.storage.read(one.key))


def test_what_is_large_is_left_to_athena(lake: Lake) -> None:
    """By the sizes of the files that the query reads, of all listeners; of 0 bytes nothing is small, even nothing."""
    assert unloaded(lake, below_bytes=0).bytes_scanned == 4321
    listens(lake)
    known_listeners(lake, "007", "anna")
    size = sum(stored.size for stored in lake.storage.list(LISTENS.folder))
    assert unloaded(lake, below_bytes=size).bytes_scanned == 4321
    assert lake.storage.list(FOLDER) == []
    assert unloaded(lake, below_bytes=size + 1).bytes_scanned == 0
    assert lake.storage.list(FOLDER)


def test_json_lines_are_left_to_athena(lake: Lake) -> None:
    """Answers as received are large, and no insight reads them."""
    sql = TRACKS_SQL.replace("FROM listens", "FROM listens JOIN raw_recently_played AS raw USING (listener)")
    assert unloaded(lake, sql.replace("listener,\n        track", "listener, track")).bytes_scanned == 4321


def test_only_what_the_catalog_names_is_read(lake: Lake) -> None:
    """As Athena finds it: neither somebody who was removed from the listeners, nor a year that is not projected."""
    listens(lake)
    lake.put("cleaned/listens/listener=anna/year=1990/a.parquet", listen(9, "1990-01-01T00:00:00", track="Early"))
    made = unloaded(lake)
    assert [stored.key.split("/")[3] for stored in made.files] == ["listener=anna"]
    lake.define(TRACKS, FOLDER)
    assert {row[0] for row in lake.rows("SELECT track FROM tracks")} == {"Song", "Other"}


def test_several_queries_of_a_run_fetch_a_file_once(lake: Lake) -> None:
    listens(lake)
    storage = CountingStorage(lake.storage.root)
    engine, states = ThriftyEngine(PaidEngine(), storage, lake.catalog, below_bytes=MUCH), States(lake.catalog, storage)
    states.of("listens")
    for version in (1, 2):
        engine.unload(TRACKS_SQL, TRACKS, f"insights/tracks/version={version}", states.files)
    assert len(storage.reads) == len(set(storage.reads)) == 2
    assert storage.lists == ["cleaned/listens/"]


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (TRACKS_SQL.replace("MIN(day)", "MIN(at)"), InvalidSQL),
        (TRACKS_SQL.replace("FROM listens", "FROM lisens"), InvalidSQL),
        (TRACKS_SQL, UnreadableFile),
    ],
    ids=["other columns", "no such table", "no Parquet"],
)
def test_what_cannot_be_made_leaves_nothing(lake: Lake, sql: str, kind: type[Exception]) -> None:
    lake.storage.write("cleaned/listens/listener=anna/year=2024/a.parquet", b"no Parquet")
    with pytest.raises(kind):
        unloaded(lake, sql)
    assert lake.storage.list(FOLDER) == []


def test_questions_are_left_to_athena(lake: Lake) -> None:
    """What people ask may be of anything, and is asked seldom."""
    paid = PaidEngine()
    engine = ThriftyEngine(paid, lake.storage, lake.catalog, below_bytes=MUCH)
    with pytest.raises(NotImplementedError):
        engine.query("SELECT 1 AS one")
    assert paid.asked == ["SELECT 1 AS one"]
    assert engine.column_lineage(TRACKS_SQL) == paid.column_lineage(TRACKS_SQL)
