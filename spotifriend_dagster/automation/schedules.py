"""When jobs run by themselves: every hour the poll, every night the day's collection and after it the rebuild.

The hourly schedule is written by hand: one built from a partitioned job would run once for each partition. Clocks are
UTC, as days of collection are, so that no hour comes twice or never.
"""

import dagster as dg

from spotifriend_dagster.assets.collected import NOBODY_SIGNED_IN
from spotifriend_dagster.assets.musicbrainz import MUSICBRAINZ_IS_OFF
from spotifriend_dagster.assets.resources import Lake, Listeners, MoreFacts
from spotifriend_dagster.automation.jobs import collect_job, look_up_job, poll_job, rebuild_job
from spotifriend_dagster.automation.runs import range_tags
from spotifriend_dagster.automation.staleness import looked_back_to, stale_days
from spotifriend_dagster.collecting.pulls import Spotify


def _collecting(name: str, job: str, cron: str, description: str) -> dg.ScheduleDefinition:
    """A run of the job for the tick's day, once for each tick; none where there is nobody to ask for."""

    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def of_this_tick(
        context: dg.ScheduleEvaluationContext,
        listeners: dg.ResourceParam[Listeners],
        spotify: dg.ResourceParam[Spotify],
    ) -> dg.RunRequest | dg.SkipReason:
        if not any(spotify.is_signed_in(listener) for listener in listeners.read()):
            return dg.SkipReason(NOBODY_SIGNED_IN)
        tick = context.scheduled_execution_time
        return dg.RunRequest(run_key=f"{tick:%Y-%m-%dT%H:%M}", partition_key=f"{tick:%Y-%m-%d}")

    return of_this_tick


poll_hourly = _collecting(
    "poll_hourly",
    poll_job.name,
    "7 * * * *",  # early in the hour, so that a run that has to wait is still one of the same day
    "Every hour: Spotify tells the last 50 plays only, which is as little as 25 minutes of listening.",
)
collect_daily = _collecting(
    "collect_daily",
    collect_job.name,
    "41 2 * * *",
    "Every night: what changes slowly. Between two polls, and done before the rebuild.",
)


@dg.schedule(
    job=look_up_job,
    cron_schedule="53 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night, where MusicBrainz is turned on: ask about the next artists without genres.",
)
def look_up_daily(
    context: dg.ScheduleEvaluationContext, more_facts: dg.ResourceParam[MoreFacts]
) -> dg.RunRequest | dg.SkipReason:
    """After the collection, whose look-ups may have said genres, and done before the rebuild."""
    if more_facts.musicbrainz is None:
        return dg.SkipReason(MUSICBRAINZ_IS_OFF)
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}")


@dg.schedule(
    job=rebuild_job,
    cron_schedule="20 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: clean the days that received something since they were cleaned, and answer anew.",
)
def rebuild_daily(context: dg.ScheduleEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.RunRequest | dg.SkipReason:
    """All days that need it, in one run: after a week of which the nights were slept through, as well."""
    days = stale_days(lake.storage, looked_back_to(context.scheduled_execution_time))
    if not days:
        return dg.SkipReason("Nothing was collected since the last rebuild.")
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", tags=range_tags(days))


SCHEDULES = [poll_hourly, collect_daily, look_up_daily, rebuild_daily]
