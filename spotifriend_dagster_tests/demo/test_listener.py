"""The simulated listener: the truth must hold together, and be as varied as real listening."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.demo.listener import Truth, simulate


def _listens(truth: Truth) -> pd.DataFrame:
    return truth.events[(truth.events["media"] == "track") & (truth.events["ms_played"] >= 30_000)]


def test_same_seed_same_truth_and_other_seed_other_listener() -> None:
    first, again, other = (simulate(seed, years=0.1, plays_per_day=20) for seed in (1, 1, 2))
    assert_frame_equal(first.events, again.events)
    assert first.zones == again.zones
    assert first.playlists == again.playlists
    assert not set(first.events["track_uri"].dropna()) & set(other.events["track_uri"].dropna())


def test_two_listeners_can_share_a_catalogue() -> None:
    first = simulate(1, years=0.1, plays_per_day=20)
    second = simulate(2, years=0.1, plays_per_day=20, catalogue=first.catalogue)
    assert set(first.events["track_uri"].dropna()) & set(second.events["track_uri"].dropna())
    assert not first.events["started_at"].isin(second.events["started_at"]).any()


@pytest.mark.parametrize(("years", "plays_per_day"), [(0.02, 1), (0.02, 300), (0.5, 3), (3, 20)])
def test_the_number_of_plays_follows_the_arguments(years: float, plays_per_day: float) -> None:
    truth = simulate(years=years, plays_per_day=plays_per_day)
    wanted = years * 365.25 * plays_per_day
    nights_of_clock_change = 110 * max(years, 1)
    assert 0.6 * wanted - 10 < len(truth.events) < 1.4 * wanted + nights_of_clock_change + 110


@pytest.mark.parametrize(("years", "plays_per_day"), [(0.01, 45), (1, 0)])
def test_too_little_to_simulate_is_refused(years: float, plays_per_day: float) -> None:
    with pytest.raises(ValueError, match="a week or more"):
        simulate(years=years, plays_per_day=plays_per_day)


def test_times_of_a_play_are_in_order(truth: Truth) -> None:
    events = truth.events
    assert events.index.equals(pd.RangeIndex(len(events)))
    assert events["started_at"].is_monotonic_increasing
    assert (events["ms_played"] >= 0).all()
    assert (events["paused_ms"] >= 0).all()
    ms_to_stop = (events["stopped_at"] - events["started_at"]) // pd.Timedelta("1ms")
    assert (ms_to_stop == events["ms_played"] + events["paused_ms"]).all()
    assert (events["closed_at"] > events["stopped_at"] - pd.Timedelta("3s")).all()
    assert (events["reported_at"] >= events["stopped_at"]).all()
    assert (events["closed_at"].dt.microsecond == 0).all()
    assert truth.end > max(events["closed_at"].max(), events["reported_at"].max())


def test_reports_come_within_the_reach_of_the_start_rule(truth: Truth) -> None:
    """`ts − 30 d ≤ offline_timestamp` must hold for what really is the start."""
    assert ((truth.events["closed_at"] - truth.events["started_at"]) < pd.Timedelta(days=30)).all()


def test_every_play_is_of_exactly_one_thing(truth: Truth) -> None:
    events = truth.events
    named = events[["track_uri", "episode_uri", "audiobook_uri"]].notna()
    assert (named.sum(axis=1) == 1).all()
    assert (named["track_uri"] == (events["media"] == "track")).all()
    assert (named["episode_uri"] == events["media"].isin(["episode", "video"])).all()
    assert (named["audiobook_uri"] == (events["media"] == "audiobook")).all()
    assert set(events["media"]) == {"track", "episode", "video", "audiobook"}


def test_skips_are_by_the_rule(truth: Truth) -> None:
    """The rule of docs/metrics.md, and the same whether the duration is known or not."""
    events = truth.events
    is_forward = events["reason_end"].isin(["fwdbtn", "nextbtn"])
    by_duration = is_forward & (events["ms_played"] < np.minimum(30_000, events["duration_ms"] / 2))
    assert (events["is_skip"] == by_duration).all()
    assert (events["is_skip"] == (is_forward & (events["ms_played"] < 30_000))).mean() > 0.9999


def test_a_play_that_ended_by_itself_was_heard_whole(truth: Truth) -> None:
    events = truth.events[(truth.events["reason_end"] == "trackdone") & (truth.events["media"] == "track")]
    is_empty = events["ms_played"] == 0
    assert (events["ms_played"] == events["duration_ms"]).eq(~is_empty).all()
    assert 0.0005 < is_empty.mean() < 0.005


@pytest.mark.parametrize("seed", [7, 21, 22])
def test_rates_are_those_of_real_listeners(seed: int) -> None:
    """Shares seen in real exports: 9–16 % of starts late (a little less here), 0.7–6.5 % of plays overlapped."""
    truth = simulate(seed)
    events, listens = truth.events, _listens(truth)
    assert 31_000 < len(events) < 35_500
    ended_at = events["started_at"] + pd.to_timedelta(events["ms_played"], unit="ms")
    late = events["closed_at"] - ended_at > pd.Timedelta("60s")
    assert 0.06 < late.mean() < 0.16
    assert late[events["reason_end"] == "logout"].mean() > 0.7
    assert 0.006 < (events["started_at"].shift(-1) < ended_at - pd.Timedelta("1s")).mean() < 0.065
    assert 0.002 < events["closed_at"].duplicated().mean() < 0.03
    assert 0.05 < events.loc[events["media"] == "track", "is_skip"].mean() < 0.15
    assert 0.003 < events["is_private"].mean() < 0.03
    assert 0.01 < events["offline"].mean() < 0.07
    assert 0.05 < (events["platform"] == "cast").mean() < 0.25
    by_artist = listens.groupby("artist").size().sort_values(ascending=False)
    assert 0.02 < by_artist.iloc[0] / len(listens) < 0.12
    assert 0.3 < by_artist.iloc[:50].sum() / len(listens) < 0.75
    assert 600 < len(by_artist) < 1800
    week_before = listens["started_at"] - listens.groupby("recording")["started_at"].shift() < pd.Timedelta("168h")
    assert 0.15 < week_before.mean() < 0.45
    back_to_back = listens["recording"] == listens["recording"].shift()
    assert 0.005 < back_to_back.mean() < 0.06


def test_days_of_work_and_weekends_have_their_own_clock(truth: Truth) -> None:
    local = ZoneHistory(truth.zones).localize(truth.events["started_at"])
    by_hour = pd.crosstab(local["local_hour"], local["is_weekend"], normalize="columns")
    assert by_hour.loc[7, False] > 5 * by_hour.loc[7, True]
    assert by_hour.loc[0:3, True].sum() > 3 * by_hour.loc[0:3, False].sum()


def test_taste_changes_through_the_day(truth: Truth) -> None:
    listens = _listens(truth)
    local = ZoneHistory(truth.zones).localize(listens["started_at"])
    genre = truth.catalogue.artists["genre"].to_numpy()[listens["artist"]]
    by_part = pd.crosstab(genre, local["daypart"], normalize="columns")
    assert (by_part["morning"] - by_part["night"]).abs().sum() / 2 > 0.25


def test_artists_are_found_all_along_and_some_are_left_and_found_again(truth: Truth) -> None:
    listens = simulate(7).events.query("artist >= 0 and ms_played >= 30_000")
    times = listens.groupby("artist")["started_at"]
    first = times.transform("min")
    month = listens["started_at"].dt.strftime("%Y-%m")
    discoveries = (first == listens["started_at"]).groupby(month).sum()
    assert (discoveries.iloc[:-1] > 0).all()
    assert discoveries.iloc[3:].max() > 2 * discoveries.iloc[3:-1].min()
    is_long_ago = listens["started_at"] - times.shift() >= pd.Timedelta(days=180)
    assert (is_long_ago & (times.cumcount() >= 3)).sum() >= 20
    plays = times.agg(["size", "max"])
    assert ((plays["size"] >= 15) & (plays["max"] < listens["started_at"].max() - pd.Timedelta(days=180))).sum() >= 10


def test_songs_become_obsessions(truth: Truth) -> None:
    times = _listens(truth).groupby("recording")["started_at"]
    fifth_later = times.shift(-4) - _listens(truth)["started_at"]
    assert (fifth_later < pd.Timedelta("168h")).groupby(_listens(truth)["recording"]).any().sum() >= 15


def test_the_journey_is_in_the_zones_and_in_the_countries(truth: Truth) -> None:
    assert len(truth.zones) >= 3
    local = ZoneHistory(truth.zones).localize(truth.events["started_at"])
    assert (local["time_zone"] == truth.events["time_zone"]).all()
    abroad = truth.events[~truth.events["time_zone"].isin(["Europe/Berlin"])]
    assert len(abroad) > 100
    assert (abroad["country"] != "DE").mean() > 0.9
    assert (truth.events["country"] == "ZZ").any()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_both_half_past_twos_of_an_autumn_night_are_heard(seed: int) -> None:
    """Whatever else there is: a journey, days without music, an evening before that ran late."""
    events = simulate(seed, start=date(2022, 10, 1), years=0.15, plays_per_day=30).events
    hours = set(events["started_at"].dt.floor("h"))
    assert {pd.Timestamp("2022-10-30T00:00Z"), pd.Timestamp("2022-10-30T01:00Z")} <= hours  # both are 02:00 in Berlin


def test_plays_without_a_connection_are_told_later(truth: Truth) -> None:
    offline = truth.events[truth.events["offline"]]
    sound_end = offline["started_at"] + pd.to_timedelta(offline["ms_played"], unit="ms")
    assert ((offline["reported_at"] - sound_end) > pd.Timedelta("10min")).all()
    assert offline["platform"].isin(["android", "ios"]).all()
