"""The records of runs: one JSON object for each, `health/dt=<YYYY-MM-DD>/<run id>.json`, by the UTC day of its end.

What a record says is made in `automation/health.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from spotifriend_dagster.lake.storage import Storage, StorageError

FOLDER = "health"


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
