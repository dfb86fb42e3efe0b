"""Queries that give arrays, rewritten so that what they give can be read from Athena's CSV."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from spotifriend_dagster.lake.dialect.errors import InvalidSQL, UnsupportedSQL
from spotifriend_dagster.lake.dialect.grammar import Athena
from spotifriend_dagster.lake.dialect.types import Type
from spotifriend_dagster.lake.dialect.wording import shown

_INNER = "given"


def with_arrays_as_json(sql: str, query: exp.Query, outputs: Sequence[tuple[str, Type]]) -> str:
    """The query within another one, which makes texts of JSON of arrays, and orders the rows as the inner one does.

    The inner one is left as its writer wrote it: nothing of its meaning can be lost in writing it anew.

    Args:
        sql: the query.
        query: the same, as `names.qualified` gives it.
        outputs: the columns that it gives, as `analysis.analyse` says them.

    Raises:
        InvalidSQL: two columns have the same name.
        UnsupportedSQL: the rows are ordered by what is not among the columns.
    """
    names = [name for name, _ in outputs]
    if len(set(names)) < len(names):
        raise InvalidSQL("Two columns of the result have the same name: name each with AS.")
    columns = [
        f"json_format(CAST({_inner(name)} AS JSON)) AS {_quoted(name)}" if type_ == "array(varchar)" else _inner(name)
        for name, type_ in outputs
    ]
    text = f"SELECT {', '.join(columns)} FROM (\n{sql.strip().rstrip(';')}\n) AS {_INNER}"
    order = query.args.get("order")
    if order is None:
        return text
    return f"{text} ORDER BY {', '.join(_key(key, query, names) for key in order.expressions)}"


def _key(key: exp.Ordered, query: exp.Query, names: Sequence[str]) -> str:
    """A key of the inner query's order, as one of the columns that it gives."""
    ordered = key.copy()
    ordered.set("this", exp.column(_name(key.this, query, names), table=_INNER, quoted=True))
    return ordered.sql(dialect=Athena)


def _name(key: exp.Expr, query: exp.Query, names: Sequence[str]) -> str:
    if isinstance(key, exp.Literal) and key.is_int:
        return names[int(key.name) - 1]
    if isinstance(key, exp.Column) and not key.table and key.name in names:
        return key.name
    given = (column.unalias() for column in query.selects)
    if name := next((name for name, column in zip(names, given, strict=True) if column == key), None):
        return name
    raise UnsupportedSQL(
        f"Beside an array, rows are ordered only by columns that are given, and {shown(key)} is none: give it, too."
    )


def _inner(name: str) -> str:
    return f"{_INNER}.{_quoted(name)}"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect=Athena)
