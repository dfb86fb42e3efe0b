"""When jobs run by themselves, evaluated as Dagster's daemon evaluates them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spotifriend_dagster.automation.schedules import SCHEDULES, collect_daily, poll_hourly, rebuild_daily
from spotifriend_dagster.definitions import build_definitions, build_spotify
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED, TOP_TRACKS
from spotifriend_dagster_tests.conftest import Home

NIGHT = datetime(2026, 3, 1, 3, 20, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.listeners.add("robin", "Robin", "Europe/Berlin")
    return home


def tick(schedule: dg.ScheduleDefinition, at: datetime, home: Home) -> tuple[list[dg.RunRequest], str | None]:
    """What a schedule asks for at an instant, and why it does not."""
    context = dg.build_schedule_context(
        scheduled_execution_time=at,
        repository_def=build_definitions(home.settings).get_repository_def(),
        resources={"lake": home.lake, "listeners": home.listeners, "spotify": build_spotify(home.settings)},
    )
    done = schedule.evaluate_tick(context)
    return list(done.run_requests or []), done.skip_message


def sign_in(home: Home) -> None:
    """A sign-in that no schedule looks into: whether it works, the run finds out."""
    (home.settings.secrets / "spotify").mkdir(parents=True)
    (home.settings.secrets / "spotify" / "robin").write_text("not to be read")


def test_every_hour_is_one_run_of_its_day(home: Home) -> None:
    """One run key per tick: a schedule built from a partitioned job would poll once a day."""
    sign_in(home)
    ticks = [datetime(2026, 3, 1, hour, 7, tzinfo=UTC) for hour in (0, 1, 23)]
    requests = [request for at in [*ticks, ticks[0]] for request in tick(poll_hourly, at, home)[0]]
    assert [request.partition_key for request in requests] == ["2026-03-01"] * 4
    assert len({request.run_key for request in requests}) == 3
    assert requests[3].run_key == requests[0].run_key  # evaluated again, a tick starts no second run


def test_a_day_is_collected_before_it_is_cleaned(home: Home) -> None:
    """What the night's collection brings is in the tables that the same night makes."""
    sign_in(home)
    requests, _ = tick(collect_daily, datetime(2026, 3, 1, 2, 41, tzinfo=UTC), home)
    assert [request.partition_key for request in requests] == ["2026-03-01"]
    minute_of_day = {
        schedule.name: int(hour) * 60 + int(minute)
        for schedule in (collect_daily, rebuild_daily)
        for minute, hour in [str(schedule.cron_schedule).split()[:2]]
    }
    assert minute_of_day["collect_daily"] + 30 < minute_of_day["rebuild_daily"]


def test_nobody_signed_in_starts_no_run(home: Home) -> None:
    """Of somebody with exports alone, 24 runs a day would say that there is nothing to do."""
    for schedule in (poll_hourly, collect_daily):
        requests, why = tick(schedule, NIGHT, home)
        assert requests == [] and "spotifriend login" in (why or "")


def test_the_night_cleans_every_day_that_needs_it(home: Home) -> None:
    """The day that has closed, the one that has begun, and those of the nights that the machine slept through."""
    assert tick(rebuild_daily, NIGHT, home)[0] == []
    storage = home.lake.storage
    write_pull(storage, RECENTLY_PLAYED, "robin", NIGHT - timedelta(days=7), [("/v1/me/player/recently-played", {})])
    write_pull(storage, TOP_TRACKS, "robin", NIGHT - timedelta(hours=1), [("/v1/me/top/tracks", {})])
    requests, _ = tick(rebuild_daily, NIGHT, home)
    assert [(request.run_key, dict(request.tags)) for request in requests] == [
        (
            "2026-03-01",
            {
                "dagster/asset_partition_range_start": "2026-02-22",
                "dagster/asset_partition_range_end": "2026-03-01",
                "dagster/schedule_name": "rebuild_daily",
            },
        )
    ]


def test_collecting_needs_nobody_to_switch_it_on() -> None:
    """Plays that were not polled are lost, and nobody reads about a switch before."""
    assert {schedule.default_status for schedule in SCHEDULES} == {dg.DefaultScheduleStatus.RUNNING}
    assert {schedule.execution_timezone for schedule in SCHEDULES} == {"UTC"}
