"""The instance of deploy/ecs on this machine: PostgreSQL, the commands of the tasks as processes, and ECS by moto."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, TypeVar

import boto3
import dagster as dg
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ecs.models import ecs_backends
from moto.moto_api import state_manager

from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, REGION, WORKGROUP, AwsServer, aws_server
from spotifriend_dagster_tests.deploy.command import serving
from spotifriend_dagster_tests.deploy.postgres import postgres
from spotifriend_dagster_tests.deploy.templates import DEPLOY, Deployed

_Found = TypeVar("_Found")
NAME = "spotifriend"
_CLUSTER = f"arn:aws:ecs:{REGION}:123456789012:cluster/{NAME}"
_LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) { __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } }
}
"""  # noqa: E501


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
            arns = client.list_tasks(cluster=NAME)["taskArns"]
            tasks = client.describe_tasks(cluster=NAME, tasks=arns, include=["TAGS"])["tasks"] if arns else []
            tagged = (task for task in tasks if {"key": "dagster/run_id", "value": run} in task["tags"])
            return next(tagged, None)

        return waited_for(asked)

    def begin(self, run: str) -> None:
        """Let a run be as one is whose task has begun it, and has come no further."""
        found = self.instance.get_run_by_id(run)
        assert found
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, found.job_name, message="The task begins.")
        self.instance.report_dagster_event(event, run)

    def kill(self, run: str) -> None:
        """Let ECS end a run's task, and its process with it."""
        (made,) = [task for task in ecs_backends[DEFAULT_ACCOUNT_ID][REGION].tasks[NAME].values() if _is_of(task, run)]
        made.last_status = "STOPPED"
        made.containers[0].exitCode = 137

    def executed(self, run: str) -> dg.DagsterRunStatus:
        """Run the command of a run's task to its end; gives what became of the run."""
        (overridden,) = self.task_of(run)["overrides"]["containerOverrides"]
        subprocess.run([sys.executable, "-m", *overridden["command"]], check=False, capture_output=True, timeout=120)
        return self.status(run)

    def status(self, run: str) -> dg.DagsterRunStatus:
        """How far a run is."""
        found = self.instance.get_run_by_id(run)
        assert found
        return found.status

    def repeats_of(self, run: str) -> list[dg.DagsterRun]:
        """The runs that repeat it."""
        return [*self.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run}))]


def _is_of(task: Any, run: str) -> bool:
    return {"key": "dagster/run_id", "value": run} in task.tags


@contextmanager
def ecs_instance(folder: Path) -> Iterator[Ecs]:
    """Code location, daemon and webserver of one instance. It looks at runs every 3 s, not every minute."""
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
        instance_file = instance_folder / "dagster.yaml"
        said = instance_file.read_text("utf-8")
        assert "  poll_interval_seconds: 60\n" in said
        instance_file.write_text(said.replace("  poll_interval_seconds: 60\n", "  poll_interval_seconds: 3\n"), "utf-8")
        state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1_000_000})  # until it is stopped
        stack.callback(state_manager.unset_transition, "ecs::task")
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
    client.create_cluster(clusterName=NAME)
    for task in ("run", "daemon"):
        said = as_the_api_says(deployed.resources[f"{task}Task"].properties)
        (only,) = said["containerDefinitions"]
        only |= {"cpu": int(said["cpu"]), "memory": int(said["memory"])}  # which moto wants, and Fargate does not
        client.register_task_definition(**said)
    where = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": "ENABLED"}}
    said = client.run_task(
        cluster=NAME, taskDefinition=f"{NAME}-daemon", launchType="FARGATE", networkConfiguration=where
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
            body = json.dumps({"Cluster": NAME, "TaskARN": task}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with serving(_Metadata) as address:
        yield address


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
