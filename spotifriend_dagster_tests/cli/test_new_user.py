"""The way of a new user, each command a process of its own: sign in with a browser, collect, answer, look, sign out."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.objects import Dialect
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster_tests.cli.test_login import ZONE, started
from spotifriend_dagster_tests.sources.test_spotify_sign_in import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Somebody who listens until today."""
    days = 40
    return simulate(5, start=NOW.date() - timedelta(days=days), years=(days + 1) / 365.25, plays_per_day=40)


@pytest.fixture(params=get_args(Dialect))
def spotify(truth: Truth, request: pytest.FixtureRequest) -> Iterator[SimulatedSpotify]:
    """A simulated Spotify of today, in either of its dialects."""
    with SimulatedSpotify({"robin": truth}, request.param, Clock(NOW, pace=0)) as serving:
        yield serving


@dataclass(frozen=True)
class User:
    """Somebody at a terminal, whose browser is the script `browse`."""

    folder: Path
    browser: Browser

    def type(self, *arguments: str) -> str:
        """Give a command, and return what it says when it has ended well."""
        with started(*arguments) as process:
            said, _ = process.communicate(timeout=200)
        assert process.returncode == 0, said
        assert "Traceback" not in said
        return said

    def sign_in(self) -> str:
        """`spotifriend login`, and Agree on the page that it opens."""
        opened = self.folder / "opened"
        with started("login", *ZONE) as process:
            deadline = time.monotonic() + 60
            while not opened.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert process.poll() is None, process.communicate()[0]
            page = self.browser.new_page()
            page.goto(opened.read_text())
            page.click("[data-testid=auth-accept]")
            assert page.inner_text("h1") == "Back to the terminal"
            page.close()
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return said

    def look_at(self, path: str) -> str:
        """The text of a page of the lake's, which loads without an error."""
        errors: list[str] = []
        page = self.browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(Path(path).as_uri())
        page.wait_for_selector(".chart canvas, .chart svg")
        text = " ".join(page.inner_text("body").split())
        page.close()
        assert errors == []
        return text


@pytest.fixture
def user(spotify: SimulatedSpotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Browser) -> User:
    """A new user who has followed docs/spotify-app.md."""
    browse = tmp_path / "browse"
    browse.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/partial && mv {tmp_path}/partial {tmp_path}/opened\n')
    browse.chmod(0o755)
    for name, value in {
        "BROWSER": str(browse),
        "DAGSTER_HOME": "",
        "SPOTIFRIEND_HOME": str(tmp_path / "home"),
        "SPOTIFRIEND_SPOTIFY_CLIENT_ID": spotify.client_id,
        "SPOTIFRIEND_SPOTIFY_API_URL": spotify.api_url,
        "SPOTIFRIEND_SPOTIFY_ACCOUNTS_URL": spotify.accounts_url,
        "SPOTIFRIEND_SPOTIFY_REDIRECT_URI": f"http://127.0.0.1:{free_port()}/callback",
    }.items():
        monkeypatch.setenv(name, value)
    return User(tmp_path, browser)


@pytest.mark.browser
@pytest.mark.slow
def test_from_signing_in_to_the_report(user: User):
    """What Spotify serves is collected and answered; after signing out nothing is asked any more."""
    assert "me is signed in to Spotify: 18" in user.sign_in()  # days
    assert "me: 50 new plays in 1 call; 299 calls left today." in user.type("poll")
    said = user.type("run")
    assert "me: 0 new plays in 1 call; 298 calls left today." in said
    assert re.search(r"me: [1-9][\d,]* rows of tops, playlists, library and look-ups in \d+ calls", said)
    assert "Songs on repeat" in said
    counted = user.type("query", "--format", "csv", "SELECT COUNT(*) AS plays FROM plays")
    assert counted.split() == ["plays", "50"]
    status = user.type("status")
    assert "me is signed in to Spotify: 18" in status
    assert "success" in status
    assert "failure" not in status
    page = user.look_at(user.type("report").strip())
    assert "LISTENING SUMMARY Me, all time" in page
    assert re.search(r"days? (is|are) told by polls of Spotify alone\.", page)  # the clock says whether it is one
    assert "me is signed out" in user.type("logout")
    assert "spotifriend login" in user.type("poll")
