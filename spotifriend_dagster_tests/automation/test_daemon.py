"""What people do in the UI, done through the same GraphQL against a real webserver and daemon."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spotifriend_dagster.automation.schedules import SCHEDULES
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster_tests.conftest import SimulatedHome

Ask = Callable[..., dict[str, Any]]
_DAYS = ["2025-04-13", "2025-04-14", "2025-04-15"]
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


@pytest.fixture
def ask(changeable_home: SimulatedHome) -> Iterator[Ask]:
    """Asks the webserver of `spotifriend ui`, which runs with its daemon until the test is over."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (changeable_home.path / "ui.log").open("wb") as log:
        ui = subprocess.Popen(
            [str(Path(sys.executable).with_name("spotifriend")), "ui", "--port", str(port)],
            env=os.environ | {"SPOTIFRIEND_HOME": str(changeable_home.path)},
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
            assert time.monotonic() < deadline and ui.poll() is None, (changeable_home.path / "ui.log").read_text()
            time.sleep(1)
        yield asked
    finally:
        os.killpg(ui.pid, signal.SIGTERM)
        try:
            ui.wait(30)
        except (
            subprocess.TimeoutExpired
        ):  # tests in the background ignore Ctrl-C, and Dagster then ignores SIGTERM, too
            os.killpg(ui.pid, signal.SIGKILL)
            ui.wait()


@pytest.mark.slow
def test_a_range_of_days_is_backfilled_from_the_ui(ask: Ask, changeable_home: SimulatedHome) -> None:
    """The daemon runs the days in one run, and each day's files are written again."""
    folder = changeable_home.settings.lake / "cleaned" / "recent_plays"
    before = {path.stem: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    daily = [["cleaned", "recent_plays"], ["cleaned", "recent_pages"], ["rejects", "recent_rejects"]]
    parameters = {"assetSelection": [{"path": path} for path in daily], "partitionNames": _DAYS}
    launched = ask(_LAUNCH, parameters=parameters)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    deadline = time.monotonic() + 180
    status = "REQUESTED"
    while status == "REQUESTED" and time.monotonic() < deadline:
        time.sleep(2)
        status = ask(_STATUS, id=launched["backfillId"])["partitionBackfillOrError"]["status"]
    assert status == "COMPLETED_SUCCESS"
    after = {path.stem: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert sorted(day for day in after if after[day] != before[day]) == _DAYS


@pytest.mark.slow
def test_the_schedules_run_and_say_why_they_skip(ask: Ask, changeable_home: SimulatedHome) -> None:
    """In the code server of a real instance: all are on, nobody is signed in, and a late pull has to be cleaned."""
    schedules = ask(_SCHEDULES)["schedulesOrError"]
    on = {found["name"] for found in schedules["results"] if found["scheduleState"]["status"] == "RUNNING"}
    assert on == {schedule.name for schedule in SCHEDULES}
    late = datetime(2025, 4, 21, 23, 59, tzinfo=UTC)
    write_pull(changeable_home.lake.storage, RECENTLY_PLAYED, "robin", late, [("/v1/me/player/recently-played", {})])

    def tick(schedule: str) -> dict[str, Any]:
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "spotifriend_dagster.definitions",
            "scheduleName": schedule,
        }
        at = datetime(2025, 4, 22, 3, 20, tzinfo=UTC).timestamp()
        done = ask(_DRY_RUN, selector=selector, at=at)["scheduleDryRun"]
        assert done["__typename"] == "DryRunInstigationTick", done
        evaluated: dict[str, Any] = done["evaluationResult"]
        assert evaluated["error"] is None
        return evaluated

    assert "spotifriend login" in tick("poll_hourly")["skipReason"]
    (request,) = tick("rebuild_daily")["runRequests"]
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert tags["dagster/asset_partition_range_start"] == tags["dagster/asset_partition_range_end"] == "2025-04-21"
