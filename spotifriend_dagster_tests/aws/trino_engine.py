"""A real Trino in the place of Athena's engine: it asks moto's Glue and S3 over HTTP, as Athena does the real ones."""

from __future__ import annotations

import threading

import pyarrow as pa

from spotifriend_dagster_tests.aws.athena import Answer
from spotifriend_dagster_tests.aws.planning import Plan, QueryFailed
from spotifriend_dagster_tests.trino.local_trino import LocalTrino, TrinoRefuses

_ARROW_TYPES = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("ms"),
    "date": pa.date32(),
    "array(varchar)": pa.list_(pa.string()),
}


class TrinoEngine:
    """Runs queries one after the other, over the database that Trino was started with."""

    def __init__(self, trino: LocalTrino) -> None:
        self._trino = trino
        self._lock = threading.Lock()

    def run(self, sql: str, _database: str, _plan: Plan) -> Answer:
        """The rows of a query.

        Raises:
            QueryFailed: Trino refuses it, or it fails on the data.
        """
        with self._lock:
            try:
                found = self._trino.run(sql)
            except TrinoRefuses as error:
                raise QueryFailed(f"{error.kind}: {error.said}") from error
        columns = [[row[place] for row in found.rows] for place, _ in enumerate(found.types)]
        arrays = [
            pa.array(column, _ARROW_TYPES[type_]) if type_ in _ARROW_TYPES else pa.nulls(len(column))
            for column, type_ in zip(columns, found.types, strict=True)
        ]
        types = tuple("unknown" if type_ == "null" else type_ for type_ in found.types)
        return Answer(pa.Table.from_arrays(arrays, names=list(found.names)), types)
