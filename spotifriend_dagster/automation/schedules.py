"""When jobs run by themselves."""

from datetime import timedelta

import dagster as dg

from spotifriend_dagster.automation.jobs import rebuild_job


@dg.schedule(
    job=rebuild_job,
    cron_schedule="20 3 * * *",
    execution_timezone="UTC",
    description="Every night: clean the day that has closed, and answer anew.",
)
def rebuild_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The day before the tick, which no poll adds to any more."""
    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=day, partition_key=day)
