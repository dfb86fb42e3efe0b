"""A table's definition changes in one step, and of several changes at once exactly one wins."""

import shutil
from pathlib import Path

import pytest

from spotifriend_dagster.lake.catalog import CatalogConflict, FolderCatalog
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster_tests.lake.processes import finished, started_at_once


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "lake")


@pytest.fixture
def catalog(storage: FolderStorage) -> FolderCatalog:
    return FolderCatalog(storage)


def definition(name: str = "plays", **more: object) -> dict[str, object]:
    return {"Name": name, "StorageDescriptor": {"Location": "lake:///cleaned/plays/"}, **more}


def test_a_table_is_what_was_put_last(catalog: FolderCatalog) -> None:
    """The definition comes back as it was given, with its location and properties at hand."""
    assert catalog.get("plays") is None
    first = catalog.put(definition(Description="ä"), None)
    second = catalog.put(definition(Parameters={"classification": "parquet"}), first)
    table = catalog.get("plays")
    assert table is not None
    assert (table.version, table.location) == (second, "lake:///cleaned/plays/")
    assert table.parameters == {"classification": "parquet"}
    assert catalog.history("plays")[1].table_input == definition(Description="ä")


def test_names_are_those_of_all_tables(catalog: FolderCatalog) -> None:
    """However often a table changed, it is one table."""
    assert catalog.names() == []
    version = catalog.put(definition("b"), None)
    catalog.put(definition("b"), version)
    catalog.put(definition("a"), None)
    assert catalog.names() == ["a", "b"]


@pytest.mark.parametrize("expected", [None, "1", "3", "17"])
def test_a_change_of_what_is_no_longer_so_is_refused(catalog: FolderCatalog, expected: str | None) -> None:
    """The second version is the present one: whoever read another, or none, must look again."""
    catalog.put(definition(n=1), None)
    catalog.put(definition(n=2), "1")
    with pytest.raises(CatalogConflict, match="plays was changed"):
        catalog.put(definition(n=3), expected)
    present = catalog.get("plays")
    assert present is not None
    assert present.table_input["n"] == 2


def test_what_is_the_same_is_not_written_again(catalog: FolderCatalog) -> None:
    """Runs that change nothing must not push the history out of the catalog."""
    first = catalog.put_if_different(definition())
    assert catalog.put_if_different(definition()) == first
    assert catalog.put_if_different(definition(n=2)) != first
    assert len(catalog.history("plays")) == 2


def test_the_last_twenty_definitions_are_kept(catalog: FolderCatalog) -> None:
    """A rollback finds what was before; a table that is published every hour does not grow for ever."""
    version = None
    for n in range(50):
        version = catalog.put(definition(n=n), version)
    assert [table.table_input["n"] for table in catalog.history("plays")] == list(range(49, 29, -1))


def test_a_catalog_can_be_moved(catalog: FolderCatalog, storage: FolderStorage, tmp_path: Path) -> None:
    """It is a part of the lake's folder, and goes where that goes."""
    catalog.put(definition(), None)
    shutil.copytree(storage.root, tmp_path / "copy")
    copied = FolderCatalog(FolderStorage(tmp_path / "copy")).get("plays")
    assert copied == catalog.get("plays")


def test_of_several_processes_one_wins_each_change(catalog: FolderCatalog, storage: FolderStorage) -> None:
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
    catalog.put({"Name": "plays", "n": 0}, None)
    racers = started_at_once(storage.root.parent, imports, race, range(4))
    seen = [0]
    while any(racer.poll() is None for racer in racers):
        present = catalog.get("plays")
        assert present is not None
        seen.append(present.table_input["n"])
    assert seen == sorted(seen)
    assert sum(int(finished(racer)) for racer in racers) == 40
    assert [table.table_input["n"] for table in catalog.history("plays")] == list(range(40, 20, -1))
