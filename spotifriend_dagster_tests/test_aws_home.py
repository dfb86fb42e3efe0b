"""The aws home as the settings name it: what is missing is said at start, and nothing of AWS is loaded at home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import dagster as dg
import pytest

from spotifriend_dagster.assets.catalog import catalog_asset, catalog_key, not_as_declared
from spotifriend_dagster.definitions import build_definitions, build_home
from spotifriend_dagster.lake.pulls import history_key
from spotifriend_dagster.lake.storage import FolderStorage, StoredDocument
from spotifriend_dagster.listeners import ListenersFile
from spotifriend_dagster.settings import Aws, Settings, SettingsError, load_settings
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, REGION, WORKGROUP, AwsServer, aws_server

OF_AWS = ("boto3", "botocore", "awswrangler", "dagster_aws", "moto", "s3transfer")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests, and a working directory that is empty."""
    for name in os.environ:
        if name.startswith(("SPOTIFRIEND_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def in_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that an aws home cannot do without."""
    for name, value in (("DEPLOYMENT", "aws"), ("REGION", REGION), ("BUCKET", BUCKET)):
        monkeypatch.setenv(f"SPOTIFRIEND_{name}", value)


def loaded_with_definitions(where: Path, **settings: str) -> set[str]:
    """The libraries of AWS that are loaded with the code location, and with its resources."""
    code = (
        "import json, sys\n"
        "from spotifriend_dagster.definitions import defs\n"
        "defs()\n"
        "print(json.dumps(sorted(set(name.split('.')[0] for name in sys.modules))))"
    )
    environment = {"PATH": "", "HOME": str(where), **{f"SPOTIFRIEND_{name}": value for name, value in settings.items()}}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment, cwd=where
    )
    return set(json.loads(done.stdout)) & set(OF_AWS)


def test_at_home_nothing_of_aws_is_loaded(tmp_path: Path):
    """It would cost every run, every page of the UI and every command a second."""
    assert loaded_with_definitions(tmp_path) == set()


def test_in_aws_what_is_needed_is_loaded_and_nothing_is_asked(tmp_path: Path):
    """The code location loads without credentials and without a network, in a container as it is built."""
    loaded = loaded_with_definitions(tmp_path, DEPLOYMENT="aws", REGION=REGION, BUCKET=BUCKET)
    assert loaded == {"boto3", "botocore", "s3transfer"}


@pytest.mark.parametrize("name", ["REGION", "BUCKET"])
@pytest.mark.usefixtures("in_aws")
def test_a_setting_that_is_missing_is_said_at_start(monkeypatch: pytest.MonkeyPatch, name: str):
    """Which one, and what it should be; at home it may be missing."""
    monkeypatch.delenv(f"SPOTIFRIEND_{name}")
    with pytest.raises(
        SettingsError, match=f"SPOTIFRIEND_{name} is not set, and the aws home needs it: it must be the"
    ):
        load_settings()
    monkeypatch.setenv("SPOTIFRIEND_DEPLOYMENT", "local")
    assert load_settings().deployment == "local"


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("region", ["eu-central-1", "us-gov-west-1", "ap-southeast-2"], ["Frankfurt", "eu-central", "eu_central_1"]),
        ("bucket", ["lake-of-anna", "a.b.c"], ["s3://lake", "Lake", "a", "lake/", "lake_of_anna", "x" * 64]),
        ("prefix", ["lake", "music/lake", ""], ["/lake", "lake/", "a//b", "../lake", "a/.b", "a b"]),
        ("glue_database", ["music_2"], ["Music", "music-2", "mu sic"]),
        ("workgroup", ["primary", "Music.lake-1_x"], ["a/b", "x" * 129]),
        ("parameter_prefix", ["/music", "/a/b/c"], ["music", "/music/", "/aws/music", "/ssm", "//music", "/"]),
        (
            "kms_key",
            [
                "alias/lake",
                "1234abcd-12ab-34cd-56ef-1234567890ab",
                "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                "arn:aws:kms:eu-central-1:111122223333:alias/lake",
                "mrk-1234abcd12ab34cd56ef1234567890ab",
            ],
            ["lake", "arn:aws:s3:::lake", "arn:aws:kms:eu-central-1:111122223333:lake"],
        ),
    ],
)
@pytest.mark.usefixtures("in_aws")
def test_what_aws_would_not_take_is_said_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, good: list[str], wrong: list[str]
):
    """Not in the middle of a run, in the words of another service."""
    variable = f"SPOTIFRIEND_{name.upper()}"
    for value in good:
        monkeypatch.setenv(variable, value)
        assert getattr(load_settings().aws, name) == value
    for value in wrong:
        monkeypatch.setenv(variable, value)
        with pytest.raises(SettingsError, match=rf"^{variable} is .*, but it must be .*\.$"):
            load_settings()


@pytest.mark.usefixtures("in_aws")
def test_the_rest_has_defaults():
    made = load_settings()
    assert made.aws == Aws(REGION, BUCKET, "", "spotifriend", "spotifriend", "/spotifriend", None)
    assert made.place == f"s3://{BUCKET}"
    assert Settings(home=Path("/music"), deployment="local").place == "/music"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    """An AWS, which the environment names."""
    with aws_server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def test_the_listeners_of_an_aws_home_are_in_its_bucket(server: AwsServer, tmp_path: Path):
    """Whoever runs it, on a laptop or in the cloud, has the same; no file of this machine is read or made."""
    settings = Settings(
        deployment="aws", region=REGION, bucket=BUCKET, prefix="lake", home=tmp_path / "home", kms_key="alias/lake"
    )
    home = build_home(settings)
    assert home.listeners.read() == {}
    home.listeners.add("anna", "Anna", "Europe/London")
    home.listeners.add("ben", "Ben", "Asia/Tokyo")
    assert sorted(build_home(settings).listeners.read()) == ["anna", "ben"]
    assert home.lake.storage.read("config/listeners.toml").decode().startswith("# The people whose listening")
    with pytest.raises(SettingsError, match=rf"s3://{BUCKET}/lake/config/listeners.toml names no listener 'carla'"):
        home.listeners.get("carla")
    assert not (tmp_path / "home").exists()


def test_a_listener_is_the_same_in_a_file_and_in_the_lake(tmp_path: Path):
    """A document of the lake is read and refused as the file is."""
    file = ListenersFile(tmp_path / "listeners.toml")
    document = ListenersFile(StoredDocument(FolderStorage(tmp_path / "lake"), "config/listeners.toml"))
    for listeners in (file, document):
        listeners.add("anna", "Anna", "Europe/London")
    assert (tmp_path / "lake/config/listeners.toml").read_bytes() == (tmp_path / "listeners.toml").read_bytes()
    assert list(file.read()) == list(document.read()) == ["anna"]
    document.path.write(b"[anna]\ntime_zone = 5")
    with pytest.raises(SettingsError, match=r"listeners.toml, \[anna\]: time_zone must be"):
        document.read()


def test_both_homes_have_the_same_assets_checks_and_jobs(tmp_path: Path):
    """What is true on the laptop is asked in the cloud, too."""
    local = build_definitions(Settings(home=tmp_path))
    aws = build_definitions(Settings(home=tmp_path, deployment="aws", region=REGION, bucket=BUCKET))
    dg.Definitions.validate_loadable(aws)
    one, other = (definitions.resolve_asset_graph() for definitions in (local, aws))
    assert one.get_all_asset_keys() == other.get_all_asset_keys()
    assert one.asset_check_keys == other.asset_check_keys
    assert {job.name for job in local.jobs or ()} == {job.name for job in aws.jobs or ()}
    assert type(aws.resources["lake"].storage) is not type(local.resources["lake"].storage)


def test_every_setting_reaches_its_port(server: AwsServer, tmp_path: Path):
    """A token goes below the prefix of parameters, a table into the database, a query to the workgroup."""
    home = build_home(
        Settings(
            home=tmp_path,
            deployment="aws",
            region=REGION,
            bucket=BUCKET,
            prefix="deep/lake",
            glue_database=DATABASE,
            workgroup=WORKGROUP,
            parameter_prefix="/household/tokens",
        )
    )
    home.secrets.write("spotify/anna", "token")
    assert home.secrets.read("spotify/anna") == "token"
    home.lake.storage.write("raw/x", b"")
    assert home.lake.catalog.names() == []
    assert home.lake.engine.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    asked = {(request.service, request.operation, request.key) for request in server.requests}
    assert ("s3", "PutObject", "deep/lake/raw/x") in asked
    assert boto3.client("ssm").get_parameter(Name="/household/tokens/spotify/anna")


def test_a_table_edited_by_hand_is_told_and_restored_by_materializing(server: AwsServer, tmp_path: Path):
    """Somebody turns projection off in the console: every query finds nothing, until the next run."""
    settings = Settings(home=tmp_path, deployment="aws", region=REGION, bucket=BUCKET)
    home = build_home(settings)
    home.listeners.add("anna", "Anna", "Europe/London")

    def materialized() -> dict[str, object]:
        done = dg.materialize(
            [catalog_asset(settings.first_day)],
            selection=[catalog_key(PLAYS), catalog_key(STREAMING_HISTORY)],
            resources={"lake": home.lake, "listeners": home.listeners},
        )
        said = {made.asset_key: made.metadata for made in done.asset_materializations_for_node("catalog")}
        return {name: value.value for name, value in said[catalog_key(STREAMING_HISTORY)].items()}

    by_table = {table.name: table for table in (PLAYS, STREAMING_HISTORY)}
    materialized()
    declared = {name: home.lake.catalog.get(name) for name in by_table}
    assert materialized()["changed"] == []
    assert {name: home.lake.catalog.get(name) for name in by_table} == declared, "no version for nothing"
    glue = boto3.client("glue")
    edited = declared[STREAMING_HISTORY.name].table_input
    edited = edited | {"Parameters": edited["Parameters"] | {"projection.enabled": "false"}}
    glue.update_table(DatabaseName=DATABASE, TableInput=edited)
    names = ["anna"]
    assert not_as_declared(home.lake, names, settings.first_day) == {
        STREAMING_HISTORY.name: ["Parameters.projection.enabled"]
    }
    assert materialized()["changed"] == ["Parameters.projection.enabled"]
    assert not_as_declared(home.lake, names, settings.first_day) == {}
    assert home.lake.catalog.get(STREAMING_HISTORY.name).table_input == declared[STREAMING_HISTORY.name].table_input
    home.lake.storage.write(history_key("anna", "e" * 64, "a.json"), b"")
    assert materialized()["changed"] == ["Parameters.projection.export.type", "Parameters.projection.export.values"]
