"""What a query gives in Athena: the columns of each SELECT inside it, from the innermost out, and their types.

The tree comes from `grammar.py` by way of `names.py` and goes to `rendering.py`, with each expression's type and each
call's form noted on it by `expressions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from spotifriend_dagster.lake.dialect.errors import InvalidSQL, UnsupportedSQL
from spotifriend_dagster.lake.dialect.expressions import Expressions
from spotifriend_dagster.lake.dialect.names import Schema
from spotifriend_dagster.lake.dialect.types import OF_GLUE, Type, common_type, element_of
from spotifriend_dagster.lake.dialect.wording import perhaps, shown

Outputs = list[tuple[str, Type]]
"""The names and types of the columns that a query gives."""


@dataclass(frozen=True)
class Analysis:
    """What was found: the columns that the query gives, and the entries of the allow-list that it makes use of."""

    outputs: Outputs
    rules: frozenset[str]


def analyse(scopes: Sequence[Scope], schema: Schema) -> Analysis:
    """Find the types of a query, and note on its nodes what the rendering wants to know.

    Args:
        scopes: what `names.qualified` gave.
        schema: the tables that there are.

    Raises:
        InvalidSQL: a type is not what is wanted there.
        UnsupportedSQL: it uses a function, cast or combination of types that is not on the list.
    """
    queries = _Queries(schema)
    for scope in scopes:
        queries.visit_scope(scope)
    return Analysis(queries.outputs[id(scopes[-1].expression)], frozenset(queries.rules))


class _Queries(Expressions):
    """Goes over the scopes of one query, inner ones first; `outputs` are those of each, by the id of its node."""

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.outputs: dict[int, Outputs] = {}
        self._columns: dict[int, dict[str, Type]] = {}
        self._schema = schema
        self._scope: Scope

    def visit_scope(self, scope: Scope) -> None:
        self._scope = scope
        query = scope.expression
        if isinstance(query, exp.Select):
            self.outputs[id(query)] = self._select(query)
        elif isinstance(query, exp.SetOperation):
            self.outputs[id(query)] = self._set_operation(query)
        elif isinstance(query, exp.Values):
            self.outputs[id(query)] = self._values(query)
        elif isinstance(query, exp.Unnest):
            self.outputs[id(query)] = self._unnest(query)
        elif isinstance(query, exp.Subquery):
            self.outputs[id(query)] = self.outputs[id(query.unnest())]
        else:
            raise UnsupportedSQL(f"{shown(query)} is not supported.")

    def _select(self, query: exp.Select) -> Outputs:
        for join in query.args.get("joins") or []:
            if join.args.get("on"):
                self.truth(join.args["on"])
        for clause in ("where", "having"):
            if query.args.get(clause):
                self.truth(query.args[clause].this)
        if query.args.get("group"):
            self._grouping_elements(query.args["group"].expressions)
        for window in query.args.get("windows") or []:
            self.window_parts(window)
        outputs = [(column.alias_or_name, self.value(column)) for column in query.selects]
        self._order(query, outputs)
        return outputs

    def _grouping_elements(self, elements: Iterable[exp.Expr]) -> None:
        for element in elements:
            if isinstance(element, (exp.Tuple, exp.GroupingSets, exp.Rollup, exp.Cube)):
                self._grouping_elements(element.expressions)
            else:
                self.value(element)

    def _order(self, query: exp.Query, outputs: Outputs) -> None:
        order = query.args.get("order")
        if not order:
            return
        selected = dict(outputs)
        columns = {column.alias_or_name: column for column in query.selects}
        for key in order.expressions:
            is_output = isinstance(key.this, exp.Column) and not key.this.table
            if not is_output:
                # In an expression DuckDB takes the table's column where the query gives another of the same name.
                for column in [*key.find_all(exp.Column)]:
                    if not column.table and column.name in columns:
                        column.replace(exp.paren(columns[column.name].unalias().copy()))
            if is_output and key.this.name in selected:
                key.this.meta["athena"] = key.meta["athena"] = selected[key.this.name]
            else:
                self.visit(key)
                if query.args.get("distinct") and all(key.this != column.unalias() for column in query.selects):
                    raise InvalidSQL("SELECT DISTINCT is ordered by columns that it selects.")

    def _set_operation(self, query: exp.SetOperation) -> Outputs:
        left, right = (self.outputs[id(side.unnest())] for side in (query.this, query.expression))
        operation = query.key.upper()
        if len(left) != len(right):
            raise InvalidSQL(f"The two sides of {operation} have {len(left)} and {len(right)} columns.")
        outputs = []
        for (name, first), (_, second) in zip(left, right, strict=True):
            common = common_type((first, second))
            if common is None:
                raise InvalidSQL(f"Column {name} of {operation} is {first} on one side and {second} on the other.")
            outputs.append((name, common))
        self._order(query, outputs)
        return outputs

    def _values(self, query: exp.Values) -> Outputs:
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in query.expressions]
        names = query.alias_column_names or [f"_col{number}" for number in range(len(rows[0]))]
        if len(names) != len(rows[0]):
            raise InvalidSQL(f"VALUES has {len(rows[0])} columns, and {len(names)} names for them.")
        columns = zip(*rows, strict=True)
        return [(name, self.common(column, query)) for name, column in zip(names, columns, strict=True)]

    def _unnest(self, query: exp.Unnest) -> Outputs:
        array = self.visit(query.expressions[0])
        if not array.startswith("array("):
            raise InvalidSQL(f"UNNEST takes an array, and {shown(query.expressions[0])} is {array}.")
        outputs = [(query.alias_column_names[0], element_of(array))]
        offset = query.args.get("offset")
        if isinstance(offset, exp.Identifier):
            outputs.append((offset.name, "bigint"))
        return outputs

    def column(self, node: exp.Column) -> Type:
        if not node.table:
            self._give_table(node)
        scope: Scope | None = self._scope
        while scope is not None:
            if node.table in scope.sources:
                columns = self._columns_of(scope.sources[node.table])
                if node.name not in columns:
                    raise InvalidSQL(f"{node.table} has no column {node.name}{perhaps(node.name, columns)}")
                return columns[node.name]
            scope = scope.parent
        raise InvalidSQL(f"{node.table}.{node.name}: there is no table {node.table} in this query.")

    def _columns_of(self, source: exp.Table | Scope) -> dict[str, Type]:
        """The columns that a FROM brings, by name; remembered, for each is asked for many times."""
        if id(source) not in self._columns:
            self._columns[id(source)] = (
                dict(self.outputs[id(source.expression)])
                if isinstance(source, Scope)
                else {name: OF_GLUE[type_] for name, type_ in self._schema[source.name].items()}
            )
        return self._columns[id(source)]

    def _give_table(self, node: exp.Column) -> None:
        """Name a column of HAVING in full, where sqlglot does not look; or say what is wrong with any other."""
        columns = {name: self._columns_of(source) for name, (_, source) in self._scope.selected_sources.items()}
        sources = [name for name in columns if node.name in columns[name]]
        if len(sources) == 1:
            node.set("table", exp.to_identifier(sources[0], quoted=True))
            return
        if sources:
            raise InvalidSQL(f"{node.name} is a column of {' and of '.join(sources)}: write {sources[0]}.{node.name}.")
        if any(column.alias_or_name == node.name and column.unalias().name != node.name for column in self._selects()):
            raise InvalidSQL(f"{node.name} is named only in this SELECT: repeat its expression, or select from a WITH.")
        hint = " (a text is written in single quotes)" if node.this.meta.get("in_quotes") else ""
        end = perhaps(node.name, {name for found in columns.values() for name in found})
        raise InvalidSQL(f"There is no column {node.name}{hint}{end}")

    def _selects(self) -> list[exp.Expr]:
        query = self._scope.expression
        return query.selects if isinstance(query, exp.Query) else []

    def subquery(self, node: exp.Subquery) -> Type:
        outputs = self.outputs[id(node.unnest())]
        if len(outputs) != 1:
            raise InvalidSQL(f"A query in place of a value gives one column, not {len(outputs)}.")
        return outputs[0][1]

    def named_windows(self) -> Iterable[exp.Window]:
        windows: list[exp.Window] = self._scope.expression.args.get("windows") or []
        return windows
