"""What botocore itself lets pass: enums, patterns, lengths, ranges and unions, held against AWS's own model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import botocore.session

_UNION = "only one of the attributes can be"
_UNIONS_ALSO = {
    *("MeasureField", "DimensionField", "FieldSortOptions", "NumericalAggregationFunction"),
    "DefaultFilterControlOptions",
}  # AWS's reference says so of each; their descriptions in the model do not
_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
}


@lru_cache
def service_model() -> Any:
    """AWS's own model of QuickSight, as botocore ships it."""
    return botocore.session.get_session().get_service_model("quicksight")


def request_faults(operation: str, arguments: Any) -> list[str]:
    """What AWS would refuse of the arguments of an operation, by its own name (`CreateDataSet`)."""
    return list(faults(service_model().operation_model(operation).input_shape, arguments, operation))


def faults(shape: Any, value: Any, where: str) -> Iterator[str]:
    """What is wrong with a value, as `path: what`."""
    kind = shape.type_name
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where}: {value!r} is no {kind}"
        return
    yield from {"structure": _structure, "map": _map, "list": _list}.get(kind, _scalar)(shape, value, where)


def _structure(shape: Any, value: dict[str, Any], where: str) -> Iterator[str]:
    yield from (f"{where}.{name}: unknown" for name in value.keys() - shape.members.keys())
    yield from (f"{where}.{name}: missing" for name in shape.required_members if name not in value)
    if (_UNION in shape.documentation or shape.name in _UNIONS_ALSO) and len(value) != 1:
        yield f"{where}: exactly one of a union's members, not {sorted(value)}"
    for name in value.keys() & shape.members.keys():
        yield from faults(shape.members[name], value[name], f"{where}.{name}")


def _map(shape: Any, value: dict[str, Any], where: str) -> Iterator[str]:
    yield from _within(shape, len(value), where)
    for name, member in value.items():
        yield from faults(shape.key, name, f"{where}.{name} (its name)")
        yield from faults(shape.value, member, f"{where}.{name}")


def _list(shape: Any, value: list[Any], where: str) -> Iterator[str]:
    yield from _within(shape, len(value), where)
    for number, member in enumerate(value):
        yield from faults(shape.member, member, f"{where}[{number}]")


def _scalar(shape: Any, value: Any, where: str) -> Iterator[str]:
    if isinstance(value, str):
        yield from _within(shape, len(value), where)
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{where}: {value!r} is none of {shape.enum}"
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            yield f"{where}: {value!r} does not match {pattern}"
    elif not isinstance(value, bool):
        yield from _within(shape, value, where)


def _within(shape: Any, size: float, where: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{where}: {size} is not within {least} and {most}"
