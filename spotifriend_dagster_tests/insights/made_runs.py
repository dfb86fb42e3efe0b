"""Runs made up: the table `pipeline_health`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from spotifriend_dagster.tables.health import PIPELINE_HEALTH
from spotifriend_dagster_tests.insights.made_plays import frame_of


def run(listener: str, ended: str, job: str = "poll", **said: Any) -> dict[str, Any]:
    """A run that ended at an instant (UTC); what is not said of it is as of an hourly poll at home."""
    end = datetime.fromisoformat(ended)
    row = {
        "listener": listener,
        "year": end.year,
        "run_id": f"{job}-{ended}",
        "job": job,
        "started_at": end - timedelta(seconds=2),
        "ended_at": end,
        "outcome": "success",
        "failures": None,
        "seconds": 2.0,
        "listeners": 1,
        "api_calls": 1,
        "rows_in": 50,
        "rows_out": 0,
        "rejects": 0,
        "checks_passed": 4,
        "checks_warned": 0,
        "checks_failed": 0,
        "bytes_scanned": 0,
    }
    return row | said


def runs_frame(runs: list[dict[str, Any]]) -> pd.DataFrame:
    """The table `pipeline_health` of such runs."""
    return frame_of(PIPELINE_HEALTH, runs)


def _runs_of(plays: pd.DataFrame) -> pd.DataFrame:
    """Polls after every tenth play, some in Lambda, and a rebuild for every day of the last week."""
    runs = []
    for listener, own in plays.groupby("listener"):
        last = own["closed_at"].max().tz_localize(None).floor("D")
        for number, end in enumerate(own["closed_at"].dt.tz_localize(None)[::10]):
            counted = {"s3_reads": number, "s3_writes": 5, "memory_mb": 2048, "bytes_billed": 0} if number % 3 else {}
            failed = {"outcome": "failure", "failures": "raw/recently_played: no"} if number % 7 == 5 else {}
            runs.append(run(str(listener), f"{end}", **counted, **failed))
        for back in range(7):
            night = last - timedelta(days=back, hours=-3)
            runs.append(run(str(listener), f"{night}", "rebuild", seconds=0.5, listeners=3, bytes_scanned=10**9))
    return runs_frame(runs)


RUNS = {"pipeline_health": _runs_of}
"""What follows from plays, by table."""
