"""A table's definition changes in one step, and of several changes at once exactly one wins: in a folder, and in Glue.

What only Glue does is in test_glue.py.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from spotifriend_dagster.lake.catalog import Catalog, CatalogConflict, CatalogTable, FolderCatalog
from spotifriend_dagster.lake.glue import GlueCatalog
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.aws.server import DATABASE
from spotifriend_dagster_tests.lake.processes import finished, started_at_once

LOCATION = "lake:///cleaned/plays/"


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "lake")


@pytest.fixture
def in_folder(storage: FolderStorage) -> FolderCatalog:
    return FolderCatalog(storage)


@pytest.fixture(params=["folder", "glue"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    if request.param == "folder":
        return FolderCatalog(request.getfixturevalue("storage"))
    return GlueCatalog(request.getfixturevalue("clients"), DATABASE)


def definition(name: str = "plays", n: int = 0) -> dict[str, Any]:
    """A definition as the lake makes it, that notes a number."""
    table_input = glue_table_input(PLAYS, LOCATION, listeners=["anna", "ben"])
    return table_input | {"Name": name, "Parameters": table_input["Parameters"] | {"spotifriend.n": str(n)}}


def number(table: CatalogTable | None) -> int:
    assert table is not None
    return int(table.parameters["spotifriend.n"])


def test_a_table_is_what_was_put_last(catalog: Catalog) -> None:
    """The definition comes back as it was given, with its location and properties at hand."""
    assert catalog.get("plays") is None
    assert catalog.history("plays") == []
    first = catalog.put(definition(), None)
    second = catalog.put(definition(n=1), first)
    table = catalog.get("plays")
    assert table is not None
    assert (table.version, table.location) == (second, LOCATION)
    assert table.parameters["classification"] == "parquet"
    assert table.columns["listener"] == "string"
    assert [(known.version, known.table_input) for known in catalog.history("plays")] == [
        (second, definition(n=1)),
        (first, definition()),
    ]


def test_names_are_those_of_all_tables(catalog: Catalog) -> None:
    """However often a table changed, it is one table."""
    assert catalog.names() == []
    version = catalog.put(definition("b"), None)
    catalog.put(definition("b", 1), version)
    catalog.put(definition("a"), None)
    assert catalog.names() == ["a", "b"]


@pytest.mark.parametrize("expected", ["none", "the first", "17"])
def test_a_change_of_what_is_no_longer_so_is_refused(catalog: Catalog, expected: str) -> None:
    """The second version is the present one: whoever read another, or none, must look again."""
    first = catalog.put(definition(n=1), None)
    catalog.put(definition(n=2), first)
    with pytest.raises(CatalogConflict, match="plays was changed"):
        catalog.put(definition(n=3), {"none": None, "the first": first}.get(expected, expected))
    assert number(catalog.get("plays")) == 2


def test_a_change_of_what_is_gone_is_refused(catalog: Catalog) -> None:
    """The table was removed since it was read."""
    with pytest.raises(CatalogConflict, match="plays was changed"):
        catalog.put(definition(), "1")
    assert catalog.get("plays") is None


def test_what_is_the_same_is_not_written_again(catalog: Catalog) -> None:
    """Runs that change nothing must not push the history out of the catalog."""
    first = catalog.put_if_different(definition())
    assert catalog.put_if_different(definition()) == first
    assert catalog.put_if_different(definition(n=2)) != first
    assert len(catalog.history("plays")) == 2


def test_the_last_twenty_definitions_are_kept(catalog: Catalog) -> None:
    """A rollback finds what was before; a table that is published every hour does not grow for ever."""
    version = None
    for n in range(25):
        version = catalog.put(definition(n=n), version)
    assert [number(table) for table in catalog.history("plays")] == list(range(24, 4, -1))


def test_of_several_threads_one_wins_each_change(catalog: Catalog) -> None:
    """Three runs change one table at once: each change is won by one, and none is lost or doubled."""
    catalog.put(definition(), None)

    def race(_: int) -> int:
        won = 0
        while (present := catalog.get("plays")) and (n := number(present)) < 12:
            try:
                catalog.put(definition(n=n + 1), present.version)
                won += 1
            except CatalogConflict:
                pass
        return won

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(race, range(3))) == 12
    assert [number(table) for table in catalog.history("plays")] == list(range(12, -1, -1))


def test_a_catalog_can_be_moved(in_folder: FolderCatalog, storage: FolderStorage, tmp_path: Path) -> None:
    """It is a part of the lake's folder, and goes where that goes."""
    in_folder.put(definition(), None)
    shutil.copytree(storage.root, tmp_path / "copy")
    copied = FolderCatalog(FolderStorage(tmp_path / "copy")).get("plays")
    assert copied == in_folder.get("plays")


def test_of_several_processes_one_wins_each_change(in_folder: FolderCatalog, storage: FolderStorage) -> None:
    """Four runs change one table at once, forty times: each change is won by one, and none is lost or doubled.

    Who reads meanwhile finds a whole definition, and never an older one than before.
    """
    storage.root.mkdir()
    imports = """
        from spotifriend_dagster.lake.catalog import CatalogConflict, FolderCatalog
        from spotifriend_dagster.lake.storage import FolderStorage
    """
    race = """
        catalog = FolderCatalog(FolderStorage(pathlib.Path(sys.argv[1], "lake")))
        won = 0
        while (present := catalog.get("plays")).table_input["n"] < 40:
            try:
                catalog.put({"Name": "plays", "n": present.table_input["n"] + 1}, present.version)
                won += 1
            except CatalogConflict:
                pass
        print(won)
    """
    in_folder.put({"Name": "plays", "n": 0}, None)
    racers = started_at_once(storage.root.parent, imports, race, range(4))
    seen = [0]
    while any(racer.poll() is None for racer in racers):
        present = in_folder.get("plays")
        assert present is not None
        seen.append(present.table_input["n"])
    assert seen == sorted(seen)
    assert sum(int(finished(racer)) for racer in racers) == 40
    assert [table.table_input["n"] for table in in_folder.history("plays")] == list(range(40, 20, -1))
