"""What is asked of AWS is counted as AWS counts it, or the figures of cost are nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotifriend_dagster.definitions import build_home
from spotifriend_dagster.settings import Settings
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, AwsServer, Fault


def test_requests_and_queries_are_counted(aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt is paid for, deleting is free, and a query is paid for once, ten megabytes at least."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048")
    home = build_home(Settings(home=tmp_path, deployment="aws", bucket=BUCKET, region=REGION))
    storage = home.lake.storage
    aws.faults.append(Fault(lambda asked: asked.operation == "PutObject", 503, "SlowDown", 1))
    storage.write("raw/a", b"1")
    storage.read("raw/a")
    storage.list("raw")
    storage.delete(["raw/a"])
    assert home.usage() == {"s3_reads": 1, "s3_writes": 3, "bytes_billed": 0, "memory_mb": 2048}
    home.lake.engine.query("SELECT 1 AS one")
    assert home.usage()["bytes_billed"] == 10_000_000
    assert home.usage() == {"s3_reads": 0, "s3_writes": 0, "bytes_billed": 0, "memory_mb": 2048}
