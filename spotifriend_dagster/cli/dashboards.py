"""`spotifriend quicksight`, which makes the dashboard in QuickSight and keeps it as it is declared."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from spotifriend_dagster.cli.session import Session, UserError, pass_session, require_agreement, speaks_plainly

if TYPE_CHECKING:
    from spotifriend_dagster.assets.quicksight import Dashboards
    from spotifriend_dagster.quicksight.refresh import Ingested


@click.command()
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--refresh", "refreshes", is_flag=True, help="Refresh the data of all data sets, too.")
@click.option("--remove", is_flag=True, help="Remove everything of this lake from QuickSight instead.")
@pass_session
@speaks_plainly
def quicksight(session: Session, yes: bool, refreshes: bool, remove: bool) -> None:
    """Make the dashboard in QuickSight, or change what of it differs; says first what that would be.

    Who sees whose rows is what listeners.toml says under quicksight. The daily run refreshes the data.
    """
    from spotifriend_dagster.quicksight.refresh import follow, refresh
    from spotifriend_dagster.quicksight.resources import resources, shown_tables
    from spotifriend_dagster.quicksight.upsert import apply, plan
    from spotifriend_dagster.tables.insight import load_insights

    dashboards, insights = _dashboards(session), load_insights()
    service, place = dashboards.service, dashboards.place
    service.require_enterprise()
    changes = plan(service, place, [] if remove else resources(insights, place))
    for change in changes:
        session.console.print(f"  {change}", markup=False, soft_wrap=True)
    if not changes:
        session.console.print("QuickSight is as it is to be.")
    elif not yes:
        require_agreement(f"Make these {len(changes)} changes?")
    begun = {}
    for change in changes:
        if ingestion := apply(service, place, change):
            begun[change.id] = ingestion
        session.console.print(f"[green]✓[/] {change.action} {change.kind.noun} {change.id}", soft_wrap=True)
    _print_ingested(session, follow(service, begun))
    if refreshes and not remove:
        now = datetime.now(UTC)
        others = sorted({place.id(name) for name in shown_tables(insights)} - begun.keys())
        _print_ingested(session, refresh(service, others, f"by-hand-{now:%Y%m%dT%H%M%S}", now))


def _print_ingested(session: Session, ingestions: Iterable[Ingested]) -> None:
    """Print how many rows each data set has now, as soon as it has them.

    Raises:
        UserError: some have not.
    """
    faults = []
    for ingested in ingestions:
        if ingested.fault:
            faults.append(ingested.fault)
        else:
            session.console.print(f"[green]✓[/] {ingested.data_set}: {ingested.rows:,} rows", soft_wrap=True)
    if faults:
        raise UserError(" ".join(sorted(faults)))


def _dashboards(session: Session) -> Dashboards:
    from spotifriend_dagster.definitions import build_dashboards

    dashboards = build_dashboards(session.settings, session.home)
    if dashboards is None and session.settings.deployment != "aws":
        raise UserError(
            "QuickSight reads the lake by Athena, and this one is in a folder: set SPOTIFRIEND_DEPLOYMENT=aws "
            "(docs/aws.md), and move there by `spotifriend sync --to aws`."
        )
    if dashboards is None:
        raise UserError(
            "QuickSight is not turned on: set SPOTIFRIEND_QUICKSIGHT_ACCOUNT and SPOTIFRIEND_QUICKSIGHT_PRINCIPAL "
            "(docs/quicksight.md)."
        )
    return dashboards
