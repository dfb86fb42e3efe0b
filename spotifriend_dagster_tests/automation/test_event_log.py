"""Dagster's event log with its databases kept open: the same log, for everybody who reads it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from spotifriend_dagster.automation.event_log import _OPEN_DATABASES, OpenSqliteEventLogStorage

_IN_ANOTHER_PROCESS = """
import sys, dagster as dg
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    for number in range(20):
        instance.report_runless_asset_event(dg.AssetMaterialization(sys.argv[2], metadata={"number": number}))
"""


@dg.asset(check_specs=[dg.AssetCheckSpec("fine", asset="listened")])
def listened() -> dg.MaterializeResult:
    """An asset with a check, for its events."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="fine", passed=True)])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster home with the instance configuration that the project ships."""
    (tmp_path / "dagster.yaml").write_text((files("spotifriend_dagster") / "dagster.yaml").read_text("utf-8"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def test_an_installation_without_this_class_reads_the_same_log(home: Path) -> None:
    """The files and what is in them stay Dagster's own: going back to its storage loses no run."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.event_log_storage, OpenSqliteEventLogStorage)
        run = dg.materialize([listened], instance=instance)
        mine = [record.event_log_entry for record in instance.get_records_for_run(run.run_id).records]
    theirs = SqliteEventLogStorage(str(home / "history" / "runs"))
    assert [record.event_log_entry for record in theirs.get_records_for_run(run.run_id).records] == mine
    assert theirs.all_asset_keys() == [dg.AssetKey("listened")]
    assert len(theirs.get_asset_check_execution_history(dg.AssetCheckKey(dg.AssetKey("listened"), "fine"), 5)) == 1


def test_several_processes_and_threads_write_at_once_and_no_event_is_lost(home: Path) -> None:
    """The daemon, the webserver and runs share the index; none of them may lock the others out."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        others = [
            subprocess.Popen([sys.executable, "-c", _IN_ANOTHER_PROCESS, str(home), name]) for name in ("one", "two")
        ]
        with ThreadPoolExecutor(4) as threads:
            for number in range(20):
                threads.submit(instance.report_runless_asset_event, dg.AssetMaterialization(f"of_thread_{number % 2}"))
        assert [other.wait(60) for other in others] == [0, 0]
        counts = {
            name: len(instance.fetch_materializations(dg.AssetKey(name), limit=100).records)
            for name in ("one", "two", "of_thread_0", "of_thread_1")
        }
    assert counts == {"one": 20, "two": 20, "of_thread_0": 10, "of_thread_1": 10}


def test_a_process_that_lives_for_months_does_not_keep_every_runs_database_open(home: Path) -> None:
    """The daemon sees thousands of runs, each with a database of its own."""
    storage = OpenSqliteEventLogStorage(str(home))
    for number in range(_OPEN_DATABASES + 2):
        with storage.run_connection(f"run-{number}"):
            assert len(storage._engines) <= _OPEN_DATABASES
    assert len(storage._engines) == _OPEN_DATABASES
    storage.dispose()
    assert not storage._engines
