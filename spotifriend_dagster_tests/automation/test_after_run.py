"""After a run: its record is in the lake, and its problems are told, once, with their cure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.assets.specs import every_listener_check, every_listener_result
from spotifriend_dagster.automation.advice import OF_CHECKS
from spotifriend_dagster.automation.after_run import after_run
from spotifriend_dagster.automation.alerts import open_problems
from spotifriend_dagster.automation.sensors import FOLLOWING
from spotifriend_dagster.checks.days import without_closed_day
from spotifriend_dagster.definitions import build_definitions, build_lake
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster.demo.spotify.faults import Fault
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.sources.spotify.app import SCOPES
from spotifriend_dagster_tests.automation.told import Told
from spotifriend_dagster_tests.collected_home import CollectedHome, simulated

NOON = datetime(2025, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = dg.AssetKey(["cleaned", "plays"])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return build_lake(Settings(home=tmp_path))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that forgets."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run_of(instance: dg.DagsterInstance, failures: dict[str, str] | None = None, error: str | None = None) -> str:
    """A run of two assets, the first of which leaves listeners out, or fails."""

    @dg.asset(key=KEY, check_specs=[every_listener_check(KEY)])
    def plays() -> Iterator[Any]:
        yield every_listener_result(KEY, failures or {})
        if error:
            raise ValueError(error)
        yield dg.MaterializeResult(metadata={"dagster/row_count": 3, "bytes_scanned": 7})

    @dg.asset(key=["rejects", "recent_rejects"], deps=[KEY])
    def rejects() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"dagster/partition_row_count": 2})

    definitions = dg.Definitions(
        assets=[plays, rejects], jobs=[dg.define_asset_job("answer")], executor=dg.in_process_executor
    )
    ended = definitions.resolve_job_def("answer").execute_in_process(instance=instance, raise_on_error=False)
    return ended.run_id


def records(lake: Lake) -> list[dict[str, Any]]:
    """The records of runs."""
    found = [stored for stored in lake.storage.list("health") if "/dt=" in stored.key]
    return [json.loads(lake.storage.read(stored.key)) for stored in found]


def test_a_failed_run_is_told_once_and_its_mending_too(lake: Lake, instance: dg.DagsterInstance) -> None:
    """Whoever calls it: the command and the sensor see the same run, and the next run is well."""
    channel = Told()
    failed = run_of(instance, error="The disk is gone: buy one.")
    for _ in range(2):
        after_run(lake, instance, failed, [channel], NOON)
    (message,) = channel.messages
    assert message.subject == "SpotiFriend: answer failed at cleaned/plays"
    assert message.text.splitlines()[1] == "The disk is gone: buy one."
    channel.messages.clear()
    well = run_of(instance)
    after_run(lake, instance, well, [channel], NOON)
    assert channel.subjects() == ["SpotiFriend: Over since 2025-03-20 12:00 UTC: answer failed at cleaned/plays"]
    after_run(lake, instance, failed, [channel], NOON)  # a sensor that is late
    assert channel.messages == []


def test_the_record_says_what_the_run_did(lake: Lake, instance: dg.DagsterInstance) -> None:
    """One record for each run, whatever became of it."""
    for failures, error in (({}, None), ({"ben": "no zone"}, None), ({}, "The disk is gone.")):
        after_run(lake, instance, run_of(instance, failures, error), [], NOON)
    by_end = sorted(records(lake), key=lambda record: record["ended"])
    assert [record["outcome"] for record in by_end] == ["success", "success", "failure"]
    assert [record["checks"] for record in by_end] == [
        {"passed": 1, "warned": 0, "failed": 0},
        {"passed": 0, "warned": 0, "failed": 1},
        {"passed": 1, "warned": 0, "failed": 0},
    ]
    assert [record["failures"] for record in by_end] == [{}, {}, {"cleaned/plays": "The disk is gone."}]
    first = by_end[0]
    assert (first["rows_out"], first["rejects"], first["bytes_scanned"], first["listeners"]) == (5, 2, 7, {})
    assert 0 < first["seconds"] < 60


def test_a_failed_check_is_told_of_each_listener(lake: Lake, instance: dg.DagsterInstance) -> None:
    """The run succeeded, and Dagster has no sensor for it: one listener's figures grow old in silence otherwise."""
    channel = Told()
    failures = {"anna": "KeyError: 'zone'", "ben": "KeyError: 'zone'"}
    after_run(lake, instance, run_of(instance, failures), [channel], NOON)
    assert channel.subjects() == ["SpotiFriend: anna, ben: A listener was left out of a table"]
    after_run(lake, instance, run_of(instance, {"ben": "KeyError: 'zone'"}), [channel], NOON)
    assert channel.subjects() == [
        "SpotiFriend: anna: Over since 2025-03-20 12:00 UTC: A listener was left out of a table"
    ]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (dg.DagsterRunStatus.FAILURE, "SpotiFriend: A run of answer broke off"),
        (dg.DagsterRunStatus.CANCELED, "SpotiFriend: A run of answer was stopped by somebody"),
    ],
)
def test_a_run_that_ended_in_no_step_is_told(
    lake: Lake, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, said: str
) -> None:
    """Killed for its memory or time, or by hand: no step says so, and its steps are not taken for good or bad."""
    run = instance.create_run_for_job(dg.job(name="answer")(lambda: None))
    instance.report_engine_event("started", run)
    (instance.report_run_failed if status == dg.DagsterRunStatus.FAILURE else instance.report_run_canceled)(run)
    channel = Told()
    after_run(lake, instance, run.run_id, [channel], NOON)
    assert channel.subjects() == [said]


def test_a_run_that_is_not_known_is_nobodys(lake: Lake, instance: dg.DagsterInstance) -> None:
    """Dagster's database may be lost, or another's."""
    assert after_run(lake, instance, "a1b2", [Told()], NOON) == []
    assert records(lake) == []


@pytest.mark.parametrize("sensor", FOLLOWING, ids=lambda sensor: sensor.name)
def test_the_sensors_call_it(sensor: dg.SensorDefinition, lake: Lake, instance: dg.DagsterInstance) -> None:
    """In the daemon, with the code location's own resources."""
    run = instance.get_run_by_id(run_of(instance, error="The disk is gone."))
    channel = Told()
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, "answer", message="failed")
    context = dg.build_run_status_sensor_context(sensor.name, event, instance, run)  # type: ignore[arg-type]
    sensor(context, lake=lake, channels=[channel])
    assert channel.subjects() == ["SpotiFriend: answer failed at cleaned/plays"]
    assert len(records(lake)) == 1
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_every_check_has_its_words_here_and_in_the_guide(tmp_path: Path) -> None:
    """A new check without advice would be told as “a check did not pass”, which helps nobody."""
    owner = "arn:aws:quicksight:eu-central-1:111122223333:user/default/owner"
    turned_on = {"quicksight_account": "111122223333", "quicksight_principal": owner}
    aws = {"deployment": "aws", "region": "eu-central-1", "bucket": "lake"}
    definitions = build_definitions(Settings(home=tmp_path, **aws, **turned_on))
    names = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    assert names == OF_CHECKS.keys()
    guide = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    assert [said.what for said in OF_CHECKS.values() if said.what not in guide] == []


@pytest.fixture(scope="module")
def spotify() -> Iterator[SimulatedSpotify]:
    """A simulated Spotify with two listeners, whose clock is set by each test."""
    truth = simulate(seed=21, start=date(2025, 3, 1), years=0.08, plays_per_day=40)
    with simulated({"robin": truth, "kim": truth}, NOON) as server:
        yield server


@pytest.fixture
def collected(spotify: SimulatedSpotify, tmp_path: Path) -> CollectedHome:
    """A home of which both are signed in, at noon."""
    spotify.clock.set(NOON)
    spotify.faults.clear()
    home = CollectedHome(tmp_path / "home", spotify)
    home.sign_in("robin")
    home.sign_in("kim")
    return home


def followed(home: CollectedHome, channel: Told) -> Callable[[str], list[str]]:
    """Runs a job, and gives the subjects that were told after it."""

    def run(job: str) -> list[str]:
        after_run(home.lake, home.instance, home.collect(job).run_id, [channel], home.server.clock())
        return channel.subjects()

    return run


def test_a_quota_stop_is_told_once_and_that_it_is_over(collected: CollectedHome, spotify: SimulatedSpotify) -> None:
    """The quota is of the app: both are stopped, for all sources, and that is one message."""
    run = followed(collected, Told())
    assert run("poll") == []
    spotify.faults.add("recently-played", Fault.quota_exceeded(3), times=1)
    (stopped,) = run("poll")
    assert stopped.startswith("SpotiFriend: kim, robin: Spotify was not polled")
    spotify.clock.advance(timedelta(hours=1))
    assert run("poll") == []
    spotify.clock.advance(timedelta(hours=3))
    (over,) = run("poll")
    assert over.startswith("SpotiFriend: kim, robin: Over since 2025-03-20 16:00 UTC: Spotify was not polled")


def test_what_is_denied_for_long_is_told_once(collected: CollectedHome, spotify: SimulatedSpotify) -> None:
    """A scope that was not granted stays so for good: every night finds it, and once is enough."""
    run = followed(collected, Told())
    collected.sign_in("kim", sorted(SCOPES.keys() - {"user-top-read"}))
    assert run("collect") == ["SpotiFriend: kim: Spotify refuses part of what is collected"]
    for _ in range(2):
        spotify.clock.advance(4 * DAY)
        assert run("collect") == []


def test_an_ending_consent_is_told_a_month_and_a_week_before(
    collected: CollectedHome, spotify: SimulatedSpotify
) -> None:
    """Every hour finds it; it is told at 30 days, weekly, then daily in the last week, until somebody signs in."""
    channel = Told()
    run = followed(collected, channel)
    end = NOON + timedelta(days=184)
    told: list[int] = []
    for left in (31, 30, 29, 24, 23, 16, 9, 7, 6):
        spotify.clock.set(end - timedelta(days=left))
        told += [left] * len(run("poll"))
    assert told == [30, 23, 16, 9, 7, 6]
    collected.sign_in("robin")
    assert run("poll") == ["SpotiFriend: robin: Over since 2025-09-14 12:00 UTC: Consent to collect ends soon"]
    assert [known.problem.listener for known in open_problems(collected.lake.storage)] == ["kim"]


def test_a_day_without_a_poll_is_missing_of_whoever_was_polled_before(
    collected: CollectedHome, spotify: SimulatedSpotify
) -> None:
    """A machine that slept for a day; not somebody who has just begun, nor a day that is not over."""
    storage, everybody = collected.lake.storage, ["robin", "kim", "nobody"]
    assert without_closed_day(storage, everybody, NOON) == []
    collected.collect("poll")
    assert without_closed_day(storage, everybody, NOON + DAY) == []
    assert without_closed_day(storage, everybody, NOON + 2 * DAY) == ["robin", "kim"]
    spotify.clock.set(NOON + 2 * DAY)
    outcome = _polled_by_the_whole_graph(collected)
    channel = Told()
    after_run(collected.lake, collected.instance, outcome, [channel], NOON + 2 * DAY)
    (message,) = channel.messages
    assert message.subject == "SpotiFriend: kim, robin: Polls were missing for a whole day"
    assert "Nothing was collected on 2025-03-21." in message.text


def _polled_by_the_whole_graph(home: CollectedHome) -> str:
    ended = home._whole.resolve_job_def("poll").execute_in_process(
        instance=home.instance, partition_key=home.today, run_config={"loggers": {"progress": {}}}
    )
    return ended.run_id
