"""What `spotifriend status` shows: who there is, what is known of them, the last runs, failed checks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.markup import escape

from spotifriend_dagster.reports.collection import print_collection
from spotifriend_dagster.reports.terminal import columns_of

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from rich.console import Console

    from spotifriend_dagster.lake.catalog import Catalog
    from spotifriend_dagster.lake.engine import Engine
    from spotifriend_dagster.lake.storage import Storage


def print_status(
    console: Console,
    *,
    storage: Storage,
    catalog: Catalog,
    engine: Engine,
    names: Mapping[str, str],
    instance: DagsterInstance,
    place: str,
) -> None:
    """Listeners, coverage, the last runs, failed checks, size.

    Args:
        console: where to print.
        storage: the lake's objects.
        catalog: the lake's tables.
        engine: what answers questions about them.
        names: the listeners' names, by id.
        instance: where the runs are noted.
        place: where all of this is.
    """
    stored = storage.list("")
    size = sum(item.size for item in stored)
    console.print(f"[bold]Lake[/] {escape(place)}: {len(stored):,} objects, {size / 1e6:,.1f} MB")
    console.print()
    _print_listeners(console, catalog, engine, names)
    console.print()
    for id_ in names:
        print_collection(console, catalog, engine, id_)
    _print_runs(console, instance)


def _print_listeners(console: Console, catalog: Catalog, engine: Engine, names: Mapping[str, str]) -> None:
    if not names:
        console.print("No listener yet: spotifriend import my_spotify_data.zip --zone Europe/London")
        return
    totals = {}
    days: dict[str, dict[str, int]] = {}
    if "listening_totals" in catalog.names():
        totals = {row["listener"]: row for row in engine.query("SELECT * FROM listening_totals").to_pylist()}
    if "listening_coverage" in catalog.names():
        counted = "SELECT listener, status, COUNT(*) AS days FROM listening_coverage GROUP BY listener, status"
        for row in engine.query(counted).to_pylist():
            days.setdefault(row["listener"], {})[row["status"]] = row["days"]
    grid = columns_of(
        ("listener", "left"), ("listens", "right"), ("from", "left"), ("to", "left"), ("days covered", "left")
    )
    grid.columns[0].no_wrap = grid.columns[4].no_wrap = False
    for id_, name in names.items():
        row = totals.get(id_)
        covered = ", ".join(f"{count:,} {status}" for status, count in sorted(days.get(id_, {}).items()))
        shown = escape(id_ if name.lower() == id_ else f"{id_} ({name})")
        if row is None or row["first_date"] is None:
            grid.add_row(shown, "0", "", "", "nothing yet")
        else:
            grid.add_row(shown, f"{row['listens']:,}", str(row["first_date"]), str(row["last_date"]), covered)
    console.print(grid)


def _print_runs(console: Console, instance: DagsterInstance) -> None:
    from dagster import DagsterEventType  # noqa: PLC0415 - heavy

    runs = instance.get_run_records(limit=5)
    if not runs:
        console.print("No run yet.")
        return
    grid = columns_of(("last runs", "left"), ("job", "left"), ("", "left"), ("seconds", "right"))
    for record in runs:
        started = record.start_time
        when = f"{datetime.fromtimestamp(started, UTC):%Y-%m-%d %H:%M} UTC" if started else "not started"
        took = f"{record.end_time - started:,.1f}" if started and record.end_time else ""
        grid.add_row(when, record.dagster_run.job_name, record.dagster_run.status.value.lower(), took)
    console.print(grid)
    evaluations = instance.get_records_for_run(
        runs[0].dagster_run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    failed = [
        evaluation
        for record in evaluations
        if record.event_log_entry.dagster_event
        and not (evaluation := record.event_log_entry.dagster_event.asset_check_evaluation_data).passed
    ]
    console.print(f"{len(evaluations) - len(failed)} of {len(evaluations)} checks of the last run passed.")
    for evaluation in failed:
        asset = "/".join(evaluation.asset_key.path)
        console.print(f"[yellow]![/] {asset}: {evaluation.check_name} ({evaluation.severity.value.lower()})")
