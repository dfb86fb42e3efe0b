"""`spotifriend`: the command line. Every command is a thin layer over a room: jobs, the lake, reports.

The program that runs this is `program.py`. What a command works with is in `session.py`, importing in `importing.py`,
making again in `backfilling.py`, signing in and out in `consent.py`,
collecting in `collecting.py`, dashboards in `dashboards.py`, the demonstration in `demonstration.py`, moving and
testing a home in `moving.py`, making one on AWS in `deploying.py`, forgetting somebody in `forgetting.py`. What people
read is made in `reports/`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

import click

from spotifriend_dagster.cli.alerts import print_alerts
from spotifriend_dagster.cli.backfilling import DAY, make_again
from spotifriend_dagster.cli.collecting import collect_everything, look_up_genres, poll
from spotifriend_dagster.cli.consent import login, logout, print_consent
from spotifriend_dagster.cli.dashboards import quicksight
from spotifriend_dagster.cli.demonstration import demo
from spotifriend_dagster.cli.deploying import deploy
from spotifriend_dagster.cli.forgetting import forget
from spotifriend_dagster.cli.importing import import_, print_answers, rebuild
from spotifriend_dagster.cli.moving import doctor, sync
from spotifriend_dagster.cli.session import Session, UserError, pass_session, speaks_plainly


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="spotifriend_dagster")
def main() -> None:
    """Your Spotify listening, kept for good in a lake of your own, and answered.

    \b
    Begin with the zip that Spotify sends you (spotify.com → Account → Privacy → Extended streaming history):
        spotifriend import my_spotify_data.zip --zone Europe/London
        spotifriend report
        spotifriend query "SELECT artist_name, listens FROM artist_loyalty ORDER BY listens DESC LIMIT 10"

    Everything is kept in $SPOTIFRIEND_HOME (by default .spotifriend in this folder).
    """
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    # Rows pass by as objects that live for one step: for them the collector would go through the modules' and Dagster's
    # own objects again and again, a second's work in an import.
    gc.set_threshold(2_000_000, 50, 100)


main.add_command(import_)
main.add_command(login)
main.add_command(logout)
main.add_command(poll)
main.add_command(demo)
main.add_command(quicksight)
main.add_command(sync)
main.add_command(doctor)
main.add_command(forget)
main.add_command(deploy)


@main.command()
@click.option("--from", "first", type=DAY, help="The first day to clean again; by default the first there is.")
@click.option("--to", "last", type=DAY, help="The last one; by default today.")
@click.option("--tables", help="The tables to make again, by name, with commas between; and all that is made of them.")
@pass_session
@speaks_plainly
def run(session: Session, first: datetime | None, last: datetime | None, tables: str | None) -> None:
    """Collect what Spotify serves now, clean what was collected since the last run, and answer anew.

    With --from, --to or --tables nothing is collected. Days of collection (UTC) are cleaned again, or tables are made
    again, though nothing of theirs has changed: after a change of what they mean.
    """
    from spotifriend_dagster.lake.translations import translate_insights

    translate_insights()
    if first or last or tables:
        make_again(session, first, last, tables)
    else:
        collect_everything(session)
        look_up_genres(session)
        rebuild(session, "Rebuilding")
    for listener in session.listeners.read():
        print_answers(session, listener)


@main.command()
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@pass_session
@speaks_plainly
def query(session: Session, sql: str, form: str) -> None:
    """Ask the lake in SQL (Athena's dialect, read-only), over the tables that `spotifriend tables` lists."""
    from spotifriend_dagster.reports.terminal import print_rows

    print_rows(session.console, session.lake.engine.query(sql), form, sys.stdout)


@main.command()
@click.argument("name", required=False)
@pass_session
@speaks_plainly
def tables(session: Session, name: str | None) -> None:
    """List the tables, with what one row of each is; or the columns of one."""
    from spotifriend_dagster.reports.terminal import print_columns, print_tables
    from spotifriend_dagster.tables.insight import every_table

    if name is None:
        print_tables(session.console, session.lake.catalog)
    elif table := every_table().get(name):
        print_columns(session.console, table)
    else:
        nearly = get_close_matches(name, every_table(), 1)
        hint = f"did you mean {nearly[0]}?" if nearly else "`spotifriend tables` lists them."
        raise UserError(f"There is no table {name}: {hint}")


@main.command()
@click.option("--period", default="all", show_default=True, help="all, a year (2025) or a month (2025-03).")
@click.option("--listener", help="Whose; by default everybody's.")
@pass_session
@speaks_plainly
def report(session: Session, period: str, listener: str | None) -> None:
    """Write the listening summary of a period as one HTML file, and say where it is."""
    from spotifriend_dagster.reports.period import NothingYet
    from spotifriend_dagster.reports.summary import write_summary

    people = [session.listeners.get(listener)] if listener else list(session.listeners.read().values())
    if not people:
        raise UserError("There is no listener yet: spotifriend import my_spotify_data.zip --zone Europe/London")
    for person in people:
        try:
            key = write_summary(session.lake.reader(person.id), session.lake.storage, person.display_name, period)
        except NothingYet as error:
            if len(people) == 1:
                raise
            session.console.print(f"[yellow]![/] {error}", soft_wrap=True)
        else:
            session.console.print(session.lake.storage.address(key), soft_wrap=True)


@main.command()
@pass_session
@speaks_plainly
def status(session: Session) -> None:
    """Show listeners, coverage, the last runs, failed checks, open alerts, and the lake's size."""
    from spotifriend_dagster.reports.status import print_status

    print_status(
        session.console,
        storage=session.lake.storage,
        catalog=session.lake.catalog,
        engine=session.lake.engine,
        names={id_: person.display_name for id_, person in session.listeners.read().items()},
        instance=session.instance,
        place=session.settings.place,
    )
    print_consent(session, list(session.listeners.read()))
    print_alerts(session)


@main.command()
@click.argument("table")
@pass_session
@speaks_plainly
def rollback(session: Session, table: str) -> None:
    """Put an insight table back to the version before, and hold it there until `spotifriend release`."""
    from spotifriend_dagster.lake.publishing import rollback as roll_back

    version = roll_back(table, session.lake.catalog, session.lake.storage)
    session.console.print(f"{table} is back at version {version}, and stays there until: spotifriend release {table}")


@main.command()
@click.argument("table")
@pass_session
@speaks_plainly
def release(session: Session, table: str) -> None:
    """Let a table that was rolled back be published again, by the next run."""
    from spotifriend_dagster.lake.publishing import release as let_go

    let_go(table, session.lake.catalog)
    session.console.print(f"{table} will be published again by the next `spotifriend run`.")


@main.command()
@click.option("--port", default=3000, show_default=True)
@pass_session
@speaks_plainly
def ui(session: Session, port: int) -> None:
    """Open Dagster's UI on 127.0.0.1: every table is an asset, with its checks, lineage and history."""
    session.dagster_home()
    session.console.print(f"Dagster's UI is at http://127.0.0.1:{port} in a few seconds; Ctrl-C ends it.")
    os.environ["SPOTIFRIEND_HOME"] = str(session.settings.home)
    dagster = Path(sys.executable).with_name("dagster")
    arguments = ["dev", "-m", "spotifriend_dagster.definitions", "-h", "127.0.0.1", "-p", str(port)]
    # What a script starts in the background ignores Ctrl-C, and Dagster then ignores every other request to end, too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(dagster, [str(dagster), *arguments])  # noqa: S606 - the program of this very environment
