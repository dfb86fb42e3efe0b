"""`spotifriend sync`, which takes a lake from one home to the other, and `spotifriend doctor`, which tests a home."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from spotifriend_dagster.cli.session import Session, UserError, pass_session, speaks_plainly

if TYPE_CHECKING:
    from spotifriend_dagster.lake.examination import Finding

_RECEIVED = "raw"
_USER_FILES = ("listeners.toml", "genres.csv", "audio_features.csv", "audio_features.parquet")
_NAMED = 5


@click.command()
@click.option("--to", type=click.Choice(["aws", "local"]), required=True, help="Which home is to have everything.")
@pass_session
@speaks_plainly
def sync(session: Session, to: str) -> None:
    """Copy what was received, and your own files, to the home on AWS, or from there to this machine.

    Nothing that is there is overwritten: what differs is named. Interrupted, the same command goes on from there; each
    object is verified by its checksum. Everything else is made again by `spotifriend run` in the other home. Tokens
    stay where they are: sign in there.

    The home on AWS is named by SPOTIFRIEND_REGION, SPOTIFRIEND_BUCKET and the settings beside them, also while
    SPOTIFRIEND_DEPLOYMENT is local.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from spotifriend_dagster.definitions import build_home
    from spotifriend_dagster.lake.moving import copy, copy_folder

    source = build_home(session.settings, "local" if to == "aws" else "aws")
    target = build_home(session.settings, to)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=session.console, transient=True) as progress:
        task = progress.add_task("Copying", total=None)
        copies = copy_folder(
            source.lake.storage,
            target.lake.storage,
            _RECEIVED,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    session.console.print(
        f"{copies.counts['copied']:,} objects copied ({copies.size / 1e6:,.1f} MB), "
        f"{copies.counts['same']:,} were there already.",
        soft_wrap=True,
    )
    different = [*copies.different]
    for name in _USER_FILES:
        outcome = copy(source.user_file(name), target.user_file(name))
        if outcome == "copied":
            session.console.print(f"{name} copied to {target.user_file(name)}", soft_wrap=True)
        elif outcome == "different":
            different.append(f"{name} ({target.user_file(name)})")
    if different:
        named = ", ".join(different[:_NAMED]) + (f" and {len(different) - _NAMED} more" if different[_NAMED:] else "")
        raise UserError(
            f"Of both homes, these differ, and were left as they are: {named}. Keep the right one, remove the other, "
            "and give the same command again."
        )
    session.console.print(f"Next: SPOTIFRIEND_DEPLOYMENT={to} spotifriend run; to collect there, sign in there.")


@click.command()
@pass_session
@speaks_plainly
def doctor(session: Session) -> None:
    """Test whether everything that the home needs is there and allowed, and say what is not.

    Each permission is used once, on nothing that matters; nothing is left behind.
    """
    troubles = 0
    for finding in _findings(session):
        mark = "[green]✓[/]" if finding.is_well else "[red]✗[/]"
        session.console.print(f"{mark} {finding.what}", end="")
        session.console.print(f": {finding.said}" if finding.said else "", markup=False, soft_wrap=True)
        troubles += not finding.is_well
    if troubles:
        raise UserError(f"{troubles} of these must be put right before {session.settings.place} can be worked with.")
    session.console.print(f"{session.settings.place} can be worked with.", soft_wrap=True)


def _findings(session: Session) -> Iterator[Finding]:
    from spotifriend_dagster.lake.examination import Finding, examined
    from spotifriend_dagster.lake.storage import StorageError
    from spotifriend_dagster.settings import SettingsError

    is_reached = True
    for finding in session.home.examine():
        yield finding
        is_reached &= finding.is_well or finding.what != "credentials"
    if not is_reached:
        return
    yield from _of_quicksight(session)
    try:
        listeners = sorted(session.listeners.read())
    except (SettingsError, StorageError) as error:
        yield Finding("listeners", False, str(error))
        return
    yield Finding("listeners", True, ", ".join(listeners) or "none yet")
    yield examined("tables are as declared", lambda: _tables(session, listeners))


def _of_quicksight(session: Session) -> Iterator[Finding]:
    from spotifriend_dagster.definitions import build_dashboards
    from spotifriend_dagster.quicksight.examination import examine_quicksight

    if dashboards := build_dashboards(session.settings):
        yield from examine_quicksight(dashboards.service, dashboards.place)


def _tables(session: Session, listeners: list[str]) -> str:
    from spotifriend_dagster.assets.catalog import not_as_declared
    from spotifriend_dagster.lake.catalog import CatalogError

    found = not_as_declared(session.lake, listeners, session.settings.first_day)
    if found:
        named = "; ".join(f"{table} ({', '.join(parts)})" for table, parts in found.items())
        raise CatalogError(
            f"These are not, by an edit or an older version: {named}. `spotifriend run` puts them right."
        )
    return ""
