"""The records of runs: one JSON object for each, `health/dt=<YYYY-MM-DD>/<run id>.json`, by the UTC day of its end.

What a record says is made in `automation/health.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

from spotifriend_dagster.lake.storage import Storage, StorageError

FOLDER = "health"
_THREADS = 16


def record_key(run_id: str, ended: datetime) -> str:
    """The key of a run's record."""
    return f"{FOLDER}/dt={ended.astimezone(UTC):%Y-%m-%d}/{run_id}.json"


def has_record(storage: Storage, run_id: str, ended: datetime) -> bool:
    """Whether the run has its record. Of a lake that cannot be read, that is not known."""
    try:
        storage.read(record_key(run_id, ended))
    except StorageError:
        return False
    return True


def write_record(storage: Storage, run_id: str, ended: datetime, record: Mapping[str, Any]) -> None:
    """Keep a run's record; writing it again changes nothing.

    Raises:
        StorageError: it cannot be written.
    """
    storage.write(record_key(run_id, ended), json.dumps(record, ensure_ascii=False).encode())


def read_records(storage: Storage, since: date) -> tuple[list[dict[str, Any]], list[str]]:
    """The records of runs that ended on that day (UTC) or later, and the keys of those that cannot be read."""
    listed = storage.list(FOLDER, after=f"{FOLDER}/dt={since.isoformat()}")
    keys = [stored.key for stored in listed if "/dt=" in stored.key]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = dict(zip(keys, pool.map(storage.read, keys), strict=True))
    records, damaged = [], []
    for key, content in found.items():
        try:
            record = json.loads(content)
            _ = record["run_id"], record["ended"]
        except (ValueError, TypeError, KeyError):
            damaged.append(key)
        else:
            records.append(record)
    return records, damaged
