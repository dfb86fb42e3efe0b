"""Which reports of polls are the same play."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import chain
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.recent_repeats import OTHER_DAY, repeated_recent
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS
from spotifriend_dagster.tables.frames import empty_frame
from spotifriend_dagster_tests.cleaning.received import (
    DAY,
    cleaned_day,
    days_of,
    poll_of,
    polled,
    polls_of,
    told_again,
    united,
)

NOON_UTC = pd.Timestamp("2024-03-01 12:00", tz="UTC")
TOMORROW = DAY + timedelta(days=1)


def test_polled_plays_are_one_across_days() -> None:
    """The first polls of a day return the plays of the day before, which are there already."""
    played = [polled(0), polled(0, "b"), polled(30)]
    days = {DAY: [poll_of(played, 60)], TOMORROW: [poll_of(played, 86_400)]}
    result = united(days=days)
    assert result.plays["origin"].tolist() == [DAY.isoformat()] * 3
    again = result.row_outcomes[result.row_outcomes["origin"] == TOMORROW.isoformat()]
    assert again[["reason", "rows"]].to_numpy().tolist() == [[OTHER_DAY, 3]]


def closed_at(*polls: pd.DataFrame) -> list[float]:
    """The plays that are left of polls, in seconds after noon."""
    plays = united(days={DAY: list(polls)}).plays
    return sorted((plays["closed_at"] - NOON_UTC).dt.total_seconds())


def test_two_reports_of_a_track_within_30_seconds_are_one_play() -> None:
    """Spotify lists a play after 30 s of sound: reports that are closer are one play, dated twice; the first stays."""
    assert closed_at(poll_of([polled(29.999), polled(0)], 60)) == [0]
    assert closed_at(poll_of([polled(30), polled(0)], 60)) == [0, 30]
    assert closed_at(poll_of([polled(29.999)], 60), poll_of([polled(0)], 120)) == [29.999]
    assert closed_at(poll_of([polled(10, "b"), polled(0)], 60)) == [0, 10]


def test_a_report_that_vanished_has_got_another_date() -> None:
    """A page that reaches back beyond a play holds it, or holds it under another date."""
    older = [polled(-600, "x")]
    first = poll_of([polled(0), *older], 60)
    assert closed_at(first, poll_of([polled(400), *older], 3600), poll_of([polled(400), *older], 7200)) == [-600, 0]
    assert closed_at(first, poll_of([polled(-300), *older], 3600)) == [-600, 0]


def test_a_song_played_again_is_no_other_date() -> None:
    """The earlier play is there still, was pushed out by 50 newer ones, or is in a part that could not be read."""
    older = [polled(-600, "x")]
    first = poll_of([polled(0), *older], 60)
    assert closed_at(first, poll_of([polled(400), polled(0), *older], 3600)) == [-600, 0, 400]
    assert closed_at(first, poll_of([polled(400), None, *older], 3600)) == [-600, 0, 400]
    full = [polled(1000 + 100 * number, f"n{number}") for number in range(49)]
    assert 1e3 in closed_at(first, poll_of([polled(9000), *full[::-1]], 9999))
    assert len(closed_at(first, poll_of([polled(9000), *full[::-1]], 9999))) == 52
    assert closed_at(first, poll_of([], 3600), poll_of([polled(400), polled(0), *older], 7200)) == [-600, 0, 400]


A, A_ANEW, OTHER = polled(1863), polled(0), polled(-600, "x")


@pytest.mark.parametrize("again", [[A], [A, OTHER]])
def test_a_page_told_again_brings_no_play_back(again: list[Any]) -> None:
    """A page out of turn, told when its play has got another date, once made two plays of one."""
    polls = [[A, OTHER], [A_ANEW, OTHER]]
    assert reported(polls) == [-600, 1863]
    for of_a_day in (1, 2, 9):
        assert reported([*polls, again], of_a_day) == [-600, 1863]
        assert reported([polls[0], again, polls[1], again], of_a_day) == [-600, 1863]


@pytest.mark.parametrize("of_a_day", [1, 9])
def test_what_one_page_holds_side_by_side_is_not_one_play(of_a_day: int) -> None:
    """A page may lack a play for once, just when its song has been heard again."""
    assert reported([[A, OTHER], [A_ANEW, OTHER]], of_a_day) == [-600, 1863]
    assert reported([[A, OTHER], [A_ANEW, OTHER], [A, A_ANEW, OTHER]], of_a_day) == [-600, 0, 1863]


@pytest.mark.parametrize("of_a_day", [1, 9])
def test_of_two_plays_dated_anew_each_is_there_once(of_a_day: int) -> None:
    """One to one, nearest first: what is nearest to both stands for one of them, and the other date for the other."""
    polls = [[polled(0), polled(400), OTHER], [polled(300), polled(-300), OTHER]]
    assert reported(polls, of_a_day) == [-600, 0, 400]
    assert reported([*polls, [polled(250), polled(-250), OTHER]], of_a_day) == [-600, 0, 400]
    assert reported([*polls, [polled(250), polled(-250), polled(900), OTHER]], of_a_day) == [-600, 0, 400, 900]


def test_a_date_near_another_play_of_the_song_is_spoken_for() -> None:
    """The play that vanished is dated beside another one: a third, played since, is a play of its own."""
    polls = [[polled(0), polled(600), OTHER], [polled(0), polled(5), polled(5000), OTHER]]
    assert reported(polls) == [-600, 0, 600, 5000]


def test_a_play_that_vanished_long_ago_is_not_the_one_that_is_told_now() -> None:
    """Other plays were told in between: without a page that drops the one and brings the other there is no evidence."""
    assert reported([[A, OTHER], [OTHER], [A_ANEW, OTHER]]) == [-600, 1863]
    assert reported([[A, OTHER], [polled(10, "y"), OTHER], [A_ANEW, polled(10, "y"), OTHER]]) == [-600, 0, 10, 1863]


def reported(polls: list[list[Any]], of_a_day: int = 9) -> list[float]:
    """The reports that are left of pages told one after the other, in seconds after noon."""
    return [(played_at - NOON_UTC).total_seconds() for played_at, _ in reports_left(polls, of_a_day)]


def reports_left(polls: list[list[Any]], of_a_day: int) -> list[tuple[pd.Timestamp, str]]:
    cleaned = [cleaned_day(*of_day, day=day) for day, of_day in days_of(polls, of_a_day).items()]
    recent = pd.concat([empty_frame(RECENT_PLAYS), *(one.plays for one in cleaned)], ignore_index=True)
    pages = pd.concat([empty_frame(RECENT_PAGES), *(one.pages for one in cleaned)], ignore_index=True)
    left = recent[repeated_recent(recent, pages).isna()]
    return sorted(zip(left["played_at"], left["track_uri"], strict=True))


items = st.builds(polled, st.integers(0, 20).map(lambda number: 15 * number), st.sampled_from(["a", "a", "b"]))


@settings(deadline=None, max_examples=15)
@given(polls=polls_of(items | st.just({})), chance=st.randoms(), of_a_day=st.integers(1, 4))
@example([[A], [A_ANEW], [A]], random.Random(1), 2)
def test_nothing_changes_when_pages_are_told_again(
    polls: list[list[Any]], chance: random.Random, of_a_day: int
) -> None:
    """Whatever pages say, shuffled, repeated at any later time and cut into other days: the same plays.

    And of a track they are at most as many as its dates 30 s apart, and at least as many as one page holds of these.
    """
    left = reports_left(polls, 2)
    assert reports_left(told_again(polls, chance), of_a_day) == left
    dates: dict[str, set[pd.Timestamp]] = {}
    for item in chain(*polls):
        if item:
            dates.setdefault(item["track"]["uri"], set()).add(pd.Timestamp(item["played_at"]))
    for track, of_track in dates.items():
        in_time = pd.Series(sorted(of_track))
        play = dict(zip(in_time, (in_time.diff() >= pd.Timedelta(seconds=30)).cumsum(), strict=True))
        in_pages = [
            {play[pd.Timestamp(item["played_at"])] for item in page if item and item["track"]["uri"] == track}
            for page in polls
        ]
        assert max(map(len, in_pages)) <= sum(uri == track for _, uri in left) <= len(set(play.values()))
