"""The templates of deploy/, read as CloudFormation reads them: loops unrolled, parameters and conditions applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.decode import decode
from cfnlint.template import Template

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "stack",
}
NOTHING = object()
"""What AWS::NoValue stands for."""


@dataclass(frozen=True)
class Resource:
    """A resource as it would be made: a reference to another is `→name`, or `→name.Attribute`."""

    name: str
    type: str
    properties: dict[str, Any]
    attributes: dict[str, Any]


class Deployed:
    """A template with its parameters given; those that are not are as the template says."""

    def __init__(self, part: str, **given: str) -> None:
        path = DEPLOY / f"{part}.yaml"
        found, wrong = decode(str(path))
        assert found and not wrong
        self.parsed = Template(str(path), found, ["eu-central-1"])
        assert self.parsed.transform() == []
        self.template: Mapping[str, Any] = self.parsed.template
        self._parameters = {name: said.get("Default") for name, said in self.template["Parameters"].items()} | given
        self.resources = dict(self._resources())

    def of_type(self, type_: str) -> list[Resource]:
        """The resources of a type."""
        return [resource for resource in self.resources.values() if resource.type == type_]

    def _resources(self) -> Iterator[tuple[str, Resource]]:
        for name, said in self.template["Resources"].items():
            if "Condition" in said and not self._holds(said["Condition"]):
                continue
            attributes = {key: value for key, value in said.items() if key not in ("Type", "Properties")}
            yield name, Resource(name, said["Type"], self._resolved(said.get("Properties", {})), attributes)

    def _holds(self, condition: str) -> bool:
        return bool(self._resolved(self.template["Conditions"][condition]))

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for each in value if (found := self._resolved(each)) is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, said),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._called(function, said)
        found = {key: self._resolved(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not NOTHING}

    def _called(self, function: str, said: Any) -> Any:
        calls: dict[str, Callable[[], Any]] = {
            "Ref": lambda: self._referred(self._resolved(said)),
            "Fn::GetAtt": lambda: "→" + ".".join(self._resolved(said if isinstance(said, list) else [said])),
            "Fn::Sub": lambda: re.sub(r"\$\{([\w:.]+)\}", lambda found: str(self._referred(found[1])), said),
            "Fn::If": lambda: self._resolved(said[1] if self._holds(said[0]) else said[2]),
            "Fn::Equals": lambda: str(self._resolved(said[0])) == str(self._resolved(said[1])),
            "Fn::Not": lambda: not self._resolved(said[0]),
            "Fn::FindInMap": lambda: self._found(*self._resolved(said)),
        }
        assert function in calls, f"{function} is new here: say what it does."
        return calls[function]()

    def _found(self, mapping: str, first: str, second: str) -> Any:
        return self.template["Mappings"][mapping][first][second]

    def _referred(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        known = {**self._parameters, **PSEUDO}
        return known.get(name, f"→{name}")
