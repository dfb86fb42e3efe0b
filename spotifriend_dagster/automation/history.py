"""Dagster's own notes of runs: what is at work now, what was killed, and forgetting them all.

They show rows and names of listeners, in previews of what was written and in sentences of what failed; and each run is
one of all listeners. What runs did stays in the lake's records of health.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

_DAEMON_SPEAKS_EVERY = timedelta(seconds=60)  # it does so every 30 seconds
_LONGEST_SILENCE = timedelta(minutes=10)  # of a run that lives: no step is as long
_GIVEN_UP_AFTER = timedelta(minutes=30)


def at_work(instance: dg.DagsterInstance, now: datetime) -> str | None:
    """What is at work now, in words; None where nothing is. A run that was killed stays in progress, and is not.

    Args:
        instance: whose runs.
        now: UTC-aware.
    """
    spoke = [heartbeat.timestamp for heartbeat in instance.get_daemon_heartbeats().values()]
    if spoke and now.timestamp() - max(spoke) < _DAEMON_SPEAKS_EVERY.total_seconds():
        return "Dagster's daemon was at work here within the last minute"
    for run, silence in _in_progress(instance, now):
        if silence < _LONGEST_SILENCE:
            return f"a run of {run.job_name} is in progress here"
    return None


def end_broken_off(instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Note the end of runs that were killed, and give their ids.

    Dagster notes none where runs are processes of this machine: such a run would be in progress for good, be told to
    nobody, and keep its place among the few that the daemon lets run at once.

    Args:
        instance: whose runs.
        now: UTC-aware.
    """
    ended = [run for run, silence in _in_progress(instance, now) if silence >= _GIVEN_UP_AFTER]
    for run in ended:
        instance.report_run_failed(run, "Nothing was heard of this run for half an hour: its process was killed.")
    return [run.run_id for run in ended]


def _in_progress(instance: dg.DagsterInstance, now: datetime) -> Iterator[tuple[dg.DagsterRun, timedelta]]:
    """The runs that Dagster takes for running, and for how long each has said nothing."""
    for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)):
        latest = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
        if latest:
            yield run, timedelta(seconds=now.timestamp() - latest[0].timestamp)


def forget_runs(instance: dg.DagsterInstance, dagster_home: Path) -> None:
    """Remove everything that the instance notes of runs, assets and ticks; schedules and sensors stay on or off.

    Sensors begin anew, as they go by the numbers of events, which begin anew, too.

    Args:
        instance: the instance, with no daemon at work.
        dagster_home: its home, in which SQLite keeps what was deleted until a database is packed.
    """
    import sqlalchemy  # noqa: PLC0415 - heavy, as is what Dagster keeps its notes with
    from dagster._core.scheduler.instigation import SensorInstigatorData  # noqa: PLC0415
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable  # noqa: PLC0415
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage  # noqa: PLC0415

    for state in instance.all_instigator_state():
        if state.instigator_data is not None:
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, before=datetime.now(UTC).timestamp())
        if isinstance(state.instigator_data, SensorInstigatorData):
            data = SensorInstigatorData(sensor_type=state.instigator_data.sensor_type)
            instance.update_instigator_state(state.with_data(data))
    instance.wipe()
    if isinstance(log := instance.event_log_storage, SqlEventLogStorage):
        with log.index_connection() as connection:  # in SQLite, wiping leaves what checks said
            connection.execute(AssetCheckExecutionsTable.delete())
    for printed in dagster_home.glob("storage/*/compute_logs"):  # as an earlier version's instance kept it
        shutil.rmtree(printed)
    for database in dagster_home.rglob("*.db"):
        engine = sqlalchemy.create_engine(f"sqlite:///{database}", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("VACUUM"))
            connection.execute(sqlalchemy.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        engine.dispose()
