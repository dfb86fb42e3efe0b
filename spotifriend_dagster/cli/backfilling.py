"""Making again what is made already: the days and tables that `spotifriend run` is given by name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from spotifriend_dagster.cli.session import Session, UserError

if TYPE_CHECKING:
    from dagster import AssetKey

DAY = click.DateTime(["%Y-%m-%d"])


def make_again(session: Session, first: datetime | None, last: datetime | None, tables: str | None) -> None:
    """Clean a range of days again, or make tables again with all that is made of them; or both.

    Args:
        session: of the command.
        first: the first day, in UTC; None for the first that Dagster offers.
        last: the last day; None for today.
        tables: names with commas between; None for all.

    Raises:
        UserError: there are no such days, or tables, or a step failed.
    """
    days = _days(first, last, session.settings.first_day) if first or last else []
    assets = _made_of(session, [name.strip() for name in tables.split(",")], has_days=bool(days)) if tables else None
    session.run("rebuild" if days else "answer", "Making again", days=days, assets=assets)


def _days(first: datetime | None, last: datetime | None, earliest: date) -> list[str]:
    """The first and the last day of the range."""
    today = datetime.now(UTC).date()
    begin, end = first.date() if first else earliest, last.date() if last else today
    if begin > end:
        raise UserError(f"There are no days from {begin} to {end}: give the earlier one to --from.")
    if begin < earliest or end > today:
        raise UserError(
            f"Days of collection are those from {earliest} to {today} (UTC). Earlier ones are there once "
            "SPOTIFRIEND_FIRST_DAY names one; what exports tell of has no days, and is cleaned again by --tables."
        )
    return [begin.isoformat(), end.isoformat()]


def _made_of(session: Session, names: list[str], *, has_days: bool) -> list[AssetKey]:
    """The assets of the tables, of those that are made in one step with them, and of all that is made of these."""
    import dagster as dg

    from spotifriend_dagster.assets.specs import asset_key
    from spotifriend_dagster.definitions import build_definitions
    from spotifriend_dagster.tables.insight import every_table

    graph = build_definitions(session.settings).resolve_asset_graph()
    made = {name: asset_key(table) for name, table in every_table().items() if table.layer != "raw"}
    for name in names:
        if name not in made:
            nearly = get_close_matches(name, made, 1)
            hint = f"did you mean {nearly[0]}?" if nearly else "`spotifriend tables` lists them; raw ones are received."
            raise UserError(f"There is no table {name} that could be made again: {hint}")
        if graph.get(made[name]).is_partitioned and not has_days:
            raise UserError(f"{name} is made by days of collection: say which with --from and --to.")
    chosen = dg.AssetSelection.assets(*(made[name] for name in names)).downstream().resolve(graph)
    steps = {key for chosen_key in chosen for key in graph.get(chosen_key).execution_set_asset_keys}
    return sorted(steps, key=lambda key: key.to_user_string())
