"""The demonstration: the real sign-in, client, collecting and rebuild against the simulated Spotify."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from spotifriend_dagster.cli.demonstration import print_live, show_simulated
from spotifriend_dagster.cli.session import Session
from spotifriend_dagster.demo.showcase import LISTENER, Plan
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.sources.spotify.tokens import read_token
from spotifriend_dagster_tests.conftest import Home

OUTAGE = (datetime(2026, 1, 4, 5, tzinfo=UTC), datetime(2026, 1, 9, 5, tzinfo=UTC))
PLAN = Plan(first_day=date(2025, 12, 1), last_day=date(2026, 1, 10), outage=OUTAGE)


@pytest.mark.slow
def test_live_weeks_join_the_history_once_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Every day is polled, the outage is a gap, nobody stays signed in; a second time, nothing is collected again."""
    monkeypatch.setenv("SPOTIFRIEND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # of a company, say: this machine itself is not behind it
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "")
    consent = show_simulated(Session(), PLAN)
    assert consent == "robin is signed in to Spotify: 171 days of consent left, until 2026-07-01"
    home = Home(tmp_path / "home")
    polls = home.frame("SELECT pulled_at FROM recent_pages ORDER BY pulled_at")["pulled_at"]
    assert list(polls.dt.tz_localize("UTC")) == list(PLAN.polls())
    (gap,) = home.frame("SELECT open_from, open_until FROM listening_gaps WHERE is_open").itertuples(index=False)
    assert gap.open_from.tz_localize("UTC") <= OUTAGE[0] < gap.open_until.tz_localize("UTC") <= OUTAGE[1]
    by_source = home.frame("SELECT source, COUNT(*) AS plays FROM plays GROUP BY source").set_index("source")["plays"]
    assert by_source["extended"] > 1_000
    assert by_source["recent"] > 100
    assert home.frame("SELECT * FROM row_accounting WHERE unaccounted_rows <> 0").empty
    assert home.frame("SELECT * FROM playlists")["collected_on"].nunique() == 2  # another is in the outage
    assert read_token(FolderSecrets(tmp_path / "home" / "secrets"), LISTENER) is None

    there = {stored.key for stored in home.lake.storage.list("raw")}
    again = Session()
    assert show_simulated(again, PLAN) == consent
    assert {stored.key for stored in home.lake.storage.list("raw")} == there
    capsys.readouterr()
    print_live(again, LISTENER, consent)
    said = capsys.readouterr().out
    assert f"{len(polls)}, from 2026-01-01 00:07 to 2026-01-10 23:07" in said
    assert f"{by_source['recent']:,} that no export tells" in said
    assert f"gap {gap.open_from:%Y-%m-%d %H:%M} to {gap.open_until:%Y-%m-%d %H:%M}" in " ".join(said.split())
