"""Running a job in this process, for the command line and for Lambda: one outcome, with progress on the way.

Which assets a job holds is said in `jobs.py`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import DagsterEventType

ASSET_PARTITION_RANGE_START = "dagster/asset_partition_range_start"
ASSET_PARTITION_RANGE_END = "dagster/asset_partition_range_end"

PROGRESS_LOGGER = "progress"

_ENDS = {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE, DagsterEventType.STEP_SKIPPED}


def range_tags(days: Sequence[str]) -> dict[str, str]:
    """The tags that make a run one of all days from the first of these to the last."""
    return {ASSET_PARTITION_RANGE_START: min(days), ASSET_PARTITION_RANGE_END: max(days)}


@dataclass
class RunOutcome:
    """How a run ended: the steps that failed, with a sentence each, and the checks that did not pass.

    `metadata` is what each asset was materialized or observed with last, as plain values.
    """

    run_id: str
    failures: dict[str, str] = field(default_factory=dict)
    failed_checks: list[tuple[str, str, str]] = field(default_factory=list)
    step_seconds: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether every step ran through."""
        return not self.failures


class _ProgressHandler(logging.Handler):
    def __init__(self, on_step: Callable[[str, bool], None]) -> None:
        super().__init__()
        self._on_step = on_step

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_event", None)
        if event is None or event.step_key is None:
            return
        if event.event_type == DagsterEventType.STEP_START:
            self._on_step(event.step_key, False)
        elif event.event_type in _ENDS:
            self._on_step(event.step_key, True)


def progress_logger(on_step: Callable[[str, bool], None]) -> dg.LoggerDefinition:
    """A Dagster logger that prints nothing and calls `on_step(step, has_ended)`."""

    @dg.logger
    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("spotifriend.progress")
        logger.addHandler(_ProgressHandler(on_step))
        return logger

    return progress


def run_job(
    definitions: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    *,
    config: Mapping[str, Any] | None = None,
    days: Sequence[str] = (),
    assets: Sequence[dg.AssetKey] | None = None,
) -> RunOutcome:
    """Run a job to its end in this process.

    Args:
        definitions: the code location, with a logger named PROGRESS_LOGGER.
        job: the job's name.
        instance: where the run is recorded.
        config: run config.
        days: the partitions to run, all within one run from the first to the last; none for a job without days.
        assets: those of the job's assets to run, where it is not all of them.
    """
    result = definitions.resolve_job_def(job).execute_in_process(
        run_config={**(config or {}), "loggers": {PROGRESS_LOGGER: {}}},
        instance=instance,
        asset_selection=assets,
        tags=range_tags(days) if days else {},
        raise_on_error=False,
    )
    outcome = RunOutcome(result.run_id)
    for event in result.all_events:
        if event.event_type == DagsterEventType.STEP_FAILURE and event.step_key:
            outcome.failures[event.step_key] = failure_sentence(event.step_failure_data.error)
        elif event.event_type == DagsterEventType.STEP_SUCCESS and event.step_key:
            outcome.step_seconds[event.step_key] = event.step_success_data.duration_ms / 1000
        elif said := _said_of_asset(event):
            outcome.metadata["/".join(said.asset_key.path)] = {
                name: value.value for name, value in said.metadata.items()
            }
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed:
            asset = "/".join(evaluation.asset_key.path)
            outcome.failed_checks.append((asset, evaluation.check_name, evaluation.severity.value))
    return outcome


def _said_of_asset(event: dg.DagsterEvent) -> dg.AssetMaterialization | dg.AssetObservation | None:
    if event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
        return event.step_materialization_data.materialization
    if event.event_type == DagsterEventType.ASSET_OBSERVATION:
        return event.asset_observation_data.asset_observation
    return None


def failure_sentence(error: Any) -> str:
    """What a step failed of, in one sentence, as people read it."""
    if error is None:
        return "failed, without saying why"
    own = error.cause or error  # Dagster wraps what a step raised; what that was caused by is for the log
    if own.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
        return "was interrupted; nothing is half-written, and the same command goes on from here"
    kind, _, sentence = own.message.partition(": ")
    return (sentence if " " not in kind else own.message).strip()
