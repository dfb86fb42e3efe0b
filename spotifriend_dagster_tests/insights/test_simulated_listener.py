"""Insights from end to end: what simulated listeners really did, through their exports and polls, to the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster_tests.insights.conftest import INSIGHTS
from spotifriend_dagster_tests.insights.simulated import cleaned_tables

HOUR = timedelta(hours=1)
EXPORTED = datetime(2024, 9, 20, tzinfo=UTC)
OUTAGE = EXPORTED + timedelta(days=4), EXPORTED + timedelta(days=9)
POLLED = [EXPORTED + HOUR * n for n in range(4 * 24)] + [OUTAGE[1] + HOUR * n for n in range(6 * 24)]
START = date(2024, 8, 20)


@pytest.fixture(scope="module")
def truths():
    """Anna has an extended export and hourly polls, out of order for five days; Ben an account-data export."""
    return {
        "anna": simulate(5, start=START, years=0.13, plays_per_day=40),
        "ben": simulate(6, start=START, years=0.09, plays_per_day=15, home="America/New_York"),
    }


@pytest.fixture(scope="module")
def run(lake, truths, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    anna = cleaned_tables("anna", truths["anna"], folder, era="2025", cutoff=EXPORTED, polls=POLLED)
    ben = cleaned_tables("ben", truths["ben"], folder, era="account", cutoff=EXPORTED)
    return lake(**{name: pd.concat([anna[name], ben[name]], ignore_index=True) for name in anna})


@pytest.fixture(scope="module")
def true_days(truths):
    """What Anna listened to by local date, private sessions left out: listens and milliseconds."""
    events = truths["anna"].events
    events = events[~events["is_private"]]
    dates = ZoneHistory(truths["anna"].zones).localize(events["started_at"])["local_date"]
    listens = (events["ms_played"] >= 30_000).groupby(dates).sum()
    return pd.DataFrame({"listens": listens, "ms_played": events["ms_played"].groupby(dates).sum()})


def test_what_was_told_in_the_export_is_in_the_days(run, true_days):
    """To the listen and to the millisecond in all; by day but for the few plays that the export dates otherwise."""
    days = run("daily_listening").query("listener == 'anna'").set_index("local_date")[["listens", "ms_played"]]
    exported = pd.date_range(START, "2024-09-18")
    found, true = days.loc[exported], true_days.reindex(exported, fill_value=0)
    assert found["listens"].sum() == pytest.approx(true["listens"].sum(), abs=3)
    assert found["ms_played"].sum() == pytest.approx(true["ms_played"].sum(), rel=0.005)
    is_told_right = ((found["ms_played"] - true["ms_played"]).abs() <= 0.05 * true["ms_played"]).mean()
    assert is_told_right > 0.8


def test_days_missed_by_the_polls_are_minimums_and_all_others_complete(run, true_days):
    """No day may be called complete on which plays are missing; the outage lost more than a page holds."""
    days = run("daily_listening").query("listener == 'anna'").set_index("local_date")
    assert days.loc["2024-09-25":"2024-09-27", "status"].eq("minimum").all()
    assert days.loc[:"2024-09-22", "status"].eq("complete").all()
    complete = days[days["status"] == "complete"].iloc[:-1]
    missing = true_days["listens"].reindex(complete.index, fill_value=0) - complete["listens"]
    assert missing.max() <= 2
    lost = true_days["listens"].reindex(days.index, fill_value=0) - days["listens"]
    assert lost[days["status"] == "minimum"].sum() > 20


def test_listening_time_is_told_alike_everywhere(run):
    """By day, by hour of the week and in total: one sum."""
    totals = run("listening_totals").set_index("listener")["ms_played"].to_dict()
    for name in ("daily_listening", "listening_clock"):
        assert run(name).groupby("listener")["ms_played"].sum().to_dict() == totals
    sessions = run("sessions").groupby("listener")["ms_played"].sum()
    assert all(0.97 * totals[listener] <= sessions[listener] <= totals[listener] for listener in totals)


def test_sessions_are_counted_alike_twice(run):
    """By the column of the plays, and anew."""
    again = run("session_gap_sensitivity").query("gap_minutes == 20").set_index("listener")["sessions"].to_dict()
    assert run("sessions").groupby("listener").size().to_dict() == again


def test_every_row_received_is_accounted_for(run):
    """Of each file of the exports and each polled page."""
    accounts = run("row_accounting")
    assert (accounts["unaccounted_rows"] == 0).all()
    assert accounts["input_rows"].sum() == run("listening_totals")["input_rows"].sum()
    assert (accounts["source"] == "recent").sum() == len(POLLED)


@pytest.mark.parametrize("name", sorted(INSIGHTS))
def test_every_insight_has_something_to_say(run, name):
    """No table may come out empty of two lives of music, but those that need years of them."""
    assert len(run(name)) > 0 or name in ("forgotten_favourites", "repeat_obsessions", "seasonality")
