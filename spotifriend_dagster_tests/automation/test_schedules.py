"""When jobs run by themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from spotifriend_dagster.automation.schedules import rebuild_daily
from spotifriend_dagster.definitions import build_definitions
from spotifriend_dagster.settings import Settings


def test_the_night_run_cleans_the_day_that_has_closed(tmp_path: Path) -> None:
    """At 03:20 the day before is whole; the day that has begun is not."""
    definitions = build_definitions(Settings(home=tmp_path))
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 3, 1, 3, 20, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
    )
    tick = rebuild_daily.evaluate_tick(context)
    assert [(request.partition_key, request.run_key) for request in tick.run_requests] == [("2026-02-28", "2026-02-28")]
