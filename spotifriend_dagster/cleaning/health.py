"""Runs: from the records of them, rows for each listener whom they worked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from spotifriend_dagster.tables.frames import typed_frame
from spotifriend_dagster.tables.health import PIPELINE_HEALTH

_OF_RUN = ("run_id", "job", "outcome", "seconds", "rows_out", "rejects", "bytes_scanned")
_COUNTED = ("bytes_billed", "s3_reads", "s3_writes", "memory_mb")


def clean_runs(records: Iterable[Mapping[str, Any]], everybody: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The rows of `pipeline_health` by listener, as typed frames in the order of the runs' ends.

    Args:
        records: what `health_record` made of each run.
        everybody: the listeners there are: a run that names none, such as a rebuild, worked for all of them.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for record in sorted(records, key=lambda record: (record["ended"], record["run_id"])):
        own: Mapping[str, Mapping[str, int]] = record["listeners"] or {listener: {} for listener in everybody}
        for listener, said in own.items():
            rows.setdefault(listener, []).append(_row(record, said, len(own)))
    return {listener: _frame(found) for listener, found in sorted(rows.items())}


def _row(record: Mapping[str, Any], said: Mapping[str, int], listeners: int) -> dict[str, Any]:
    failures = "; ".join(f"{step}: {sentence}" for step, sentence in record["failures"].items())
    return {
        **{name: record[name] for name in _OF_RUN},
        **{name: record["usage"].get(name) for name in _COUNTED},
        **{f"checks_{outcome}": count for outcome, count in record["checks"].items()},
        "started_at": record["started"],
        "ended_at": record["ended"],
        "failures": failures or None,
        "listeners": listeners,
        "api_calls": said.get("api_calls", 0),
        "rows_in": said.get("rows_in", 0),
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in ("started_at", "ended_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    for name in _COUNTED:
        frame[name] = frame[name].astype("Int64")
    return typed_frame(frame, PIPELINE_HEALTH)
