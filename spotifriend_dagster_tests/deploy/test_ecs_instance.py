"""The instance of deploy/ecs for real: PostgreSQL, the commands of the tasks as processes, and ECS by moto.

Only the last step of ECS is done here instead: what `RunTask` was asked to run is run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import boto3
import dagster as dg
import psycopg2
import pytest
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

from spotifriend_dagster.automation.health import facts_of
from spotifriend_dagster.automation.schedules import SCHEDULES
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, REGION, WORKGROUP, AwsServer, aws_server
from spotifriend_dagster_tests.deploy.postgres import postgres
from spotifriend_dagster_tests.deploy.templates import DEPLOY, Deployed

_Found = TypeVar("_Found")
_NAME = "spotifriend"
_CLUSTER = f"arn:aws:ecs:{REGION}:123456789012:cluster/{_NAME}"
_LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) { __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } }
}
"""  # noqa: E501
_SCHEDULES = """
{
  schedulesOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "spotifriend_dagster.definitions"
  }) { __typename ... on Schedules { results { name scheduleState { status } } } ... on PythonError { message } }
}
"""
_RUNS_THAT_ECS_TAKES = 8192
"""How many characters overrides of a task may have."""


@dataclass
class Ecs:
    """The template's tasks on this machine: `ask` speaks GraphQL with the webserver, `run` does what ECS would."""

    aws: AwsServer
    instance: dg.DagsterInstance
    folder: Path
    environment: dict[str, str]
    port: int

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        url, kind = f"http://127.0.0.1:{self.port}/graphql", {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=30) as answer:
            said: dict[str, Any] = json.load(answer)["data"]
            return said

    def launch(self, **tags: str) -> str:
        """Start a poll of today, as the UI does; gives the run's id."""
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        said = self.ask(
            _LAUNCH,
            parameters={
                "selector": {
                    "repositoryName": "__repository__",
                    "repositoryLocationName": "spotifriend_dagster.definitions",
                    "jobName": "poll",
                },
                "executionMetadata": {
                    "tags": [
                        {"key": key, "value": value} for key, value in {"dagster/partition": today, **tags}.items()
                    ]
                },
            },
        )["launchRun"]
        assert said["__typename"] == "LaunchRunSuccess", said
        id_: str = said["run"]["id"]
        return id_

    def task_of(self, run: str) -> dict[str, Any]:
        """The task that was asked for, for a run, as soon as the daemon has."""
        client = boto3.client("ecs")

        def asked() -> dict[str, Any] | None:
            arns = client.list_tasks(cluster=_NAME)["taskArns"]
            tasks = client.describe_tasks(cluster=_NAME, tasks=arns, include=["TAGS"])["tasks"] if arns else []
            tagged = (task for task in tasks if {"key": "dagster/run_id", "value": run} in task["tags"])
            return next(tagged, None)

        return waited_for(asked)


@pytest.fixture(scope="module")
def ecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ecs]:
    """Code location, daemon and webserver of one instance."""
    folder = tmp_path_factory.mktemp("ecs")
    with ExitStack() as stack:
        history = stack.enter_context(postgres())
        aws = stack.enter_context(aws_server())
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        use(aws, monkeypatch)
        code, ui = free_port(), free_port()
        deployed = Deployed(
            "compute",
            Image="image",
            Bucket=BUCKET,
            GlueDatabase=DATABASE,
            Workgroup=WORKGROUP,
            ParameterPrefix="/spotifriend",
            AlertTopic=f"arn:aws:sns:{REGION}:123456789012:alerts",
            VpcId="vpc-0123abcd",
        )
        environment = {each["Name"]: each["Value"] for each in container(deployed, "daemon")["Environment"]}
        instance_folder = folder / "instance"
        shutil.copytree(DEPLOY / "ecs", instance_folder)
        environment |= history | aws.environment()
        environment |= {
            "DAGSTER_HOME": str(instance_folder),
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_CODE_PORT": str(code),
            "ECS_CONTAINER_METADATA_URI_V4": stack.enter_context(metadata_of(started_daemon(deployed))),
            "PGSSLMODE": "disable",
            "SPOTIFRIEND_HOME": str(folder / "home"),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(instance_folder)))

        def start(task: str, **said: str) -> None:
            command = [said.get(word, word) for word in container(deployed, task)["Command"]]
            workspace = str(instance_folder / "workspace.yaml")
            command = [word.replace("/function/instance/workspace.yaml", workspace) for word in command]
            stack.enter_context(running(command, folder / f"{task}.log"))

        start("code", **{"0.0.0.0": "127.0.0.1", "4000": str(code)})
        waited_for(lambda: is_open(code))
        start("daemon")
        start("webserver", **{"3000": str(ui)})
        waited_for(lambda: is_open(ui))
        yield Ecs(aws, instance, folder, environment, ui)


def container(deployed: Deployed, task: str) -> dict[str, Any]:
    """The one container of a task."""
    (found,) = deployed.resources[f"{task}Task"].properties["ContainerDefinitions"]
    said: dict[str, Any] = found
    return said


def started_daemon(deployed: Deployed) -> str:
    """Let the tasks be known to ECS, and the daemon's run on it; gives the task's ARN."""
    ec2, client = boto3.client("ec2"), boto3.client("ecs")
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=network, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=network, GroupName="tasks", Description="tasks")["GroupId"]
    client.create_cluster(clusterName=_NAME)
    for task in ("run", "daemon"):
        said = as_the_api_says(deployed.resources[f"{task}Task"].properties)
        (only,) = said["containerDefinitions"]
        only |= {"cpu": int(said["cpu"]), "memory": int(said["memory"])}  # which moto wants, and Fargate does not
        client.register_task_definition(**said)
    where = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": "ENABLED"}}
    said = client.run_task(
        cluster=_NAME, taskDefinition=f"{_NAME}-daemon", launchType="FARGATE", networkConfiguration=where
    )
    arn: str = said["tasks"][0]["taskArn"]
    return arn


def as_the_api_says(said: Any) -> Any:
    """What a template says, in the letters of ECS's own API."""
    if isinstance(said, list):
        return [as_the_api_says(each) for each in said]
    if isinstance(said, dict):
        return {key[0].lower() + key[1:]: as_the_api_says(value) for key, value in said.items()}
    return said


@contextmanager
def metadata_of(task: str) -> Iterator[str]:
    """What a container of ECS is told about its own task, at an address that its environment names."""

    class _Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Cluster": _NAME, "TaskARN": task}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    """A task's command as a process, for as long as it is wanted."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=file, stderr=file, cwd=log.parent, start_new_session=True
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # as ECS would in the end; what is kept is in PostgreSQL
        process.wait(20)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def waited_for(look: Callable[[], _Found | None], seconds: float = 90) -> _Found:
    """What is found, as soon as it is."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)
    return found


@pytest.mark.slow
def test_a_run_is_started_as_a_task_which_runs(ecs: Ecs) -> None:
    """From the click in the UI through queue, daemon and launcher to the task's command, which is run: it succeeds."""
    run = ecs.launch()
    task = ecs.task_of(run)
    assert task["taskDefinitionArn"].split("/")[1].startswith(f"{_NAME}-run:")
    assert task["launchType"] == "FARGATE"
    (overridden,) = task["overrides"]["containerOverrides"]
    assert (overridden["name"], overridden["command"][:3]) == ("run", ["dagster", "api", "execute_run"])
    assert len(json.dumps(task["overrides"])) < _RUNS_THAT_ECS_TAKES
    assert ecs.environment["DAGSTER_PG_PASSWORD"] not in json.dumps(task["overrides"])
    said = ecs.instance.get_run_by_id(run)
    assert said and said.status == dg.DagsterRunStatus.STARTING and said.tags["ecs/task_arn"] == task["taskArn"]

    subprocess.run([sys.executable, "-m", *overridden["command"]], check=True, capture_output=True, timeout=120)
    ended = ecs.instance.get_run_by_id(run)
    assert ended and ended.status == dg.DagsterRunStatus.SUCCESS
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
