"""A lake made of frames: what the tests of insights run their SQL on.

The frames' shorthand is in `made_plays.py`, what Spotify says beside plays in `made_snapshots.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import duckdb
import pandas as pd
import pytest

from spotifriend_dagster.lake.dialect import to_duckdb
from spotifriend_dagster.tables.cleaned import CLEANED_TABLES
from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster.tables.health import HEALTH_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.snapshots import SNAPSHOT_TABLES
from spotifriend_dagster_tests.insights import made_plays
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_runs import RUNS
from spotifriend_dagster_tests.insights.made_snapshots import SNAPSHOTS

CLEANED = {table.name: table for table in (*CLEANED_TABLES, *SNAPSHOT_TABLES, *HEALTH_TABLES)}
DERIVED = {**made_plays.DERIVED, **SNAPSHOTS, **RUNS}
INSIGHTS = load_insights()
_DUCKDB_TYPES = {"string": "VARCHAR", "int": "INTEGER", "array<string>": "VARCHAR[]"}

Run = Callable[[str], pd.DataFrame]
Lake = Callable[..., Run]


@pytest.fixture(scope="session")
def lake() -> Iterator[Lake]:
    """`lake(plays=…, history_files=…)` returns `run`, and `run(insight)` the insight's rows, ordered by its grain.

    A cleaned table that is not given follows from the plays where it can (`DERIVED`), and is empty else. An insight
    that reads others gets them made first. The result is a typed frame of the insight's declaration. Each lake is apart
    from the others, and makes each table once.
    """
    connections = []

    def make(**frames: pd.DataFrame) -> Run:
        connection = duckdb.connect()
        connections.append(connection)
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")  # a thread more costs more than these tables do
        stored: set[str] = set()
        made: dict[str, pd.DataFrame] = {}

        def store(name: str) -> None:
            if name not in stored:
                frame = frames.get(name)
                if frame is None and name in DERIVED and "plays" in frames:
                    frame = DERIVED[name](frames["plays"])
                _store(connection, CLEANED[name], frame)
                stored.add(name)

        def run(name: str) -> pd.DataFrame:
            if name not in made:
                for read in INSIGHTS[name].reads:
                    (store if read in CLEANED else run)(read)
                made[name] = _make(connection, INSIGHTS[name].table)
            return made[name].copy()

        return run

    yield make
    for connection in connections:
        connection.close()


@pytest.fixture(scope="session")
def made_lake(lake: Lake) -> Callable[[int], Run]:
    """`made_lake(seed)` is the lake of `made_history(seed)`, made once."""
    return lru_cache(lambda seed: lake(plays=made_history(seed)))


def _make(connection: duckdb.DuckDBPyConnection, table: Table) -> pd.DataFrame:
    cast = ", ".join(
        f"CAST({column.name} AS {_duckdb_type(column.type)}) AS {column.name}" for column in _as_given(table)
    )
    connection.execute(f"CREATE OR REPLACE TABLE {table.name} AS SELECT {cast} FROM ({_duckdb_sql(table.name)})")
    frame = connection.execute(f"FROM {table.name} ORDER BY {', '.join(table.grain)}").df()
    assert not frame.duplicated(list(table.grain)).any(), f"{table.name} has two rows of one grain"
    for column in _as_given(table):
        assert column.nullable or frame[column.name].notna().all(), f"{table.name}.{column.name} holds a null"
        # Instants stay naive UTC, as SQL gives them.
        frame[column.name] = frame[column.name].astype(dtype(column).replace("[ms, UTC]", "[ms]"))
    return frame


def _as_given(table: Table) -> tuple[Column, ...]:
    """The columns in the order in which an insight's query gives them."""
    return (*table.partition_keys, *table.columns)


def column_types(name: str) -> dict[str, str]:
    """The declared types of a table's columns, partition keys included, by name."""
    table = CLEANED[name] if name in CLEANED else INSIGHTS[name].table
    return {column.name: column.type for column in table.all_columns}


@lru_cache
def _duckdb_sql(name: str) -> str:
    insight = INSIGHTS[name]
    return to_duckdb(insight.query, {read: column_types(read) for read in insight.reads})


def _duckdb_type(declared: str) -> str:
    return _DUCKDB_TYPES.get(declared, declared.upper())


def _store(connection: duckdb.DuckDBPyConnection, table: Table, frame: pd.DataFrame | None) -> None:
    columns = ", ".join(f"{column.name} {_duckdb_type(column.type)}" for column in table.all_columns)
    connection.execute(f"CREATE TABLE {table.name} ({columns})")
    if frame is None or frame.empty:
        return
    naive = frame.loc[:, [column.name for column in table.all_columns]].copy()
    for column in naive.select_dtypes("datetimetz"):
        naive[column] = naive[column].dt.tz_localize(None)
    connection.register("_frame", naive)
    connection.execute(f"INSERT INTO {table.name} SELECT * FROM _frame")
    connection.unregister("_frame")
