"""The AWS of the tests is what it is taken for: moto is the one that is patched, Glue refuses, faults strike."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from moto.athena.models import AthenaBackend, WorkGroup
from moto.athena.responses import AthenaResponse
from moto.glue.models import FakeTable, GlueBackend
from moto.glue.responses import GlueResponse
from moto.s3.models import FakeKey, S3Backend

from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.aws import athena, glue
from spotifriend_dagster_tests.aws.asked import client, executed
from spotifriend_dagster_tests.aws.made_tables import define, keys
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, AwsServer, aws_server

_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def test_moto_is_the_version_whose_insides_are_patched() -> None:
    """Its private names are used: a new version is pinned only when this room has been looked at again."""
    assert version("moto") == "5.2.5"
    assert "moto==5.2.5" in _CONSTRAINTS.read_text().splitlines()


def test_what_is_patched_in_moto_is_there() -> None:
    """A name that moto dropped would make a patch of nothing, and a query would give no rows instead of its own."""
    for action in set(athena.PATCHED) - {"batch_get_query_execution"}:
        assert callable(getattr(AthenaResponse, action))
    for patched, names in glue.PATCHED.items():
        assert all(callable(getattr(patched, name)) for name in names)
    for owner, name in (
        (AthenaBackend, "create_work_group"),
        (GlueBackend, "get_table"),
        (S3Backend, "put_object"),
        (FakeKey, "value"),
        (WorkGroup, "state"),
    ):
        assert hasattr(owner, name)


def test_the_patches_end_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test's moto is not to be ours."""
    before = (AthenaResponse.start_query_execution, GlueResponse.update_table, FakeTable.as_dict)
    with aws_server():
        assert AthenaResponse.start_query_execution is not before[0]
    assert (AthenaResponse.start_query_execution, GlueResponse.update_table, FakeTable.as_dict) == before


def test_a_table_comes_back_with_more_than_was_put_in(aws: AwsServer) -> None:
    """Who compares definitions to see whether one differs has to compare what is theirs."""
    define("plays", {"song": "string"})
    table = client("glue").get_table(DatabaseName=DATABASE, Name="plays")["Table"]
    assert table["StorageDescriptor"]["NumberOfBuckets"] == 0
    assert table["Retention"] == 0


def test_an_update_that_names_a_stale_version_is_refused(aws: AwsServer) -> None:
    """Compare-and-set: of two that read the same version one wins; without a version the last one does."""
    define("plays", {"song": "string"})
    table = client("glue").get_table(DatabaseName=DATABASE, Name="plays")["Table"]
    definition = {name: table[name] for name in ("Name", "StorageDescriptor", "Parameters")}
    asked: dict[str, Any] = {"DatabaseName": DATABASE, "TableInput": definition}
    client("glue").update_table(**asked, VersionId=table["VersionId"])
    with pytest.raises(client("glue").exceptions.ConcurrentModificationException):
        client("glue").update_table(**asked, VersionId=table["VersionId"])
    client("glue").update_table(**asked)
    assert client("glue").get_table(DatabaseName=DATABASE, Name="plays")["Table"]["VersionId"] == "3"


def test_a_definition_with_too_long_a_comment_is_refused(aws: AwsServer) -> None:
    """255 characters, on one line; neither botocore nor moto looks."""
    for comment in ("x" * 256, "two\nlines"):
        column = {"Name": "song", "Type": "string", "Comment": comment}
        with pytest.raises(botocore.exceptions.ClientError, match="ValidationException"):
            client("glue").create_table(
                DatabaseName=DATABASE, TableInput={"Name": "plays", "StorageDescriptor": {"Columns": [column]}}
            )


def test_every_declared_table_is_one_that_glue_takes() -> None:
    """Names, comments and properties within Glue's lengths, also with a thousand listeners."""
    listeners = [f"listener-{number:04d}" for number in range(1000)]
    for table in (*DECLARED_TABLES, *(insight.table for insight in load_insights().values())):
        definition = glue_table_input(table, f"s3://{BUCKET}/{table.folder}/", listeners=listeners)
        assert list(glue.faults_of(definition)) == []


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (409, "OperationAborted")])
def test_faults_strike_so_many_times_and_only_where_they_are_meant(aws: AwsServer, status: int, code: str) -> None:
    """As S3 gives them; botocore repeats some by itself, which the log shows."""
    s3 = client("s3")
    fault = aws.fail("PutObject", status=status, code=code, times=1, key="meant/")
    s3.put_object(Bucket=BUCKET, Key="other/object", Body=b"whole")
    assert fault.times == 1
    if code == "OperationAborted":  # botocore leaves this one to its caller
        with pytest.raises(botocore.exceptions.ClientError, match=code):
            s3.put_object(Bucket=BUCKET, Key="meant/object", Body=b"whole")
    s3.put_object(Bucket=BUCKET, Key="meant/object", Body=b"whole")
    assert aws.counted("s3")["PutObject"] == 3
    assert keys("") == ["meant/object", "other/object"]


def test_an_answer_can_be_lost_when_the_work_is_done(aws: AwsServer) -> None:
    """The writer repeats its conditional PUT, and hears that somebody was faster: it was itself."""
    aws.fail("PutObject", status=500, code="InternalError", is_answer_lost=True)
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        client("s3").put_object(Bucket=BUCKET, Key="claim", Body=b"mine", IfNoneMatch="*")
    assert keys("") == ["claim"]


def test_requests_are_told_apart(aws: AwsServer) -> None:
    """What is counted is what Amazon bills: listings and writes, reads, and the rest."""
    s3 = client("s3")
    s3.put_object(Bucket=BUCKET, Key="a/b c", Body=b"")
    s3.get_object(Bucket=BUCKET, Key="a/b c")
    s3.head_object(Bucket=BUCKET, Key="a/b c")
    s3.list_objects_v2(Bucket=BUCKET, Prefix="a/")
    s3.copy_object(Bucket=BUCKET, Key="d", CopySource={"Bucket": BUCKET, "Key": "a/b c"})
    s3.delete_object(Bucket=BUCKET, Key="d")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "a/b c"}]})
    assert [(asked.operation, asked.key) for asked in aws.requests] == [
        ("PutObject", "a/b c"),
        ("GetObject", "a/b c"),
        ("HeadObject", "a/b c"),
        ("ListObjectsV2", "a/"),
        ("CopyObject", "d"),
        ("DeleteObject", "d"),
        ("DeleteObjects", ""),
    ]
    executed("SELECT 1 AS n")
    assert aws.counted("athena")["StartQueryExecution"] == 1
