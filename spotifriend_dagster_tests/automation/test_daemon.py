"""What people do in the UI, done through the same GraphQL against a real webserver and daemon.

A daemon looks for backfills every thirty seconds. So everything is asked for at once, and each test waits for its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spotifriend_dagster.automation.schedules import SCHEDULES
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster.lake.parquet import read_parquet, rows_to_parquet
from spotifriend_dagster.lake.publishing import Published
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.lake.storage import path_values
from spotifriend_dagster.lake.stored_tables import StoredTable, year_file
from spotifriend_dagster.tables.cleaned import RECENT_PLAYS
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster_tests.collected_home import CollectedHome
from spotifriend_dagster_tests.conftest import POLLED_UNTIL, SimulatedHome

Ask = Callable[..., dict[str, Any]]
PROGRAM = Path(sys.executable).with_name("spotifriend")
_DAYS = ["2025-04-13", "2025-04-14", "2025-04-15"]
_REPOSITORY = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "spotifriend_dagster.definitions",
}
_LAUNCH = """
mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
_STATUS = "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
_RUN = """
mutation ($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { id } }
    ... on PythonError { message }
  }
}
"""
_RUN_STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_DRY_RUN = """
mutation ($selector: ScheduleSelector!, $at: Float) {
  scheduleDryRun(selectorData: $selector, timestamp: $at) {
    __typename
    ... on DryRunInstigationTick {
      evaluationResult { skipReason error { message } runRequests { runKey tags { key value } } }
    }
    ... on PythonError { message }
  }
}
"""
_SCHEDULES = """
{
  schedulesOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "spotifriend_dagster.definitions"
  }) { __typename ... on Schedules { results { name scheduleState { status } } } }
}
"""
_HEALTH = "{ instance { daemonHealth { allDaemonStatuses { healthy required } } } }"


@pytest.fixture(scope="module")
def spotify() -> Iterator[SimulatedSpotify]:
    """A Spotify of today, at which kim has an account."""
    truth = simulate(seed=21, start=date(2025, 2, 1), years=0.1, plays_per_day=40)
    with SimulatedSpotify({"kim": truth}, clock=Clock(datetime.now(UTC))) as serving:
        yield serving


@pytest.fixture(scope="module")
def home(
    finished_home: SimulatedHome, spotify: SimulatedSpotify, tmp_path_factory: pytest.TempPathFactory
) -> CollectedHome:
    """A copy of the simulated listener's home, in which kim is new."""
    path = tmp_path_factory.mktemp("daemon") / "home"
    shutil.copytree(finished_home.path, path)
    home = CollectedHome(path, spotify)
    home.sign_in("kim")
    return home


@pytest.fixture(scope="module")
def ask(home: CollectedHome, spotify: SimulatedSpotify) -> Iterator[Ask]:
    """Asks the webserver of `spotifriend ui`, which runs with its daemon until all tests are over."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (home.path / "ui.log").open("wb") as log:
        ui = subprocess.Popen(
            # Ctrl-C is ignored, as in the background of a script
            ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", str(PROGRAM), "ui", "--port", str(port)],
            env=os.environ
            | {
                "SPOTIFRIEND_HOME": str(home.path),
                "SPOTIFRIEND_SPOTIFY_CLIENT_ID": spotify.client_id,
                "SPOTIFRIEND_SPOTIFY_API_URL": spotify.api_url,
                "SPOTIFRIEND_SPOTIFY_ACCOUNTS_URL": spotify.accounts_url,
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def asked(query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            said: dict[str, Any] = json.load(answer)["data"]
            return said

    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                statuses = asked(_HEALTH)["instance"]["daemonHealth"]["allDaemonStatuses"]
                if all(status["healthy"] for status in statuses if status["required"]):
                    break
            except OSError:
                pass
            assert time.monotonic() < deadline and ui.poll() is None, (home.path / "ui.log").read_text()
            time.sleep(1)
        yield asked
    finally:
        try:
            ui.terminate()
            ui.wait(30)
        finally:
            with suppress(ProcessLookupError):  # it has ended, with all that it began
                os.killpg(ui.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Launched:
    """What was asked for, by what people would call it, and how the lake was before."""

    backfill: str
    runs: dict[str, str]
    plays_before: pd.DataFrame
    streaks_before: str
    sessions_before: str


@pytest.fixture(scope="module")
def launched(ask: Ask, home: CollectedHome, finished_home: SimulatedHome) -> Launched:
    """Everything is asked for at once."""
    assert finished_home.truth
    newer = home.path / "newer.zip"
    write_export(finished_home.truth, newer, era="2025", cutoff=POLLED_UNTIL)
    plays, streaks, sessions = plays_of(home), published(home, "streaks"), published(home, "sessions")
    lose_days(home)
    daily = [["cleaned", "recent_plays"], ["cleaned", "recent_pages"], ["rejects", "recent_rejects"]]
    parameters = {"assetSelection": [{"path": path} for path in daily], "partitionNames": _DAYS}
    said = ask(_LAUNCH, parameters=parameters)["launchPartitionBackfill"]
    assert said["__typename"] == "LaunchBackfillSuccess", said
    imported = {"ops": {"raw__streaming_history": {"config": {"path": str(newer), "listener": "robin"}}}}
    runs = {
        "import": run(ask, "import_export", ["raw", "streaming_history"], config=imported),
        "insight": run(ask, "answer", ["insights", "streaks"]),
        "poll": run(ask, "poll", ["raw", "recently_played"], day=home.today),
    }
    return Launched(said["backfillId"], runs, plays, streaks, sessions)


def run(ask: Ask, job: str, asset: list[str], config: Any = None, day: str | None = None) -> str:
    """Start a run of one asset of a job, as the UI's launchpad does; gives its id."""
    tags = [{"key": "dagster/partition", "value": day}] if day else []
    parameters = {
        "selector": _REPOSITORY | {"jobName": job, "assetSelection": [{"path": asset}]},
        "runConfigData": config or {},
        "executionMetadata": {"tags": tags},
    }
    said = ask(_RUN, parameters=parameters)["launchRun"]
    assert said["__typename"] == "LaunchRunSuccess", said
    id_: str = said["run"]["id"]
    return id_


def wait_for(status: Callable[[], str], good: str, bad: Collection[str]) -> None:
    """Wait until what was asked for ended well."""
    deadline = time.monotonic() + 180
    while (now := status()) != good:
        assert now not in bad and time.monotonic() < deadline, now
        time.sleep(1)


def wait_for_run(ask: Ask, id_: str) -> None:
    wait_for(lambda: ask(_RUN_STATUS, id=id_)["runOrError"]["status"], "SUCCESS", ("FAILURE", "CANCELED"))


def plays_of(home: CollectedHome) -> pd.DataFrame:
    """The polled plays."""
    return StoredTable(home.lake.storage, RECENT_PLAYS).frame("robin")


def lose_days(home: CollectedHome) -> None:
    """Take the days out of the file of their year, as a fault of cleaning might have."""
    key, storage = year_file(RECENT_PLAYS, "robin", _DAYS[0][:4]), home.lake.storage
    rows = read_parquet(storage.read(key), RECENT_PLAYS, key)
    is_lost = [str(day) in _DAYS for day in rows.column("collected_on").to_pylist()]
    assert any(is_lost)
    storage.write(key, rows_to_parquet(rows.filter([not lost for lost in is_lost]), RECENT_PLAYS))


def published(home: CollectedHome, table: str) -> str:
    """The version of an insight that is published."""
    found = Published.of(home.lake.catalog.get(table))
    assert found
    return found.version


@pytest.mark.slow
def test_the_schedules_run_and_say_why_they_skip(ask: Ask, home: CollectedHome) -> None:
    """In the code server of a real instance: all are on, MusicBrainz is off, and a late pull has to be cleaned."""
    schedules = ask(_SCHEDULES)["schedulesOrError"]
    on = {found["name"] for found in schedules["results"] if found["scheduleState"]["status"] == "RUNNING"}
    assert on == {schedule.name for schedule in SCHEDULES}
    late = datetime(2025, 4, 21, 23, 59, tzinfo=UTC)
    write_pull(home.lake.storage, RECENTLY_PLAYED, "robin", late, [("/v1/me/player/recently-played", {})])

    def tick(schedule: str) -> dict[str, Any]:
        at = datetime(2025, 4, 22, 3, 20, tzinfo=UTC).timestamp()
        done = ask(_DRY_RUN, selector=_REPOSITORY | {"scheduleName": schedule}, at=at)["scheduleDryRun"]
        assert done["__typename"] == "DryRunInstigationTick", done
        evaluated: dict[str, Any] = done["evaluationResult"]
        assert evaluated["error"] is None
        return evaluated

    assert "SPOTIFRIEND_MUSICBRAINZ_CONTACT" in tick("look_up_daily")["skipReason"]
    (request,) = tick("rebuild_daily")["runRequests"]
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert tags["dagster/asset_partition_range_start"] == tags["dagster/asset_partition_range_end"] == "2025-04-21"


@pytest.mark.slow
def test_an_export_is_imported_from_the_ui(ask: Ask, launched: Launched, home: CollectedHome) -> None:
    """A newer one stands beside the older one, whole."""
    wait_for_run(ask, launched.runs["import"])
    stored = home.lake.storage.list("raw/streaming_history/listener=robin")
    assert len({path_values(each.key)["export"] for each in stored}) == 2


@pytest.mark.slow
def test_an_insight_is_made_again_from_the_ui(ask: Ask, launched: Launched, home: CollectedHome) -> None:
    """After a change of its definition: it moves to a new version, alone."""
    wait_for_run(ask, launched.runs["insight"])
    assert published(home, "streaks") > launched.streaks_before
    assert published(home, "sessions") == launched.sessions_before


@pytest.mark.slow
def test_a_new_listener_is_collected_from_the_ui(ask: Ask, launched: Launched, home: CollectedHome) -> None:
    """Whoever has just signed in is polled by the next run, with everybody."""
    wait_for_run(ask, launched.runs["poll"])
    assert len(home.objects("recently_played", "kim")) >= 1


@pytest.mark.slow
def test_a_range_of_days_is_backfilled_from_the_ui(ask: Ask, launched: Launched, home: CollectedHome) -> None:
    """The daemon cleans the days in one run, whatever became of what was made of them before."""
    id_ = launched.backfill
    wait_for(
        lambda: ask(_STATUS, id=id_)["partitionBackfillOrError"]["status"],
        "COMPLETED_SUCCESS",
        ("FAILED", "COMPLETED_FAILED", "CANCELED"),
    )
    pd.testing.assert_frame_equal(plays_of(home), launched.plays_before)


@pytest.mark.slow
def test_the_daemon_follows_up_what_ran(ask: Ask, launched: Launched, home: CollectedHome) -> None:
    """Its sensors are on by themselves: without them, nobody who uses the UI alone is ever told of a problem."""
    for id_ in launched.runs.values():
        wait_for_run(ask, id_)
    wait_for(lambda: "there" if _records(home) else "waiting", "there", ())
    assert all(json.loads(home.lake.storage.read(key))["outcome"] == "success" for key in _records(home))


def _records(home: CollectedHome) -> list[str]:
    """The records of runs."""
    return [stored.key for stored in home.lake.storage.list("health") if "/dt=" in stored.key]
