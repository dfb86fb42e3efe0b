"""`spotifriend sync` and `spotifriend doctor`, as a person gives them: over a folder, and over the AWS of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spotifriend_dagster.assets.catalog import definition_of
from spotifriend_dagster.cli import main
from spotifriend_dagster.definitions import build_home
from spotifriend_dagster.lake.pulls import history_key
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, AwsServer, aws_server

Command = Callable[..., Result]
KEY = history_key("anna", "e" * 64, "Streaming_History_Audio_2024.json")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    """An AWS, which the environment names."""
    with aws_server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def settings(server: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home in a folder, of somebody who has named a home on AWS, too."""
    named = {"home": tmp_path / "home", "region": REGION, "bucket": BUCKET, "prefix": "lake"}
    for name, value in named.items():
        monkeypatch.setenv(f"SPOTIFRIEND_{name.upper()}", str(value))
    monkeypatch.delenv("SPOTIFRIEND_DEPLOYMENT", raising=False)
    return Settings(**named)


@pytest.fixture
def command() -> Command:
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def said(result: Result) -> str:
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return " ".join(result.output.split())


def test_a_lake_is_moved_to_aws_and_back(command: Command, settings: Settings, tmp_path: Path):
    """What was received, and what a person wrote; not what is made again, and no token."""
    here, there = build_home(settings), build_home(settings, "aws")
    here.lake.storage.write(KEY, b"an export")
    here.lake.storage.write("cleaned/plays/listener=anna/year=2024/part.parquet", b"made")
    here.listeners.add("anna", "Anna", "Europe/London")
    here.secrets.write("spotify/anna", "token")
    (settings.home / "genres.csv").write_text("artist,genre\nA,B\n")
    first = command("sync", "--to", "aws")
    assert first.exit_code == 0
    assert "1 objects copied (0.0 MB), 0 were there already." in said(first)
    assert f"listeners.toml copied to s3://{BUCKET}/lake/config/listeners.toml" in said(first)
    assert "SPOTIFRIEND_DEPLOYMENT=aws spotifriend run" in said(first)
    assert [stored.key for stored in there.lake.storage.list("")] == ["config/genres.csv", "config/listeners.toml", KEY]
    assert there.secrets.read("spotify/anna") is None
    assert list(there.listeners.read()) == ["anna"]
    assert (there.user_files() / "genres.csv").read_text() == "artist,genre\nA,B\n"
    assert "0 objects copied (0.0 MB), 1 were there already." in said(command("sync", "--to", "aws"))
    elsewhere = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    back = CliRunner(env={"SPOTIFRIEND_HOME": str(elsewhere.home)}).invoke(main, ["sync", "--to", "local"])
    assert back.exit_code == 0
    assert build_home(elsewhere).lake.storage.read(KEY) == b"an export"
    assert build_home(elsewhere).listeners.read()["anna"].display_name == "Anna"


def test_what_differs_is_named_and_nothing_of_it_is_overwritten(command: Command, settings: Settings):
    """In either direction; the rest arrives."""
    here, there = build_home(settings), build_home(settings, "aws")
    for home, content in ((here, b"mine"), (there, b"not!")):
        home.lake.storage.write(KEY, content)
    here.listeners.add("anna", "Anna", "Europe/London")
    there.listeners.add("ben", "Ben", "Europe/London")
    here.lake.storage.write("raw/more", b"")
    for to in ("aws", "local"):
        result = command("sync", "--to", to)
        assert result.exit_code == 1
        assert f"these differ, and were left as they are: {KEY}, listeners.toml" in said(result)
    assert (here.lake.storage.read(KEY), there.lake.storage.read(KEY)) == (b"mine", b"not!")
    assert there.lake.storage.read("raw/more") == b""
    assert (list(here.listeners.read()), list(there.listeners.read())) == (["anna"], ["ben"])


def test_without_a_home_on_aws_the_setting_is_named(
    command: Command, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SPOTIFRIEND_BUCKET")
    result = command("sync", "--to", "aws")
    assert result.exit_code == 1
    assert "SPOTIFRIEND_BUCKET is not set" in said(result)


def test_the_doctor_finds_a_home_well_or_says_what_is_not(
    command: Command, settings: Settings, server: AwsServer, monkeypatch: pytest.MonkeyPatch
):
    """On this machine, and on AWS; what is denied is said with its action, and the command fails."""
    local = command("doctor")
    assert local.exit_code == 0, local.output
    assert said(local).endswith(f"{settings.home} can be worked with.")
    FolderSecrets(settings.secrets).write("spotify/anna", "token")
    (settings.secrets / "spotify").chmod(0o755)
    opened = command("doctor")
    assert opened.exit_code == 1
    assert "chmod -R go=" in said(opened)
    monkeypatch.setenv("SPOTIFRIEND_DEPLOYMENT", "aws")
    aws = command("doctor")
    assert aws.exit_code == 0, aws.output
    assert said(aws).endswith(f"s3://{BUCKET}/lake can be worked with.")
    assert "✗" not in aws.output
    server.fail("UpdateTable", status=400, code="AccessDeniedException", times=5)
    denied = command("doctor")
    assert denied.exit_code == 1
    assert "AWS denies glue:UpdateTable to this user or role" in said(denied)
    assert "1 of these must be put right" in said(denied)


def test_the_doctor_names_a_table_that_was_edited(command: Command, settings: Settings):
    """Before anybody wonders why a query finds nothing; what a run puts right is said."""
    lake = build_home(settings).lake
    definition = definition_of(PLAYS, lake.storage, [], settings.first_day)
    version = lake.catalog.put_if_different(definition)
    assert command("doctor").exit_code == 0
    lake.catalog.put(definition | {"Description": "Mine.", "PartitionKeys": []}, version)
    edited = command("doctor")
    assert edited.exit_code == 1
    assert "plays (Description, PartitionKeys). `spotifriend run` puts them right." in said(edited)
