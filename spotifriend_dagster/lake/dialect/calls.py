"""Calls of functions, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from spotifriend_dagster.lake.dialect.errors import UnsupportedSQL
from spotifriend_dagster.lake.dialect.functions import Function


@dataclass
class Call:
    """A call of a function on the list: its arguments, and DuckDB's form of it with the types that it takes."""

    function: Function
    arguments: list[exp.Expr]
    is_distinct: bool
    order: exp.Order | None
    form: str = ""
    parameters: tuple[str, ...] = ()


def call_of(node: exp.Expr) -> Call:
    """What the analysis noted on a call."""
    call: Call = node.meta["call"]
    return call


def innermost(node: exp.Expr) -> exp.Expr:
    """The call itself, without the FILTER, WITHIN GROUP, IGNORE NULLS and OVER around it."""
    while isinstance(node, AROUND_A_CALL):
        node = node.this
    return node


AROUND_A_CALL = (exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls)


def taken_apart(node: exp.Anonymous, function: Function) -> Call:
    """A call with its DISTINCT and ORDER BY apart from its arguments.

    Raises:
        UnsupportedSQL: the function does not take them here, or needs an order.
    """
    name = str(node.name).upper()
    arguments = list(node.expressions)
    order = node.parent.expression if isinstance(node.parent, exp.WithinGroup) else None
    is_distinct = False
    if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
        is_distinct, arguments = True, list(arguments[0].expressions)
    if arguments and isinstance(arguments[-1], exp.Order):
        order, arguments = arguments[-1], [*arguments[:-1], arguments[-1].this]
        if isinstance(arguments[-1], exp.Distinct):
            is_distinct, arguments = True, list(arguments[-1].expressions)
    if is_distinct and not function.takes_distinct:
        raise UnsupportedSQL(f"{name} does not take DISTINCT here.")
    if order is not None and not function.needs_order:
        raise UnsupportedSQL(f"{name} does not take an ORDER BY here.")
    if order is None and function.needs_order:
        example = "LISTAGG(x, ', ') WITHIN GROUP (ORDER BY x)" if name == "LISTAGG" else f"{name}(x ORDER BY x)"
        raise UnsupportedSQL(f"{name} needs an order, else each engine gives its own: write {example}.")
    return Call(function, arguments, is_distinct, order)
