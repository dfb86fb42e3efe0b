"""Whether the roles of deploy/compute.yaml allow what was asked of the tests' AWS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, WORKGROUP, Request
from spotifriend_dagster_tests.deploy.templates import Deployed

_AS_POLICIES_SAY = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "DeleteObjects": "s3:DeleteObject",
}


def listed(value: Any) -> list[Any]:
    """One or many, as policies have it."""
    return value if isinstance(value, list) else [value]


def statements(role: str, deployed: Deployed) -> Iterator[dict[str, Any]]:
    """What a role allows: by its own policies, and by those that name it."""
    documents = [policy["PolicyDocument"] for policy in deployed.resources[role].properties["Policies"]]
    documents += [
        policy.properties["PolicyDocument"]
        for policy in deployed.of_type("AWS::IAM::Policy")
        if f"→{role}" in policy.properties["Roles"]
    ]
    for document in documents:
        yield from document["Statement"]


def allowed(function: str, deployed: Deployed) -> set[tuple[str, str]]:
    """Each action that a function may do, with each resource that it may do it on."""
    return {
        (action, resource)
        for statement in statements(f"{function}Role", deployed)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


@cache
def rights(*functions: str) -> frozenset[tuple[str, str]]:
    """What the roles of functions, or of the job of Glue's (`plays`), allow on the tests' AWS, together."""
    deployed = Deployed(
        "compute",
        Image="image",
        Bucket=BUCKET,
        GlueDatabase=DATABASE,
        Workgroup=WORKGROUP,
        ParameterPrefix="/spotifriend",
        AlertTopic="topic",
        UnitesOnGlue="true",
    )
    return frozenset(right for function in functions for right in allowed(function, deployed))


def needed(requests: Iterable[Request]) -> set[tuple[str, str]]:
    """The rights that requests need: of S3 with the bucket or object, where it is known; of others with none."""
    return {_needed(request) for request in requests}


def _needed(request: Request) -> tuple[str, str]:
    action = _AS_POLICIES_SAY.get(request.operation, f"{request.service}:{request.operation}")
    if not action.startswith("s3:") or request.operation == "DeleteObjects":  # whose keys are in the body
        return action, ""
    return action, f"arn:aws:s3:::{BUCKET}" + ("" if action == "s3:ListBucket" else f"/{request.key}")


def missing(requests: Iterable[Request], *functions: str) -> set[tuple[str, str]]:
    """The rights that requests need, and none of the functions has."""
    return {
        (action, on)
        for action, on in needed(requests)
        if not any(action == each and fnmatchcase(on or pattern, pattern) for each, pattern in rights(*functions))
    }
