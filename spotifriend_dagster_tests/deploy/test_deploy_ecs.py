"""Dagster's UI in the cloud, made and removed again by `spotifriend deploy`, on an AWS that does as asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from spotifriend_dagster.cli import deploying
from spotifriend_dagster_tests.deploy.command import BUCKET, NO_BUDGET, deploy
from spotifriend_dagster_tests.deploy.ministack import REGION, Ministack

_UNKNOWN = "CodeIsAsked"
"""The one resource of a kind that the stand-in does not know: a rule of a security group that names itself."""


@pytest.fixture
def known_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The templates as they are, less what the stand-in refuses. Nothing else hangs on it."""
    template: Callable[[str], str] = deploying._template

    def without(part: str) -> str:
        text = template(part)
        shorter = re.sub(rf"\n  {_UNKNOWN}:\n(    .*\n)+", "\n", text)
        assert (shorter != text) is (part == "compute") and _UNKNOWN not in shorter
        return shorter

    monkeypatch.setattr(deploying, "_template", without)


def network(aws: Ministack) -> tuple[str, list[str]]:
    """A network with subnets in two zones."""
    ec2 = aws.client("ec2")
    vpc: str = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    return vpc, [subnet["SubnetId"] for subnet in subnets]


def states(aws: Ministack) -> set[str]:
    """Whether Lambda's schedules are on."""
    scheduler = aws.client("scheduler")
    return {scheduler.get_schedule(Name=name, GroupName="spotifriend")["State"] for name in ("poll", "daily")}


@pytest.mark.usefixtures("known_alone")
def test_the_ui_comes_into_a_network_and_goes_again_and_the_schedules_with_it(aws: Ministack):
    """Three services that find each other, a database that they alone reach; afterwards Lambda goes on as before."""
    deploy("--data-only", "--yes")
    aws.push_image("spotifriend")
    vpc, subnets = network(aws)
    assert deploy("--yes", *NO_BUDGET).code == 0
    assert states(aws) == {"ENABLED"}

    said = deploy("--yes", "--set", f"VpcId={vpc}", "--set", f"Subnets={','.join(subnets)}")
    assert said.code == 0, said.text
    assert states(aws) == {"DISABLED"}
    _assert_placed(aws, vpc, subnets)
    assert "no changes" in deploy("--yes").text.partition("spotifriend-compute")[2]

    said = deploy("--yes", "--set", "VpcId=")
    assert said.code == 0, said.text
    assert states(aws) == {"ENABLED"}
    assert aws.client("rds").describe_db_instances()["DBInstances"] == []
    assert aws.client("ecs").list_services(cluster="spotifriend").get("serviceArns", []) == []


def _assert_placed(aws: Ministack, vpc: str, subnets: list[str]) -> None:
    ecs = aws.client("ecs")
    services = {
        each["serviceName"]: each
        for each in ecs.describe_services(cluster="spotifriend", services=["webserver", "daemon", "code"])["services"]
    }
    assert services.keys() == {"webserver", "daemon", "code"}
    groups = {_group(each) for each in services.values()}
    assert len(groups) == 1
    for each in services.values():
        assert each["desiredCount"] == 1
        assert each["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == subnets
    (history,) = aws.client("rds").describe_db_instances()["DBInstances"]
    assert history["DBSubnetGroup"]["VpcId"] == vpc and not history["PubliclyAccessible"]
    (guard,) = [each["VpcSecurityGroupId"] for each in history["VpcSecurityGroups"]]
    described = aws.client("ec2").describe_security_groups(GroupIds=[guard])["SecurityGroups"]
    (rule,) = described[0]["IpPermissions"]
    assert rule["FromPort"] == 5432 and not rule.get("IpRanges")
    assert {pair["GroupId"] for pair in rule["UserIdGroupPairs"]} == groups
    for task in ("webserver", "daemon", "code", "run"):
        made = ecs.describe_task_definition(taskDefinition=f"spotifriend-{task}")["taskDefinition"]
        (container,) = made["containerDefinitions"]
        variables = {each["name"]: each["value"] for each in container["environment"]}
        assert variables["DAGSTER_PG_HOST"] == history["Endpoint"]["Address"]
        assert variables["SPOTIFRIEND_BUCKET"] == BUCKET
    (secret,) = aws.client("secretsmanager").list_secrets()["SecretList"]
    kept = aws.client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"]
    assert json.loads(kept)["username"] == "dagster" and len(json.loads(kept)["password"]) == 32
    spaces = aws.client("servicediscovery").list_namespaces()["Namespaces"]
    assert "spotifriend.internal" in {space["Name"] for space in spaces}


def _group(service: Any) -> str:
    (group,) = service["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]
    return str(group)
