"""What a run did, as Dagster's events tell it: read once, for the record of its health and for alerts.

Where records are kept is in `lake/health.py`; what is made of them in `cleaning/health.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from spotifriend_dagster.automation.runs import failure_sentence
from spotifriend_dagster.automation.usage import usage_said
from spotifriend_dagster.tables.raw import COLLECTED_TABLES, STREAMING_HISTORY

_READ = {
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ENGINE_EVENT,
}
_COLLECTED = {table.folder for table in COLLECTED_TABLES}
_ROWS = ("dagster/row_count", "dagster/partition_row_count")


@dataclass(frozen=True)
class Said:
    """What a run said of an asset when it wrote it, or looked at it: metadata as plain values."""

    asset: str
    metadata: Mapping[str, Any]
    is_materialization: bool


@dataclass(frozen=True)
class RunFacts:
    """What a run did. Instants are UTC-aware; steps are named as their assets; `failures` gives a sentence for each.

    `usage` is what the run asked of AWS, where it noted that itself.
    """

    run_id: str
    job: str
    started: datetime
    ended: datetime
    outcome: str
    ran_through: tuple[str, ...]
    failures: Mapping[str, str]
    said: Sequence[Said]
    checks: Sequence[dg.AssetCheckEvaluation]
    usage: Mapping[str, int]


def facts_of(instance: dg.DagsterInstance, run_id: str, now: datetime) -> RunFacts | None:
    """What the run did, until `now` where its end is not noted; None where the instance knows no such run."""
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return None
    failures: dict[str, str] = {}
    usage: Mapping[str, int] = {}
    ran_through, said, checks = [], [], []
    for entry in instance.all_logs(run_id, of_type=_READ):
        event = entry.get_dagster_event()
        step = (event.step_key or "").replace("__", "/")
        match event.event_type:
            case DagsterEventType.STEP_SUCCESS:
                ran_through.append(step)
            case DagsterEventType.STEP_FAILURE:
                failures[step] = failure_sentence(event.step_failure_data.error)
            case DagsterEventType.ENGINE_EVENT:
                usage = usage_said(event) or usage
            case DagsterEventType.ASSET_CHECK_EVALUATION:
                checks.append(event.asset_check_evaluation_data)
            case DagsterEventType.ASSET_MATERIALIZATION:
                said.append(_said(event.step_materialization_data.materialization, is_materialization=True))
            case DagsterEventType.ASSET_OBSERVATION:
                said.append(_said(event.asset_observation_data.asset_observation, is_materialization=False))
    run = record.dagster_run
    return RunFacts(
        run_id=run_id,
        job=run.job_name,
        started=_instant(record.start_time) or now,
        ended=_instant(record.end_time) or now,
        outcome=run.status.value.lower(),
        ran_through=tuple(dict.fromkeys(ran_through)),
        failures=failures,
        said=said,
        checks=checks,
        usage=usage,
    )


def health_record(facts: RunFacts, usage: Mapping[str, int]) -> dict[str, Any]:
    """The record of a run's health, as JSON has it: what it did, by numbers and sentences.

    `usage` is what was asked of AWS, where whoever ran it counted that; else it is what the run noted itself.
    """
    by_outcome = {"passed": 0, "warned": 0, "failed": 0}
    for check in facts.checks:
        failed = "warned" if check.severity == dg.AssetCheckSeverity.WARN else "failed"
        by_outcome["passed" if check.passed else failed] += 1
    written = [said for said in facts.said if said.is_materialization]
    return {
        "run_id": facts.run_id,
        "job": facts.job,
        "started": facts.started.isoformat(timespec="milliseconds"),
        "ended": facts.ended.isoformat(timespec="milliseconds"),
        "outcome": facts.outcome,
        "seconds": round((facts.ended - facts.started).total_seconds(), 3),
        "listeners": _listeners(facts.said),
        "rows_out": sum(_sum(written, name) for name in _ROWS),
        "rejects": sum(_sum([said for said in written if said.asset.startswith("rejects/")], name) for name in _ROWS),
        "bytes_scanned": _sum(written, "bytes_scanned"),
        "usage": dict(usage or facts.usage),
        "checks": by_outcome,
        "failures": dict(facts.failures),
    }


def _listeners(said: Sequence[Said]) -> dict[str, dict[str, int]]:
    """By listener how much was asked and received for them; nobody where the run asked nobody outside."""
    found: dict[str, Counter[str]] = {}
    for one in said:
        pulls = one.metadata.get("listeners")
        if one.asset in _COLLECTED and isinstance(pulls, dict):
            for listener, pulled in pulls.items():
                own = found.setdefault(listener, Counter())
                own.update(api_calls=pulled["calls"], rows_in=pulled["rows"])
        elif one.asset == STREAMING_HISTORY.folder and "listener" in one.metadata:
            own = found.setdefault(one.metadata["listener"], Counter())
            own.update(api_calls=0, rows_in=one.metadata["rows_imported"])
    return {listener: dict(own) for listener, own in found.items()}


def _said(event: dg.AssetMaterialization | dg.AssetObservation, *, is_materialization: bool) -> Said:
    metadata = {name: value.value for name, value in event.metadata.items()}
    return Said("/".join(event.asset_key.path), metadata, is_materialization)


def _sum(said: Sequence[Said], name: str) -> int:
    return sum(int(one.metadata.get(name) or 0) for one in said)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
