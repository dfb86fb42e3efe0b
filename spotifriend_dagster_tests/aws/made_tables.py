"""Tables in a tests' AWS, made straight through boto3: whatever a test wants Athena to meet."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spotifriend_dagster_tests.aws.asked import client
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_FORMATS = {
    "parquet": {
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": _PARQUET, "Parameters": {"serialization.format": "1"}},
    },
    "json": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe", "Parameters": {}},
    },
}


def define(
    name: str,
    columns: Mapping[str, str],
    keys: Mapping[str, str] | None = None,
    projection: Mapping[str, str] | None = None,
    form: str = "parquet",
) -> str:
    """Define a table, at the address that is given back.

    Args:
        name: its name.
        columns: the Glue types of its columns.
        keys: those of its partition keys.
        projection: its properties, less `projection.` before each; without any, nothing is projected.
        form: `parquet` or `json`.
    """
    location = f"s3://{BUCKET}/{name}/"
    parameters = {"EXTERNAL": "TRUE", "classification": form}
    if projection:
        folders = "".join(f"{key}=${{{key}}}/" for key in keys or ())
        parameters |= {"projection.enabled": "true", "storage.location.template": location + folders}
        parameters |= {f"projection.{property_}": value for property_, value in projection.items()}
    definition = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": [{"Name": key, "Type": type_} for key, type_ in (keys or {}).items()],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": type_} for column, type_ in columns.items()],
            "Location": location,
            **_FORMATS[form],
        },
    }
    client("glue").create_table(DatabaseName=DATABASE, TableInput=definition)
    return location


def put_parquet(key: str, rows: Mapping[str, Any] | pa.Table) -> int:
    """Put a Parquet file; its size in bytes."""
    target = io.BytesIO()
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.table(dict(rows)), target, store_schema=False)
    return put(key, target.getvalue())


def put_json(key: str, rows: Iterable[Mapping[str, Any] | str]) -> int:
    """Put gzipped JSON Lines; a text is a line as it is."""
    lines = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    return put(key, gzip.compress(lines.encode()))


def put(key: str, content: bytes) -> int:
    """Put an object."""
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    return len(content)


def keys(prefix: str) -> list[str]:
    """The keys of the objects below a prefix."""
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [stored["Key"] for page in pages for stored in page.get("Contents", [])]


def read(uri: str) -> bytes:
    """The content of an object, by its address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content: bytes = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content
