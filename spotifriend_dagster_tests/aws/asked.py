"""Athena as a client asks it, through boto3: start a query, wait, look at what came."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

import boto3

from spotifriend_dagster_tests.aws.server import DATABASE, WORKGROUP


def client(service: str) -> Any:
    """A client of the AWS that the environment names: made once, as that takes longer than a request."""
    return _client(service, os.environ["AWS_ENDPOINT_URL"])


@cache
def _client(service: str, _endpoint: str) -> Any:
    return boto3.client(service)


def started(sql: str, **settings: Any) -> str:
    """The id of a query that was just started in the tests' workgroup and database."""
    asked = {"WorkGroup": WORKGROUP, "QueryExecutionContext": {"Database": DATABASE}} | settings
    id_: str = client("athena").start_query_execution(QueryString=sql, **asked)["QueryExecutionId"]
    return id_


def ended(id_: str) -> dict[str, Any]:
    """What Athena says of a query when it has ended."""
    athena = client("athena")
    for _ in range(2000):
        said: dict[str, Any] = athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]
        if said["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
            return said
        time.sleep(0.01)
    raise AssertionError(f"The query {id_} does not end.")


def executed(sql: str, **settings: Any) -> dict[str, Any]:
    """What Athena says of a query that succeeds."""
    said = ended(started(sql, **settings))
    assert said["Status"]["State"] == "SUCCEEDED", said["Status"]
    return said


def refused(sql: str, **settings: Any) -> str:
    """Why a query fails."""
    said = ended(started(sql, **settings))
    assert said["Status"]["State"] == "FAILED", said["Status"]
    reason: str = said["Status"]["StateChangeReason"]
    return reason


def rows(sql: str, **settings: Any) -> list[tuple[str | None, ...]]:
    """The rows of a query as Athena's texts, less the header."""
    id_ = executed(sql, **settings)["QueryExecutionId"]
    pages = client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=id_)
    found = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    return [tuple(cell.get("VarCharValue") for cell in row) for row in found[1:]]


def scanned(sql: str) -> int:
    """The bytes that Athena reads for a query."""
    count: int = executed(sql)["Statistics"]["DataScannedInBytes"]
    return count
