"""Collecting by hand, as a person meets it: what came, what did not and why, in sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from spotifriend_dagster import cli, definitions
from spotifriend_dagster.assets.resources import MoreFacts
from spotifriend_dagster.cli import main
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.spotify import Clock, Fault, SimulatedSpotify
from spotifriend_dagster.sources.musicbrainz import MusicBrainz
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster_tests.cleaned_home import CleaningHome
from spotifriend_dagster_tests.collected_home import CollectedHome
from spotifriend_dagster_tests.sources.small_musicbrainz import SmallMusicBrainz, serving

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatedSpotify]:
    """A Spotify of today, whose listener listened long ago."""
    truth = simulate(seed=21, start=date(2025, 2, 1), years=0.1, plays_per_day=40)
    with SimulatedSpotify({"robin": truth}, clock=Clock(datetime.now(UTC))) as serving:
        yield serving


@pytest.fixture
def home(server: SimulatedSpotify, tmp_path: Path) -> CollectedHome:
    server.faults.clear()
    return CollectedHome(tmp_path / "home", server)


@pytest.fixture
def command(home: CollectedHome, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `spotifriend` with that home and that Spotify."""
    monkeypatch.setenv("SPOTIFRIEND_HOME", str(home.path))
    monkeypatch.setenv("SPOTIFRIEND_SPOTIFY_CLIENT_ID", home.server.client_id)
    monkeypatch.setenv("SPOTIFRIEND_SPOTIFY_API_URL", home.server.api_url)
    monkeypatch.setenv("SPOTIFRIEND_SPOTIFY_ACCOUNTS_URL", home.server.accounts_url)
    monkeypatch.setenv("DAGSTER_HOME", "")
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def test_a_poll_says_what_came(command: Command, home: CollectedHome) -> None:
    """New plays, calls, and what is left; the second poll brings nothing new, and says so."""
    home.sign_in("robin")
    assert "robin: 50 new plays in 1 call; 299 calls left today." in command("poll").output
    assert "robin: 0 new plays in 1 call; 298 calls left today." in command("poll").output
    assert len(home.objects("recently_played")) == 2


def test_a_poll_says_where_plays_may_be_missing(command: Command, home: CollectedHome) -> None:
    """Fifty new plays, none known: what was before them is lost, but for an export."""
    home.sign_in("robin")
    command("poll")
    listener = home.server.listeners["robin"]
    later = listener.plays.copy()
    later[["played_at", "known_at"]] += pd.Timedelta(days=300)
    before, listener.plays = listener.plays, later
    try:
        said = command("poll").output
    finally:
        listener.plays = before
    assert "50 new plays" in said and "may be missing" in said and "request an export" in said


@pytest.mark.parametrize("name", ["poll", pytest.param("run", marks=pytest.mark.slow)])
def test_nobody_signed_in_is_one_sentence(command: Command, home: CollectedHome, name: str) -> None:
    """Whoever has an export alone is told how to begin, and is stopped in nothing."""
    home.asked()
    result = command(name)
    assert result.exit_code == 0, result.output
    assert result.output.count("spotifriend login") == 1
    assert home.asked() == []


def test_a_trouble_is_a_sentence_with_its_cure(command: Command, home: CollectedHome) -> None:
    """No traceback, no name of a check: what is wrong, and what to do."""
    home.sign_in("robin")
    home.server.listeners["robin"].is_allow_listed = False
    try:
        result = command("poll")
    finally:
        home.server.listeners["robin"].is_allow_listed = True
    assert result.exit_code == 0
    assert "! robin: " in result.output and "User Management" in result.output
    assert "every_listener" not in result.output and "Traceback" not in result.output


@pytest.mark.slow
def test_a_run_collects_cleans_and_answers(command: Command, home: CollectedHome) -> None:
    """One command from nothing to answers; the quota's end in its middle is said once, and stops no answer."""
    home.sign_in("robin")
    home.server.faults.add("/me/playlists", Fault.quota_exceeded(), times=1)
    result = command("run")
    assert result.exit_code == 0, result.output
    assert result.output.count("quota is used up") == 1
    assert "Taste through the day" in result.output
    assert home.frame("SELECT COUNT(*) AS plays FROM plays")["plays"].item() == 50


def test_musicbrainz_is_asked_where_it_is_turned_on(
    command: Command, server: SimulatedSpotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` says how far it came, and what ended it; without a contact nobody is asked."""
    home = CleaningHome(tmp_path / "home", server)
    home.sign_in("robin")
    home.collect("poll")
    home.clean()
    monkeypatch.setattr(cli, "rebuild", lambda *_: None)
    assert "MusicBrainz" not in command("run").output
    with serving(SmallMusicBrainz({}, {})) as service:
        client = MusicBrainz("robin@example.org", service.url, Patience(sleep=lambda _seconds: None))
        facts = MoreFacts(lambda: home.path, client)
        monkeypatch.setattr(definitions, "build_more_facts", lambda *_: facts)
        monkeypatch.setenv("SPOTIFRIEND_MUSICBRAINZ_CONTACT", "robin@example.org")
        service.failures = [(503, {})] * 4
        output = command("run").output
        assert re.search(r"MusicBrainz: 0 answers; \d\d+ artists left to ask about\.", output)
        assert "MusicBrainz is busy (status 503): nothing is lost" in output
