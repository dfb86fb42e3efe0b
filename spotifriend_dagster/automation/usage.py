"""What a run asks of AWS, noted by its own process: in the daemon and on ECS nobody else is there to count.

What is counted is said in `lake/usage.py`; a run within a command or Lambda is counted by these.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

_USAGE = "usage"


def counting_executor(taken: Callable[[], Mapping[str, int]]) -> dg.ExecutorDefinition:
    """Dagster's executor of a run's steps in one process, which notes at their end what they asked.

    Args:
        taken: what was asked in this process since this was called last, by name; nothing where nobody counts.
    """

    @dg.executor(name="in_process")
    def in_process(_context: dg.InitExecutorContext) -> InProcessExecutor:
        return _CountingExecutor(taken)

    return in_process


def usage_said(event: dg.DagsterEvent) -> Mapping[str, int] | None:
    """What an event of a run says that the run asked; None where it is about something else."""
    said = event.engine_event_data.metadata.get(_USAGE)
    counts: Any = said.value if said is not None else None
    return counts


class _CountingExecutor(InProcessExecutor):
    def __init__(self, taken: Callable[[], Mapping[str, int]]) -> None:
        super().__init__(retries=RetryMode.ENABLED)
        self._taken = taken

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        yield from super().execute(plan_context, execution_plan)
        if counts := dict(self._taken()):
            data = EngineEventData(metadata={_USAGE: dg.MetadataValue.json(counts)})
            yield dg.DagsterEvent.engine_event(plan_context, "What the run asked of AWS was counted.", data)
