"""UNLOAD as Athena does it: what the statement says, and the files that it writes. Running its query is `athena.py`."""

from __future__ import annotations

import io
import math
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from spotifriend_dagster_tests.aws.planning import QueryFailed, files_in, split_uri

_PROPERTY = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_PARTITIONED_BY = re.compile(r"partitioned_by\s*=\s*ARRAY\s*\[([^\]]*)\]", re.IGNORECASE)
_MOST_PARTITIONS = 100
_COMPRESSIONS = {"gzip": "gzip", "snappy": "snappy", "zstd": "zstd", "none": "none"}
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Answer(Protocol):
    """The rows of a query, and the Athena types of its columns."""

    @property
    def rows(self) -> pa.Table: ...

    @property
    def types(self) -> tuple[str, ...]: ...


def unload_of(statement: str) -> tuple[str, str, dict[str, str]]:
    """The query, the target and the properties of an UNLOAD; the columns of `partitioned_by` with commas between.

    Raises:
        QueryFailed: it is none.
    """
    tokens = sqlglot.tokenize(statement, "trino")
    depth = 0
    for token in tokens[1:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.token_type.name.endswith("PAREN") else 0
        if depth == 0:
            break
    begin = statement.index("(")
    rest = re.fullmatch(
        r"\s*TO\s*'(s3://[^']+)'\s*(?:WITH\s*\((.*)\))?\s*;?\s*", statement[token.end + 1 :], re.IGNORECASE | re.DOTALL
    )
    if rest is None or tokens[1].text != "(":
        raise QueryFailed("SYNTAX_ERROR: line 1:1: mismatched input. Expecting: UNLOAD (query) TO 's3://…' WITH (…)")
    properties = {name.lower(): value.lower() for name, value in _PROPERTY.findall(rest[2] or "")}
    if properties.get("format") != "parquet" or properties.get("compression", "gzip") not in _COMPRESSIONS:
        raise QueryFailed(f"NOT_SUPPORTED: the stand-in unloads Parquet, not {properties}")
    if partitioned := _PARTITIONED_BY.search(rest[2] or ""):
        properties["partitioned_by"] = ",".join(re.findall(r"'([^']*)'", partitioned[1]))
    return statement[begin + 1 : token.start], rest[1], properties


def write_parquet(answer: Answer, target: str, properties: Mapping[str, str], rows_per_file: int) -> list[str]:
    """Write rows as Athena does: in several files without a suffix, in no order, and of no rows none at all.

    Instants are INT96, and every column is optional, whatever the query says.

    Raises:
        QueryFailed: there are files already, a type has no place in a file, a column has no name of its own, or the
            partitions are too many or not of the last columns.
    """
    names = answer.rows.column_names
    for place, (name, type_) in enumerate(zip(names, answer.types, strict=True), 1):
        if re.fullmatch(r"_col\d+", name):
            raise QueryFailed(f"MISSING_COLUMN_NAME: line 1:1: Column name not specified at position {place}")
        if type_ == "unknown":
            raise QueryFailed(f"COLUMN_TYPE_UNKNOWN: line 1:1: Column type is unknown at position {place}")
        if "with time zone" in type_:
            raise QueryFailed(f"NOT_SUPPORTED: Unsupported Hive type: {type_}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise QueryFailed(f"DUPLICATE_COLUMN_NAME: line 1:1: Column name '{twice}' specified more than once")
    folder = target.rstrip("/") + "/"
    if files_in(folder):
        raise QueryFailed(
            f"HIVE_PATH_ALREADY_EXISTS: Target directory for table '{folder}' already exists and has files in it"
        )
    written = []
    keys = properties.get("partitioned_by", "").split(",")
    for partition, rows in _partitions(answer.rows, list(filter(None, keys))):
        count = math.ceil(rows.num_rows / rows_per_file)
        for number in range(count):
            content = io.BytesIO()
            pq.write_table(
                rows.take(list(range(number, rows.num_rows, count))),
                content,
                compression=_COMPRESSIONS[properties.get("compression", "gzip")],
                use_deprecated_int96_timestamps=True,
                store_schema=False,
            )
            written.append(f"{folder}{partition}{datetime.now(UTC):%Y%m%d_%H%M%S}_00000_stand_{uuid.uuid4()}")
            put(written[-1], content.getvalue())
    return written


def _partitions(rows: pa.Table, keys: list[str]) -> list[tuple[str, pa.Table]]:
    """The folders of a partitioned UNLOAD, and the rows of each without the columns that its path says."""
    if not keys:
        return [("", rows)]
    if rows.column_names[-len(keys) :] != keys:
        raise QueryFailed(
            "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the same order as "
            f"the table properties: {keys}"
        )
    found: dict[tuple[Any, ...], list[int]] = {}
    for number, values in enumerate(zip(*(rows.column(key).to_pylist() for key in keys), strict=True)):
        found.setdefault(values, []).append(number)
    if len(found) > _MOST_PARTITIONS:
        raise QueryFailed(
            f"HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of {_MOST_PARTITIONS} open writers for partitions/buckets"
        )
    return [
        (
            "".join(
                f"{key}={NO_VALUE if value is None else quote(str(value))}/"
                for key, value in zip(keys, values, strict=True)
            ),
            rows.take(numbers).drop_columns(keys),
        )
        for values, numbers in found.items()
    ]


def put(uri: str, content: bytes) -> None:
    bucket, key = split_uri(uri)
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, content)
