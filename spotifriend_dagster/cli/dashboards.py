"""`spotifriend quicksight`, which makes the dashboard in QuickSight and keeps it as it is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotifriend_dagster.cli.session import Session, UserError, pass_session, speaks_plainly

if TYPE_CHECKING:
    from spotifriend_dagster.assets.quicksight import Dashboards


@click.command()
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--remove", is_flag=True, help="Remove everything of this lake from QuickSight instead.")
@pass_session
@speaks_plainly
def quicksight(session: Session, yes: bool, remove: bool) -> None:
    """Make the dashboard in QuickSight, or change what of it differs; says first what that would be.

    Who sees whose rows is what listeners.toml says under quicksight. The daily run refreshes the data.
    """
    from spotifriend_dagster.quicksight.refresh import follow
    from spotifriend_dagster.quicksight.resources import resources
    from spotifriend_dagster.quicksight.upsert import apply, plan
    from spotifriend_dagster.tables.insight import load_insights

    dashboards = _dashboards(session)
    service, place = dashboards.service, dashboards.place
    service.require_enterprise()
    changes = plan(service, place, [] if remove else resources(load_insights(), place))
    for change in changes:
        session.console.print(f"  {change}", markup=False, soft_wrap=True)
    if not changes:
        session.console.print("QuickSight is as it is to be: nothing to do.")
        return
    if not yes:
        click.confirm(f"Make these {len(changes)} changes?", abort=True)
    ingestions = {}
    for change in changes:
        ingestion = apply(service, place, change)
        session.console.print(f"[green]✓[/] {change.action} {change.kind.noun} {change.id}", soft_wrap=True)
        if ingestion:
            ingestions[change.id] = ingestion
    faults = []
    for ingested in follow(service, ingestions):
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
