"""A lake made of frames: what the tests of insights run their SQL on.

The frames' shorthand is in `made_plays.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd
import pytest

from spotifriend_dagster.tables.cleaned import CLEANED_TABLES
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.insights.made_plays import derived_tables

CLEANED = {table.name: table for table in CLEANED_TABLES}
INSIGHTS = load_insights()
_DUCKDB_TYPES = {"string": "VARCHAR", "int": "INTEGER", "array<string>": "VARCHAR[]"}

Run = Callable[[str], pd.DataFrame]
Lake = Callable[..., Run]


@pytest.fixture
def lake() -> Iterator[Lake]:
    """`lake(plays=…, history_files=…)` returns `run`, and `run(insight)` the insight's rows, ordered by its grain.

    A cleaned table that is not given is empty, but for those that follow from plays (`derived_tables`). An insight
    that reads other insights gets them made first. The result is a typed frame of the insight's declaration.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")

        def make(**frames: pd.DataFrame) -> Run:
            given: Mapping[str, pd.DataFrame] = derived_tables(frames)
            for name, table in CLEANED.items():
                _store(connection, table, given.get(name))
            made: set[str] = set()

            def run(name: str) -> pd.DataFrame:
                insight = INSIGHTS[name]
                for read in insight.reads:
                    if read in INSIGHTS and read not in made:
                        run(read)
                result = connection.sql(_duckdb_sql(insight.query))
                assert tuple(result.columns) == insight.table.column_names, "the header names other columns"
                selected = ", ".join(
                    f"CAST({c.name} AS {_duckdb_type(c.type)}) AS {c.name}" for c in insight.table.columns
                )
                result.create_view("_result", replace=True)
                connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {selected} FROM _result")
                made.add(name)
                return _typed(
                    connection.sql(f"FROM {name} ORDER BY {', '.join(insight.table.grain)}").df(), insight.table
                )

            return run

        yield make


def _duckdb_sql(query: str) -> str:
    import sqlglot
    from sqlglot import exp

    def counted(node: exp.Expression) -> exp.Expression:
        # DuckDB's own COUNT_IF gives null where it meets no true or false; Athena's gives 0.
        if isinstance(node, exp.CountIf):
            return exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=node.this))
        return node

    return sqlglot.parse_one(query, read="athena").transform(counted).sql("duckdb")


def _duckdb_type(declared: str) -> str:
    return _DUCKDB_TYPES.get(declared, declared.upper())


def _store(connection, table: Table, frame: pd.DataFrame | None) -> None:
    columns = ", ".join(f"{column.name} {_duckdb_type(column.type)}" for column in table.all_columns)
    connection.execute(f"CREATE OR REPLACE TABLE {table.name} ({columns})")
    if frame is None or frame.empty:
        return
    naive = frame.loc[:, [column.name for column in table.all_columns]].copy()
    for column in naive.select_dtypes("datetimetz"):
        naive[column] = naive[column].dt.tz_localize(None)
    connection.register("_frame", naive)
    connection.execute(f"INSERT INTO {table.name} SELECT * FROM _frame")
    connection.unregister("_frame")


def _typed(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The result in the dtypes of its declaration, its grain unique and its never-null columns filled.

    Instants stay naive UTC, as SQL gives them.
    """
    assert not frame.duplicated(list(table.grain)).any(), f"{table.name} has two rows of one grain"
    for column in table.columns:
        assert column.nullable or frame[column.name].notna().all(), f"{table.name}.{column.name} holds a null"
        frame[column.name] = frame[column.name].astype(dtype(column).replace("[ms, UTC]", "[ms]"))
    return frame
