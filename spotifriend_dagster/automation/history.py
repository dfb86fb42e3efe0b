"""Dagster's own notes of runs: what is at work now, and forgetting them all.

They show rows and names of listeners, in previews of what was written and in sentences of what failed; and each run is
one of all listeners. What runs did stays in the lake's records of health.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy
from dagster._core.scheduler.instigation import SensorInstigatorData
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

_DAEMON_SPEAKS_EVERY = timedelta(seconds=60)  # it does so every 30 seconds
_LONGEST_SILENCE = timedelta(minutes=10)  # of a run that lives: no step is as long


def at_work(instance: dg.DagsterInstance, now: datetime) -> str | None:
    """What is at work now, in words; None where nothing is. A run that was killed stays in progress, and is not.

    Args:
        instance: whose runs.
        now: UTC-aware.
    """
    spoke = [heartbeat.timestamp for heartbeat in instance.get_daemon_heartbeats().values()]
    if spoke and now.timestamp() - max(spoke) < _DAEMON_SPEAKS_EVERY.total_seconds():
        return "Dagster's daemon was at work here within the last minute"
    for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)):
        latest = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
        if latest and now.timestamp() - latest[0].timestamp < _LONGEST_SILENCE.total_seconds():
            return f"a run of {run.job_name} is in progress here"
    return None


def forget_runs(instance: dg.DagsterInstance, dagster_home: Path) -> None:
    """Remove everything that the instance notes of runs, assets and ticks; schedules and sensors stay on or off.

    Sensors begin anew, as they go by the numbers of events, which begin anew, too.

    Args:
        instance: the instance, with no daemon at work.
        dagster_home: its home, in which SQLite keeps what was deleted until a database is packed.
    """
    for state in instance.all_instigator_state():
        if state.instigator_data is not None:
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, before=datetime.now(UTC).timestamp())
        if isinstance(state.instigator_data, SensorInstigatorData):
            data = SensorInstigatorData(sensor_type=state.instigator_data.sensor_type)
            instance.update_instigator_state(state.with_data(data))
    instance.wipe()
    for database in dagster_home.rglob("*.db"):
        engine = sqlalchemy.create_engine(f"sqlite:///{database}", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("VACUUM"))
            connection.execute(sqlalchemy.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        engine.dispose()
