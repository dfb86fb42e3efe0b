"""The code location as Dagster loads it: everything has what the UI shows of it, and every graph is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from spotifriend_dagster.definitions import build_definitions
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.tables.cleaned import CLEANED_TABLES, RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.raw import COLLECTED_TABLES
from spotifriend_dagster.tables.snapshots import DAILY_SNAPSHOTS


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """The definitions of an empty home."""
    return build_definitions(Settings(home=tmp_path_factory.mktemp("home")))


def test_the_definitions_are_loadable(definitions: dg.Definitions) -> None:
    """Every resource, IO manager and upstream asset that something asks for is there."""
    dg.Definitions.validate_loadable(definitions)


def test_the_code_location_loads_as_dagster_loads_it(tmp_path: Path) -> None:
    """`dagster definitions validate` on the project's workspace passes in a process of its own."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"],
        env={"SPOTIFRIEND_HOME": str(tmp_path), "PATH": "", "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_table_is_an_asset_with_all_that_the_ui_shows(definitions: dg.Definitions) -> None:
    """Description, owner, group, kinds and columns: an asset without one is a table that nobody can trust."""
    declared = {
        "/".join(table.folder.split("/"))
        for table in (*DECLARED_TABLES, *(insight.table for insight in load_insights().values()))
    }
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert declared <= specs.keys()
    for name, spec in specs.items():
        assert spec.description and spec.owners and spec.kinds and spec.group_name, name
        if name in declared:
            schema = spec.metadata["dagster/column_schema"]
            assert all(column.description for column in schema.columns), name
    assert {spec.group_name for spec in specs.values()} == {"raw", "cleaned", "catalog", "insights", "reports"}


def test_the_graph_runs_one_way_from_raw_to_reports(definitions: dg.Definitions) -> None:
    """Each layer reads only layers before it, so that any layer can be rebuilt from the one before."""
    order = ["raw", "cleaned", "catalog", "insights", "reports"]
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    for spec in specs.values():
        for dependency in spec.deps:
            above = specs[dependency.asset_key].group_name
            assert order.index(above) <= order.index(spec.group_name), (spec.key, dependency.asset_key)


def test_every_table_has_its_check(definitions: dg.Definitions) -> None:
    """The checks that follow from declarations, and the rules across tables, are all there."""
    keys = {(key.asset_key.to_user_string(), key.name) for key in definitions.resolve_asset_graph().asset_check_keys}
    for name in load_insights():
        assert (f"insights/{name}", "matches_declaration") in keys
    for table in CLEANED_TABLES:
        assert (table.folder, "matches_declaration") in keys
    assert ("insights/row_accounting", "rows_add_up") in keys
    assert ("cleaned/plays", "every_listener") in keys


def test_the_jobs_divide_the_graph(definitions: dg.Definitions) -> None:
    """A backfill of `rebuild` must never collect: it would write today's answer into yesterday."""

    def assets(job: str) -> set[str]:
        graph = definitions.resolve_job_def(job).asset_layer.executable_asset_keys
        return {key.to_user_string() for key in graph}

    assert assets("poll") == {"raw/recently_played"}
    assert assets("poll") | assets("collect") == {table.folder for table in COLLECTED_TABLES} - {"raw/api_pulls"}
    assert not assets("poll") & assets("collect")
    assert not {name for name in assets("rebuild") if name.startswith("raw/")}
    by_day = (RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS, *DAILY_SNAPSHOTS)
    assert assets("rebuild") - assets("answer") == {table.folder for table in by_day}
    assert assets("import_export") - assets("answer") == {"raw/streaming_history"}
