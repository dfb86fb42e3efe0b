"""Which table and which column each name of a query is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from spotifriend_dagster.lake.dialect.errors import InvalidSQL
from spotifriend_dagster.lake.dialect.grammar import Athena
from spotifriend_dagster.lake.dialect.wording import first_line, perhaps

Schema = Mapping[str, Mapping[str, str]]
"""By table, the Glue type of each column."""


def qualified(tree: exp.Query, schema: Schema) -> list[Scope]:
    """The query's scopes, inner ones first, with every column named in full.

    Args:
        tree: what `grammar.parse` gave; it is changed.
        schema: the tables that there are.

    Raises:
        InvalidSQL: there is no such table or column, or the column's name is ambiguous.
    """
    read = tables_in(tree)
    for table in sorted(read):
        if table not in schema:
            raise InvalidSQL(f"There is no table {table}{perhaps(table, schema)}")
    for cte in tree.find_all(exp.CTE):
        if cte.alias in schema:
            raise InvalidSQL(f"WITH {cte.alias} hides the table of that name: take another name.")
    known = MappingSchema(
        {table: dict.fromkeys(schema[table], "varchar") for table in read}, dialect=Athena, normalize=False
    )
    try:
        resolved = qualify(tree, dialect=Athena, schema=known, expand_alias_refs=False, validate_qualify_columns=False)
    except OptimizeError as error:
        raise _unresolved(error, {name for table in read for name in schema[table]}) from error
    return traverse_scope(resolved)


def tables_in(tree: exp.Query) -> frozenset[str]:
    """The names of the tables that a query reads.

    Raises:
        InvalidSQL: two tables of one FROM have the same name.
    """
    try:
        scopes = traverse_scope(tree)
    except OptimizeError as error:
        raise InvalidSQL(first_line(error)) from error
    return frozenset(
        source.name for scope in scopes for source in scope.sources.values() if isinstance(source, exp.Table)
    )


def _unresolved(error: OptimizeError, columns: Iterable[str]) -> InvalidSQL:
    """sqlglot's message about a column, in our words."""
    message = first_line(error)
    named = re.search(r"[Cc]olumn:? '?\"?([^'\"\s.]+)", message)
    if named is None or "mbiguous" in message:
        return InvalidSQL(message)
    return InvalidSQL(f"There is no column {named[1]}{perhaps(named[1], columns)}")
