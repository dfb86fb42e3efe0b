"""What watches runs in Dagster's daemon: each that has ended is followed up, as `after_run.py` says.

Of those that were killed the end is noted first.
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.automation.after_run import after_run
from spotifriend_dagster.automation.history import end_broken_off

_ENDS = {
    "succeeded": dg.DagsterRunStatus.SUCCESS,
    "failed": dg.DagsterRunStatus.FAILURE,
    "canceled": dg.DagsterRunStatus.CANCELED,
}


def _watching(name: str, status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"after_runs_that_{name}",
        run_status=status,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Keep the record of each run that {name}, and tell of problems.",
    )
    def watch(
        context: dg.RunStatusSensorContext, lake: dg.ResourceParam[Lake], channels: dg.ResourceParam[Any]
    ) -> None:
        after_run(lake, context.instance, context.dagster_run.run_id, channels, datetime.now(UTC))

    return watch


@dg.sensor(
    name="runs_that_broke_off",
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Note the end of runs that were killed, which keep a place among those at work until then.",
)
def watch_for_broken_off(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Look for runs of which nothing is heard any more."""
    return dg.SkipReason(f"{len(end_broken_off(context.instance, datetime.now(UTC)))} runs had been killed.")


FOLLOWING = [_watching(name, status) for name, status in _ENDS.items()]
SENSORS: list[dg.SensorDefinition] = [*FOLLOWING, watch_for_broken_off]
