"""What the rules across tables say of tables that break them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import duckdb
import pandas as pd
import pytest

from spotifriend_dagster.checks.rules import RULES, rules_across_tables
from spotifriend_dagster.definitions import build_definitions
from spotifriend_dagster.lake.dialect import to_duckdb
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.tables.cleaned import CLEANED_TABLES, LISTENING_GAPS, RECENT_PAGES
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame

TABLES = {table.name: table for table in CLEANED_TABLES}
BREACHES = {rule.name: rule.breaches for rule in RULES}
Frames = Callable[..., list[dict[str, object]]]


def breaches(rule: str, **frames: pd.DataFrame) -> list[dict[str, object]]:
    """The rows that break a rule, in a lake of these tables."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, frame in frames.items():
        naive = frame.copy()
        for column in naive.select_dtypes("datetimetz"):
            naive[column] = naive[column].dt.tz_localize(None)
        connection.register(name, naive)
    types = {name: {column.name: column.type for column in TABLES[name].all_columns} for name in frames}
    return connection.execute(to_duckdb(BREACHES[rule], types)).df().to_dict("records")


def polls(*instants: pd.Timestamp) -> pd.DataFrame:
    ordinary = {"listener": "anna", "year": 2024, "collected_on": "2024-03-01"}
    ordinary |= dict.fromkeys(("rows", "rejected_rows", "new_rows"), 0)
    return frame_of(RECENT_PAGES, [ordinary | {"page": f"{at}", "pulled_at": at} for at in instants])


def test_open_gaps_are_reported_with_their_cure() -> None:
    """A closed gap and a late poll that missed nothing are none of a listener's worries."""
    row = {"listener": "anna", "starts_at": "2024-03-01", "ends_at": "2024-03-02", "pulled_before": "2024-03-01"}
    row |= {"pulled_at": "2024-03-02", "kind": "pages_apart"}
    still = {"open_from": "2024-03-01", "open_until": "2024-03-02"}
    gaps = [row | {"page": "a", "is_open": False}, row | {"page": "b", "is_open": True} | still]
    found = breaches("no_gap_is_open", listening_gaps=frame_of(LISTENING_GAPS, gaps))
    assert [str(gap["open_from"]) for gap in found] == ["2024-03-01 00:00:00"]
    rule = next(rule for rule in RULES if rule.name == "no_gap_is_open")
    assert "https://www.spotify.com/account/privacy/" in (rule.cure or "")


@pytest.mark.parametrize(
    ("rows", "rejected", "polls_since", "is_told"),
    [
        (50, 50, 0, True),
        (50, 50, 99, True),
        (50, 50, 100, False),
        (50, 49, 0, False),
        (0, 0, 0, False),
    ],
)
def test_polls_of_which_nothing_could_be_read_are_told(
    rows: int, rejected: int, polls_since: int, is_told: bool
) -> None:
    """Spotify renames a field: each poll is kept, its plays are all set aside. One odd play in fifty is no change."""
    start = pd.Timestamp("2024-03-01 12:00", tz="UTC")
    pages = polls(*(start + pd.Timedelta(hours=n) for n in range(polls_since + 1)))
    pages.loc[0, ["rows", "rejected_rows"]] = rows, rejected
    assert bool(breaches("polls_are_understood", recent_pages=pages)) == is_told
    assert breaches("polls_are_understood", recent_pages=pages.assign(is_damaged=True)) == []


@pytest.mark.parametrize(("songs", "minutes", "is_too_rare"), [(50, 50, True), (50, 48, False), (49, 50, False)])
def test_polls_must_keep_pace_with_the_listener(songs: int, minutes: int, is_too_rare: bool) -> None:
    """Fifty songs in 49 minutes, once, are lost to polls that usually come later; an outage is not the usual."""
    start = pd.Timestamp("2024-03-01 12:00", tz="UTC")
    plays = plays_frame([play("anna", start + pd.Timedelta(minutes=n), ms_played=45_000) for n in range(songs)])
    regular = [start + pd.Timedelta(minutes=minutes * n) for n in range(9)]
    found = breaches("polls_keep_pace", plays=plays, recent_pages=polls(*regular, start + pd.Timedelta(days=9)))
    assert bool(found) == is_too_rare
    if found:
        assert found == [{"listener": "anna", "seconds_between_polls": 3000, "seconds_for_50_songs": 49 * 60}]


def test_rules_say_nothing_of_tables_that_were_never_made(tmp_path: Path) -> None:
    """Somebody materializes one asset of a new lake by hand: the rules on it read others, and must not fail the run."""
    judge = dg.define_asset_job("judge", selection=dg.AssetSelection.checks(rules_across_tables))
    definitions = dg.Definitions.merge(build_definitions(Settings(home=tmp_path)), dg.Definitions(jobs=[judge]))
    result = definitions.resolve_job_def("judge").execute_in_process(instance=dg.DagsterInstance.ephemeral())
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == len(RULES)
    assert all(evaluation.passed and "never materialized" in evaluation.description for evaluation in evaluations)
