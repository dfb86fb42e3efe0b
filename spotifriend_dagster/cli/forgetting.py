"""`spotifriend forget`: everything of one listener goes, wherever the home has it."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from spotifriend_dagster.cli.session import Session, UserError, pass_session, require_agreement, speaks_plainly

if TYPE_CHECKING:
    from spotifriend_dagster.lake.forgetting import Found

_LEASED_SECONDS = 3600
_NAMED = 5


@click.command()
@click.argument("listener")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
@speaks_plainly
def forget(session: Session, listener: str, yes: bool) -> None:
    """Remove everything of a listener for good: what was received, all that was made of it, and the sign-in.

    It shows first what goes, and asks. Others' data and figures stay as they are. Interrupted, the same command goes on
    from there. At the end the whole lake is searched, and whatever is left is named.
    """
    from spotifriend_dagster.automation.history import at_work

    if work := at_work(session.instance, datetime.now(UTC)):
        raise UserError(f"Nothing is forgotten, because {work}: wait until it is done, or end it, and try again.")
    found = _searched(session, listener, "Looking")
    _require_somebody(session, listener, found)
    session.listeners.without(listener)  # what cannot be written without them is said before anything goes
    _print_what_goes(session, listener, found)
    if not yes:
        require_agreement(f"Forget {listener} for good?")
    with _alone(session):
        _forget(session, listener, found)
        _require_nothing(session, listener, _searched(session, listener, "Searching", everywhere=True))
    session.console.print(
        f"Nothing of {listener} is left in {session.settings.place}. Until the next run, no table can be rolled back.",
        soft_wrap=True,
    )
    if session.settings.quicksight:
        session.console.print(
            "QuickSight has a copy until it is refreshed: spotifriend quicksight --refresh", soft_wrap=True
        )
    if session.settings.deployment == "aws":
        session.console.print(
            "Where Dagster runs on ECS, its history of runs is in a database that only tasks reach: docs/operations.md "
            "has the command, at “Forget a listener”.",
            soft_wrap=True,
        )


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    """Keep whatever takes a lease from working within the context.

    Raises:
        UserError: something is at work.
    """
    from spotifriend_dagster.lake.lease import FORGETTING, IMPORTING, Held, holder_of, lease

    storage, holder = session.lake.storage, f"spotifriend forget on {socket.gethostname()}"
    sentence = "Nothing is forgotten, because {}: try again then."
    with ExitStack() as leases:
        try:
            for name in (FORGETTING, "poll", "rebuild"):
                leases.enter_context(
                    lease(storage, name, holder=holder, seconds=_LEASED_SECONDS, now=datetime.now(UTC))
                )
        except Held as held:
            said = f"{held.holder} is at work until {held.until:%Y-%m-%d %H:%M} UTC at the latest"
            raise UserError(sentence.format(said)) from None
        if importing := holder_of(storage, IMPORTING, datetime.now(UTC)):
            raise UserError(sentence.format(f"an export is being imported, and {importing}"))
        yield


def _forget(session: Session, listener: str, found: Found) -> None:
    """Remove everything, so that whatever ends it in the middle, the same again finds that there is more to do."""
    from spotifriend_dagster.assets.catalog import CATALOGUED, definition_of
    from spotifriend_dagster.automation.history import forget_runs
    from spotifriend_dagster.lake.forgetting import forget_in_insight, forget_objects
    from spotifriend_dagster.sources.spotify.tokens import forget_token
    from spotifriend_dagster.tables.insight import load_insights

    home, lake = session.home, session.lake
    forget_token(home.secrets, listener)
    forget_runs(session.instance, session.settings.dagster_home)
    _forget_alerts(session, listener)
    session.listeners.remove(listener)
    for written in home.written:
        written.remove()
    home.user_files()  # what is a copy of the lake's is one of what it is now
    forget_objects(listener, found, lake.storage, home.versions)
    others = sorted(session.listeners.read())
    for table in CATALOGUED:
        if lake.catalog.get(table.name):
            lake.catalog.put_if_different(definition_of(table, lake.storage, others, session.settings.first_day))
            lake.catalog.forget_history(table.name)
    for name in load_insights():
        forget_in_insight(name, listener, lake.catalog, lake.storage)


def _forget_alerts(session: Session, listener: str) -> None:
    """Remove the lines that name the listener from the file of alerts."""
    from spotifriend_dagster.definitions import ALERTS_FILE
    from spotifriend_dagster.lake.mentions import is_named_in

    file = session.home.user_file(ALERTS_FILE)
    if content := file.read():
        lines = content.splitlines(keepends=True)
        file.write(b"".join(line for line in lines if not is_named_in(line, listener)))


def _searched(session: Session, listener: str, title: str, *, everywhere: bool = False) -> Found:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from spotifriend_dagster.lake.forgetting import search

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, console=session.console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        return search(
            listener,
            session.lake.storage,
            session.lake.catalog,
            session.home.versions,
            everywhere=everywhere,
            on_read=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _require_somebody(session: Session, listener: str, found: Found) -> None:
    """Go on only with somebody of whom there is something; a name that is nearly another one's is a slip."""
    known = sorted(session.listeners.read())
    if listener in known or found or session.spotify.is_signed_in(listener):
        return
    sentence = f"Nothing of {listener} is in {session.settings.place}, which has: {', '.join(known) or 'nobody'}."
    if nearly := get_close_matches(listener, known, 1):
        raise UserError(f"{sentence} Did you mean {nearly[0]}?")
    session.console.print(sentence, soft_wrap=True)
    raise click.exceptions.Exit


def _require_nothing(session: Session, listener: str, found: Found) -> None:
    """Say what is left, where something is.

    Raises:
        UserError: something is left.
    """
    left = [each.key for each in (*found.own, *found.naming)]
    left += [f"{version.key} (an earlier version)" for version in found.versions]
    left += [f"the definition of {table}" for table in found.tables]
    left += ["listeners.toml"] if listener in session.listeners.read() else []
    left += ["the sign-in"] if session.spotify.is_signed_in(listener) else []
    left += [written.what for written in session.home.written if written.count()]
    if left:
        named = ", ".join(left[:_NAMED]) + (f" and {len(left) - _NAMED} more" if left[_NAMED:] else "")
        raise UserError(
            f"Something of {listener} is left, or came meanwhile: {named}. Give the same command again; what is left "
            "then, look at, and remove by hand."
        )


def _print_what_goes(session: Session, listener: str, found: Found) -> None:
    from rich.table import Table

    by_layer = defaultdict(list)
    for each in found.own:
        by_layer[each.key.split("/")[0]].append(each)
    if by_layer:
        table = Table("", "objects", "MB", "of", title=f"What goes of {listener}", title_justify="left")
        for layer, objects in sorted(by_layer.items()):
            tables = sorted({name for each in objects if "=" not in (name := each.key.split("/")[1])})
            size = sum(each.size for each in objects) / 1e6
            said = ", ".join(tables) if len(tables) <= _NAMED else f"{len(tables)} tables"
            table.add_row(layer, f"{len(objects):,}", f"{size:,.1f}", said)
        session.console.print(table)
    counts = {
        "earlier versions of objects": len(found.versions),
        "objects of everybody that name them, and are rewritten": len(found.naming),
        "definitions of tables that name them, and are rewritten": len(found.tables),
        **{f"{written.what}, everybody's": written.count() for written in session.home.written},
        "notes of runs in Dagster, everybody's": session.instance.get_runs_count(),
        "section of listeners.toml": int(listener in session.listeners.read()),
        "sign-in to Spotify": int(session.spotify.is_signed_in(listener)),
    }
    for what, count in counts.items():
        if count:
            session.console.print(f"{count:,} {what}", soft_wrap=True)
    session.console.print(
        "It cannot be undone: copies that you made elsewhere are all that stays. Versions of tables to roll back to go "
        "for everybody, until the next run.",
        soft_wrap=True,
    )
