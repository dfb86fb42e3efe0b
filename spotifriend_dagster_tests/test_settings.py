"""Settings: what is wrong is said in one sentence that names the setting, its value and what is allowed."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from spotifriend_dagster.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests, and a working directory that is empty."""
    for name in os.environ:
        if name.startswith("SPOTIFRIEND_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_any_setting_the_home_is_here(tmp_path: Path):
    """A stranger sets nothing."""
    made = load_settings()
    assert (made.deployment, made.home, made.first_day) == ("local", tmp_path / ".spotifriend", date(2025, 1, 1))
    assert (made.lake, made.dagster_home) == (made.home / "lake", made.home / "dagster")
    assert made.listeners_file == made.home / "listeners.toml"
    assert not made.home.exists()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The home may begin with ~, and be relative; it is absolute from then on, wherever a run is."""
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("SPOTIFRIEND_HOME", "~/music")
    monkeypatch.setenv("SPOTIFRIEND_FIRST_DAY", "2024-02-29")
    made = load_settings()
    assert (made.home, made.first_day) == (tmp_path / "me" / "music", date(2024, 2, 29))
    monkeypatch.setenv("SPOTIFRIEND_HOME", "there/../here")
    assert load_settings().home.is_absolute()


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`SPOTIFRIEND_HOME= make demo` must not spread a lake over the working directory."""
    for name in ("HOME", "DEPLOYMENT", "FIRST_DAY"):
        monkeypatch.setenv(f"SPOTIFRIEND_{name}", "")
    assert load_settings().home == tmp_path / ".spotifriend"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DEPLOYMENT", "xyz", "local or aws"),
        ("DEPLOYMENT", "LOCAL", "local or aws"),
        (
            "SPOTIFY_CLIENT_ID",
            "your client id",
            "the letters and digits that the app's page on developer.spotify.com/dashboard shows",
        ),
        *(
            ("SPOTIFY_REDIRECT_URI", unusable, "http://127.0.0.1:<port>/<path>, as it is registered with the app")
            for unusable in (
                "http://localhost:8888/callback",  # Spotify refuses the name since April 2025
                "https://127.0.0.1:8888/callback",
                "http://127.0.0.1/callback",
                "http://127.0.0.1:99999/callback",
                "http://127.0.0.1:8888",
                "http://192.168.0.2:8888/callback",
            )
        ),
        ("SPOTIFY_API_URL", "http://example.com/v1", "an https address (http on this machine only)"),
        ("SPOTIFY_ACCOUNTS_URL", "accounts.spotify.com", "an https address (http on this machine only)"),
        ("API_BUDGET", "0", "a number of calls, 1 or more"),
        ("API_BUDGET", "many", "a number of calls, 1 or more"),
        ("MUSICBRAINZ_CONTACT", "yes", "an e-mail address or the address of a web page"),
        ("MUSICBRAINZ_CONTACT", "robin@example.org\r\nCookie: x", "an e-mail address or the address of a web page"),
        *(
            ("FIRST_DAY", nonsense, "a date, YYYY-MM-DD, from 2006-01-01 to today")
            for nonsense in ("yesterday", "2025-02-30", "01.02.2025", "86400", "20250101", "0001-01-01", "9999-12-31")
        ),
        (
            "FIRST_DAY",
            f"{datetime.now(UTC).date() + timedelta(days=1)}",
            "a date, YYYY-MM-DD, from 2006-01-01 to today",
        ),
        ("HOME", "~nobody-of-this-name/music", "a folder, or where one can be made"),
        ("HOME", "a-file", "a folder, or where one can be made"),
        ("HOME", "a-file/below", "a folder, or where one can be made"),
        ("HOME", "~/a-file", "a folder, or where one can be made"),
    ],
)
def test_a_wrong_setting_is_said_in_a_sentence(monkeypatch, tmp_path: Path, name: str, value: str, allowed: str):
    """The setting, its value, what is allowed; nothing of pydantic."""
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(f"SPOTIFRIEND_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    said = str(refused.value)
    assert said.startswith(f"SPOTIFRIEND_{name} is ")
    assert said.endswith(f"{value!r}, but it must be {allowed}.") or (
        value.startswith("~") and said.endswith(f"{allowed}.")
    )


def test_today_may_be_the_first_day(monkeypatch: pytest.MonkeyPatch):
    """Whoever begins to collect today has no days before."""
    today = datetime.now(UTC).date()
    monkeypatch.setenv("SPOTIFRIEND_FIRST_DAY", f"{today}")
    assert load_settings().first_day == today


def test_a_misspelt_variable_is_not_passed_over(monkeypatch: pytest.MonkeyPatch):
    """SPOTIFRIEND_HOMES would leave the lake where nobody looks for it."""
    monkeypatch.setenv("SPOTIFRIEND_HOMES", "/data")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    names = sorted(f"SPOTIFRIEND_{name.upper()}" for name in Settings.model_fields)
    assert str(refused.value) == f"SPOTIFRIEND_HOMES is not a setting; the settings are {', '.join(names)}."


def test_settings_do_not_change():
    """A run that moved its own home would write half of itself elsewhere."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().home = Path("/elsewhere")  # type: ignore[misc]
