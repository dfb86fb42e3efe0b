"""Skips: rates over what can be decided, shrunk, with their intervals, ranked; and runs of skips."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import sqrt

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, music_of, rows_of

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def wilson(skips, plays, z=1.96):
    """Both ends, as the roots of (p − rate)² = z² p (1 − p) ÷ plays."""
    a, b, c = 1 + z * z / plays, -(2 * skips / plays + z * z / plays), (skips / plays) ** 2
    root = sqrt(max(b * b - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def position(place):
    """The bucket of a place in the session."""
    return next(name for limit, name in ((1, "1"), (5, "2-5"), (10, "6-10"), (9e9, "11+")) if place <= limit)


@pytest.mark.parametrize("seed", [1, 2])
def test_rates_are_what_plain_python_computes(made_lake, seed):
    """Every dimension and value: counts, rates, interval, flag and rank."""
    expected = []
    for listener, music in music_of(made_history(seed)).items():
        groups, labels = defaultdict(lambda: defaultdict(list)), {}
        for row in music:
            if row["is_skip"] is None:
                continue
            values = {
                "all": "all",
                "hour": f"{row['local_hour']:02}",
                "weekday": str(row["weekday"]),
                "month": f"{row['local_date']:%Y-%m}",
                "artist": row["artist_name"],
                "track": row["recording_id"],
                "shuffle": {True: "on", False: "off", None: None}[row["shuffle"]],
                "reason_start": row["reason_start"],
                "session_position": position(row["session_position"]),
            }
            for dimension, value in values.items():
                if value is not None:
                    groups[dimension][value].append(row)
            labels["weekday", str(row["weekday"])] = WEEKDAYS[row["weekday"] - 1]
            if row["artist_name"]:
                labels["track", row["recording_id"]] = f"{row['track_name']} – {row['artist_name']}"
        whole = groups["all"]["all"]
        rate = sum(row["is_skip"] for row in whole) / len(whole)
        for dimension, by_value in groups.items():
            own = []
            for value, rows in by_value.items():
                skips = sum(row["is_skip"] for row in rows)
                low, high = wilson(skips, len(rows))
                own.append(
                    {
                        "listener": listener,
                        "dimension": dimension,
                        "value": value,
                        "label": labels.get((dimension, value), value),
                        "plays": len(rows),
                        "skips": skips,
                        "skip_rate": skips / len(rows),
                        "shrunk_skip_rate": (skips + 10 * rate) / (len(rows) + 10),
                        "skip_rate_low": low,
                        "skip_rate_high": high,
                        "early_exits": sum(bool(row["is_early_exit"]) for row in rows),
                        "early_exit_rate": sum(bool(row["is_early_exit"]) for row in rows) / len(rows),
                        "is_ranked": len(rows) >= 8,
                        "skip_rank": None,
                    }
                )
            ranked = [row for row in own if row["is_ranked"]]
            ranked.sort(key=lambda row: (-row["shrunk_skip_rate"], -row["plays"], row["value"]))
            for rank, row in enumerate(ranked, start=1):
                row["skip_rank"] = rank
            expected += own
    assert_rows(made_lake(seed)("skip_behaviour"), expected, "listener", "dimension", "value")


def test_what_cannot_be_decided_is_in_no_denominator(lake):
    """Account rows and unknown ends are neither skips nor plays; nor are episodes or private plays."""
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00", ms_played=1_000, reason_end="fwdbtn"),
            play("anna", "2024-01-01 10:01"),
            play("anna", "2024-01-01 10:05", source="account", ms_played=1_000, reason_end=None),
            play("anna", "2024-01-01 10:06", ms_played=1_000, reason_end="unknown"),
            play("anna", "2024-01-01 10:07", ms_played=1_000, reason_end="fwdbtn", media="episode"),
            play("anna", "2024-01-01 10:08", ms_played=1_000, reason_end="fwdbtn", is_private=True),
            play("ben", "2024-01-01 10:00", source="account", reason_end=None),
        ]
    )
    expected = {"listener": "anna", "dimension": "all", "value": "all", "plays": 2, "skips": 1, "skip_rate": 0.5}
    result = lake(plays=plays)("skip_behaviour")
    assert_rows(result.query("dimension == 'all'"), [expected], "listener", "dimension", "value")
    assert set(result["listener"]) == {"anna"}


def test_eight_plays_are_ranked_by_the_shrunk_rate(lake):
    """All of 8 skipped comes after 45 of 50: the shrunk rate trusts the longer record. 7 plays are not ranked."""

    def songs(artist, skipped, played):
        return [
            play(
                "anna",
                f"2024-01-01 {10 + number // 50:02}:{number % 50:02}",
                artist=artist,
                ms_played=1_000,
                reason_end="fwdbtn" if number < skipped else "trackdone",
            )
            for number in range(played)
        ]

    plays = plays_frame(songs("Few", 8, 8) + songs("Many", 45, 50) + songs("Seven", 7, 7) + songs("Loved", 0, 100))
    result = lake(plays=plays)("skip_behaviour").query("dimension == 'artist'").set_index("value")
    assert result["skip_rank"].dropna().to_dict() == {"Many": 1, "Few": 2, "Loved": 3}
    assert not result.loc["Seven", "is_ranked"]
    assert result.loc["Loved", "skip_rate_low"] == 0 < result.loc["Loved", "skip_rate_high"]
    assert result.loc["Few", "skip_rate_high"] == 1 > result.loc["Few", "skip_rate_low"]


def test_a_known_wilson_interval(lake):
    """10 of 100 gives 0.0552 to 0.1744, as the textbooks have it."""
    plays = plays_frame(
        play(
            "anna",
            f"2024-01-{1 + number // 20:02} 10:{number % 20:02}",
            ms_played=1_000,
            reason_end="fwdbtn" if number % 10 == 0 else "trackdone",
        )
        for number in range(100)
    )
    everything = rows_of(lake(plays=plays)("skip_behaviour").query("dimension == 'all'"))[0]
    assert (round(everything["skip_rate_low"], 4), round(everything["skip_rate_high"], 4)) == (0.0552, 0.1744)


@pytest.mark.parametrize("seed", [1, 2])
def test_runs_are_what_a_walk_through_the_plays_finds(made_lake, seed):
    """Three and more skips in a row, with nothing between them, within a session."""
    runs, run, last = [], [], None
    for row in rows_of(made_history(seed).sort_values(["listener", "play_number"])):
        if not row["is_counted"]:
            continue
        goes_on = row["media"] == "track" and row["is_skip"]
        session = (row["listener"], row["session_number"])
        if session != last or not goes_on:
            runs.append(run)
            run = []
        if goes_on:
            run.append(row)
        last = session
    expected = [
        {
            "listener": run[0]["listener"],
            "session_number": run[0]["session_number"],
            "first_position": run[0]["session_position"],
            "started_at": run[0]["started_at"],
            "local_started_at": run[0]["local_started_at"],
            "skips": len(run),
            "ms_played": sum(row["ms_played"] for row in run),
            "artists": len({row["artist_name"] for row in run if row["artist_name"]}),
        }
        for run in [*runs, run]
        if len(run) >= 3
    ]
    assert expected
    assert_rows(made_lake(seed)("skip_runs"), expected, "listener", "session_number", "first_position")


def test_a_run_is_broken_by_any_other_play_and_by_a_new_session(lake):
    """3 skips are a run; 2 are none; a listen, an undecidable play, an episode and a pause end one."""

    def skip(at):
        return play("anna", f"2024-01-01 {at}", ms_played=1_000, reason_end="fwdbtn")

    plays = plays_frame(
        [
            *(skip(f"10:0{minute}") for minute in range(3)),
            play("anna", "2024-01-01 10:03"),
            *(skip(f"10:1{minute}") for minute in range(2)),
            play("anna", "2024-01-01 10:12", ms_played=1_000, reason_end="unknown"),
            *(skip(f"10:1{minute}") for minute in range(3, 5)),
            play("anna", "2024-01-01 10:15", media="episode", ms_played=1_000, reason_end="fwdbtn"),
            *(skip(f"10:1{minute}") for minute in range(6, 8)),
            *(skip(f"12:0{minute}") for minute in range(4)),
        ]
    )
    runs = rows_of(lake(plays=plays)("skip_runs"))
    assert [(run["session_number"], run["first_position"], run["skips"]) for run in runs] == [(1, 1, 3), (2, 1, 4)]
    assert Counter(run["artists"] for run in runs) == {1: 2}
