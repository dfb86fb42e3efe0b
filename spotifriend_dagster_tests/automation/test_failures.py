"""What fails for good is not repeated: held to what Dagster's daemon does with the runs of a real instance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import filter_runs_to_should_retry

from spotifriend_dagster.automation.failures import is_permanent, no_retry_of
from spotifriend_dagster.definitions import build_definitions
from spotifriend_dagster.lake.dialect import SQLError
from spotifriend_dagster.lake.storage import StorageError
from spotifriend_dagster.settings import Settings, SettingsError
from spotifriend_dagster.sources.errors import ExportError, PermanentError, TransientError
from spotifriend_dagster.sources.spotify.errors import ConsentEnded


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance that repeats failed runs, as the one in the cloud does."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("run_retries: {enabled: true, max_retries: 2}\ntelemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def ended(instance: dg.DagsterInstance, *errors: Exception | None) -> dg.DagsterRun:
    """A run whose assets raise these errors, with its tags."""

    def raising(number: int, error: Exception | None) -> dg.AssetsDefinition:
        @dg.asset(name=f"asset_{number}")
        def fail() -> None:
            if error:
                raise error

        return fail.with_hooks({no_retry_of((PermanentError, SettingsError, SQLError))})

    definitions = dg.Definitions(
        assets=[raising(number, error) for number, error in enumerate(errors)],
        jobs=[dg.define_asset_job("job")],
        executor=dg.in_process_executor,
    )
    result = definitions.resolve_job_def("job").execute_in_process(instance=instance, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run


def is_repeated(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the daemon repeats it."""
    return list(filter_runs_to_should_retry([run], instance)) == [run]


@pytest.mark.parametrize(
    "error",
    [
        ConsentEnded("robin"),
        ExportError("No export."),
        SettingsError("Wrong."),
        SQLError("Wrong."),
        dg.Failure("Wrong.", allow_retries=False),
    ],
    ids=["consent", "export", "setting", "sql", "audit"],
)
def test_a_permanent_failure_is_not_repeated(instance: dg.DagsterInstance, error: Exception) -> None:
    """Beside a transient one as well: the run would fail again, and tell again, as often as it is repeated."""
    run = ended(instance, StorageError("The lake is away."), error)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert run.tags["dagster/will_retry"] == "false"
    assert not is_repeated(instance, run)
    assert is_permanent(instance, run.run_id)


@pytest.mark.parametrize(
    "error",
    [StorageError("The lake is away."), TransientError("Spotify is away."), ZeroDivisionError(), dg.Failure("Wait.")],
    ids=["lake", "source", "unexpected", "failure"],
)
def test_a_transient_failure_is_repeated(instance: dg.DagsterInstance, error: Exception) -> None:
    """As often as the instance says: it may well pass."""
    run = ended(instance, error)
    assert run.tags["dagster/will_retry"] == "true"
    assert is_repeated(instance, run)
    assert not is_permanent(instance, run.run_id)


def test_a_run_that_ran_through_is_not_marked(instance: dg.DagsterInstance) -> None:
    run = ended(instance, None)
    assert not is_repeated(instance, run)
    assert not is_permanent(instance, run.run_id)


def test_every_asset_marks_its_run_and_none_repeats_itself(tmp_path: Path) -> None:
    """An asset's own retries would multiply those of requests and of runs; one without the mark is repeated in vain."""
    graph = build_definitions(Settings(home=tmp_path)).resolve_asset_graph()
    executed = [asset for asset in graph.assets_defs if asset.is_executable and asset.keys]
    assert len(executed) > 20
    for asset in executed:
        assert {hook.name for hook in asset.hook_defs} == {"no_retry_of_what_is_permanent"}, asset.keys
        assert asset.op.retry_policy is None, asset.keys
