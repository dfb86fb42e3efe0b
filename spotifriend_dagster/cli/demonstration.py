"""`spotifriend demo`: a simulated listener's history and live weeks, by the very code that a real listener's take.

The simulated Spotify is `demo/`. It answers over HTTP on this machine; only its clock is moved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spotifriend_dagster.cli.collecting import collect_everything
from spotifriend_dagster.cli.importing import import_export, print_answers, rebuild
from spotifriend_dagster.cli.session import DEFAULT_LISTENER, Session, pass_session, speaks_plainly

if TYPE_CHECKING:
    from spotifriend_dagster.collecting.pulls import Pulled
    from spotifriend_dagster.collecting.sources import Source
    from spotifriend_dagster.demo.showcase import Plan
    from spotifriend_dagster.demo.spotify import SimulatedSpotify
    from spotifriend_dagster.lake.storage import Storage


@click.command()
@click.option(
    "--export", "path", type=click.Path(path_type=Path), help="Answer a real export instead of a simulated one."
)
@click.option("--zone", help="The time zone of the export's listener, such as Europe/London.")
@pass_session
@speaks_plainly
def demo(session: Session, path: Path | None, zone: str | None) -> None:
    """Show what SpotiFriend answers: from a simulated listener, or with --export from a real one.

    The simulated listener's export is imported; then they sign in to a simulated Spotify, and are polled every hour of
    three weeks.
    """
    from spotifriend_dagster.lake.translations import translate_insights
    from spotifriend_dagster.reports.summary import summary_key
    from spotifriend_dagster.reports.terminal import print_where_next

    translate_insights()
    if path is None:
        from spotifriend_dagster.demo.showcase import LISTENER, Plan

        listener = LISTENER
        consent = show_simulated(session, Plan())
        print_answers(session, listener)
        print_live(session, listener, consent)
    else:
        listener = DEFAULT_LISTENER
        session.ensure_listener(listener, zone, None)
        import_export(session, path, listener)
        print_answers(session, listener)
    page = session.lake.storage.address(summary_key(listener, "all"))
    print_where_next(session.console, page, session.settings.home)


def show_simulated(session: Session, plan: Plan) -> str:
    """Import the simulated listener's export, collect the live days after it, and join both.

    What is in the lake already is not collected again: a demonstration that was interrupted goes on.

    Returns:
        How it stands with the listener's consent at the end of the live days, for people.

    Raises:
        UserError: a step failed.
    """
    from spotifriend_dagster.automation.staleness import stale_days
    from spotifriend_dagster.demo.showcase import DISPLAY_NAME, LISTENER, make_showcase
    from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
    from spotifriend_dagster.sources.spotify.tokens import consent_sentence

    with session.console.status("Simulating two years of listening, and three weeks after them"):
        made = make_showcase(session.settings.home, plan)
    if LISTENER not in session.listeners.read():
        session.listeners.add(LISTENER, DISPLAY_NAME, made.truth.zones)
    import_export(session, made.export, LISTENER)
    server = SimulatedSpotify({LISTENER: made.truth}, clock=Clock(plan.exported_until, pace=0))
    with server, _signed_in(session, server, LISTENER):
        _collect(session, server, plan, LISTENER)
        consent = consent_sentence(session.spotify.secrets, LISTENER, plan.until)
    if stale_days(session.lake.storage):
        rebuild(session, "Joining the polls")
    return consent


@contextmanager
def _signed_in(session: Session, server: SimulatedSpotify, listener: str) -> Iterator[None]:
    """Let the session ask the simulated Spotify, by its clock, with the listener signed in as long as it is there."""
    from spotifriend_dagster.collecting.pulls import Spotify
    from spotifriend_dagster.definitions import build_secrets
    from spotifriend_dagster.sources.spotify.app import SpotifyApp
    from spotifriend_dagster.sources.spotify.sign_in import sign_in
    from spotifriend_dagster.sources.spotify.tokens import forget_token

    os.environ["no_proxy"] = "127.0.0.1"  # nothing else is asked
    app = SpotifyApp(server.client_id, api_url=server.api_url, accounts_url=server.accounts_url)
    secrets = build_secrets(session.settings)
    session.spotify = Spotify(app, secrets, session.settings.api_budget, server.clock)
    try:
        sign_in(app, secrets, listener, (), lambda address: _agree(address, listener), now=server.clock)
        yield
    finally:
        forget_token(secrets, listener)


def _agree(address: str, listener: str) -> str:
    """What the listener's browser would do: send the page's form, and be sent on to the address that is returned."""
    from urllib.parse import parse_qsl, urlsplit

    import requests

    page = urlsplit(address)
    form = dict(parse_qsl(page.query)) | {"listener": listener, "decision": "allow"}
    action = page._replace(query="").geturl()
    return requests.post(action, form, allow_redirects=False, timeout=10).headers["Location"]


def _collect(session: Session, server: SimulatedSpotify, plan: Plan, listener: str) -> None:
    """Poll every hour that was not polled yet, as the schedules do, but without a run of Dagster's for each hour."""
    from rich.progress import track

    from spotifriend_dagster.collecting.pulls import Collector
    from spotifriend_dagster.collecting.sources import DAILY, POLL
    from spotifriend_dagster.lake.pulls import last_pull, object_name
    from spotifriend_dagster.lake.storage import instant_name
    from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

    lake = session.lake
    latest = last_pull(lake.storage, RECENTLY_PLAYED, listener, plan.until)
    polled_until = object_name(latest) if latest else ""
    polls = [at for at in plan.polls() if instant_name(at) > polled_until]
    for at in track(polls[:-1], "Polling, hour by hour", console=session.console, transient=True):
        server.clock.set(at)
        sources = (POLL, *DAILY) if plan.collects_after(at) else (POLL,)
        pulls = list(Collector(session.spotify, lake.storage, [listener]).pull(listener, sources))
        _keep_record(lake.storage, listener, pulls)
    if polls:
        server.clock.set(polls[-1])
        collect_everything(session)  # by the jobs, so that Dagster has notes of the last day


def _keep_record(storage: Storage, listener: str, pulls: Sequence[tuple[Source, Pulled]]) -> None:
    """Keep the record that the run of an hour would have left, so that its polls count as any others."""
    from spotifriend_dagster.automation.health import RunFacts, Said, health_record
    from spotifriend_dagster.lake.health import write_record

    said = [
        Said(source.table.folder, {"listeners": {listener: {"calls": pulled.record.calls, "rows": pulled.rows}}}, False)
        for source, pulled in pulls
    ]
    first, last = pulls[0][1].record.pulled_at, pulls[-1][1].record.pulled_at
    run_id = f"demonstration-{first:%Y%m%dT%H%M}"
    facts = RunFacts(
        run_id, "poll", first, last, "success", ran_through=(), failures={}, said=said, checks=(), usage={}
    )
    write_record(storage, run_id, last, health_record(facts, usage={}))


def print_live(session: Session, listener: str, consent: str) -> None:
    """Say what the live weeks came to."""
    from spotifriend_dagster.reports.collection import print_collection

    session.console.print()
    print_collection(session.console, session.lake.catalog, session.lake.engine, listener)
    session.console.print(consent, markup=False)
