"""A home that is well is said to be, nothing is left behind, and whatever is denied is named with its action."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from spotifriend_dagster.lake.athena import AthenaEngine
from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.aws_examination import AwsExamination
from spotifriend_dagster.lake.examination import Finding, examine_folder
from spotifriend_dagster.lake.glue import GlueCatalog
from spotifriend_dagster.lake.parameters import ParameterSecrets
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, WORKGROUP, AwsServer
from spotifriend_dagster_tests.lake.client_faults import Faults


def examination(clients: AwsClients, bucket: str = BUCKET, database: str = DATABASE) -> AwsExamination:
    storage, catalog = S3Storage(clients, bucket, "lake"), GlueCatalog(clients, database)
    engine = AthenaEngine(clients, storage, catalog, database=database, workgroup=WORKGROUP)
    return AwsExamination(clients, storage, catalog, engine, ParameterSecrets(clients, "/spotifriend"))


def troubles(findings: Iterator[Finding]) -> dict[str, str]:
    return {finding.what: finding.said for finding in findings if not finding.is_well}


@pytest.mark.parametrize("has_tables", [False, True])
def test_an_aws_home_that_is_well_is_said_to_be_and_left_as_it_is(
    clients: AwsClients, kept_aws: AwsServer, has_tables: bool
):
    """No object, table, version or parameter is left; an empty database cannot show whether tables may be made."""
    catalog = GlueCatalog(clients, DATABASE)
    if has_tables:
        catalog.put(glue_table_input(PLAYS, f"s3://{BUCKET}/lake/cleaned/plays/", listeners=["anna"]), None)
    findings = list(examination(clients).findings())
    assert troubles(iter(findings)) == {}
    assert len(findings) == 15
    said = {finding.what: finding.said for finding in findings}
    assert said["credentials"].startswith("arn:aws:")
    assert said["the bucket (s3:ListBucket)"] == f"{BUCKET} in {clients.region}"
    assert ("not tested" in said["defining tables (glue:CreateTable)"]) is not has_tables
    stored = clients.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert [item["Key"] for item in stored if not item["Key"].startswith("athena-results/")] == []
    assert clients.client("ssm").describe_parameters()["Parameters"] == []
    assert catalog.names() == (["plays"] if has_tables else [])
    assert len(catalog.history("plays")) == has_tables


@pytest.mark.parametrize(
    ("service", "operation", "action", "probes"),
    [
        ("s3", "ListObjectsV2", "s3:ListBucket", ["listing", "publishing by"]),
        ("s3", "PutObject", "s3:PutObject", ["writing"]),
        ("s3", "GetObject", "s3:GetObject", ["reading (s3", "queries"]),
        ("s3", "DeleteObjects", "s3:DeleteObject", ["deleting"]),
        ("glue", "GetTable", "glue:GetTable", ["reading tables", "defining"]),
        ("glue", "GetTables", "glue:GetTables", ["reading tables", "defining"]),
        ("glue", "GetTableVersions", "glue:GetTableVersions", ["the history"]),
        ("glue", "CreateTable", "glue:CreateTable", ["defining"]),
        ("glue", "UpdateTable", "glue:UpdateTable", ["publishing tables"]),
        ("glue", "DeleteTableVersion", "glue:DeleteTableVersion", ["forgetting"]),
        ("athena", "StartQueryExecution", "athena:StartQueryExecution", ["queries", "publishing by"]),
        ("athena", "GetQueryExecution", "athena:GetQueryExecution", ["queries", "publishing by"]),
        ("athena", "StopQueryExecution", "athena:StopQueryExecution", ["cancelling"]),
        ("ssm", "PutParameter", "ssm:PutParameter", ["tokens"]),
        ("ssm", "GetParameter", "ssm:GetParameter", ["tokens"]),
        ("ssm", "DeleteParameter", "ssm:DeleteParameter", ["tokens"]),
    ],
)
def test_what_is_denied_is_named(clients: AwsClients, service: str, operation: str, action: str, probes: list[str]):
    """Each permission alone: its probe says which action is denied, and the others go on."""
    GlueCatalog(clients, DATABASE).put(glue_table_input(PLAYS, f"s3://{BUCKET}/x/", listeners=["anna"]), None)
    faults = Faults(clients, service)
    status, code = (403, "AccessDenied") if service == "s3" else (400, "AccessDeniedException")
    faults.put(operation, status, code, times=100)
    found = troubles(examination(clients).findings())
    faults.end()
    assert found
    assert all(any(what.startswith(probe) for probe in probes) for what in found), found
    assert any(f"AWS denies {action} " in said for said in found.values()), found


def test_without_credentials_there_is_nothing_more_to_test(clients: AwsClients):
    """One sentence, not fifteen."""
    faults = Faults(clients, "sts")
    faults.put_body(
        "GetCallerIdentity", 403, "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>"
    )
    findings = list(examination(clients).findings())
    faults.end()
    assert [finding.what for finding in findings] == ["credentials"]
    assert "AWS does not know these credentials" in findings[0].said


def test_what_is_missing_is_named(clients: AwsClients):
    """A bucket and a database that are not there, each with its setting."""
    found = troubles(examination(clients, bucket="nowhere-at-all").findings())
    assert "SPOTIFRIEND_BUCKET" in found["the bucket (s3:ListBucket)"]
    found = troubles(examination(clients, database="nowhere").findings())
    assert "SPOTIFRIEND_GLUE_DATABASE" in found["reading tables (glue:GetTable, GetTables)"]


def test_a_bucket_in_another_region_is_named(clients: AwsClients):
    """S3 leads on to the right region, and every request pays for the way."""
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("far-away", "us-west-2")
    found = troubles(examination(clients, bucket="far-away").findings())
    assert found["the bucket (s3:ListBucket)"] == "The bucket far-away is in us-west-2: set SPOTIFRIEND_REGION to it."


def test_a_local_home_that_is_well_is_left_as_it_is(tmp_path: Path):
    home = tmp_path / "home"
    assert troubles(examine_folder(home, home / "lake", home / "secrets")) == {}
    assert not home.exists()
    FolderSecrets(home / "secrets").write("spotify/anna", "token")
    (home / "lake").mkdir()
    assert troubles(examine_folder(home, home / "lake", home / "secrets")) == {}
    assert [path.name for path in (home / "lake").rglob("*") if path.is_file()] == []


def test_a_local_home_with_open_tokens_or_no_space_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A token that others may read is a sign-in that others have; each trouble has its cure."""
    home = tmp_path / "home"
    FolderSecrets(home / "secrets").write("spotify/anna", "token")
    (home / "secrets" / "spotify" / "anna").chmod(0o644)
    (home / "lake").write_text("I am a file")
    monkeypatch.setattr("spotifriend_dagster.lake.examination._LEAST_FREE_BYTES", 1 << 60)
    found = troubles(examine_folder(home, home / "lake", home / "secrets"))
    assert f"anna: chmod -R go= {home / 'secrets'}" in found["tokens are their owner's alone"]
    assert "are free in" in found["free space"]
    assert "cannot be written" in found["writing, reading and deleting in the lake"]
