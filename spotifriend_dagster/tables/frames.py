"""Typed frames: a declaration as pandas dtypes. How a frame is stored belongs to `lake/`.

In a typed frame, instants are UTC-aware in milliseconds, `local_*` times are naive, dates are naive midnights, a
nullable integer or boolean has pandas' nullable dtype, and the columns are those inside the files, in their order.
"""

from __future__ import annotations

import pandas as pd

from spotifriend_dagster.tables.declaration import Column, Table

_DTYPES = {
    "string": ("str", "str"),
    "bigint": ("int64", "Int64"),
    "int": ("int32", "Int32"),
    "double": ("float64", "float64"),
    "boolean": ("bool", "boolean"),
    "timestamp": ("datetime64[ms, UTC]", "datetime64[ms, UTC]"),
    "date": ("datetime64[s]", "datetime64[s]"),
    "array<string>": ("object", "object"),
}


def dtype(column: Column) -> str:
    """The pandas dtype of a declared column."""
    if column.type == "timestamp" and column.name.startswith("local_"):
        return "datetime64[ms]"
    return _DTYPES[column.type][column.nullable]


def typed_frame(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """`frame` with exactly the declared columns, in their order and dtypes, and a fresh index.

    Raises:
        ValueError: a declared column is missing, one that is never null holds a null, or a value does not fit.
    """
    if missing := [name for name in table.column_names if name not in frame.columns]:
        raise ValueError(f"A frame for table {table.name} lacks the columns {', '.join(missing)}.")
    typed = frame.loc[:, list(table.column_names)].reset_index(drop=True)
    for column in table.columns:
        if not column.nullable and typed[column.name].isna().any():
            raise ValueError(f"Column {column.name} of table {table.name} is never null, but a row has no value there.")
    # Straight from a float, an integer would silently lose its fraction; by way of the nullable type it is refused.
    whole = [column.name for column in table.columns if column.type in ("bigint", "int")]
    by_way = {name: "Int64" for name in whole if typed[name].dtype.kind == "f"}
    try:
        return typed.astype(by_way).astype({column.name: dtype(column) for column in table.columns})
    except (TypeError, ValueError) as error:
        raise ValueError(f"A frame does not fit table {table.name}: {error}") from error


def empty_frame(table: Table) -> pd.DataFrame:
    """A typed frame of `table` without rows."""
    return pd.DataFrame({column.name: pd.Series(dtype=dtype(column)) for column in table.columns})
