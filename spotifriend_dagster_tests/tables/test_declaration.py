"""A declaration that contradicts itself is refused where it stands."""

from dataclasses import replace

import pytest

from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.declaration import Column, Table, pick
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights

N = Column("n", "bigint", "A number.", nullable=False)
HEARD = Table("heard", "cleaned", "cleaned/heard", "A table.", ("n",), (N,))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"columns": (N, N)}, "declares column n twice"),
        ({"partition_keys": (N,)}, "declares column n twice"),
        ({"grain": ("n", "m")}, r"grain of table heard names \['m'\]"),
        ({"year_of": "m"}, "cut by year"),
        ({"partition_keys": (replace(N, name="year"),)}, "cut by year"),
        ({"day_of": "m"}, "made day by day"),
    ],
)
def test_a_contradiction_is_refused(change: dict[str, object], sentence: str) -> None:
    """At once, with the table and what is wrong with it."""
    with pytest.raises(ValueError, match=sentence):
        replace(HEARD, **change)  # type: ignore[arg-type]


def test_every_table_has_a_place_and_a_name_of_its_own() -> None:
    """Two tables in one folder would overwrite each other; two of one name would hide each other from SQL."""
    tables = [*DECLARED_TABLES, *(insight.table for insight in load_insights().values())]
    assert len({table.name for table in tables}) == len(tables)
    assert len({table.folder for table in tables}) == len(tables)
    assert all(table.column("listener") for table in tables), "whose is it?"


def test_no_column_of_a_key_may_be_null() -> None:
    """A row whose key is missing cannot be told from another."""
    tables = DECLARED_TABLES
    assert {(table.name, name) for table in tables for name in table.grain if table.column(name).nullable} == set()


def test_a_column_is_passed_on_with_its_meaning() -> None:
    """It is described once."""
    (media,) = pick(PLAYS, ["media"])
    assert media is PLAYS.column("media")
    with pytest.raises(KeyError):
        pick(PLAYS, ["melody"])
