"""What becomes of plays before the Web API tells them, seen from its answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.mishaps import drawn, duplicated, late, redated
from spotifriend_dagster.demo.objects import Objects
from spotifriend_dagster.demo.polls import RecentlyPlayed, polled_plays
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster_tests.demo.apps import App

SHIFT = timedelta(seconds=7)


@pytest.fixture(scope="module")
def plays(season: Truth) -> pd.DataFrame:
    return polled_plays(season)


@pytest.fixture
def newest(plays: pd.DataFrame) -> pd.Series:
    """A mask of the play before the last."""
    return pd.Series(plays.index == len(plays) - 2, index=plays.index)


def told(season: Truth, plays: pd.DataFrame, now: datetime) -> list[pd.Timestamp]:
    """The instants that the Web API tells."""
    items = RecentlyPlayed(plays, Objects(season.catalogue)).answer(now)["items"]
    return [pd.Timestamp(item["played_at"]) for item in items]


def test_a_late_play_comes_among_older_ones_with_its_own_time(season: Truth, plays: pd.DataFrame, newest: pd.Series):
    """Nothing but the page before tells that it was not there."""
    (play,) = plays[newest].itertuples()
    delayed = late(plays, newest, timedelta(hours=3))
    known = max(play.known_at, plays["known_at"].iloc[-1])
    assert play.played_at not in told(season, delayed, known)
    assert play.played_at in told(season, delayed, play.known_at + timedelta(hours=3))
    assert len(delayed) == len(plays)


def test_a_duplicated_play_is_told_twice_at_once(season: Truth, plays: pd.DataFrame, newest: pd.Series):
    """With two times, seconds apart: one play of the truth."""
    (play,) = plays[newest].itertuples()
    doubled = duplicated(plays, newest, SHIFT)
    assert {play.played_at, play.played_at + SHIFT} <= set(told(season, doubled, season.end + SHIFT))
    assert doubled["event"].value_counts().loc[play.event] == 2
    assert len(doubled) == len(plays) + 1


def test_a_redated_play_is_told_at_one_time_and_later_at_another(season: Truth, plays: pd.DataFrame, newest: pd.Series):
    """Never at both, and never at none."""
    (play,) = plays[newest].itertuples()
    changed = redated(plays, newest, SHIFT, after=timedelta(hours=1))
    for after, expected in ((0, play.played_at), (59, play.played_at), (60, play.played_at + SHIFT)):
        found = told(season, changed, play.known_at + timedelta(minutes=after))
        assert [time for time in found if time in (play.played_at, play.played_at + SHIFT)] == [expected]


def test_mishaps_can_be_drawn_combined_and_served(season: Truth, plays: pd.DataFrame):
    """The server tells what it is given; the truth behind each row stays known."""
    chosen = drawn(plays, 0.2, seed=4)
    assert 0.15 < chosen.mean() < 0.25
    assert chosen.equals(drawn(plays, 0.2, seed=4))
    assert not chosen.equals(drawn(plays, 0.2, seed=5))
    changed = duplicated(late(plays, chosen, timedelta(minutes=5)), chosen, SHIFT)
    assert set(changed["event"]) == set(plays["event"])
    with SimulatedSpotify({"robin": season}) as serving:
        app = App(serving)
        before = app.get("me/player/recently-played?limit=50")["items"]
        serving.listeners["robin"].plays = changed
        after = app.get("me/player/recently-played?limit=50")["items"]
        app.close()
    assert len(before) == len(after) == 50
    assert {item["played_at"] for item in before} - {item["played_at"] for item in after}
    uris = [item["track"]["uri"] for item in after]
    assert any(uri == other for uri, other in pairwise(uris))
