"""Obsessions: when one opens, how long it lasts, and that nothing inside it opens another."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, listens_of, now_of, rows_of

START = datetime(2023, 12, 20, 10)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def obsessions_of(listens):
    """The obsessions among the listens of one recording: walk through them, and open, extend or close."""
    obsessions, current = [], None
    for place, row in enumerate(listens):
        if current and row["started_at"] - current[-1]["started_at"] >= 14 * DAY:
            current = None
        if current:
            current.append(row)
        elif place + 4 < len(listens) and listens[place + 4]["started_at"] - row["started_at"] < 168 * HOUR:
            current = [row]
            obsessions.append(current)
    return obsessions


def expected_rows(plays, now):
    expected = []
    for listener, listens in listens_of(plays).items():
        recordings = defaultdict(list)
        for row in listens:
            if row["recording_id"]:
                recordings[row["recording_id"]].append(row)
        own = []
        for recording, heard in recordings.items():
            for rows in obsessions_of(heard):
                dates = Counter(row["local_date"] for row in rows)
                peak = min(dates, key=lambda date: (-dates[date], date))
                own.append(
                    {
                        "listener": listener,
                        "recording_id": recording,
                        "track_name": heard[-1]["track_name"],
                        "artist_name": heard[-1]["artist_name"],
                        "started_at": rows[0]["started_at"],
                        "ended_at": rows[-1]["started_at"],
                        "first_date": min(dates),
                        "last_date": max(dates),
                        "peak_date": peak,
                        "peak_listens": dates[peak],
                        "listens": len(rows),
                        "ms_played": sum(row["ms_played"] for row in rows),
                        "days": (max(dates) - min(dates)).days + 1,
                        "is_ongoing": now[listener] - rows[-1]["started_at"] < 14 * DAY,
                    }
                )
        own.sort(key=lambda row: (-row["listens"], -row["ms_played"], row["started_at"], row["recording_id"]))
        expected += [row | {"obsession_rank": rank} for rank, row in enumerate(own, start=1)]
    return expected


@pytest.mark.parametrize("seed", [1, 2])
def test_obsessions_are_what_a_walk_through_the_listens_finds(made_lake, seed):
    """Windows in SQL against a loop in Python."""
    plays = made_history(seed)
    expected = expected_rows(plays, now_of(plays))
    assert len(expected) > 5
    assert_rows(made_lake(seed)("repeat_obsessions"), expected, "listener", "recording_id", "started_at")


_STEPS = st.sampled_from(
    [timedelta(0), HOUR, 24 * HOUR, 42 * HOUR, 55 * HOUR, 14 * DAY - timedelta(seconds=1), 14 * DAY]
)


@settings(max_examples=5, deadline=None)
@given(histories=st.lists(st.lists(_STEPS, min_size=4, max_size=30), min_size=1, max_size=12))
def test_any_steps_between_listens(lake, histories):
    """Listeners with listens at any mix of steps, four of 42 h being exactly the 168 h that open nothing."""
    plays = []
    for number, steps in enumerate(histories):
        at = START
        for step in [timedelta(0), *steps]:
            at += step
            plays.append(play(f"listener-{number}", at))
    frame = plays_frame(plays)
    result = lake(plays=frame)("repeat_obsessions")
    assert_rows(result, expected_rows(frame, now_of(frame)), "listener", "recording_id", "started_at")


def heard(hours, **values):
    return [play("anna", START + hour * HOUR, **values) for hour in hours]


def spans(lake, plays, until="2024-12-31"):
    frame = plays_frame(plays)
    result = lake(plays=frame, history_files=exports(anna=[("2023-12-01", until)]))("repeat_obsessions")
    hours = [((row["started_at"] - START) / HOUR, (row["ended_at"] - START) / HOUR) for row in rows_of(result)]
    return list(zip(hours, result["listens"], strict=True))


def test_five_listens_must_lie_less_than_168_hours_apart(lake):
    """Five within 167:59 open an episode, five over exactly 168 h do not, and nor do four."""
    assert spans(lake, heard([0, 10, 20, 30, 168])) == []
    assert spans(lake, heard([0, 10, 20, 30])) == []
    assert spans(lake, heard([0, 10, 20, 30, 168 - 1 / 60])) == [((0, pytest.approx(168 - 1 / 60)), 5)]


def test_it_lasts_until_a_rest_of_fourteen_days(lake):
    """A listen 14 × 24 h after the last is outside; one a second earlier still belongs to it."""
    five = [0, 1, 2, 3, 4]
    assert spans(lake, heard([*five, 4 + 14 * 24])) == [((0, 4), 5)]
    almost = 4 + 14 * 24 - 1 / 3600
    assert spans(lake, heard([*five, almost])) == [((0, pytest.approx(almost)), 6)]


def test_later_windows_inside_open_no_other(lake):
    """Three bouts of five, 10 days apart, are one obsession of fifteen listens; after a rest comes a second one."""
    bouts = [day * 24 + hour for day in (0, 10, 20) for hour in range(5)]
    again = [day * 24 + hour for day in (40,) for hour in range(5)]
    assert spans(lake, heard(bouts)) == [((0, 484), 15)]
    assert spans(lake, heard(bouts + again)) == [((0, 484), 15), ((960, 964), 5)]


def test_what_comes_before_the_first_window_is_not_part_of_it(lake):
    """Two listens in the fortnight before belong to no obsession: it begins with the first of the five."""
    assert spans(lake, heard([0, 200, 500, 501, 502, 503, 504])) == [((500, 504), 5)]


def test_only_listens_of_one_recording_count(lake):
    """Short plays, private plays and another recording of that artist do not help to five."""
    four = heard([0, 1, 2, 3])
    others = heard([4], ms_played=29_999) + heard([5], is_private=True) + heard([6], title="Another song")
    assert spans(lake, four + others) == []


def test_the_peak_is_the_earliest_of_the_busiest_dates(lake):
    """Two listens on each of two dates around the new year: the first of these dates is the peak."""
    plays = plays_frame(heard([0, 11 * 24 + 1, 11 * 24 + 2, 12 * 24, 12 * 24 + 1, 12 * 24 + 2 + 11]))
    (row,) = rows_of(
        lake(plays=plays, history_files=exports(anna=[("2023-12-01", "2024-01-15 23:00")]))("repeat_obsessions")
    )
    assert (row["first_date"], row["last_date"]) == (datetime(2023, 12, 31), datetime(2024, 1, 1))
    assert (row["peak_date"], row["peak_listens"], row["days"]) == (datetime(2024, 1, 1), 3, 2)
