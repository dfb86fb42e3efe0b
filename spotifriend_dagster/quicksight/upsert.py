"""How what is wanted comes to be in QuickSight: what is there is described, and only what differs is changed.

What is wanted is declared in `resources.py`. Everything of ours carries the lake's tag; nothing without it is touched.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.resources import (
    ANALYSIS,
    DASHBOARD_KIND,
    DATA_SET,
    DATA_SOURCE,
    KINDS,
    Kind,
    Resource,
)
from spotifriend_dagster.quicksight.service import NotThere, QuickSight, QuickSightError

Json = dict[str, Any]

LAKE_TAG = "spotifriend"
DEFINITION_TAG = "spotifriend-definition"
_STRICT = {"ValidationStrategy": {"Mode": "STRICT"}}
_NAMED = 3
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 2


@dataclass(frozen=True)
class Change:
    """What is to be done with one thing in QuickSight.

    `wanted` is what it is to be; None where it is to be deleted. `reasons` are what differs.
    """

    action: Literal["create", "update", "share", "delete"]
    kind: Kind
    id: str
    reasons: tuple[str, ...] = ()
    wanted: Resource | None = None

    def __str__(self) -> str:
        named = ", ".join(self.reasons[:_NAMED]) + (
            f" and {len(self.reasons) - _NAMED} more" if self.reasons[_NAMED:] else ""
        )
        return f"{self.action} {self.kind.noun} {self.id}" + (f": {named}" if named else "")


def plan(service: QuickSight, place: Place, wanted: Sequence[Resource]) -> list[Change]:
    """What is to be done, in order, so that everything wanted is there, and nothing else of the lake's.

    Raises:
        QuickSightError: QuickSight cannot be asked, or has something of the same id that is not the lake's.
    """
    changes = [change for resource in wanted for change in _changes(service, place, resource)]
    return [*changes, *_gone(service, place, wanted)]


def apply(service: QuickSight, place: Place, change: Change) -> str | None:
    """Do it, and wait until QuickSight has done it.

    Returns:
        The id of the ingestion that a changed data set began by itself.

    Raises:
        QuickSightError: QuickSight could not; what was done before stays done.
    """
    match change.action:
        case "create":
            return _create(service, place, _resource(change))
        case "update":
            return _update(service, _resource(change))
        case "share":
            _share(service, _resource(change))
        case "delete":
            forced = {"ForceDeleteWithoutRecovery": True} if change.kind is ANALYSIS else {}
            service.call(f"delete_{change.kind.operation}", **{change.kind.id_key: change.id}, **forced)
    return None


def differences(wanted: Any, present: Any, where: str = "") -> Iterator[str]:
    """Where `present` is not as `wanted`, as paths. QuickSight fills in what is not said: that is no difference.

    Maps (`PhysicalTableMap`) and lists have to have the same members.
    """
    if isinstance(wanted, dict) and isinstance(present, dict):
        for name, value in wanted.items():
            yield from differences(value, present.get(name), f"{where}.{name}" if where else name)
        if where.endswith("Map"):
            yield from (f"{where}.{name}" for name in present.keys() - wanted.keys())
    elif isinstance(wanted, list) and isinstance(present, list) and len(wanted) == len(present):
        for number, (one, other) in enumerate(zip(wanted, present, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif wanted != present:
        yield where


def fingerprint(resource: Resource) -> str:
    """What its tag says of its definition: differs where anything in it does, also what is not said any more."""
    said = json.dumps([resource.definition, resource.at_creation], sort_keys=True)
    return sha256(said.encode()).hexdigest()[:16]


def _changes(service: QuickSight, place: Place, resource: Resource) -> Iterator[Change]:
    kind, id_ = resource.kind, resource.id
    try:
        present, status = _described(service, kind, id_)
    except NotThere:
        yield Change("create", kind, id_, wanted=resource)
        return
    tags = _tags(service, _arn(place, resource))
    if tags.get(LAKE_TAG) != place.database:
        raise QuickSightError(
            f"QuickSight has a {kind.noun} {id_} that SpotiFriend did not make (it lacks the tag "
            f"{LAKE_TAG}={place.database}): delete or rename it there, or use another SPOTIFRIEND_GLUE_DATABASE."
        )
    found = list(differences(resource.definition, present))
    if status.endswith("FAILED"):
        found.append(f"its status is {status}")
    if not found and tags.get(DEFINITION_TAG) != fingerprint(resource):
        found.append("its definition")
    if found:
        yield Change("update", kind, id_, tuple(found), resource)
    grants, revokes = _permissions(service, resource)
    if grants or revokes:
        names = [f"+{_short(name)}" for name in grants] + [f"-{_short(name)}" for name in revokes]
        yield Change("share", kind, id_, tuple(names), resource)


def _gone(service: QuickSight, place: Place, wanted: Sequence[Resource]) -> Iterator[Change]:
    """What is the lake's, and not wanted any more; what uses another goes before it."""
    kept = {(resource.kind, resource.id) for resource in wanted}
    for kind in reversed(KINDS):
        found = [
            present
            for page in service.pages(f"list_{kind.operations}", kind.listed)
            for present in page
            if present[kind.id_key].startswith(place.prefix)
            and (kind, present[kind.id_key]) not in kept
            and present.get("Status") != "DELETED"
            and _tags(service, present["Arn"]).get(LAKE_TAG) == place.database
        ]
        # the rules of row-level security go after the data sets that use them
        for present in sorted(found, key=lambda present: ("UseAs" in present, present[kind.id_key])):
            yield Change("delete", kind, present[kind.id_key])


def _described(service: QuickSight, kind: Kind, id_: str) -> tuple[Json, str]:
    """What is there, and its status, which a data set has none of."""
    named = {kind.id_key: id_}
    if kind in (ANALYSIS, DASHBOARD_KIND):
        answer = service.call(f"describe_{kind.operation}_definition", **named)
        return answer, answer.get("ResourceStatus", "")
    answer = service.call(f"describe_{kind.operation}", **named)
    present: Json = answer["DataSource" if kind is DATA_SOURCE else "DataSet"]
    return present, present.get("Status", "")


def _create(service: QuickSight, place: Place, resource: Resource) -> str | None:
    kind = resource.kind
    permissions = [{"Principal": who, "Actions": list(may)} for who, may in sorted(resource.permissions.items())]
    tags = {LAKE_TAG: place.database, DEFINITION_TAG: fingerprint(resource)}
    answer = service.call(
        f"create_{kind.operation}",
        **{kind.id_key: resource.id},
        **resource.definition,
        **resource.at_creation,
        **(_STRICT if "Definition" in resource.definition else {}),
        Permissions=permissions,
        Tags=_tag_list(tags),
    )
    _settle(service, resource, _version(answer))
    return answer.get("IngestionId")


def _update(service: QuickSight, resource: Resource) -> str | None:
    kind, named = resource.kind, {resource.kind.id_key: resource.id}
    strict = _STRICT if "Definition" in resource.definition else {}
    answer = service.call(f"update_{kind.operation}", **named, **resource.definition, **strict)
    version = _version(answer)
    _settle(service, resource, version)
    if version is not None:
        service.call("update_dashboard_published_version", **named, VersionNumber=version)
    service.call("tag_resource", ResourceArn=answer["Arn"], Tags=_tag_list({DEFINITION_TAG: fingerprint(resource)}))
    return answer.get("IngestionId")


def _share(service: QuickSight, resource: Resource) -> None:
    grants, revokes = _permissions(service, resource)
    service.call(
        f"update_{resource.kind.operation}_permissions",
        **{resource.kind.id_key: resource.id},
        **({"GrantPermissions": [{"Principal": who, "Actions": may} for who, may in grants.items()]} if grants else {}),
        **(
            {"RevokePermissions": [{"Principal": who, "Actions": may} for who, may in revokes.items()]}
            if revokes
            else {}
        ),
    )


def _permissions(service: QuickSight, resource: Resource) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What is to be granted and revoked, by principal."""
    answer = service.call(f"describe_{resource.kind.operation}_permissions", **{resource.kind.id_key: resource.id})
    present = {granted["Principal"]: set(granted["Actions"]) for granted in answer.get("Permissions", [])}
    wanted = {principal: set(actions) for principal, actions in resource.permissions.items()}
    grants = {who: sorted(may) for who, may in wanted.items() if present.get(who) != may}
    revokes = {
        who: sorted(may - wanted.get(who, set())) for who, may in present.items() if may - wanted.get(who, set())
    }
    return grants, revokes


def _settle(service: QuickSight, resource: Resource, version: int | None) -> None:
    """Wait until it is made.

    Raises:
        QuickSightError: it failed, or takes too long.
    """
    what, end = f"the {resource.kind.noun} {resource.id}", time.monotonic() + _PATIENCE_SECONDS
    while (state := _state(service, resource, version))[0].endswith("IN_PROGRESS"):
        if time.monotonic() > end:
            raise QuickSightError(
                f"QuickSight is not done with {what} after {_PATIENCE_SECONDS:,.0f} s: give the same command again in "
                "some minutes."
            )
        time.sleep(_POLL_SECONDS)
    status, said = state
    if status.endswith("FAILED"):
        cure = (
            "let QuickSight use Athena and the lake's bucket, under Manage QuickSight, Security & permissions"
            if resource.kind is DATA_SOURCE
            else "give the same command again; where that fails, too, report it with what QuickSight says"
        )
        raise QuickSightError(f"QuickSight could not make {what} ({said or status}): {cure}.")


def _state(service: QuickSight, resource: Resource, version: int | None) -> tuple[str, str]:
    """How far QuickSight is with it, and what it says of a failure; a data set has no such state."""
    kind, named = resource.kind, {resource.kind.id_key: resource.id}
    if kind is DATA_SET:
        return "", ""
    if kind is DATA_SOURCE:
        present = service.call("describe_data_source", **named)["DataSource"]
        return present["Status"], present.get("ErrorInfo", {}).get("Message", "")
    if kind is ANALYSIS:
        present = service.call("describe_analysis", **named)["Analysis"]
    else:
        present = service.call("describe_dashboard", **named, VersionNumber=version)["Dashboard"]["Version"]
    return present["Status"], "; ".join(error.get("Message", "") for error in present.get("Errors", []))


def _resource(change: Change) -> Resource:
    assert change.wanted is not None  # noqa: S101 - only what is deleted has none
    return change.wanted


def _arn(place: Place, resource: Resource) -> str:
    return place.arn(resource.kind.arn, resource.id.removeprefix(place.prefix))


def _tags(service: QuickSight, arn: str) -> dict[str, str]:
    answer = service.call("list_tags_for_resource", ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])}


def _tag_list(tags: dict[str, str]) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _version(answer: Json) -> int | None:
    """The number of the dashboard's new version; None for what has no versions."""
    return int(answer["VersionArn"].rpartition("/")[2]) if "VersionArn" in answer else None


def _short(principal: str) -> str:
    return principal.split(":", 5)[5]
