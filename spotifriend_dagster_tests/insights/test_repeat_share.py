"""Repeat share by week, and what goes with repeats."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import median

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, rows_of, share

HOUR = timedelta(hours=1)


def judged_listens(plays):
    """By listener, counted listens of tracks: is it a repeat, is it back to back, and for how long is it known."""
    by_listener = defaultdict(list)
    before, discovered, heard = {}, {}, defaultdict(list)
    for row in rows_of(plays.sort_values(["listener", "play_number"])):
        if not row["is_counted"]:
            continue
        listener, recording = row["listener"], row["recording_id"]
        last = before.get(listener)
        row["back_to_back"] = bool(
            last and recording and last["recording_id"] == recording and last["session_number"] == row["session_number"]
        )
        before[listener] = row
        if row["media"] != "track" or not row["is_listen"]:
            continue
        at = row["started_at"]
        row["repeat"] = any(at - 168 * HOUR <= earlier < at for earlier in heard[listener, recording])
        heard[listener, recording].append(at)
        if row["recording_novelty"] == "discovery":
            discovered[listener, recording] = at
        known_from = discovered.get((listener, recording))
        row["days_known"] = (at - known_from).days if known_from else None
        by_listener[listener].append(row)
    return by_listener


def context_of(rows, prefix):
    """The shares of a week's repeats, or of its other listens."""
    reasons = [row["reason_start"].replace("-", "") for row in rows if row["reason_start"]]
    shuffles = [row["shuffle"] for row in rows if row["shuffle"] is not None]
    days = [row["days_known"] for row in rows if row["days_known"] is not None]
    return {
        f"{prefix}_backbtn_share": share(reasons.count("backbtn"), len(reasons)),
        f"{prefix}_clickrow_share": share(reasons.count("clickrow"), len(reasons)),
        f"{prefix}_trackdone_share": share(reasons.count("trackdone"), len(reasons)),
        f"{prefix}_shuffle_share": share(sum(shuffles), len(shuffles)),
        f"{prefix}_median_days_known": float(median(days)) if days else None,
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_weeks_are_what_plain_python_counts(made_lake, seed):
    """Shares and medians of repeats and of other listens, over ISO weeks that reach across the new year."""
    plays = made_history(seed)
    expected = []
    for listener, listens in judged_listens(plays).items():
        weeks = defaultdict(list)
        for row in listens:
            weeks[row["local_date"] - timedelta(days=row["local_date"].weekday())].append(row)
        for week, rows in weeks.items():
            repeats = [row for row in rows if row["repeat"]]
            back_to_back = sum(row["back_to_back"] for row in repeats)
            expected.append(
                {
                    "listener": listener,
                    "week_start": week,
                    "listens": len(rows),
                    "repeats": len(repeats),
                    "repeat_share": len(repeats) / len(rows),
                    "back_to_back_repeats": back_to_back,
                    "back_to_back_share": share(back_to_back, len(repeats)),
                    **context_of(repeats, "repeat"),
                    **context_of([row for row in rows if not row["repeat"]], "other"),
                }
            )
    assert any(row["back_to_back_repeats"] for row in expected)
    assert_rows(made_lake(seed)("repeat_share"), expected, "listener", "week_start")


def bucket(days):
    """The bucket of days known."""
    return next(
        name for limit, name in ((0, "0"), (6, "1-6"), (29, "7-29"), (179, "30-179"), (9e9, "180+")) if days <= limit
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_circumstances_are_what_plain_python_counts(made_lake, seed):
    """Every dimension tells all its known listens apart: its shares add up to 1."""
    plays = made_history(seed)
    expected = []
    for listener, listens in judged_listens(plays).items():
        dimensions = defaultdict(lambda: defaultdict(list))
        for row in listens:
            values = {
                "all": "all",
                "back_to_back": "yes" if row["back_to_back"] else "no",
                "reason_start": row["reason_start"],
                "shuffle": {True: "on", False: "off", None: None}[row["shuffle"]],
                "daypart": row["daypart"],
                "days_known": None if row["days_known"] is None else bucket(row["days_known"]),
            }
            for dimension, value in values.items():
                if value is not None:
                    dimensions[dimension][value].append(row["repeat"])
        for dimension, groups in dimensions.items():
            known = [repeat for flags in groups.values() for repeat in flags]
            for value, flags in groups.items():
                expected.append(
                    {
                        "listener": listener,
                        "dimension": dimension,
                        "value": value,
                        "listens": len(flags),
                        "repeats": sum(flags),
                        "repeat_share": sum(flags) / len(flags),
                        "share_of_repeats": share(sum(flags), sum(known)),
                        "share_of_others": share(len(flags) - sum(flags), len(known) - sum(known)),
                    }
                )
    result = made_lake(seed)("repeat_context")
    assert_rows(result, expected, "listener", "dimension", "value")
    assert set(result.groupby(["listener", "dimension"])["share_of_repeats"].sum().round(9)) == {1.0}


def test_a_week_belongs_to_its_monday(lake):
    """Sunday 31 December 2023 and Monday 1 January 2024 are in two weeks; 168 h to the second is still a repeat."""
    plays = plays_frame(
        play("anna", at) for at in ("2023-12-31 23:00", "2024-01-01 10:00", "2024-01-08 10:00", "2024-01-15 10:00:01")
    )
    expected = [
        {"week_start": datetime(2023, 12, 25), "listens": 1, "repeats": 0, "back_to_back_share": None},
        {"week_start": datetime(2024, 1, 1), "listens": 1, "repeats": 1, "repeat_median_days_known": 0.0},
        {"week_start": datetime(2024, 1, 8), "listens": 1, "repeats": 1, "repeat_median_days_known": 7.0},
        {"week_start": datetime(2024, 1, 15), "listens": 1, "repeats": 0, "other_median_days_known": 14.0},
    ]
    assert_rows(lake(plays=plays)("repeat_share"), expected, "week_start")


def test_back_to_back_is_within_a_session_and_with_nothing_between(lake):
    """Of four repeats, only the one right after the same song in the same session is back to back."""
    plays = plays_frame(
        [
            play("anna", "2024-01-02 10:00", title="A"),
            play("anna", "2024-01-02 10:03", title="A"),  # back to back
            play("anna", "2024-01-02 10:06", title="B", ms_played=1_000),
            play("anna", "2024-01-02 10:07", title="A"),  # a skipped song between
            play("anna", "2024-01-02 12:00", title="A"),  # another session
            play("anna", "2024-01-02 12:03", media="episode"),
            play("anna", "2024-01-02 12:06", title="A"),  # an episode between
        ]
    )
    run = lake(plays=plays)
    (week,) = rows_of(run("repeat_share"))
    assert (week["listens"], week["repeats"], week["back_to_back_repeats"]) == (5, 4, 1)
    (all_listens,) = rows_of(run("repeat_context").query("dimension == 'all'"))
    assert (all_listens["repeats"], all_listens["share_of_others"]) == (4, 1.0)


def test_weeks_with_a_gap_are_a_minimum(lake):
    """Between two exports from Wednesday the 10th to Thursday the 18th: two of the three weeks may hold more."""
    plays = plays_frame(play("anna", f"2024-01-{day:02} 10:00") for day in (1, 2, 9, 10, 18, 19, 22, 23))
    files = exports(anna=[("2024-01-01", "2024-01-10 12:00"), ("2024-01-18 09:00", "2024-01-28")])
    weeks = rows_of(lake(plays=plays, history_files=files)("repeat_share"))
    assert [(week["week_start"].day, week["is_minimum"]) for week in weeks] == [
        (1, False),
        (8, True),
        (15, True),
        (22, False),
    ]
