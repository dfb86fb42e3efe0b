"""Athena's SQL in, DuckDB's SQL out, with the same rows: or a refusal by name, before anything runs.

There is an allow-list of clauses and operators (`grammar.py`), casts (`casts.py`) and functions (`functions.py`,
`aggregates.py`). sqlglot reads the grammar and resolves names; what a function or operator means is ours. Everything on
the list has a case (`cases()`) with the rows that Trino, which Athena is made of, gives for it.

sqlglot is imported where it is used: loading the project does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from spotifriend_dagster.lake.dialect.errors import InvalidSQL, SQLError, UnsupportedSQL

if TYPE_CHECKING:
    from sqlglot import exp

    from spotifriend_dagster.lake.dialect.case import Case

__all__ = [
    "InvalidSQL",
    "SQLError",
    "Translation",
    "UnsupportedSQL",
    "arrays_as_json",
    "cases",
    "column_lineage",
    "columns_read",
    "output_types",
    "remember",
    "rules",
    "rules_used",
    "tables_read",
    "to_duckdb",
    "translate",
]

_Schema = Mapping[str, Mapping[str, str]]
_Key = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
_KEPT = 256


@lru_cache(_KEPT)
def tables_read(sql: str) -> frozenset[str]:
    """The names of the tables that a query reads, in lower case; those that its own WITH makes are not among them.

    Raises:
        InvalidSQL: it is no query, or more than one.
        UnsupportedSQL: it uses what is not on the allow-list.
    """
    if sql in _remembered_tables:
        return _remembered_tables[sql]
    from spotifriend_dagster.lake.dialect.names import tables_in  # noqa: PLC0415 - heavy

    return tables_in(_parsed(sql))


def to_duckdb(sql: str, schema: _Schema) -> str:
    """DuckDB's SQL that gives the rows that Athena gives for `sql`. It reads tables of the same names.

    DuckDB is to run it with the time zone UTC. Timestamps are naive.

    Args:
        sql: one query in Athena's dialect.
        schema: by table, the Glue type of each column.

    Raises:
        InvalidSQL: it is no query over these tables; the message names what is not there, and what is close to it.
        UnsupportedSQL: it uses what is not on the allow-list.
    """
    return _translated(sql, _key(schema)).duckdb


def output_types(sql: str, schema: _Schema) -> list[tuple[str, str]]:
    """The columns that a query gives, in order: their names and Glue types (`null` for one that is always null).

    Raises:
        InvalidSQL, UnsupportedSQL: as `to_duckdb`.
    """
    from spotifriend_dagster.lake.dialect.types import OF_GLUE  # noqa: PLC0415 - with the rest

    glue = {type_: name for name, type_ in OF_GLUE.items()}
    return [(name, glue.get(type_, type_)) for name, type_ in _translated(sql, _key(schema)).outputs]


def arrays_as_json(sql: str, schema: _Schema) -> str:
    """A query in Athena's dialect that gives the same rows in the same order, but arrays as texts of JSON.

    Athena writes a query's result as CSV, in which ['a, b'] and ['a', 'b'] are the same. A query that gives no arrays
    is given back as it is. What is given is for Athena alone: it is not on the allow-list.

    Raises:
        InvalidSQL, UnsupportedSQL: as `to_duckdb`; or it orders its rows by what it does not give.
    """
    if "array(varchar)" not in dict(_translated(sql, _key(schema)).outputs).values():
        return sql
    from spotifriend_dagster.lake.dialect.arrays import with_arrays_as_json  # noqa: PLC0415 - heavy
    from spotifriend_dagster.lake.dialect.names import qualified  # noqa: PLC0415

    query = cast("exp.Query", qualified(_parsed(sql).copy(), schema)[-1].expression)
    return with_arrays_as_json(sql, query, _translated(sql, _key(schema)).outputs)


def column_lineage(sql: str, schema: _Schema) -> dict[str, tuple[tuple[str, str], ...]]:
    """By output column, the tables' columns that its values are made of, as sorted (table, column) pairs.

    What only decides which rows there are (WHERE, ON, GROUP BY) is not part of it.

    Raises:
        InvalidSQL, UnsupportedSQL: as `to_duckdb`.
    """
    return dict(_translated(sql, _key(schema)).lineage)


def columns_read(sql: str, schema: _Schema) -> dict[str, frozenset[str]]:
    """By table that a query reads, the columns that it names, wherever it does.

    Raises:
        InvalidSQL, UnsupportedSQL: as `to_duckdb`.
    """
    return dict(_translated(sql, _key(schema)).columns)


def cases() -> list[Case]:
    """The cases of everything on the allow-list: statements over no table, with the rows that Trino gives."""
    from spotifriend_dagster.lake.dialect.aggregates import FUNCTIONS  # noqa: PLC0415 - long lists
    from spotifriend_dagster.lake.dialect.casts import CAST_CASES  # noqa: PLC0415
    from spotifriend_dagster.lake.dialect.clauses import CLAUSE_CASES  # noqa: PLC0415

    return [*CLAUSE_CASES, *CAST_CASES, *(case for function in FUNCTIONS.values() for case in function.cases)]


def rules() -> frozenset[str]:
    """The names of everything on the allow-list."""
    from spotifriend_dagster.lake.dialect.allowed import all_rules  # noqa: PLC0415 - heavy

    return all_rules()


def rules_used(sql: str, schema: _Schema) -> frozenset[str]:
    """The names of what a query uses of the allow-list.

    Raises:
        InvalidSQL, UnsupportedSQL: as `to_duckdb`.
    """
    from spotifriend_dagster.lake.dialect.grammar import nodes_used  # noqa: PLC0415 - heavy

    return _translated(sql, _key(schema)).rules | nodes_used(_parsed(sql))


def translate(sql: str, schema: _Schema) -> Translation:
    """Everything about a query over tables of this schema, for another process to `remember`.

    Raises:
        InvalidSQL, UnsupportedSQL: as `to_duckdb`.
    """
    return _translated(sql, _key(schema))


def remember(translation: Translation) -> None:
    """Take what another process found out about a query, instead of finding it out again."""
    _remembered[translation.sql, translation.key] = translation
    _remembered_tables[translation.sql] = translation.tables


@dataclass(frozen=True)
class Translation:
    """What a query is over tables of one schema."""

    sql: str
    key: _Key
    tables: frozenset[str]
    duckdb: str
    outputs: list[tuple[str, str]]
    lineage: Mapping[str, tuple[tuple[str, str], ...]]
    columns: Mapping[str, frozenset[str]]
    rules: frozenset[str]


_remembered: dict[tuple[str, _Key], Translation] = {}
_remembered_tables: dict[str, frozenset[str]] = {}


@lru_cache(_KEPT)
def _parsed(sql: str) -> exp.Query:
    from spotifriend_dagster.lake.dialect.grammar import parse  # noqa: PLC0415 - heavy

    return parse(sql)


@lru_cache(_KEPT)
def _translated(sql: str, key: _Key) -> Translation:
    if (sql, key) in _remembered:
        return _remembered[sql, key]

    from spotifriend_dagster.lake.dialect.analysis import analyse  # noqa: PLC0415 - heavy
    from spotifriend_dagster.lake.dialect.lineage import columns_of, lineage_of  # noqa: PLC0415
    from spotifriend_dagster.lake.dialect.names import qualified  # noqa: PLC0415
    from spotifriend_dagster.lake.dialect.rendering import to_sql  # noqa: PLC0415

    schema = {table: dict(columns) for table, columns in key}
    scopes = qualified(_parsed(sql).copy(), schema)
    analysis = analyse(scopes, schema)
    lineage, columns = lineage_of(scopes), columns_of(scopes)  # before the rendering, which uses the tree up
    duckdb = to_sql(scopes[-1].expression)
    return Translation(sql, key, tables_read(sql), duckdb, analysis.outputs, lineage, columns, analysis.rules)


def _key(schema: _Schema) -> _Key:
    return tuple((table, tuple(columns.items())) for table, columns in sorted(schema.items()))
