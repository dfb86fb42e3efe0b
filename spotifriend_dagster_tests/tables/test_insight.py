"""An insight is one SQL file: its header declares the table, its query says what it reads."""

import pytest

from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.declaration import Column
from spotifriend_dagster.tables.insight import load_insights, parse_insight

HEADER = """/*
description: Listens,
  counted.
grain: [listener]
columns:
  listener: plays.listener
  listens: bigint! Plays of at least 30 s.
  share: double Share of all of what can be known.
  track_name: plays.track_name!
  media: plays.media?
*/
"""
QUERY = "SELECT listener, COUNT(*) AS listens FROM plays -- not FROM history_plays\nJOIN sessions ON TRUE;"
KNOWN = {"plays": PLAYS}


def test_the_header_declares_the_table() -> None:
    """A created column says type and meaning; one that is passed on inherits both, and may say whether it is null."""
    insight = parse_insight("listens", HEADER + QUERY, KNOWN)
    table = insight.table
    assert (table.name, table.layer, table.folder) == ("listens", "insights", "insights/listens")
    assert (table.description, table.grain) == ("Listens, counted.", ("listener",))
    assert table.partition_keys == (PLAYS.column("listener"),), "by whom the rows are stored"
    assert table.column("listens") == Column("listens", "bigint", "Plays of at least 30 s.", nullable=False)
    assert table.column("share") == Column("share", "double", "Share of all of what can be known.")
    assert table.column("track_name").description == PLAYS.column("track_name").description
    assert not table.column("track_name").nullable
    assert table.column("media").nullable
    assert table.column_names == ("listens", "share", "track_name", "media")


def test_the_query_says_what_it_reads() -> None:
    """Comments read nothing, and what is no table (a common table expression) is none."""
    insight = parse_insight("listens", HEADER + QUERY, KNOWN)
    assert insight.reads == ("plays",)
    assert insight.query == QUERY.removesuffix(";")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (QUERY, "has no header"),
        ("/* description: [ */" + QUERY, "cannot be read"),
        (HEADER.replace("grain: [listener]\n", "") + QUERY, "cannot be read"),
        (HEADER.replace("plays.listener", "plays.liszt") + QUERY, "cannot be read: 'liszt'"),
        (HEADER.replace("bigint!", "number!") + QUERY, "column listens says neither"),
        (HEADER.replace("[listener]", "[listener, day]") + QUERY, "grain of table listens names"),
        (HEADER.replace("[listener]", "[media]") + QUERY, "its grain does not name the listener"),
        (HEADER.replace("  listener: plays.listener\n", "") + QUERY, "its first column is not `listener"),
    ],
    ids=[
        *("none", "no YAML", "no grain", "an unknown column", "an unknown type", "a grain of what is not there"),
        *("a grain across listeners", "nobody's"),
    ],
)
def test_a_header_that_cannot_be_read_names_the_file(text: str, sentence: str) -> None:
    """Whoever adds a file is told which one, and what is wrong with it."""
    with pytest.raises(ValueError, match=rf"insights/listens.sql .*{sentence}"):
        parse_insight("listens", text, KNOWN)


def test_insights_are_loaded_after_those_that_they_read() -> None:
    """Whatever their names; and a circle is named."""
    first = HEADER + "SELECT * FROM plays"
    then = HEADER.replace("plays.", "zeta.") + "SELECT * FROM zeta"
    assert list(load_insights({"alpha": then, "zeta": first})) == ["zeta", "alpha"]
    with pytest.raises(ValueError, match="circle: alpha, zeta"):
        load_insights({"alpha": then, "zeta": HEADER + "SELECT * FROM alpha"})


def test_every_shipped_insight_is_loaded() -> None:
    """Adding an insight is adding a file; each has the listener as its first key."""
    insights = load_insights()
    assert len(insights) >= 22
    for name, insight in insights.items():
        assert insight.table.grain[0] == "listener", name
        assert insight.reads, name
        for read in insight.reads:
            assert list(insights).index(read) < list(insights).index(name) if read in insights else True
