"""The names of everything on the allow-list, as `rules_used` gives them for a query."""

from __future__ import annotations

from spotifriend_dagster.lake.dialect.aggregates import FUNCTIONS
from spotifriend_dagster.lake.dialect.expressions import expression_rules
from spotifriend_dagster.lake.dialect.grammar import node_rules


def all_rules() -> frozenset[str]:
    """Nodes and their parts, operators by type, casts, and functions by signature."""
    calls = {f"{name}: {signature}" for name, function in FUNCTIONS.items() for signature in function.overloads}
    return node_rules() | expression_rules() | calls
