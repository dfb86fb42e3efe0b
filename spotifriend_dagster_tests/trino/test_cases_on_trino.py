"""The rows of the dialect's cases are Trino's own, not what somebody took them to be."""

from __future__ import annotations

import math
from typing import Any

import pytest

from spotifriend_dagster.lake import dialect
from spotifriend_dagster.lake.dialect.case import Case
from spotifriend_dagster.lake.dialect.types import OF_GLUE
from spotifriend_dagster_tests.trino.local_trino import LocalTrino

pytestmark = [pytest.mark.trino, pytest.mark.timeout(1200)]  # the first test waits for Maven


@pytest.mark.parametrize("case", dialect.cases(), ids=lambda case: case.sql[:60])
def test_each_case_gives_its_rows_and_types_on_trino(case: Case, trino: LocalTrino) -> None:
    """One SQL, the same rows: what a case says of Trino, and DuckDB is held to elsewhere, is what Trino gives."""
    answer = trino.run(case.sql)
    is_ordered = "ORDER BY" in case.sql.upper()
    rows = answer.rows if is_ordered else sorted(answer.rows, key=str)
    documented = list(case.rows) if is_ordered else sorted(case.rows, key=str)
    assert _same(rows, documented), (rows, documented)
    inferred = tuple(OF_GLUE.get(type_, type_) for _, type_ in dialect.output_types(case.sql, {}))
    assert answer.types == inferred


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, (tuple, list)):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(wanted, float):
        return isinstance(found, float) and math.isclose(found, wanted, rel_tol=1e-12)
    return type(found) is type(wanted) and bool(found == wanted)
