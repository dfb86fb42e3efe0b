"""What holds for every insight table, whichever it is."""

from __future__ import annotations

import pytest

from spotifriend_dagster.lake.dialect import output_types
from spotifriend_dagster.tables.cleaned import HISTORY_FILES
from spotifriend_dagster_tests.insights.conftest import INSIGHTS, column_types
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame

NAMES = sorted(INSIGHTS)
ANNA = [
    play("anna", f"2024-03-{day:02} {8 + day % 12:02}:{minute:02}", artist=f"A{(day + minute) % 3}", title=f"{day % 4}")
    for day in range(1, 29)
    for minute in (0, 3, 40)
]
BEN = [
    play("ben", f"2024-02-{day:02} 22:{minute:02}", artist=f"A{day % 2}", title=f"{day % 5}", ms_played=90_000)
    for day in range(10, 29)
    for minute in (1, 4, 58)
]
REJECTED = {"listener": "anna", "export": "e", "file": "f", "source": "extended", "rows": 2, "rejected_rows": 2}


@pytest.fixture(scope="module")
def lakes(lake):
    return {
        "empty": lake(),
        "rejected": lake(history_files=frame_of(HISTORY_FILES, [REJECTED])),
        "private": lake(plays=plays_frame([play("anna", "2024-01-01 10:00", is_private=True)])),
        "anna": lake(plays=plays_frame(ANNA)),
        "anna and ben": lake(plays=plays_frame(ANNA + BEN)),
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_listener_is_the_first_key(name):
    """Isolation by listener: no table may sum two people up."""
    table = INSIGHTS[name].table
    assert table.grain[0] == "listener"
    assert [key.name for key in table.partition_keys] == ["listener"]


@pytest.mark.parametrize("name", NAMES)
def test_the_header_declares_what_the_query_gives(name):
    """The names in their order, and types that need no cast but between whole numbers."""
    insight = INSIGHTS[name]
    given = output_types(insight.query, {read: column_types(read) for read in insight.reads})
    assert [column for column, _ in given] == ["listener", *insight.table.column_names]
    assert [(column, type_) for column, type_ in given if _base(type_) != _base(column_types(name)[column])] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_lake_gives_no_rows_and_no_error(lakes, name):
    """A lake before the first import must not break an insight."""
    assert lakes["empty"](name).empty


@pytest.mark.parametrize("content", ["rejected", "private"])
@pytest.mark.parametrize("name", NAMES)
def test_a_listener_without_a_counted_play_breaks_nothing(lakes, name, content):
    """An export whose rows were all rejected, or all private, has a file but no play to count."""
    lakes[content](name)


@pytest.mark.parametrize("name", NAMES)
def test_another_listener_changes_nothing(lakes, name):
    """Two listeners never mix: each one's rows are the same whether or not the other is in the lake."""
    together = lakes["anna and ben"](name)
    assert together[together["listener"] == "anna"].reset_index(drop=True).equals(lakes["anna"](name))


def _base(type_: str) -> str:
    return "whole number" if type_ in ("int", "bigint") else type_
