"""The table of runs: each run once, whatever came late, and without making anything stale."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotifriend_dagster.assets.health import health
from spotifriend_dagster.automation.after_run import after_run
from spotifriend_dagster.automation.staleness import stale_days
from spotifriend_dagster.lake.health import record_key, write_record
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables.health import PIPELINE_HEALTH
from spotifriend_dagster_tests.conftest import Home

NOON = datetime(2025, 12, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class HealthHome(Home):
    """A home in which records of runs are made a table of, and nothing else."""

    def keep(self, run_id: str, ended: datetime, **said: Any) -> None:
        """Write a record, as `after_run` does."""
        record = {
            "run_id": run_id,
            "job": "rebuild",
            "started": (ended - timedelta(seconds=3)).isoformat(),
            "ended": ended.isoformat(),
            "outcome": "success",
            "seconds": 3.0,
            "listeners": {},
            "rows_out": 0,
            "rejects": 0,
            "bytes_scanned": 0,
            "usage": {},
            "checks": {"passed": 1, "warned": 0, "failed": 0},
            "failures": {},
        }
        write_record(self.lake.storage, run_id, ended, record | said)

    def table(self) -> list[tuple[str, str, int]]:
        """Listener, run, and listeners of each row, after materializing."""
        resources = {
            "lake": self.lake,
            "listeners": self.listeners,
            "table_io_manager": TableIOManager(self.lake.storage),
        }
        ended = dg.materialize([health], resources=resources, instance=self.instance)
        assert ended.success and all(check.passed for check in ended.get_asset_check_evaluations())
        stored = StoredTable(self.lake.storage, PIPELINE_HEALTH)
        return [
            (listener, row["run_id"], row["listeners"])
            for listener in stored.listeners()
            for row in stored.frame(listener).to_dict("records")
        ]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[HealthHome]:
    """Anna's home."""
    home = HealthHome(tmp_path)
    home.listeners.add("anna", "Anna", "Europe/London")
    yield home


def test_runs_are_added_once_each(home: HealthHome) -> None:
    """Over the turn of a year, with one that was noted late, and with somebody who came later."""
    assert home.table() == []
    home.keep("r1", NOON)
    assert home.table() == [("anna", "r1", 1)]
    home.listeners.add("ben", "Ben", "Europe/London")
    home.keep("r2", NOON + DAY)
    home.keep("p2", NOON + DAY, job="poll", listeners={"ben": {"api_calls": 2, "rows_in": 50}})
    home.keep("late", NOON - DAY, listeners={"anna": {}})
    added = home.table()
    assert added == home.table()
    assert sorted(added) == [
        *[("anna", "late", 1), ("anna", "r1", 2), ("anna", "r2", 2)],
        *[("ben", "p2", 1), ("ben", "r1", 2), ("ben", "r2", 2)],
    ]
    home.keep("r9", NOON + 9 * DAY)
    assert len(home.table()) == len(added) + 2
    keys = [stored.key for stored in home.lake.storage.list(PIPELINE_HEALTH.folder)]
    assert {key.split("/")[3] for key in keys} == {"year=2025", "year=2026"}


def test_days_long_past_are_not_read_again(home: HealthHome) -> None:
    """Ten thousand records a year: each rebuild reads those of the last days."""
    home.keep("old", NOON)
    home.keep("new", NOON + 9 * DAY)
    before = home.table()
    home.lake.storage.delete([record_key("old", NOON)])
    assert home.table() == before


def test_a_damaged_record_is_left_out(home: HealthHome) -> None:
    """It must not keep everybody's figures from being made."""
    home.lake.storage.write("health/dt=2025-12-31/half.json", b'{"run_id": "half"')
    home.keep("whole", NOON)
    assert home.table() == [("anna", "whole", 1)]


def test_a_records_of_a_real_run_become_rows_and_make_nothing_stale(home: HealthHome) -> None:
    """A rebuild leaves a record after itself: were that a reason to rebuild, it would never end."""
    ended = dg.materialize([health], resources=_resources(home), instance=home.instance)
    after_run(home.lake, home.instance, ended.run_id, [], NOON, usage={"s3_reads": 7, "memory_mb": 2048})
    assert stale_days(home.lake.storage) == []
    assert [row[1] for row in home.table()] == [ended.run_id]
    (row,) = StoredTable(home.lake.storage, PIPELINE_HEALTH).frame("anna").to_dict("records")
    assert (row["outcome"], row["checks_passed"], row["s3_reads"], row["memory_mb"]) == ("success", 1, 7, 2048)


def _resources(home: HealthHome) -> dict[str, Any]:
    return {"lake": home.lake, "listeners": home.listeners, "table_io_manager": TableIOManager(home.lake.storage)}
