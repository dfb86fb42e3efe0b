"""What runs say of problems: who is told must be able to rely on it, and is told nothing that is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spotifriend_dagster.automation import advice
from spotifriend_dagster.automation.advice import OF_CHECKS, Advice
from spotifriend_dagster.automation.alerts import Severity
from spotifriend_dagster.automation.findings import findings_of, of_overlaps
from spotifriend_dagster.automation.health import RunFacts, Said, health_record

NOON = datetime(2025, 3, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN = RunFacts("a", "rebuild", NOON, NOON + 10 * MINUTE, "success", (), {}, (), (), {})


def poll(asset: str = "raw/recently_played", **said: Any) -> RunFacts:
    """A poll of one listener, of which the run said this."""
    pulled = {"outcome": "complete", "message": None, "clock_off": None, "calls": 1, "rows": 50} | said
    return replace(RUN, job="poll", said=[Said(asset, {"listeners": {"robin": pulled}}, is_materialization=True)])


@pytest.mark.parametrize(
    ("off", "said"),
    [
        (None, None),
        (299, []),
        (-299, []),
        (300, ["It is 5 minutes ahead of Spotify's."]),
        (-43_200, ["It is 12.0 hours behind Spotify's."]),
        (31_536_000, ["It is 365.0 days ahead of Spotify's."]),
    ],
)
def test_a_wrong_clock_is_told_with_how_wrong_it_is(off: int | None, said: list[str] | None) -> None:
    """An answer takes seconds. Where none came, whether the clock is right now is not known, and nothing is over."""
    found = [finding for finding in findings_of(poll(clock_off=off)) if finding.subject == "clock"]
    told = [[problem.what.splitlines()[1] for problem in finding.problems] for finding in found]
    assert told == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("asset", "severities"),
    [("raw/recently_played", [Severity.ERROR]), ("raw/top_tracks", [Severity.NOTICE]), ("raw/audio_features", [])],
)
def test_a_denied_poll_loses_plays_and_denied_audio_features_are_as_ever(
    asset: str, severities: list[Severity]
) -> None:
    """A consent without the plays was told once, as a notice, like one without the tops."""
    found = findings_of(poll(asset, outcome="denied", message="No."))
    assert [problem.severity for finding in found for problem in finding.problems] == severities


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        ({}, True),
        ({"run_id": "a"}, False),
        ({"job": "answer"}, False),
        ({"started": NOON - 5 * MINUTE, "ended": NOON}, False),
        ({"started": NOON - 5 * MINUTE, "ended": NOON + MINUTE}, True),
        ({"started": NOON + 10 * MINUTE, "ended": NOON + 12 * MINUTE}, False),
        ({"outcome": "failure"}, False),
        ({"outcome": "failure", "failures": {"cleaned/plays": "No."}}, True),
    ],
)
def test_two_runs_overlap_where_both_were_at_it(other: dict[str, Any], overlaps: bool) -> None:
    """One that was killed ends in the records when that is noticed: the run that made good for it met nobody."""
    facts = replace(RUN, run_id="b", started=NOON + 2 * MINUTE)
    found = [*of_overlaps(RUN, [health_record(replace(facts, **other), {})])]
    assert [problem.has_passed for finding in found for problem in finding.problems] == [True] * overlaps


def test_what_was_put_right_is_told_by_name() -> None:
    """Who looks for what edits their catalog, or cuts their files, has to know which."""
    said = [
        Said("cleaned/plays", {"damaged": ["cleaned/plays/listener=robin/year=2025/part.parquet"]}, True),
        Said("catalog/plays", {"changed": ["Parameters.x"], "edited": ["StorageDescriptor.Columns"]}, True),
        Said("catalog/sessions", {"changed": ["Parameters.projection.listener.values"]}, True),
    ]
    found = [problem.what for finding in findings_of(replace(RUN, said=said)) for problem in finding.problems]
    assert found == [
        "A file of the lake was damaged, and is made anew\n"
        "cleaned/plays/listener=robin/year=2025/part.parquet was found damaged.",
        "Somebody had changed the definition of a table, and it is put right\n"
        "plays: what had been changed is StorageDescriptor.Columns.",
    ]


def test_the_guide_says_what_alerts_say() -> None:
    """Whoever looks a message up finds its own words."""
    guide = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    of_runs = [said for said in vars(advice).values() if isinstance(said, Advice)]
    missing = [said for said in (*of_runs, *OF_CHECKS.values()) if f"| {said.cost} | {said.cure} |" not in guide]
    assert [said.what for said in missing if said is not advice.POLL_BROKE_OFF] == []
