"""The instance of deploy/ecs for real: runs are started, watched, repeated and forgotten as it says.

Only the last step of ECS is done here instead: what `RunTask` was asked to run is run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import boto3
import dagster as dg
import psycopg2
import pytest
from dagster._core.scheduler.instigation import InstigatorType, SensorInstigatorData, TickData, TickStatus

from spotifriend_dagster.automation.health import facts_of
from spotifriend_dagster.automation.schedules import SCHEDULES
from spotifriend_dagster_tests.aws.server import BUCKET
from spotifriend_dagster_tests.deploy.ecs import NAME, Ecs, ecs_instance, waited_for
from spotifriend_dagster_tests.deploy.templates import DEPLOY

_SCHEDULES = """
{
  schedulesOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "spotifriend_dagster.definitions"
  }) { __typename ... on Schedules { results { name scheduleState { status } } } ... on PythonError { message } }
}
"""
_RUNS_THAT_ECS_TAKES = 8192
"""How many characters overrides of a task may have."""


@pytest.fixture(scope="module")
def ecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ecs]:
    """One instance for all tests."""
    with ecs_instance(tmp_path_factory.mktemp("ecs")) as running:
        yield running


@pytest.mark.slow
def test_a_run_is_started_as_a_task_which_runs(ecs: Ecs) -> None:
    """From the click in the UI through queue, daemon and launcher to the task's command, which is run: it succeeds."""
    run = ecs.launch()
    task = ecs.task_of(run)
    assert task["taskDefinitionArn"].split("/")[1].startswith(f"{NAME}-run:")
    assert task["launchType"] == "FARGATE"
    (overridden,) = task["overrides"]["containerOverrides"]
    assert (overridden["name"], overridden["command"][:3]) == ("run", ["dagster", "api", "execute_run"])
    assert len(json.dumps(task["overrides"])) < _RUNS_THAT_ECS_TAKES
    assert ecs.environment["DAGSTER_PG_PASSWORD"] not in json.dumps(task["overrides"])
    said = ecs.instance.get_run_by_id(run)
    assert said and said.status == dg.DagsterRunStatus.STARTING and said.tags["ecs/task_arn"] == task["taskArn"]

    assert ecs.executed(run) == dg.DagsterRunStatus.SUCCESS
    told = [record.dagster_event_type for record in ecs.instance.all_logs(run) if record.is_dagster_event]
    assert dg.DagsterEventType.ASSET_OBSERVATION in told  # nobody is signed in, which is said, and no failure
    facts = facts_of(ecs.instance, run, datetime.now(UTC))
    assert facts and facts.usage["s3_reads"] > 0  # the run is a process of its own, and counts itself
    printed = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="dagster-logs/")["Contents"]
    assert any(run in each["Key"] for each in printed)


@pytest.mark.slow
def test_a_run_that_wants_more_gets_a_larger_task(ecs: Ecs) -> None:
    """By its tags, as for an import of decades."""
    task = ecs.task_of(ecs.launch(**{"ecs/cpu": "2048", "ecs/memory": "8192"}))
    assert (task["overrides"]["cpu"], task["overrides"]["memory"]) == ("2048", "8192")


@pytest.mark.slow
def test_the_daemon_is_healthy_and_all_schedules_are_on(ecs: Ecs) -> None:
    """Scheduler, sensors, queue, monitoring and retries: each that this instance needs."""

    def healthy() -> set[str] | None:
        statuses = ecs.instance.get_daemon_statuses()
        return (
            {name for name, status in statuses.items() if status.required}
            if all(status.healthy for status in statuses.values() if status.required)
            else None
        )

    daemons = waited_for(healthy)
    assert {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR", "MONITORING", "EVENT_LOG_CONSUMER"} <= daemons
    said = ecs.ask(_SCHEDULES)["schedulesOrError"]
    on = {found["name"] for found in said["results"] if found["scheduleState"]["status"] == "RUNNING"}
    assert on == {schedule.name for schedule in SCHEDULES}


@pytest.mark.slow
def test_the_history_is_in_the_database_and_nothing_is_written_beside_the_configuration(ecs: Ecs) -> None:
    """A task's disk is gone with the task; ticks and runs outlive it, for whoever opens the instance next."""
    tick = TickData(
        "origin",
        "rebuild_daily",
        InstigatorType.SCHEDULE,
        TickStatus.SKIPPED,
        time.time(),
        skip_reason="Nothing was collected since the last rebuild.",
        selector_id="selector",
    )
    ecs.instance.create_tick(tick)
    with dg.DagsterInstance.from_config(str(ecs.folder / "instance")) as again:
        (kept,) = again.get_ticks("origin", "selector")
        assert kept.skip_reason == tick.skip_reason
        assert len(again.get_runs()) == len(ecs.instance.get_runs()) > 0
        assert again.run_retries_enabled and again.run_monitoring_enabled and not again.telemetry_enabled
    files = {path.name for path in (ecs.folder / "instance").rglob("*") if path.is_file()}
    assert files == {"dagster.yaml", "workspace.yaml"}


@dg.asset(check_specs=[dg.AssetCheckSpec("every_listener", asset="previewed")])
def previewed() -> dg.MaterializeResult:
    """Shows rows, and who was left out."""
    left_out = dg.AssetCheckResult(check_name="every_listener", passed=False, metadata={"kim-2": "no room"})
    return dg.MaterializeResult(metadata={"preview": dg.MetadataValue.md("| kim-2 | Song |")}, check_results=[left_out])


@pytest.mark.slow
def test_the_task_of_the_guide_forgets_who_is_named_in_the_history(ecs: Ecs) -> None:
    """As docs/operations.md gives it, in any table of the database; then runs are noted as before."""
    job = dg.Definitions([previewed]).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=ecs.instance, tags={"listener": "kim-2"}).success
    assert {"event_logs", "asset_check_executions", "run_tags"} <= tables_that_name("kim-2", ecs.environment)

    guide = (DEPLOY.parent / "docs" / "operations.md").read_text("utf-8")
    (overrides,) = re.findall(r"--overrides '(.*)'", guide)
    (overridden,) = json.loads(overrides)["containerOverrides"]
    assert overridden["name"] == "run"
    subprocess.run([sys.executable, "-m", *overridden["command"]], check=True, capture_output=True, timeout=120)
    assert tables_that_name("kim-2", ecs.environment) == set()
    assert job.execute_in_process(instance=ecs.instance).success
    assert ecs.instance.get_latest_materialization_event(previewed.key) is not None


def tables_that_name(listener: str, environment: dict[str, str]) -> set[str]:
    """The tables of Dagster's database that have a row in which a listener is named."""
    said = {name: environment[f"DAGSTER_PG_{name.upper()}"] for name in ("host", "port", "user", "password")}
    connection = psycopg2.connect(**said, dbname=environment["DAGSTER_PG_DATABASE"])
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = set()
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT COUNT(*) FROM "{table}" AS each WHERE each::text LIKE %s', (f"%{listener}%",))
            if cursor.fetchone()[0]:
                found.add(table)
    return found


@pytest.mark.slow
def test_what_fails_for_now_is_repeated_and_what_stays_is_not(ecs: Ecs) -> None:
    """The daemon decides by the run's tag: of the two, it hears of the permanent failure first."""
    storage = boto3.client("s3")
    storage.put_object(Bucket=BUCKET, Key="config/listeners.toml", Body=b"this is no TOML")
    permanent = ecs.launch()
    assert ecs.executed(permanent) == dg.DagsterRunStatus.FAILURE
    storage.delete_object(Bucket=BUCKET, Key="config/listeners.toml")

    transient = ecs.launch()
    ecs.task_of(transient)
    fault = ecs.aws.fail("GetObject", status=409, code="OperationAborted", times=10_000, key="config/listeners.toml")
    assert ecs.executed(transient) == dg.DagsterRunStatus.FAILURE
    fault.times = 0

    (again,) = waited_for(lambda: ecs.repeats_of(transient))
    assert (again.tags["dagster/retry_number"], again.job_name) == ("1", "poll")
    ecs.instance.report_run_canceled(again)
    assert ecs.repeats_of(permanent) == []
    failed = ecs.instance.get_run_by_id(permanent)
    assert failed and failed.tags["dagster/max_retries"] == "0"


@pytest.mark.slow
def test_a_run_whose_task_is_gone_fails_and_is_repeated(ecs: Ecs) -> None:
    """ECS ends tasks as it likes; of a run that says nothing any more, the daemon asks ECS."""
    run = ecs.launch()
    ecs.task_of(run)
    ecs.begin(run)
    ecs.kill(run)
    waited_for(lambda: ecs.status(run) == dg.DagsterRunStatus.FAILURE)
    (again,) = waited_for(lambda: ecs.repeats_of(run))
    assert again.tags["dagster/retry_number"] == "1"
    ecs.instance.report_run_canceled(again)


@pytest.mark.slow
def test_ticks_of_long_ago_are_forgotten(ecs: Ecs) -> None:
    """At the next tick of the same sensor; a year of half-minutes is a million rows."""
    sensor = waited_for(
        lambda: next(
            (
                state
                for state in ecs.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
                if isinstance(state.instigator_data, SensorInstigatorData)
                and (state.instigator_data.min_interval or 0) <= 30  # another's next tick is minutes away
                and ecs.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            ),
            None,
        )
    )
    named = (sensor.instigator_origin_id, sensor.selector_id)
    for days in (29, 31):
        when = time.time() - days * 86_400
        tick = TickData(
            named[0],
            sensor.name,
            InstigatorType.SENSOR,
            TickStatus.SKIPPED,
            when,
            selector_id=named[1],
            end_timestamp=when,
        )
        assert ecs.instance.create_tick(tick).tick_id

    def old() -> list[float]:
        return [round((time.time() - tick.timestamp) / 86_400) for tick in ecs.instance.get_ticks(*named)]

    waited_for(lambda: 31 not in old())
    assert 29 in old()
