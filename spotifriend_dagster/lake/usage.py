"""What this process asks of AWS, counted where requests leave it: S3's requests, and the bytes that Athena bills.

What that costs is said in `insights/pipeline_cost.sql`.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

_READS = {"GetObject", "HeadObject", "HeadBucket"}
_FREE = {"DeleteObject", "DeleteObjects"}
_ENDED = {"SUCCEEDED", "CANCELLED"}  # a query that failed is free
_MEGABYTE = 1_000_000
_LEAST_BILLED = 10 * _MEGABYTE


class Usage:
    """Counts since it was last taken, for as many clients as it watches. `memory_mb` is that of a Lambda function."""

    def __init__(self, memory_mb: int | None = None) -> None:
        self._memory = {} if memory_mb is None else {"memory_mb": memory_mb}
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._queries: set[str] = set()

    def watch(self, client: Any, service: str) -> None:
        """Count what a client of boto3 asks from now on; each attempt of a request counts, as it is paid for."""
        if service == "s3":
            client.meta.events.register("before-send.s3", self._count_request)
        elif service == "athena":
            client.meta.events.register("after-call.athena.GetQueryExecution", self._count_query)

    def taken(self) -> dict[str, int]:
        """What was counted since the last time: `s3_reads`, `s3_writes` and `bytes_billed`, and `memory_mb`."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._queries.clear()
        return {name: counts[name] for name in ("s3_reads", "s3_writes", "bytes_billed")} | self._memory

    def _count_request(self, event_name: str, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        if operation not in _FREE:
            with self._lock:
                self._counts["s3_reads" if operation in _READS else "s3_writes"] += 1

    def _count_query(self, parsed: dict[str, Any], **_: Any) -> None:
        query = parsed.get("QueryExecution", {})
        if query.get("Status", {}).get("State") not in _ENDED:
            return
        scanned = query.get("Statistics", {}).get("DataScannedInBytes", 0)
        billed = max(_LEAST_BILLED, -(-scanned // _MEGABYTE) * _MEGABYTE)
        with self._lock:
            if query["QueryExecutionId"] not in self._queries:  # asked for more than once
                self._queries.add(query["QueryExecutionId"])
                self._counts["bytes_billed"] += billed
