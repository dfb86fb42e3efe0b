"""What the pipeline did, and what it costs, against plain Python."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any

import pytest

from spotifriend_dagster.tables.cleaned import RECENT_PAGES, ROW_OUTCOMES
from spotifriend_dagster_tests.insights.made_plays import frame_of
from spotifriend_dagster_tests.insights.made_runs import run, runs_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows

RUNS = [
    run("anna", "2025-03-31 23:59:59.999", s3_reads=10, s3_writes=2, memory_mb=2048, bytes_billed=0),
    run("anna", "2025-04-01 00:00:00", s3_reads=1000, s3_writes=100, memory_mb=2048, bytes_billed=0),
    run("anna", "2025-04-01 00:30:00", checks_warned=1, checks_passed=3),
    run("anna", "2025-04-01 01:07:00", outcome="failure", failures="raw/recently_played: no", rows_in=0, api_calls=3),
    run("anna", "2025-04-01 05:07:00", outcome="canceled", rows_in=0),
    run("anna", "2025-04-01 03:20:00", "rebuild", seconds=30.0, listeners=2, checks_failed=2, bytes_scanned=3 * 10**9),
    run("ben", "2025-04-01 03:20:00", "rebuild", seconds=30.0, listeners=2, checks_failed=2, bytes_scanned=3 * 10**9),
    run("anna", "2025-04-30 03:20:00", "rebuild", seconds=9.0, listeners=3, bytes_scanned=1, bytes_billed=6 * 10**8),
]
PAGE = {"listener": "anna", "year": 2025, "collected_on": "2025-04-02", "page": "20250402T120003123Z"}
OUTCOMES = {"listener": "anna", "source": "recent", "origin": "2025-04-02", "file": "20250402T120003123Z", "reason": ""}


def test_quality_by_day(lake: Any) -> None:
    """Days begin at midnight UTC; two polls of one hour are one hour; a day with polls but no run is a day."""
    polls = [
        PAGE | {"pulled_at": "2025-03-31T23:59:59.999Z", "rows": 0, "rejected_rows": 0, "new_rows": 0},
        PAGE | {"pulled_at": "2025-04-02T12:00:03.123Z", "rows": 50, "rejected_rows": 4, "new_rows": 40},
        PAGE | {"pulled_at": "2025-04-02T12:59:59.999Z", "rows": 0, "rejected_rows": 0, "new_rows": 0},
        PAGE | {"pulled_at": "2025-04-02T13:00:00.000Z", "rows": 0, "rejected_rows": 0, "new_rows": 0},
    ]
    outcomes = [
        OUTCOMES | {"outcome": "kept", "rows": 30},
        OUTCOMES | {"outcome": "duplicate", "rows": 15},
        OUTCOMES | {"outcome": "rejected", "rows": 4},
        OUTCOMES | {"source": "extended", "origin": "2025", "file": "a.json", "outcome": "kept", "rows": 4},
    ]
    expected: dict[tuple[str, date], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
    for one in RUNS:
        key = one["listener"], one["ended_at"].date()
        day = expected[key]
        day["runs"] += 1
        day["failed_runs"] += one["outcome"] == "failure"
        for name, source in (("seconds", "seconds"), ("api_calls", "api_calls"), ("collected_rows", "rows_in")):
            day[name] += one[source]
        day["checks"] += one["checks_passed"] + one["checks_warned"] + one["checks_failed"]
        day["checks_warned"] += one["checks_warned"]
        day["checks_failed"] += one["checks_failed"]
    polled = {"polled_rows": 50, "kept_rows": 30, "rejected_rows": 4, "unaccounted_rows": 1}
    expected["anna", date(2025, 4, 2)].update(polled, poll_hours=2)
    expected["anna", date(2025, 3, 31)]["poll_hours"] = 1
    found = lake(
        pipeline_health=runs_frame(RUNS),
        recent_pages=frame_of(RECENT_PAGES, polls),
        row_outcomes=frame_of(ROW_OUTCOMES, outcomes),
    )("data_quality_daily")
    rows = [
        {"listener": listener, "day": datetime(day.year, day.month, day.day)} | said
        for (listener, day), said in expected.items()
    ]
    assert_rows(found, rows, "listener", "day")
    first = next(row for row in rows if row["listener"] == "anna" and row["day"].day == 1)
    assert (first["poll_hours"], first["runs"], first["failed_runs"]) == (0, 5, 1)


def test_cost_by_month_and_job(lake: Any) -> None:
    """A run is shared by those whom it worked for; what was not counted costs nothing, and is said to be so."""
    expected: dict[tuple[str, date, str], dict[str, Any]] = {}
    for one in RUNS:
        key = one["listener"], one["ended_at"].date().replace(day=1), one["job"]
        month = expected.setdefault(key, dict.fromkeys(_COSTS, 0) | {"prices_of": datetime(2025, 11, 1)})
        share = 1 / one["listeners"]
        costs = {
            "usd_lambda": share * one["seconds"] * one.get("memory_mb", 0) / 1024 * 0.0000166667,
            "usd_s3": share * (one.get("s3_reads", 0) * 0.0004 + one.get("s3_writes", 0) * 0.005) / 1000,
            "usd_athena": share * one.get("bytes_billed", one["bytes_scanned"]) / 1e12 * 5,
        }
        month["runs"] += 1
        month["uncounted_runs"] += "s3_reads" not in one
        month["seconds"] += share * one["seconds"]
        for name, usd in costs.items():
            month[name] += usd
            month["usd"] += usd
    found = lake(pipeline_health=runs_frame(RUNS))("pipeline_cost")
    rows = [
        {"listener": listener, "month": datetime(month.year, month.month, 1), "job": job} | said
        for (listener, month, job), said in expected.items()
    ]
    assert_rows(found, rows, "listener", "month", "job")
    april = found[(found["job"] == "rebuild") & (found["listener"] == "anna")].iloc[0]
    assert april["usd_athena"] == pytest.approx(3e9 / 2 / 1e12 * 5 + 6e8 / 3 / 1e12 * 5)


_COUNTS = (
    *("runs", "failed_runs", "poll_hours", "seconds", "api_calls", "collected_rows"),
    *("checks", "checks_warned", "checks_failed"),
    *("polled_rows", "kept_rows", "rejected_rows", "unaccounted_rows"),
)
_COSTS = ("runs", "uncounted_runs", "seconds", "usd_lambda", "usd_s3", "usd_athena", "usd")
