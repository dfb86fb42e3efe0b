"""Typed frames of any declared table, made up: with nulls, non-ASCII text and the edges of what a type holds."""

import random

import pandas as pd

from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.frames import dtype, typed_frame

_VALUES = {
    "string": ["", "a", 'Ö "quoted" | \\', "a\nb", "日本語", "NULL"],
    "bigint": [0, -1, 2**53 + 1, -(2**63), 2**63 - 1],
    "int": [0, -1, 2**31 - 1],
    "double": [0.0, -0.5, 1e300],
    "boolean": [True, False],
    "timestamp": [pd.Timestamp(text) for text in ("2006-01-01", "2024-02-29T23:59:59.999", "2025-10-26T01:30:00.001")],
    "date": [pd.Timestamp(text) for text in ("2006-01-01", "2024-02-29", "2025-12-31")],
    "array<string>": [[], ["a"], ["a", "ü"]],
}


def made_frame(table: Table, rows: int, seed: int = 0) -> pd.DataFrame:
    """A typed frame of `table`: the same for the same seed."""
    chance = random.Random(seed)
    return typed_frame(pd.DataFrame({column.name: _column(column, rows, chance) for column in table.columns}), table)


def _column(column: Column, rows: int, chance: random.Random) -> pd.Series:
    values = [
        None if column.nullable and chance.random() < 0.2 else chance.choice(_VALUES[column.type]) for _ in range(rows)
    ]
    if column.type in ("timestamp", "date"):
        instants = pd.Series(pd.to_datetime(pd.Series(values, dtype="object")))
        return instants.dt.tz_localize("UTC") if dtype(column).endswith("UTC]") else instants
    if column.type in ("bigint", "int"):
        return pd.Series(pd.array(values, dtype="Int64"))
    if column.type == "boolean":
        return pd.Series(pd.array(values, dtype="boolean"))
    return pd.Series(values, dtype="float64" if column.type == "double" else "object")
