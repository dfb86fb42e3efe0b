"""Polls and exports of simulated listeners, held against what they really played: nothing twice, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from bench.completeness import Told, false_gaps, hourly, is_within_a_gap, lost, missed, right_hours, tell, twice
from spotifriend_dagster.demo.exports import Era
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.mishaps import drawn, duplicated, late, redated
from spotifriend_dagster.demo.objects import Objects
from spotifriend_dagster.demo.polls import RecentlyPlayed, answers_at, polled_plays

WEEKS = 5
START = date(2024, 3, 4)
MIDDLE = pd.Timestamp("2024-03-22 19:30", tz="UTC")


def answers_of(
    truth: Truth, changed: Callable[[pd.DataFrame], pd.DataFrame]
) -> list[tuple[pd.Timestamp, dict[str, Any]]]:
    """What hourly polls get where plays are told otherwise than they were played."""
    recently_played = RecentlyPlayed(changed(polled_plays(truth)), Objects(truth.catalogue))
    return [(instant, recently_played.answer(instant)) for instant in hourly(truth)]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(12, start=START, years=WEEKS * 7 / 365.25)


@pytest.fixture(scope="module")
def hourly_told(truth: Truth) -> Told:
    return tell(truth, answers_at(truth, hourly(truth)))


@pytest.fixture(scope="module")
def interrupted(truth: Truth) -> list:
    """What hourly polls with outages of hours to days got."""
    return list(answers_at(truth, hourly(truth, outages=14)))


def test_hourly_polls_lose_nothing(hourly_told: Told) -> None:
    """But offline plays that Spotify itself told only when 50 newer ones stood before them: in a gap, which says so."""
    gone = missed(hourly_told)
    assert gone[~gone["is_told_late"]].empty
    assert is_within_a_gap(gone, hourly_told).all()
    assert len(gone) < 0.005 * len(hourly_told.pollable)
    assert (twice(hourly_told), lost(hourly_told)) == ([], [])
    assert len(hourly_told.plays) > 500


def test_every_loss_lies_in_a_gap_and_every_gap_has_one(truth: Truth, interrupted: list) -> None:
    """A gap without a loss begins with the very next play: nobody can tell it from the pages."""
    told = tell(truth, interrupted)
    gone = missed(told)
    assert len(gone) > 20
    assert is_within_a_gap(gone, told).all()
    assert len(false_gaps(told)) <= 1
    assert told.united.listening_gaps.query("kind == 'pages_apart'")["is_open"].all()


@pytest.mark.parametrize("era", ["endsong", "2025", "account", "both"])
def test_with_an_export_every_true_play_is_there_once(truth: Truth, interrupted: list, era: Era) -> None:
    """What it covers is closed, be it dated otherwise, relinked, or without a name; what polls alone know stays."""
    whole = tell(truth, interrupted, era)
    assert (twice(whole), lost(whole)) == ([], [])
    assert not whole.united.listening_gaps["is_open"].any()
    part = tell(truth, interrupted, era, MIDDLE)
    assert (twice(part), lost(part)) == ([], [])
    assert {"recent"} < set(part.plays["source"])


def test_local_hours_are_those_of_the_true_starts(truth: Truth, hourly_told: Told) -> None:
    """To the play where the export tells the start; for polls, whose starts are estimates, 98 of 100."""
    told = tell(truth, [], "2025").plays
    assert right_hours(told[told["start_rule"] == "offline_ts"], truth) == 1
    assert right_hours(hourly_told.plays, truth) >= 0.98


def test_what_polls_alone_cannot_know_is_null_or_an_estimate(hourly_told: Told) -> None:
    """No skip, no reason and no length is made up for a listener without an export."""
    plays = hourly_told.plays
    assert plays["ms_played_is_estimate"].all() and plays["is_start_uncertain"].all()
    assert plays[["is_skip", "is_early_exit", "reason_end", "skipped_flag"]].isna().all(axis=None)


@pytest.mark.parametrize("era", [None, "2025"])
@pytest.mark.parametrize(
    ("kind", "shift_ms"), [("redated", -20_000), ("redated", 300_000), ("duplicated", -20_000), ("duplicated", 4_000)]
)
def test_a_play_under_two_dates_is_one(truth: Truth, kind: str, shift_ms: int, era: Era | None) -> None:
    """Spotify now and then reports a play again, or anew, with another `played_at`."""

    def changed(plays: pd.DataFrame) -> pd.DataFrame:
        shift, chosen = timedelta(milliseconds=shift_ms), drawn(plays, 0.05, 3)
        return (
            redated(plays, chosen, shift, timedelta(hours=2)) if kind == "redated" else duplicated(plays, chosen, shift)
        )

    told = tell(truth, answers_of(truth, changed), era, MIDDLE, redated_ms=abs(shift_ms))
    assert (twice(told), lost(told)) == ([], [])


def test_plays_that_come_late_are_neither_lost_nor_twice(truth: Truth) -> None:
    """A tenth of all plays known five hours late: they are in later pages, or behind 50 newer ones, in a gap."""
    answers = answers_of(truth, lambda plays: late(plays, drawn(plays, 0.1, 4), timedelta(hours=5)))
    told = tell(truth, answers, "2025", MIDDLE)
    assert (twice(told), lost(told)) == ([], [])
    assert len(told.united.listening_gaps) <= 2
