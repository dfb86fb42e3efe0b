"""An analysed query as DuckDB's SQL. What its parts mean was decided in `analysis.py`; here it is only written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generators.duckdb import DuckDBGenerator

from spotifriend_dagster.lake.dialect.calls import AROUND_A_CALL, Call, call_of
from spotifriend_dagster.lake.dialect.casts import CASTS
from spotifriend_dagster.lake.dialect.dates import PARTS
from spotifriend_dagster.lake.dialect.expressions import is_time_literal, type_of
from spotifriend_dagster.lake.dialect.functions import guarded
from spotifriend_dagster.lake.dialect.types import OF_DUCKDB, Type


def to_sql(tree: exp.Expr) -> str:
    """DuckDB's SQL of a query that `analysis.analyse` went over; the tree is used up."""
    return _Renderer(dialect=DuckDB(), identify=True, comments=False, unsupported_level=ErrorLevel.RAISE).generate(
        tree, copy=False
    )


class _Renderer(DuckDBGenerator):
    """Writes clauses as sqlglot does, and expressions by our own list."""

    def _literal(self, node: exp.Literal) -> str:
        if node.is_string:
            return self.literal_sql(node)
        # A number with a fraction, where the list takes one, is a double; to DuckDB alone it would be a decimal.
        return f"{node.name}e0" if "." in node.name and "e" not in node.name.lower() else node.name

    def _interval(self, node: exp.Interval) -> str:
        return f"INTERVAL {node.this.name} {node.args['unit'].name}"

    def _sum(self, node: exp.Add | exp.Sub) -> str:
        sign = "+" if isinstance(node, exp.Add) else "-"
        text = f"{self._operand(node.this)} {sign} {self._operand(node.expression)}"
        return f"CAST({text} AS DATE)" if type_of(node) == "date" else text

    def _division(self, node: exp.Div) -> str:
        if type_of(node) == "double":
            divisor = self._operand(node.expression)
            if not _is_never_zero(node.expression):
                divisor = guarded(f"{divisor} = 0", "Division by zero: divide by NULLIF(…, 0).", divisor)
            return f"CAST({self._operand(node.this)} AS DOUBLE) / {divisor}"
        return f"{self._operand(node.this)} // {self._operand(node.expression)}"

    def _operand(self, node: exp.Expr) -> str:
        text = self.sql(node)
        return text if isinstance(node, _UNBREAKABLE) else f"({text})"

    def _cast(self, node: exp.Cast) -> str:
        wanted = type_of(node)
        if is_time_literal(node):
            return f"CAST({self.sql(node.this)} AS {OF_DUCKDB[wanted]})"
        cast = CASTS[type_of(node.this), wanted]
        form = cast.lenient if isinstance(node, exp.TryCast) else cast.strict
        return (form or "").format(self._operand(node.this))

    def _extract(self, node: exp.Extract) -> str:
        return PARTS[node.name.lower()][0].format(self.sql(node.expression))

    def _call(self, node: exp.Expr) -> str:
        """A call, with the FILTER, WITHIN GROUP, IGNORE NULLS and OVER that are around it."""
        if isinstance(node, exp.Window) and isinstance(node.this, exp.Identifier):  # of the WINDOW clause
            return self.window_sql(node)
        over, nulls, order = "", "", ""
        inner = node
        while isinstance(inner, AROUND_A_CALL):
            if isinstance(inner, exp.Filter):
                over = f" FILTER (WHERE {self.sql(inner.expression, 'this')}){over}"
            elif isinstance(inner, exp.IgnoreNulls):
                nulls = " IGNORE NULLS"
            elif isinstance(inner, exp.Window):
                call = inner.this
                inner.set("this", exp.Var(this=""))
                over = f" {self.window_sql(inner).strip()}{over}"
                inner.set("this", call)
            inner = inner.this
        call = call_of(inner)
        arguments = self._arguments(call)
        if call.order:
            call.order.set("this", None)
            order = f" {self.sql(call.order).strip()}"
        everything = ", ".join(arguments)
        return call.form.format(
            *arguments,
            all=f"DISTINCT {everything}" if call.is_distinct else everything,
            chained=" || ".join(arguments),
            is_null=" OR ".join(f"{argument} IS NULL" for argument in arguments),
            order=order,
            nulls=nulls,
            over=over,
        )

    def _arguments(self, call: Call) -> list[str]:
        wanted = [*call.parameters, *(call.parameters[-1:] * len(call.arguments))]
        return [self._argument(argument, type_, call) for argument, type_ in zip(call.arguments, wanted, strict=False)]

    def _argument(self, node: exp.Expr, wanted: Type, call: Call) -> str:
        if wanted == "literal" and call.function.written:
            return self.sql(exp.Literal.string(call.function.written(node.name)))
        text = self._operand(node)
        if (type_of(node), wanted) in _COERCED:
            return f"CAST({text} AS {OF_DUCKDB[wanted]})"
        return text

    TRANSFORMS: ClassVar[dict[type[exp.Expr], Callable[..., str]]] = {
        **DuckDBGenerator.TRANSFORMS,
        exp.Literal: _literal,
        exp.Interval: _interval,
        exp.Add: _sum,
        exp.Sub: _sum,
        exp.Div: _division,
        exp.Mod: lambda self, node: f"{self._operand(node.this)} % {self._operand(node.expression)}",
        exp.DPipe: lambda self, node: f"{self._operand(node.this)} || {self._operand(node.expression)}",
        exp.Cast: _cast,
        exp.TryCast: _cast,
        exp.Extract: _extract,
        exp.Anonymous: _call,
        exp.Filter: _call,
        exp.WithinGroup: _call,
        exp.IgnoreNulls: _call,
        exp.Window: _call,
    }


def _is_never_zero(node: exp.Expr) -> bool:
    """Whether a divisor is a number other than 0, or null in place of 0."""
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return float(node.name) != 0
    if not (isinstance(node, exp.Anonymous) and str(node.name).lower() == "nullif"):
        return False
    instead_of = node.expressions[1].unnest()
    return isinstance(instead_of, exp.Literal) and float(instead_of.name) == 0


_UNBREAKABLE = (
    exp.Column,
    exp.Literal,
    exp.Boolean,
    exp.Null,
    exp.Star,
    exp.Paren,
    exp.Subquery,
    exp.Cast,
    exp.Case,
    exp.Extract,
    exp.Array,
    exp.Anonymous,
    *AROUND_A_CALL,
)
_COERCED: frozenset[tuple[Any, ...]] = frozenset(
    {("date", "timestamp"), ("integer", "double"), ("bigint", "double"), ("integer", "bigint")}
)
