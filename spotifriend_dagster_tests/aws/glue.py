"""What the real Glue does and moto's does not, put into moto while a test runs.

Each is what a program meets in production: an update that names a stale version is refused, a definition comes back
with more than was put in, and texts have a longest length.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.glue.models import FakeTable
from moto.glue.responses import GlueResponse

PATCHED = {
    GlueResponse: ("create_table", "update_table"),
    FakeTable: ("as_dict",),
}
"""By moto's class, the methods that are replaced: what a new version of moto may have renamed."""

# What GetTable says of a table of which nobody said it; Trino's own client of Glue cannot do without.
_OF_TABLE = {"Retention": 0, "IsRegisteredWithLakeFormation": False, "CreatedBy": "arn:aws:iam::123456789012:user/me"}
_OF_STORAGE = {
    "BucketColumns": [],
    "Compressed": False,
    "NumberOfBuckets": 0,
    "Parameters": {},
    "SortColumns": [],
    "StoredAsSubDirectories": False,
}


@contextmanager
def glue_as_it_is() -> Iterator[None]:
    """Let moto's Glue be as the real one, in these respects, within the context."""
    create, update, as_dict = GlueResponse.create_table, GlueResponse.update_table, FakeTable.as_dict
    lock = threading.Lock()

    def create_table(self: GlueResponse) -> Any:
        _refuse_unless_valid(self.parameters["TableInput"])
        with lock:
            return create(self)

    def update_table(self: GlueResponse) -> Any:
        table_input, expected = self.parameters["TableInput"], self.parameters.get("VersionId")
        _refuse_unless_valid(table_input)
        with lock:
            table = self.glue_backend.get_table(self.parameters["DatabaseName"], table_input["Name"])
            if expected is not None and expected != table.as_dict()["VersionId"]:
                raise JsonRESTError(
                    "ConcurrentModificationException",
                    f"Update table failed due to concurrent modifications: {expected}",
                )
            return update(self)

    def as_glue_says(self: FakeTable, version: str | None = None) -> dict[str, Any]:
        said = as_dict(self, version)
        return _OF_TABLE | said | {"StorageDescriptor": _OF_STORAGE | said.get("StorageDescriptor", {})}

    def no_statistics(_: GlueResponse) -> ActionResult:
        return ActionResult({"ColumnStatisticsList": [], "Errors": []})

    with (
        mock.patch.object(GlueResponse, "create_table", create_table),
        mock.patch.object(GlueResponse, "update_table", update_table),
        mock.patch.object(FakeTable, "as_dict", as_glue_says),
        mock.patch.object(GlueResponse, "get_column_statistics_for_table", no_statistics, create=True),
        mock.patch.object(GlueResponse, "update_column_statistics_for_table", no_statistics, create=True),
    ):
        yield


def _refuse_unless_valid(table_input: Mapping[str, Any]) -> None:
    """Hold a definition to the lengths and characters of Glue's own model, of which botocore checks nothing."""
    for where, fault in faults_of(table_input):
        raise JsonRESTError("ValidationException", f"1 validation error detected: Value at '{where}' {fault}")


def faults_of(table_input: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a definition does not obey Glue's longest lengths or characters, and how."""
    return _faults(_model().shape_for("TableInput"), table_input, "tableInput")


def _faults(shape: Shape, value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(shape, StructureShape):
        for name, each in value.items():
            yield from _faults(shape.members[name], each, f"{where}.{name}")
    elif shape.type_name == "list":
        for number, each in enumerate(value, 1):
            yield from _faults(shape.member, each, f"{where}.{number}")
    elif shape.type_name == "map":
        for name, each in value.items():
            yield from _faults(shape.key, name, f"{where}.{name}")
            yield from _faults(shape.value, each, f"{where}.{name}")
    elif shape.type_name == "string":
        longest, pattern = shape.metadata.get("max"), shape.metadata.get("pattern")
        if longest is not None and len(value) > longest:
            yield where, f"failed to satisfy constraint: Member must have length less than or equal to {longest}"
        if pattern == _single_line() and re.search(r"[\x00-\x08\x0a-\x1f]", value):
            yield where, f"failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"


@cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("glue", "service-2"), "glue")


@cache
def _single_line() -> str:
    pattern: str = _model().shape_for("NameString").metadata["pattern"]
    return pattern
