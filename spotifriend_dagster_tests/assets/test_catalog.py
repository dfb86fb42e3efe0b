"""What the catalog says of years: every year that has files, and no more than it must."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from spotifriend_dagster.assets.catalog import catalog_asset, catalog_key, not_as_declared
from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.lake.engine import DuckDBEngine
from spotifriend_dagster.lake.storage import FolderStorage, StoredDocument
from spotifriend_dagster.listeners import ListenersFile
from spotifriend_dagster.tables.cleaned import HISTORY_PLAYS
from spotifriend_dagster.tables.health import PIPELINE_HEALTH

FIRST_DAY = date(2025, 1, 1)


def test_an_older_year_is_projected_as_soon_as_it_has_files(tmp_path: Path) -> None:
    """Somebody finds an export of 2009: what is not projected, Athena passes over without a word."""
    storage = FolderStorage(tmp_path / "lake")
    catalog = FolderCatalog(storage)
    lake = Lake(storage, catalog, DuckDBEngine(storage, catalog))
    listeners = ListenersFile(StoredDocument(FolderStorage(tmp_path), "listeners.toml"))
    listeners.add("anna", "Anna", "Europe/London")
    this_year = datetime.now(UTC).year

    def ranges(*years: int) -> list[str]:
        for year in years:
            storage.write(f"{HISTORY_PLAYS.folder}/listener=anna/year={year}/part.parquet", b"")
        asset = catalog_asset(FIRST_DAY)
        tables = [HISTORY_PLAYS, PIPELINE_HEALTH]
        dg.materialize(
            [asset],
            selection=[catalog_key(table) for table in tables],
            resources={"lake": lake, "listeners": listeners},
        )
        assert not_as_declared(lake, ["anna"], FIRST_DAY) == {}
        return [catalog.get(table.name).parameters["projection.year.range"] for table in tables]  # type: ignore[union-attr]

    nothing = f"{this_year},{this_year}"
    assert ranges() == [nothing, nothing]
    assert ranges(2019, 2023) == [f"2019,{this_year}", nothing]
    assert ranges(2009, this_year + 1) == [f"2009,{this_year + 1}", nothing]
    storage.delete([f"{HISTORY_PLAYS.folder}/listener=anna/year=2009/part.parquet"])
    assert [*not_as_declared(lake, ["anna"], FIRST_DAY)] == ["history_plays"]


def test_an_edit_is_known_from_another_declaration(tmp_path: Path) -> None:
    """Both are put right. A new listener, or a first year, is nobody's edit, and nobody is told of it."""
    storage = FolderStorage(tmp_path / "lake")
    catalog = FolderCatalog(storage)
    lake = Lake(storage, catalog, DuckDBEngine(storage, catalog))
    listeners = ListenersFile(StoredDocument(FolderStorage(tmp_path), "listeners.toml"))
    listeners.add("anna", "Anna", "Europe/London")

    def edited() -> object:
        ended = dg.materialize(
            [catalog_asset(FIRST_DAY)],
            selection=[catalog_key(HISTORY_PLAYS)],
            resources={"lake": lake, "listeners": listeners},
        )
        (said,) = ended.asset_materializations_for_node("catalog")
        found = said.metadata.get("edited")
        return found and found.value

    assert edited() is None
    listeners.add("ben", "Ben", "Europe/London")
    assert edited() is None
    present = catalog.get(HISTORY_PLAYS.name)
    assert present and "ben" in present.parameters["projection.listener.values"]
    catalog.put_if_different({**present.table_input, "Description": "Mine.", "Owner": "me"})
    assert edited() == ["Description", "Owner"]
    assert edited() is None
    sealed = catalog.get(HISTORY_PLAYS.name)
    assert sealed and sealed.table_input == present.table_input
