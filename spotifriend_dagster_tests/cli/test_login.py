"""Signing in and out as a person does: by the command, in a real browser or by pasting, and what goes wrong there."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from spotifriend_dagster.cli import consent, main
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.listeners import ListenersFile
from spotifriend_dagster.sources.spotify.app import SCOPES, SpotifyApp
from spotifriend_dagster.sources.spotify.tokens import read_token
from spotifriend_dagster_tests.sources.signed_in import truths
from spotifriend_dagster_tests.sources.test_spotify_sign_in import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ZONE = ("--zone", "Europe/Berlin")
Command = Callable[..., Result]


@pytest.fixture
def spotify() -> Iterator[SimulatedSpotify]:
    """A simulated Spotify of today."""
    with SimulatedSpotify(truths(), clock=Clock(datetime.now(UTC))) as serving:
        yield serving


@pytest.fixture
def home(spotify: SimulatedSpotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home, with the settings of an app at the simulated Spotify; no browser, whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("SPOTIFRIEND_")]:
        monkeypatch.delenv(name)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "SPOTIFRIEND_HOME": str(tmp_path / "home"),
        "SPOTIFRIEND_SPOTIFY_CLIENT_ID": spotify.client_id,
        "SPOTIFRIEND_SPOTIFY_API_URL": spotify.api_url,
        "SPOTIFRIEND_SPOTIFY_ACCOUNTS_URL": spotify.accounts_url,
        "SPOTIFRIEND_SPOTIFY_REDIRECT_URI": f"http://127.0.0.1:{free_port()}/callback",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


@pytest.fixture
def command(home: Path, spotify: SimulatedSpotify, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `spotifriend` in this process; who pastes agrees as `account`, or refuses."""

    def run(*arguments: str, account: str = "robin", allow: bool = True) -> Result:
        monkeypatch.setattr(
            consent, "_pasted", lambda address: spotify.authorize(address, account, allow=allow).replace("\n", "")
        )
        return CliRunner().invoke(main, list(arguments))

    return run


def started(*arguments: str) -> subprocess.Popen[str]:
    """`spotifriend` as a process of its own."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("spotifriend")), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def sentence(result: Result) -> str:
    """The one sentence of a command that failed."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    said: str = result.output.strip().splitlines()[-1]
    assert said.startswith("✗ ")
    return said


@pytest.mark.browser
def test_signing_in_with_a_browser(
    home: Path,
    spotify: SimulatedSpotify,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
):
    """The command opens the page; agreeing there ends it; the token is there, for its owner's eyes only."""
    opened, script = tmp_path / "opened", tmp_path / "browse"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.partial && mv {opened}.partial {opened}\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(script))
    with started("login", "--listener", "ana", *ZONE) as process:
        deadline = time.monotonic() + 60
        while not opened.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.poll() is None, process.communicate()[0]
        page = browser.new_page()
        page.goto(opened.read_text())
        page.select_option("[name=listener]", "ana")
        page.click("[data-testid=auth-accept]")
        assert page.inner_text("h1") == "Back to the terminal"
        page.close()
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "A browser opens" in output
    assert "ana is signed in to Spotify: 18" in output  # days
    token = read_token(FolderSecrets(home / "secrets"), "ana")
    assert token is not None
    assert token.account_id == spotify.listeners["ana"].account_id
    assert stat.S_IMODE((home / "secrets" / "spotify" / "ana").stat().st_mode) == 0o600
    assert not [secret for secret in (token.access_token, token.refresh_token) if secret in output]


def test_signing_in_where_there_is_no_browser(home: Path, spotify: SimulatedSpotify):
    """Without being told, the command prints the address, and takes what the browser of another machine shows."""
    with started("login", *ZONE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = next(line for line in process.stdout if line.startswith(spotify.accounts_url)).strip()
        process.stdin.write(spotify.authorize(address, "robin") + "\n")
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "me is signed in to Spotify" in output
    assert list(ListenersFile(home / "listeners.toml").read()) == ["me"]


def test_status_counts_the_days_and_logging_out_ends_them(command: Command, home: Path):
    """A line for each listener; who signed out is told how to come back."""
    assert command("login", "--listener", "robin", *ZONE).exit_code == 0
    ListenersFile(home / "listeners.toml").add("ana", "Ana", "Europe/Berlin")
    lines = command("status").output.splitlines()
    assert [line for line in lines if line.startswith("robin is signed in to Spotify: 18")]
    assert "ana is not signed in to Spotify: spotifriend login --listener ana" in lines
    assert "robin is signed out" in command("logout", "--listener", "robin").output
    assert read_token(FolderSecrets(home / "secrets"), "robin") is None
    assert "robin is not signed in to Spotify: spotifriend login --listener robin" in command("status").output
    assert "names no listener 'kim'" in sentence(command("logout", "--listener", "kim"))


def test_a_listener_is_added_as_an_import_does(command: Command, home: Path):
    """With a zone and a name, or on this machine's clock, which is said."""
    assert command("login", "--listener", "robin", *ZONE, "--name", "Robin H.").exit_code == 0
    robin = ListenersFile(home / "listeners.toml").get("robin")
    assert (robin.display_name, list(robin.zones.names)) == ("Robin H.", ["Europe/Berlin"])
    assert "No --zone was given" in command("login", "--listener", "ana", account="ana").output
    assert "Europe/Londn" in sentence(command("login", "--listener", "kim", "--zone", "Europe/Londn"))
    assert "Not Me" in sentence(command("login", "--listener", "Not Me", *ZONE))


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("CLIENT_ID", "", "docs/spotify-app.md"),
        ("CLIENT_ID", "0" * 32, "Spotify knows no app with the client id 0000"),
        ("REDIRECT_URI", "http://127.0.0.1:8888/elsewhere", "add exactly this address"),
        ("REDIRECT_URI", "http://localhost:8888/callback", "SPOTIFRIEND_SPOTIFY_REDIRECT_URI is 'http://localhost"),
        ("ACCOUNTS_URL", "http://127.0.0.1:9", "Spotify's sign-in cannot be reached"),
    ],
)
def test_a_wrong_setting_is_said_in_a_sentence(
    command: Command, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, said: str
):
    """Before a page opens."""
    monkeypatch.setattr("spotifriend_dagster.sources.spotify.patience._FIRST_WAIT", 0.01)
    monkeypatch.setenv(f"SPOTIFRIEND_SPOTIFY_{setting}", value)
    assert said in sentence(command("login", *ZONE))


def test_what_a_person_does_wrong_is_said_in_a_sentence(command: Command, spotify: SimulatedSpotify):
    """Refused, somebody else's account, not on the list, no Premium; then all is well, and nothing was broken."""
    login = ("login", "--listener", "robin", *ZONE)
    assert "choose Agree" in sentence(command(*login, allow=False))
    assert command("login", "--listener", "ana", *ZONE, account="ana").exit_code == 0
    assert "ana's Spotify account" in sentence(command(*login, account="ana"))
    spotify.listeners["robin"].is_allow_listed = False
    assert "User Management" in sentence(command(*login))
    spotify.listeners["robin"].is_allow_listed = True
    spotify.web_api.owner_has_premium = False
    assert "Premium" in sentence(command(*login))
    spotify.web_api.owner_has_premium = True
    assert command(*login).exit_code == 0
    assert "another Spotify account than robin's" in sentence(command(*login, account="ana"))


def test_a_consent_for_less_is_told_by_what_it_costs(
    command: Command, spotify: SimulatedSpotify, monkeypatch: pytest.MonkeyPatch
):
    """A scope that was not granted costs a table, and the sign-in is good for the others."""
    authorize = spotify.authorize
    monkeypatch.setattr(
        spotify, "authorize", lambda address, *who, **how: authorize(address.replace("user-top-read", ""), *who, **how)
    )
    result = command("login", *ZONE)
    assert result.exit_code == 0
    assert "Without user-top-read, top tracks and top artists are not collected" in " ".join(result.output.split())
    assert result.output.count("Without") == 1


def test_the_guide_names_what_the_code_asks_for():
    """Scopes, costs and the redirect address of docs/spotify-app.md are those of the code."""
    guide = (Path(__file__).parents[2] / "docs" / "spotify-app.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", guide, re.MULTILINE)
    assert dict(rows) == SCOPES
    assert f"`{SpotifyApp('').redirect_uri}`" in guide
