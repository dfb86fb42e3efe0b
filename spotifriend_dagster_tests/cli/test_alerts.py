"""What the command line does about problems: it tells them by the channels, and shows what is open."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from spotifriend_dagster.cli import main
from spotifriend_dagster.cli.session import Session


def test_a_failed_run_is_told_by_the_channels_and_shown_as_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From cron nobody reads the terminal: the message is in alerts.jsonl, and the run's record in the lake."""
    monkeypatch.setenv("SPOTIFRIEND_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "")
    people = tmp_path / "listeners.toml"
    people.write_text('[me]\ntime_zone = "Nowhere"\n', "utf-8")
    _poll()
    (line,) = (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["subject"] == "SpotiFriend: poll failed at spotify_poll"
    (record,) = (tmp_path / "lake" / "health").glob("dt=*/*.json")
    assert json.loads(record.read_text("utf-8"))["outcome"] == "failure"
    people.write_text('[me]\ntime_zone = "Europe/London"\n', "utf-8")
    shown = CliRunner().invoke(main, ["status"])
    assert shown.exit_code == 0, shown.output
    assert "✗ poll failed at spotify_poll – listeners.toml, [me]: " in shown.output.replace("\n", " ")
    _poll()
    assert "Over since" in (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()[1]
    assert "No alert is open." in CliRunner().invoke(main, ["status"]).output


def _poll() -> None:
    Session().execute("poll", "Asking Spotify", days=[f"{datetime.now(UTC):%Y-%m-%d}"])
