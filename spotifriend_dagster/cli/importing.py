"""`spotifriend import`, and the answers that a command ends with."""

from __future__ import annotations

from pathlib import Path

import click

from spotifriend_dagster.cli.session import DEFAULT_LISTENER, Session, pass_session, speaks_plainly


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--listener", default=DEFAULT_LISTENER, show_default=True, help="Whose listening it is: an id in listeners.toml."
)
@click.option("--zone", help="The listener's time zone (Europe/London), for one that listeners.toml does not name yet.")
@click.option("--name", help="The name that reports show, for a listener that listeners.toml does not name yet.")
@pass_session
@speaks_plainly
def import_(session: Session, path: Path, listener: str, zone: str | None, name: str | None) -> None:
    """Import an export from Spotify (a zip, a folder or a file), and answer.

    Importing the same export again changes nothing; several exports of one listener are united.
    """
    from spotifriend_dagster.lake.translations import translate_insights

    translate_insights()
    session.ensure_listener(listener, zone, name)
    import_export(session, path, listener)
    print_answers(session, listener)


def import_export(session: Session, path: Path, listener: str) -> None:
    """Import an export of a listener who is named already, and say what became of its rows.

    Raises:
        UserError: a step failed.
    """
    from spotifriend_dagster.reports.imported import print_import

    config = {"ops": {"raw__streaming_history": {"config": {"path": str(path.absolute()), "listener": listener}}}}
    outcome = session.run("import_export", f"Importing {path.name}", config=config)
    print_import(session.console, session.lake.reader(listener), outcome.metadata["raw/streaming_history"])


def rebuild(session: Session, title: str) -> None:
    """Clean what was collected since it was cleaned last, and answer anew.

    Raises:
        UserError: a step failed.
    """
    from spotifriend_dagster.automation.staleness import stale_days

    days = stale_days(session.lake.storage)
    session.run("rebuild", title, days=days) if days else session.run("answer", title)


def print_answers(session: Session, listener: str) -> None:
    """The five answers about a listener."""
    from spotifriend_dagster.reports.terminal import print_answers as print_them

    print_them(session.console, session.lake.reader(listener))
