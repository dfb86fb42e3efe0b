"""A case: a statement in Athena's dialect over no table, and the rows that Trino gives for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A statement, and its rows in Python's types: naive datetimes, lists for arrays, None for null.

    The order of the rows counts where the statement has an ORDER BY.
    """

    sql: str
    rows: tuple[tuple[Any, ...], ...]


def rows(sql: str, *expected: tuple[Any, ...]) -> Case:
    """A statement that gives these rows."""
    return Case(sql, expected)


def gives(expressions: str, *values: Any) -> Case:
    """Expressions that give these values, one each."""
    return Case(f"SELECT {expressions}", (values,))
