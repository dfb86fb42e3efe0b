"""Dagster's UI and daemon on ECS, as the template has them: there only when asked for, and let in nobody."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from spotifriend_dagster.settings import Settings
from spotifriend_dagster_tests.deploy.rights import allowed, listed, statements
from spotifriend_dagster_tests.deploy.templates import DEPLOY, Deployed
from spotifriend_dagster_tests.deploy.test_templates import IMAGE, KEY, compute

SERVICES = ("webserver", "daemon", "code")
TASKS = (*SERVICES, "run")
NAMELESS = {  # of which AWS says that they cannot be held to a resource
    *("ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"),
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
}


@cache
def with_ui() -> Deployed:
    """What runs, with the UI in the cloud."""
    return compute(KmsKeyArn=KEY, QuicksightAccount="123456789012", VpcId="vpc-0123abcd", Subnets="subnet-1,subnet-2")


def container(task: str) -> dict[str, Any]:
    """The one container of a task."""
    (found,) = with_ui().resources[f"{task}Task"].properties["ContainerDefinitions"]
    said: dict[str, Any] = found
    return said


def environment(task: str) -> dict[str, str]:
    """What a task's container finds in its environment."""
    return {each["Name"]: each["Value"] for each in container(task)["Environment"]}


def test_without_a_network_nothing_of_it_is_made():
    """Its sixty dollars a month are for those who ask for it."""
    kinds = {resource.type.split("::")[1] for resource in compute().resources.values()}
    assert kinds & {"ECS", "RDS", "EC2", "ServiceDiscovery", "SecretsManager"} == set()
    assert {"ECS", "RDS", "EC2"} <= {resource.type.split("::")[1] for resource in with_ui().resources.values()}


def test_either_the_daemon_or_lambda_keeps_the_schedules():
    """Both would poll twice an hour; neither would lose plays. Exports in the inbox stay Lambda's."""
    made = with_ui().resources
    assert {made[name].properties["State"] for name in ("PollHourly", "Daily")} == {"DISABLED"}
    assert {compute().resources[name].properties["State"] for name in ("PollHourly", "Daily")} == {"ENABLED"}
    assert "NobodyPolls" not in made and made["DaemonIsDown"].properties["TreatMissingData"] == "breaching"
    assert made["Inbox"].properties.get("State", "ENABLED") == "ENABLED"


def test_nobody_is_let_in_from_outside():
    """Dagster's UI asks for no password: it listens to its own task alone, and is looked at through a tunnel."""
    made = with_ui()
    ingress = [each.properties for each in made.of_type("AWS::EC2::SecurityGroupIngress")]
    for group in made.of_type("AWS::EC2::SecurityGroup"):
        ingress += group.properties.get("SecurityGroupIngress", [])
    assert {(rule["SourceSecurityGroupId"], rule["FromPort"], rule["ToPort"]) for rule in ingress} == {
        ("→TasksGroup.GroupId", 4000, 4000),
        ("→TasksGroup.GroupId", 5432, 5432),
    }
    assert not any("Cidr" in key for rule in ingress for key in rule)
    assert not any("LoadBalanc" in resource.type for resource in made.resources.values())
    command = container("webserver")["Command"]
    assert command[command.index("-h") + 1] == "127.0.0.1"
    tunnels = {task: made.resources[f"{task}Service"].properties["EnableExecuteCommand"] for task in SERVICES}
    assert tunnels == {"webserver": "true", "daemon": "false", "code": "false"}


def test_the_history_is_encrypted_unreachable_and_its_password_stays_what_tasks_know():
    """A password that RDS itself manages is another one after a week, and no task is told."""
    history = with_ui().resources["History"].properties
    assert history["PubliclyAccessible"] is False and history["StorageEncrypted"] is True
    assert history["VPCSecurityGroups"] == ["→HistoryGroup.GroupId"]
    assert "ManageMasterUserPassword" not in history
    assert history["MasterUserPassword"].startswith("{{resolve:secretsmanager:")
    for task in TASKS:
        assert container(task)["Secrets"] == [
            {"Name": "DAGSTER_PG_PASSWORD", "ValueFrom": "→HistoryPassword:password::"}
        ]
        assert environment(task)["PGSSLMODE"] == "require"


@pytest.mark.parametrize("task", TASKS)
def test_a_task_finds_all_settings_and_the_instance(task: str, monkeypatch: pytest.MonkeyPatch):
    """The variables of the functions and those that the instance's files name, and no other setting."""
    said = environment(task)
    function = compute().resources["dailyFunction"].properties["Environment"]["Variables"]
    assert function.keys() == {name for name in said if name.startswith("SPOTIFRIEND_")}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert Settings().deployment == "aws"
    files = "".join((DEPLOY / "ecs" / name).read_text("utf-8") for name in ("dagster.yaml", "workspace.yaml"))
    named = {part.split("}")[0] for part in files.split("{env: ")[1:]}
    assert named <= said.keys() | {"DAGSTER_PG_PASSWORD"}
    assert container(task)["Image"] == IMAGE
    assert container(task)["EntryPoint"] == ["python", "-m"]  # the image's own is Lambda's


def test_the_services_are_one_each_and_never_two():
    """Two daemons would each start every schedule's run; a new one begins when the old has gone."""
    for service in SERVICES:
        made = with_ui().resources[f"{service}Service"].properties
        assert made["DesiredCount"] == 1
        assert made["DeploymentConfiguration"]["MaximumPercent"] == 100
        assert made["ServiceName"] == service


def test_runs_may_what_the_functions_may_and_the_ui_may_only_launch_them():
    """The webserver, which people look at, reads neither the lake nor a token."""
    by_functions = {right for function in ("poll", "daily", "inbox") for right in allowed(function, with_ui())}
    of_lambda = {right for right in by_functions if right[0].split(":")[0] in ("lambda", "sqs", "logs")}
    printing = {
        ("s3:GetObject", "arn:aws:s3:::lake/dagster-logs/*"),
        ("s3:PutObject", "arn:aws:s3:::lake/dagster-logs/*"),
    }
    assert allowed("run", with_ui()) == by_functions - of_lambda | printing
    for task in ("webserver", "daemon"):
        services = {action.split(":")[0] for action, _ in allowed(task, with_ui())}
        assert services - {"ssmmessages"} == {"ecs", "ec2", "iam", "logs", "s3", "kms"}
        assert {on for action, on in allowed(task, with_ui()) if action.startswith("s3:")} == {
            "arn:aws:s3:::lake",
            "arn:aws:s3:::lake/dagster-logs/*",
        }
    handed = {on for action, on in allowed("daemon", with_ui()) if action == "iam:PassRole"}
    assert handed == {"→runRole.Arn", "→StartingRole.Arn"}


def test_what_has_no_resource_is_all_that_is_allowed_on_everything():
    """Where AWS knows a resource, it is named."""
    roles = [f"{task}Role" for task in TASKS] + ["StartingRole"]
    on_all = {
        action
        for role in roles
        for statement in statements(role, with_ui())
        if "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }
    assert on_all == NAMELESS
