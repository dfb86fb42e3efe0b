"""Every insight's SQL, word for word, over one made-up history: Trino gives the rows that DuckDB gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import pandas as pd
import pytest

from spotifriend_dagster.lake.dialect.types import OF_GLUE
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster_tests.insights.conftest import CLEANED, DERIVED, INSIGHTS, Lake, Run
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import frame_of
from spotifriend_dagster_tests.insights.plain_rows import Row, assert_rows, exports, rows_of
from spotifriend_dagster_tests.trino.local_trino import LocalTrino

pytestmark = [pytest.mark.trino, pytest.mark.timeout(1200)]  # the first test waits for Maven


@pytest.fixture(scope="module")
def cleaned() -> dict[str, pd.DataFrame]:
    """The cleaned tables by name: a history whose export ended half a year later, so that some songs are forgotten."""
    plays = made_history(1)
    last = plays["closed_at"].max() + timedelta(days=175)
    spans = {listener: [("2021-10-30", str(last.tz_convert(None)))] for listener in plays["listener"].unique()}
    empty = {name: frame_of(table, []) for name, table in CLEANED.items()}
    derived = {name: make(plays) for name, make in DERIVED.items()}
    return {**empty, **derived, "plays": plays, "history_files": exports(**spans)}


@pytest.fixture(scope="module")
def on_duckdb(cleaned: dict[str, pd.DataFrame], lake: Lake) -> Run:
    """`on_duckdb(insight)` are the rows that DuckDB gives."""
    return lake(**cleaned)


@pytest.fixture(scope="module")
def on_trino(cleaned: dict[str, pd.DataFrame], trino: LocalTrino) -> Callable[[str], list[Row]]:
    """`on_trino(insight)` are the rows that Trino gives; what the insight reads is made by Trino, too."""

    @lru_cache
    def make(name: str) -> None:
        if name in CLEANED:
            query = _query_of(CLEANED[name], rows_of(cleaned[name]))
        else:
            query = INSIGHTS[name].query
            for read in INSIGHTS[name].reads:
                make(read)
        trino.run(f"CREATE TABLE {name} AS {query}")

    def rows(name: str) -> list[Row]:
        make(name)
        columns = ["listener", *INSIGHTS[name].table.column_names]
        found = trino.run(f"SELECT {', '.join(columns)} FROM {name}").rows
        return [dict(zip(columns, map(_midnight_of_date, row), strict=True)) for row in found]

    return rows


@pytest.mark.parametrize("name", INSIGHTS)
def test_each_insight_gives_the_same_rows_on_trino_and_duckdb(
    name: str, on_trino: Callable[[str], list[Row]], on_duckdb: Run
) -> None:
    """One SQL, the same rows: an insight says the same at home and on Athena."""
    rows, frame = on_trino(name), on_duckdb(name)
    assert len(rows) == len(frame) > 0
    assert_rows(frame, rows, *INSIGHTS[name].table.grain)


def _query_of(table: Table, rows: list[Row]) -> str:
    """A query that gives these rows, which it holds as JSON."""
    columns = table.all_columns
    values = [[_json_value(row[column.name], column.type) for column in columns] for row in rows]
    text = json.dumps(values, ensure_ascii=False).replace("'", "''")
    names = ", ".join(column.name for column in columns)
    read_as = ", ".join(f"{column.name} {_type_in_json(column.type)}" for column in columns)
    cast = ", ".join(f"CAST({column.name} AS {OF_GLUE[column.type]}) AS {column.name}" for column in columns)
    return f"SELECT {cast} FROM UNNEST(CAST(JSON '{text}' AS array(row({read_as})))) AS t ({names})"


def _json_value(value: Any, declared: str) -> Any:
    if isinstance(value, datetime):
        return value.date().isoformat() if declared == "date" else value.isoformat(" ", "milliseconds")
    return value


def _type_in_json(declared: str) -> str:
    return "varchar" if declared in ("date", "timestamp") else OF_GLUE[declared]


def _midnight_of_date(value: Any) -> Any:
    """Dates as `rows_of` gives them."""
    is_date = isinstance(value, date) and not isinstance(value, datetime)
    return datetime(value.year, value.month, value.day) if is_date else value
