"""Which type each expression has in Athena, and whether Athena takes it at all."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlglot import exp

from spotifriend_dagster.lake.dialect.aggregates import FUNCTIONS, INSTEAD
from spotifriend_dagster.lake.dialect.calls import call_of, innermost, taken_apart
from spotifriend_dagster.lake.dialect.casts import CASTS
from spotifriend_dagster.lake.dialect.dates import PARTS
from spotifriend_dagster.lake.dialect.errors import InvalidSQL, UnsupportedSQL
from spotifriend_dagster.lake.dialect.functions import Function
from spotifriend_dagster.lake.dialect.grammar import CAST_TYPES, interval_type
from spotifriend_dagster.lake.dialect.types import VARIABLES, Type, common_type, result_of, split_signature
from spotifriend_dagster.lake.dialect.wording import decimal_refused, in_place, perhaps, shown

_NUMBERS = ("integer", "bigint", "double")
_WRITTEN_OUT = {
    exp.DType.DATE: ("date", re.compile(r"\d{4}-\d{1,2}-\d{1,2}"), "DATE '2025-01-31'"),
    exp.DType.TIMESTAMP: (
        "timestamp",
        re.compile(r"\d{4}-\d{1,2}-\d{1,2}( \d{1,2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?"),
        "TIMESTAMP '2025-01-31 12:00:00.000'",
    ),
}
_NOT_EXTRACTED = ("millisecond", "week_of_year")
_OF_THE_CLOCK = ("hour", "minute", "second")


def type_of(node: exp.Expr) -> Type:
    """The type that was found for an expression."""
    found: Type = node.meta["athena"]
    return found


class Expressions(ABC):
    """Finds the types of expressions. What a column or an inner query gives is known to the subclass.

    `rules` are the entries of the allow-list that were made use of.
    """

    def __init__(self) -> None:
        self.rules: set[str] = set()
        self._visitors: Mapping[type[exp.Expr], Callable[..., Type]] = {
            exp.Column: self.column,
            exp.Literal: self._literal,
            exp.Boolean: lambda _: "boolean",
            exp.Null: lambda _: "null",
            exp.CurrentDate: lambda _: "date",
            exp.Interval: interval_type,
            exp.Star: lambda _: "*",
            exp.Paren: lambda node: self.visit(node.this),
            exp.Alias: lambda node: self.visit(node.this),
            exp.Ordered: self._sort_key,
            exp.Subquery: self.subquery,
            exp.Exists: lambda _: "boolean",
            exp.Not: lambda node: self.truth(node.this),
            exp.And: lambda node: self.truth(node.this, node.expression),
            exp.Or: lambda node: self.truth(node.this, node.expression),
            **dict.fromkeys(
                (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ),
                lambda node: self._comparison(node, node.this, node.expression),
            ),
            exp.Is: self._is_null,
            exp.Between: lambda node: self._comparison(node, node.this, node.args["low"], node.args["high"]),
            exp.In: self._in,
            exp.Like: self._like,
            exp.Escape: self._escape,
            exp.Neg: self._negation,
            **dict.fromkeys((exp.Add, exp.Sub), self._sum),
            **dict.fromkeys((exp.Mul, exp.Div, exp.Mod), self._product),
            exp.DPipe: self._joined_texts,
            exp.Case: self._case,
            exp.If: self._if,
            exp.Coalesce: lambda node: self.common([node.this, *node.expressions], node),
            exp.Array: self._array,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Extract: self._extract,
            exp.Anonymous: self._call,
            exp.Filter: self._filter,
            exp.WithinGroup: lambda node: self.visit(node.this),
            exp.IgnoreNulls: self._ignore_nulls,
            exp.Window: self._window,
        }

    @abstractmethod
    def column(self, node: exp.Column) -> Type:
        """The type of a column."""

    @abstractmethod
    def subquery(self, node: exp.Subquery) -> Type:
        """The type of the one column that a query in place of a value gives."""

    @abstractmethod
    def named_windows(self) -> Iterable[exp.Window]:
        """The windows of the WINDOW clause."""

    def visit(self, node: exp.Expr) -> Type:
        """The type of an expression, which is noted on it (`type_of`)."""
        visitor = self._visitors.get(type(node))
        if visitor is None:
            raise UnsupportedSQL(f"{shown(node)} is not supported here.")
        type_ = visitor(node)
        if type_ == "decimal" and not isinstance(node, (exp.Literal, exp.Neg, exp.Paren)):
            raise decimal_refused(node)
        node.meta["athena"] = type_
        return type_

    def value(self, node: exp.Expr) -> Type:
        """A type that a column can have."""
        type_ = self.visit(node)
        if type_ == "decimal":
            raise decimal_refused(node)
        if type_.startswith("interval"):
            raise UnsupportedSQL(f"{shown(node)} is an interval: take DATE_DIFF for the time between two dates.")
        return type_

    def _literal(self, node: exp.Literal) -> Type:
        if node.is_string:
            return "varchar"
        if "e" in node.name.lower():
            return "double"
        if "." in node.name:
            return "decimal"
        if int(node.name) >= 1 << 63:
            raise UnsupportedSQL(f"The number {node.name} is larger than a bigint.")
        return "integer" if int(node.name) < 1 << 31 else "bigint"

    def _array(self, node: exp.Array) -> Type:
        if not node.expressions:
            raise UnsupportedSQL("An empty ARRAY[] is not supported.")
        return f"array({self.common(node.expressions, node)})"

    def common(self, nodes: Sequence[exp.Expr], of: exp.Expr) -> Type:
        """The type that values brought together have."""
        types = [self.visit(node) for node in nodes]
        common = common_type(types)
        if common is None:
            if "decimal" in types:
                raise decimal_refused(nodes[types.index("decimal")])
            raise InvalidSQL(f"{shown(of)} brings together {' and '.join(dict.fromkeys(types))}.")
        if common == "decimal":
            raise decimal_refused(nodes[types.index("decimal")])
        if common.startswith("interval") or common == "*":
            raise UnsupportedSQL(f"{shown(of)} is not supported.")
        return common

    def _comparison(self, node: exp.Expr, *sides: exp.Expr) -> Type:
        try:
            self.common(sides, node)
        except InvalidSQL:
            types = [self.visit(side) for side in sides]
            instead = ""
            if "varchar" in types and "date" in types:
                instead = ": write DATE '2025-01-31' for a date"
            elif "varchar" in types and "timestamp" in types:
                instead = ": write TIMESTAMP '2025-01-31 12:00:00' for an instant"
            raise InvalidSQL(f"{shown(node)} compares {' with '.join(dict.fromkeys(types))}{instead}.") from None
        return "boolean"

    def truth(self, *nodes: exp.Expr) -> Type:
        """The type of conditions, which must be true or false."""
        for node in nodes:
            type_ = self.visit(node)
            if type_ not in ("boolean", "null"):
                raise InvalidSQL(f"{shown(node)} is {type_} where true or false is wanted.")
        return "boolean"

    def _is_null(self, node: exp.Is) -> Type:
        if not isinstance(node.expression, exp.Null):
            raise UnsupportedSQL("IS is followed by NULL or DISTINCT FROM in Athena's SQL; write a condition as it is.")
        self.value(node.this)
        return "boolean"

    def _in(self, node: exp.In) -> Type:
        query = node.args.get("query")
        return self._comparison(node, node.this, *([query] if query else node.expressions))

    def _like(self, node: exp.Like) -> Type:
        return self._texts(node, "boolean", node.this, node.expression)

    def _escape(self, node: exp.Escape) -> Type:
        self.visit(node.this)
        return self._texts(node, "boolean", node.expression)

    def _joined_texts(self, node: exp.DPipe) -> Type:
        return self._texts(node, "varchar", node.this, node.expression)

    def _texts(self, node: exp.Expr, result: Type, *sides: exp.Expr) -> Type:
        for side in sides:
            type_ = self.visit(side)
            if type_ != "varchar":
                raise InvalidSQL(f"{shown(node)} takes texts, and {shown(side)} is {type_}.")
        return result

    def _negation(self, node: exp.Neg) -> Type:
        type_ = self.visit(node.this)
        if type_ not in (*_NUMBERS, "decimal"):
            raise InvalidSQL(f"{shown(node)} takes a number, and {shown(node.this)} is {type_}.")
        return type_

    def _sum(self, node: exp.Add | exp.Sub) -> Type:
        left, right = self.visit(node.this), self.visit(node.expression)
        if left.startswith("interval") and isinstance(node, exp.Add):
            left, right = right, left
        if right.startswith("interval") and left in ("date", "timestamp"):
            if left == "date" and right == "interval time":
                raise InvalidSQL(f"{shown(node)}: to a date only days, months and years can be added.")
            self.rules.add(f"{left} + {right}")
            return left
        if left == right == "date" or left == right == "timestamp":
            raise UnsupportedSQL(f"{shown(node)} is not supported; write DATE_DIFF('day', earlier, later).")
        return self._arithmetic(node, left, right)

    def _product(self, node: exp.Mul | exp.Div | exp.Mod) -> Type:
        return self._arithmetic(node, self.visit(node.this), self.visit(node.expression))

    def _arithmetic(self, node: exp.Binary, left: Type, right: Type) -> Type:
        common = common_type((left, right))
        if common not in _NUMBERS:
            for side, type_ in ((node.this, left), (node.expression, right)):
                if type_ == "decimal":
                    raise decimal_refused(side)
            raise InvalidSQL(f"{shown(node)} computes with {left} and {right}.")
        if isinstance(node, exp.Mod) and common == "double":
            raise UnsupportedSQL(f"{shown(node)}: the remainder of doubles is not supported.")
        self.rules.add(f"{node.key}: {common}")
        return common

    def _case(self, node: exp.Case) -> Type:
        branches = node.args["ifs"]
        if node.this:
            for branch in branches:
                self._comparison(branch, node.this, branch.this)
        else:
            self.truth(*(branch.this for branch in branches))
        default = node.args.get("default")
        results = [branch.args["true"] for branch in branches]
        return self.common([*results, default] if default else results, node)

    def _if(self, node: exp.If) -> Type:
        self.truth(node.this)
        results = [node.args["true"], node.args.get("false")]
        return self.common([result for result in results if result], node)

    def _cast(self, node: exp.Cast | exp.TryCast) -> Type:
        if is_time_literal(node):
            return self._time_literal(node)
        wanted = CAST_TYPES.get(node.to.sql(dialect="trino").lower().replace(" ", ""))
        found = self.visit(node.this)
        cast = CASTS.get((found, wanted)) if wanted else None
        if wanted is None or cast is None or (cast.lenient is None and isinstance(node, exp.TryCast)):
            if found == "decimal":
                raise decimal_refused(node.this)
            raise UnsupportedSQL(f"CAST from {found} to {node.to.sql(dialect='trino').lower()} is not supported.")
        self.rules.add(f"{node.key}: {found} as {wanted}")
        return wanted

    def _time_literal(self, node: exp.Cast) -> Type:
        self.visit(node.this)
        wanted, pattern, example = _WRITTEN_OUT[node.to.this]
        if not pattern.fullmatch(node.this.name):
            raise InvalidSQL(f"{node.this.name!r} is not how a {wanted} is written: {example}.")
        self.rules.add(f"{wanted} literal")
        return wanted

    def _extract(self, node: exp.Extract) -> Type:
        part = node.name.lower()
        if part not in PARTS or part in _NOT_EXTRACTED:
            raise InvalidSQL(f"EXTRACT knows no {part}.")
        found = self.visit(node.expression)
        if found != "timestamp" and not (found == "date" and part not in _OF_THE_CLOCK):
            raise InvalidSQL(f"{shown(node)}: a {found} has no {part}.")
        self.rules.add(f"extract: {part}")
        return "bigint"

    def _call(self, node: exp.Anonymous) -> Type:
        name = str(node.name).lower()
        function = FUNCTIONS.get(name)
        if function is None:
            end = in_place(INSTEAD[name]) if name in INSTEAD else perhaps(name, FUNCTIONS)
            raise UnsupportedSQL(f"{name.upper()} is not supported{end}")
        if function.kind == "window" and not isinstance(node.parent, (exp.Window, exp.IgnoreNulls)):
            raise InvalidSQL(f"{name.upper()} needs an OVER (… ORDER BY …).")
        call = taken_apart(node, function)
        types = [self.visit(argument) for argument in call.arguments]
        literals = [
            argument.name if isinstance(argument, exp.Literal) and argument.is_string else None
            for argument in call.arguments
        ]
        if literals[:1] == ["millisecond"] and name == "date_add":
            _check_precision(call.arguments[-1])
        for signature, form in function.overloads.items():
            result = result_of(signature, types, literals)
            if result is not None:
                call.form = form
                call.parameters, _ = split_signature(signature)
                node.meta["call"] = call
                self.rules.add(f"{name}: {signature}")
                for key in call.order.expressions if call.order else ():
                    self.visit(key)
                return result
        if "decimal" in types:
            raise decimal_refused(call.arguments[types.index("decimal")])
        raise InvalidSQL(f"{shown(node)}: {_takes(name, function, types)}")

    def _sort_key(self, node: exp.Ordered) -> Type:
        return self.value(node.this)

    def _filter(self, node: exp.Filter) -> Type:
        type_ = self.visit(node.this)
        if call_of(innermost(node)).function.kind != "aggregate":
            raise InvalidSQL(f"{shown(node)}: only aggregates have a FILTER.")
        self.truth(node.expression.this)
        return type_

    def _ignore_nulls(self, node: exp.IgnoreNulls) -> Type:
        type_ = self.visit(node.this)
        if not isinstance(node.parent, exp.Window) or "{nulls}" not in call_of(node.this).form:
            raise InvalidSQL(f"{shown(node)}: IGNORE NULLS stands after LAG, LEAD, FIRST_VALUE and the like.")
        return type_

    def _window(self, node: exp.Window) -> Type:
        type_ = self.visit(node.this)
        if isinstance(node.this, exp.Filter):
            raise UnsupportedSQL(
                f"{shown(node)}: Athena has no FILTER before OVER; write COUNT_IF, or CASE WHEN in it."
            )
        call = call_of(innermost(node))
        if call.is_distinct:
            raise InvalidSQL(f"{shown(node)}: Athena has no DISTINCT before OVER; count in a query of its own.")
        if call.function.kind == "scalar" or call.order:
            raise InvalidSQL(f"{shown(node)}: this cannot stand before OVER.")
        self.window_parts(node)
        if call.function.kind == "window" and not self._is_ordered(node):
            raise InvalidSQL(f"{shown(node)} needs an ORDER BY in its window.")
        return type_

    def window_parts(self, node: exp.Window) -> None:
        """Check what is between the parentheses of a window."""
        for key in node.args.get("partition_by") or []:
            self.value(key)
        order = node.args.get("order")
        keys = [self.visit(key) for key in order.expressions] if order else []
        frame = node.args.get("spec")
        if frame is None:
            return
        for side in ("start", "end"):
            bound = frame.args.get(side)
            if isinstance(bound, exp.Expr):
                found = self.visit(bound)
                self._check_bound(node, frame.args["kind"], found, keys)
        self.rules.add(f"window: {frame.args['kind'].lower()}")

    def _check_bound(self, node: exp.Window, kind: str, found: Type, keys: Sequence[Type]) -> None:
        if kind != "RANGE":
            if found not in ("integer", "bigint"):
                raise InvalidSQL(f"{shown(node)}: {kind} counts by whole numbers.")
            return
        key = keys[0] if len(keys) == 1 else None
        if found.startswith("interval"):
            if key not in ("date", "timestamp") or (key == "date" and found == "interval time"):
                raise InvalidSQL(f"{shown(node)}: RANGE with an interval needs one ORDER BY of a date or timestamp.")
            self.rules.add(f"window: range of {found} over {key}")
        elif found in ("integer", "bigint") and key in ("integer", "bigint"):
            self.rules.add("window: range of numbers")
        else:
            raise InvalidSQL(f"{shown(node)}: RANGE of {found} needs one ORDER BY of that kind.")

    def _is_ordered(self, node: exp.Window) -> bool:
        if node.args.get("order"):
            return True
        return any(
            window.name == node.alias and self._is_ordered(window) for window in self.named_windows() if node.alias
        )


_WINDOW_RULES = (
    *(f"window: {kind}" for kind in ("rows", "range", "groups", "range of numbers")),
    *(f"window: range of interval {unit} over date" for unit in ("day", "month")),
    *(f"window: range of interval {unit} over timestamp" for unit in ("day", "month", "time")),
)


def expression_rules() -> frozenset[str]:
    """The names of what is decided here: operators by type, casts, fields of EXTRACT, frames of windows."""
    return frozenset(
        (
            *(f"{operator}: {type_}" for operator in ("add", "sub", "mul", "div") for type_ in _NUMBERS),
            *(f"mod: {type_}" for type_ in ("integer", "bigint")),
            *(f"date + interval {unit}" for unit in ("day", "month")),
            *(f"timestamp + interval {unit}" for unit in ("day", "month", "time")),
            *(f"{type_} literal" for type_, *_ in _WRITTEN_OUT.values()),
            *(f"cast: {found} as {wanted}" for found, wanted in CASTS),
            *(f"trycast: {found} as {wanted}" for (found, wanted), cast in CASTS.items() if cast.lenient),
            *(f"extract: {part}" for part in PARTS if part not in _NOT_EXTRACTED),
            *_WINDOW_RULES,
        )
    )


def is_time_literal(node: exp.Expr | None) -> bool:
    """Whether a node is a DATE or TIMESTAMP that is written out."""
    return (
        type(node) is exp.Cast
        and isinstance(node.this, exp.Literal)
        and node.this.is_string
        and node.to.this in _WRITTEN_OUT
    )


def _takes(name: str, function: Function, found: Sequence[Type]) -> str:
    """What a function takes, for one whose arguments fit nothing of it."""
    choices: dict[tuple[str, ...], list[str]] = {}
    for signature in function.overloads:
        parameters, _ = split_signature(signature)
        units = [parameter for parameter in parameters if parameter.startswith("'")]
        rest = tuple(parameter.strip("!~") for parameter in parameters if not parameter.startswith("'"))
        choices.setdefault(rest, []).extend(units)
    if len(choices) == 1 and any(variable in rest for rest in choices for variable in VARIABLES) and len(found) > 1:
        return f"{name.upper()} brings together {' and '.join(dict.fromkeys(found))}."
    takes = " or ".join(
        f"({', '.join([' | '.join(units), *rest] if units else rest)})" for rest, units in choices.items()
    )
    return f"{name.upper()} takes {takes}, not ({', '.join(found)})."


def _check_precision(node: exp.Expr) -> None:
    for literal in node.find_all(exp.Literal):
        if is_time_literal(literal.parent) and not re.search(r"\.\d{3}$", literal.name):
            raise UnsupportedSQL(
                f"To {shown(node)} Athena adds no milliseconds, for it has none: write {literal.name}.000."
            )
