"""What a run asks of AWS is known wherever it runs: `pipeline_cost` is too low by every run that nobody counts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from spotifriend_dagster.automation.health import facts_of, health_record
from spotifriend_dagster.automation.usage import counting_executor

NOON = datetime(2025, 3, 20, 12, tzinfo=UTC)
ASKED: dict[str, int] = {}


def taken() -> dict[str, int]:
    """What was asked since the last time."""
    counts = dict(ASKED)
    ASKED.clear()
    return counts


def asking() -> dg.JobDefinition:
    """A job of which one step asks twice, and another fails when it has asked once."""

    @dg.asset
    def good() -> None:
        ASKED["s3_reads"] = ASKED.get("s3_reads", 0) + 2

    @dg.asset
    def bad() -> None:
        ASKED["s3_reads"] = ASKED.get("s3_reads", 0) + 1
        raise ValueError("The disk is gone.")

    definitions = dg.Definitions([good, bad], jobs=[dg.define_asset_job("answer")], executor=counting_executor(taken))
    return definitions.resolve_job_def("answer")


def test_a_run_of_its_own_process_notes_what_it_asked(tmp_path: Path) -> None:
    """As the daemon's and ECS's do: whoever follows it up is another process, which counts nothing of it."""
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        with dg.execute_job(dg.reconstructable(asking), instance) as ended:
            assert not ended.success
        facts = facts_of(instance, ended.run_id, NOON)
    assert facts and health_record(facts, {})["usage"] == {"s3_reads": 3}
    assert facts.failures == {"bad": "The disk is gone."}


def test_a_run_within_a_command_is_counted_by_it() -> None:
    """Else its requests would be taken by the run, and none be left for the command, or count twice."""
    with dg.DagsterInstance.ephemeral() as instance:
        ended = asking().execute_in_process(instance=instance, raise_on_error=False)
        facts = facts_of(instance, ended.run_id, NOON)
    assert facts and facts.usage == {}
    assert health_record(facts, taken())["usage"] == {"s3_reads": 3}
