"""`spotifriend poll`, and the collecting of `spotifriend run`: asking others by hand, and saying what came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import click

from spotifriend_dagster.cli.session import Session, pass_session, speaks_plainly


@click.command()
@pass_session
@speaks_plainly
def poll(session: Session) -> None:
    """Ask Spotify for everybody's last plays, as the hourly schedule does, and say what came.

    Spotify tells the last 50 plays only: without the schedules of `spotifriend ui`, give this command every hour.
    `spotifriend run` answers from what came.
    """
    if _has_anybody(session):
        poll_everybody(session)


def collect_everything(session: Session) -> None:
    """Poll, and collect what changes slowly, of everybody who is signed in."""
    if _has_anybody(session):
        poll_everybody(session)
        outcome = session.execute("collect", "Collecting", days=[_today(session)])
        session.require(outcome)
        for listener, pulls in _by_listener(outcome.metadata.values()).items():
            calls = sum(pulled["calls"] for pulled in pulls)
            rows = sum(pulled["rows"] for pulled in pulls)
            session.console.print(
                f"{listener}: {_number(rows, 'row')} of tops, playlists, library and look-ups in "
                f"{_number(calls, 'call')}; {_left(pulls)}",
                soft_wrap=True,
            )
            _print_troubles(session, listener, pulls)


def look_up_genres(session: Session) -> None:
    """Ask MusicBrainz about artists without genres, where it is turned on, and say how far that came."""
    if session.settings.musicbrainz_contact is None:
        return
    outcome = session.execute("look_up", "Asking MusicBrainz")
    session.require(outcome)
    said = outcome.metadata["raw/musicbrainz"]
    left = sum(said["artists_left"].values())
    session.console.print(
        f"MusicBrainz: {_number(said['answers'], 'answer')}; {_number(left, 'artist')} left to ask about."
    )
    if "stopped" in said:
        session.console.print(f"[yellow]![/] {said['stopped']}", soft_wrap=True)


def poll_everybody(session: Session) -> None:
    """Poll everybody who is signed in, and say what came."""
    outcome = session.execute("poll", "Asking Spotify", days=[_today(session)])
    session.require(outcome)
    for listener, pulls in _by_listener(outcome.metadata.values()).items():
        for pulled in pulls:
            if "new_plays" in pulled:
                session.console.print(
                    f"{listener}: {_number(pulled['new_plays'], 'new play')} in {_number(pulled['calls'], 'call')}; "
                    f"{_left(pulls)}",
                    soft_wrap=True,
                )
            if gap := pulled.get("gap"):
                begin, end = (f"{datetime.fromisoformat(instant):%Y-%m-%d %H:%M}" for instant in gap)
                session.console.print(
                    f"[yellow]![/] {listener}: plays between {begin} and {end} UTC may be missing, because Spotify "
                    "tells the last 50 only: poll more often, and request an export, which fills the gap.",
                    soft_wrap=True,
                )
        _print_troubles(session, listener, pulls)


def _has_anybody(session: Session) -> bool:
    from spotifriend_dagster.assets.collected import NOBODY_SIGNED_IN

    if any(session.spotify.is_signed_in(listener) for listener in session.listeners.read()):
        return True
    session.console.print(f"[yellow]![/] {NOBODY_SIGNED_IN}")
    return False


def _today(session: Session) -> str:
    return f"{session.spotify.now():%Y-%m-%d}"


def _by_listener(metadata: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What each listener's pulls came to, source by source."""
    found: dict[str, list[dict[str, Any]]] = {}
    for said in metadata:
        for listener, pulled in said["listeners"].items():
            found.setdefault(listener, []).append(pulled)
    return found


def _print_troubles(session: Session, listener: str, pulls: Iterable[Mapping[str, Any]]) -> None:
    """Each trouble once, however many sources met it; not again what is known to be denied."""
    told = {pulled["message"]: pulled["outcome"] for pulled in pulls if pulled["message"] and not pulled["is_known"]}
    for sentence, outcome in told.items():
        mark = "[red]✗[/]" if outcome == "failed" else "[yellow]![/]"
        session.console.print(f"{mark} {listener}: {sentence}", soft_wrap=True)


def _left(pulls: Iterable[Mapping[str, Any]]) -> str:
    return f"{_number(min(pulled['budget_left'] for pulled in pulls), 'call')} left today."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
