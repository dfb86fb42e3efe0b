"""Athena's types, what may stand for what, and how a function's signature meets its arguments.

A type is its name: `boolean`, `integer`, `bigint`, `double`, `varchar`, `date`, `timestamp`, `array(varchar)`. Besides
these there are those that only literals have: `decimal` (1.5), `null`, and intervals (`interval day`, `interval month`,
`interval time`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Type = str

OF_GLUE: Mapping[str, Type] = {
    "string": "varchar",
    "bigint": "bigint",
    "int": "integer",
    "double": "double",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "date": "date",
    "array<string>": "array(varchar)",
}
"""By the type of a column in the catalog."""

OF_DUCKDB: Mapping[Type, str] = {
    "varchar": "VARCHAR",
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "array(varchar)": "VARCHAR[]",
}
"""DuckDB's name of a type."""

_COERCIBLE: Mapping[Type, tuple[Type, ...]] = {
    "null": (*OF_DUCKDB, "decimal"),
    "integer": ("bigint", "double"),
    "bigint": ("double",),
    "decimal": ("double",),
    "date": ("timestamp",),
}
VARIABLES = ("T", "U")


def is_coercible(found: Type, wanted: Type) -> bool:
    """Whether Athena takes a value of type `found` where it wants `wanted`, by itself."""
    return found == wanted or wanted in _COERCIBLE.get(found, ()) or (found == "null" and wanted.startswith("array("))


def common_type(types: Iterable[Type]) -> Type | None:
    """The type that values of all these types have together; None where there is none."""
    common = "null"
    for type_ in types:
        if is_coercible(common, type_):
            common = type_
        elif not is_coercible(type_, common):
            return None
    return common


def element_of(type_: Type) -> Type:
    """The type of an array's elements."""
    return type_.removeprefix("array(").removesuffix(")")


def split_signature(signature: str) -> tuple[tuple[str, ...], Type]:
    """A signature's parameters and result: `"varchar, bigint -> varchar"`."""
    parameters, _, result = signature.rpartition("->")
    return tuple(part.strip() for part in parameters.split(",") if part.strip()), result.strip()


def result_of(signature: str, found: Sequence[Type], literals: Sequence[str | None]) -> Type | None:
    """The type of a call's result; None where the arguments do not fit the signature.

    A parameter is a type (`double!`: exactly that one); `T` or `U` (any type, the same wherever it stands); `~T`
    (any type that compares with T); a quoted text (exactly this literal, whatever its case); `literal` (any text that
    is written out); `any`; or `*`. The last may be repeated: `T...`.

    Args:
        signature: what the function takes and gives.
        found: the types of the arguments.
        literals: the texts of those arguments that are text literals.
    """
    parameters, result = split_signature(signature)
    if parameters and parameters[-1].endswith("..."):
        repeated = parameters[-1].removesuffix("...")
        parameters = (*parameters[:-1], *(repeated for _ in found[len(parameters) - 1 :]))
    if len(parameters) != len(found):
        return None
    arguments = list(zip(parameters, found, literals, strict=True))
    if not all(_fits(*argument) for argument in arguments):
        return None
    values = {name: common_type(_bound(arguments, name)) for name in VARIABLES}
    if any(value is None or value.startswith(("interval", "decimal")) for value in values.values()):
        return None
    if common_type([*_bound(arguments, "T"), *(type_ for taken, type_, _ in arguments if taken == "~T")]) is None:
        return None
    if result == "array(T)":
        return f"array({values['T']})"
    return values.get(result) or result


def _fits(parameter: str, type_: Type, literal: str | None) -> bool:
    """Whether an argument fits its parameter by itself; what it must have in common with others comes after."""
    if parameter in (*VARIABLES, "~T", "any"):
        return True
    if parameter == "array(T)":
        return type_.startswith("array(")
    if parameter == "literal":
        return literal is not None
    if parameter.startswith("'"):
        return literal is not None and literal.lower() == parameter.strip("'")
    if type_ == "decimal":  # many functions have a form of their own for decimals
        return False
    return type_ + "!" == parameter or is_coercible(type_, parameter)


def _bound(arguments: Iterable[tuple[str, Type, str | None]], variable: str) -> list[Type]:
    """The types that stand for a variable."""
    return [
        element_of(type_) if parameter.startswith("array(") else type_
        for parameter, type_, _ in arguments
        if parameter in (variable, f"array({variable})")
    ]
