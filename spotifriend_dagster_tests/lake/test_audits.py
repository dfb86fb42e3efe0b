"""What is not as declared is found before anybody reads it."""

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.lake.audits import Audit, audit_declaration, audit_rows
from spotifriend_dagster.lake.parquet import to_arrow
from spotifriend_dagster.tables.cleaned import HISTORY_FILES
from spotifriend_dagster.tables.frames import empty_frame
from spotifriend_dagster_tests.lake.made_frames import made_frame
from spotifriend_dagster_tests.lake.made_insights import INSIGHT, answers

TABLE = INSIGHT.table


def failed(found: pa.Table) -> dict[str, Audit]:
    return {audit.name: audit for audit in audit_declaration(found, TABLE) if not audit.passed}


def test_what_is_as_declared_passes() -> None:
    """With rows and without."""
    for rows in (30, 0):
        audits = audit_declaration(answers(1, rows), TABLE)
        assert [(audit.name, audit.passed, audit.blocks) for audit in audits] == [
            ("schema", True, False),
            ("grain", True, False),
            ("never_null", True, False),
        ]


@pytest.mark.parametrize(
    "found",
    [
        answers(1).drop_columns(["answer"]),
        answers(1).append_column("more", pa.array([1] * 30)),
        answers(1).select(["answer", "n"]),
        answers(1).rename_columns(["n", "Answer"]),
        answers(1).set_column(1, "answer", pa.array([1] * 30, pa.int32())),
        answers(1).set_column(1, "answer", pa.array([1.0] * 30)),
    ],
    ids=["one too few", "one too many", "another order", "another name", "another width", "another type"],
)
def test_other_columns_than_declared_are_found(found: pa.Table) -> None:
    """Types and order included: another engine reads what the declaration says, or fails, or reads nonsense."""
    faults = failed(found)
    assert faults["schema"].blocks
    assert faults["schema"].metadata["declared"] == "n int64, answer int64"
    assert faults["schema"].metadata["written"] != faults["schema"].metadata["declared"]
    assert {"schema", "grain", "never_null"} == faults.keys(), "what could not be looked at has not passed"


def test_rows_that_repeat_a_key_are_found() -> None:
    """The keys are named, and counted: a join that multiplies rows is seen before a figure is doubled."""
    found = pa.concat_tables([answers(1, 3), answers(2, 2)])
    (fault,) = failed(found).values()
    assert (fault.name, fault.blocks, fault.metadata["repeated_rows"]) == ("grain", True, 2)
    assert fault.metadata["first"] == [
        {"n": "0", "count_all": "2"},
        {"n": "1", "count_all": "2"},
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 3))), max_size=12))
def test_keys_are_counted_as_pandas_counts_them(keys: list[tuple[int, int | None]]) -> None:
    """Two missing values are one key."""
    numbers, values = [number for number, _ in keys], [value for _, value in keys]
    found = pa.table([numbers, values], schema=answers(0).schema)
    _, grain, _ = audit_declaration(found, replace(TABLE, grain=("listener", "n", "answer")))
    repeated = pd.DataFrame({"n": numbers, "answer": pd.array(values, dtype="Int64")}).duplicated().sum()
    assert grain.metadata["repeated_rows"] == repeated
    assert grain.passed == (repeated == 0)


def test_a_null_where_none_may_be_is_found() -> None:
    """With its column and how many there are; a nullable column may hold them."""
    found = answers(1).set_column(0, "n", pa.array([None, None, *range(28)], pa.int64()))
    found = found.slice(1).set_column(1, "answer", pa.nulls(29, pa.int64()))
    (fault,) = failed(found).values()
    assert (fault.name, fault.blocks, fault.metadata) == ("never_null", True, {"nulls": {"n": 1}})


def test_of_a_cleaned_table_the_key_is_that_within_the_listener() -> None:
    """The listener is in the path, and not in the file."""
    frame = made_frame(HISTORY_FILES, 1)
    once, twice = (to_arrow(pd.concat([frame] * times), HISTORY_FILES) for times in (1, 2))
    assert all(audit.passed for audit in audit_declaration(once, HISTORY_FILES))
    assert [audit.name for audit in audit_declaration(twice, HISTORY_FILES) if not audit.passed] == ["grain"]
    empty = to_arrow(empty_frame(HISTORY_FILES), HISTORY_FILES)
    assert all(audit.passed for audit in audit_declaration(empty, HISTORY_FILES))


@pytest.mark.parametrize(
    ("rows", "before", "verdict"),
    [
        (0, None, "passes"),
        (5, None, "passes"),
        (1000, 20, "passes"),
        (50, 100, "passes"),
        (49, 100, "warns"),
        (1, 20, "warns"),
        (0, 20, "blocks"),
        (0, 19, "passes"),
        (1, 19, "passes"),
        (0, 0, "passes"),
    ],
)
def test_lost_rows_are_told_and_a_table_that_lost_all_is_held(rows: int, before: int | None, verdict: str) -> None:
    """A history only grows: half of it gone is worth a word, all of it gone is a fault."""
    audit = audit_rows(rows, before)
    assert verdict == ("passes" if audit.passed else "blocks" if audit.blocks else "warns")
    assert audit.metadata["rows"] == rows
