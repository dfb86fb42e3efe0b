"""Where the values of a query's columns come from, in one pass over its scopes."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

Sources = frozenset[tuple[str, str]]


def lineage_of(scopes: list[Scope]) -> dict[str, tuple[tuple[str, str], ...]]:
    """By output column of the last scope, the (table, column) pairs that its values are made of, sorted.

    Args:
        scopes: the scopes of one query, inner ones first, with every column named in full.
    """
    found: dict[int, list[tuple[str, Sources]]] = {}
    for scope in scopes:
        found[id(scope.expression)] = _outputs(scope, found)
    return {name: tuple(sorted(sources)) for name, sources in found[id(scopes[-1].expression)]}


def columns_of(scopes: list[Scope]) -> dict[str, frozenset[str]]:
    """By table, the columns that a query names, wherever it does.

    Args:
        scopes: as for `lineage_of`, once `analysis.py` has named the columns of HAVING, too.
    """
    found: dict[str, set[str]] = {}
    for scope in scopes:
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                found.setdefault(source.name, set())
        for column in scope.find_all(exp.Column):
            within: Scope | None = scope
            while within is not None and column.table not in within.sources:
                within = within.parent
            if within is not None and isinstance(source := within.sources[column.table], exp.Table):
                found.setdefault(source.name, set()).add(column.name)
    return {table: frozenset(columns) for table, columns in found.items()}


def _outputs(scope: Scope, found: dict[int, list[tuple[str, Sources]]]) -> list[tuple[str, Sources]]:
    query = scope.expression
    if isinstance(query, exp.SetOperation):
        left, right = (found[id(side.unnest())] for side in (query.this, query.expression))
        return [(name, first | second) for (name, first), (_, second) in zip(left, right, strict=True)]
    if isinstance(query, exp.Values):
        return [(name, frozenset()) for name in query.alias_column_names]
    if isinstance(query, exp.Unnest):
        sources = _sources(query.expressions[0], scope, found)
        offset = query.args.get("offset")
        names = [*query.alias_column_names[:1], *([offset.name] if isinstance(offset, exp.Identifier) else [])]
        return [(name, sources) for name in names]
    if isinstance(query, exp.Subquery):
        return found[id(query.unnest())]
    columns = query.selects if isinstance(query, exp.Query) else []
    return [(column.alias_or_name, _sources(column, scope, found)) for column in columns]


def _sources(node: exp.Expr, scope: Scope, found: dict[int, list[tuple[str, Sources]]]) -> Sources:
    """What an expression of the scope is made of; of a query inside it, what that query gives."""
    sources: set[tuple[str, str]] = set()
    for part in _parts(node):
        if isinstance(part, exp.Query) and not isinstance(part, exp.Subquery):
            sources.update(pair for _, pairs in found[id(part)] for pair in pairs)
        elif isinstance(part, exp.Column):
            sources.update(_sources_of(part, scope, found))
    return frozenset(sources)


def _parts(node: exp.Expr) -> Iterator[exp.Expr]:
    yield from node.walk(prune=lambda part: isinstance(part, exp.Query) and not isinstance(part, exp.Subquery))


def _sources_of(column: exp.Column, scope: Scope, found: dict[int, list[tuple[str, Sources]]]) -> Sources:
    within: Scope | None = scope
    while within is not None:
        source = within.sources.get(column.table)
        if isinstance(source, Scope):
            return dict(found[id(source.expression)])[column.name]
        if source is not None:
            return frozenset({(source.name, column.name)})
        within = within.parent
    return frozenset()
