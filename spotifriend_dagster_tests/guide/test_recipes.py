"""The recipes of docs/operations.md, followed as they stand: one listener's year, in the order in which it comes.

Commands run in this process, scripts in a shell. What has no recipe here is followed elsewhere: installing
in `deploy/`, backfills in the UI in `automation/`, forgetting in `cli/`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from spotifriend_dagster.cli import consent, main
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, AwsServer, aws_server
from spotifriend_dagster_tests.guide import aws_command
from spotifriend_dagster_tests.guide.commands import blocks, lines, section

GUIDE = "operations.md"
NOW = datetime.now(UTC)
LAST_YEAR = NOW - timedelta(days=5)


@dataclass
class Reader:
    """Somebody at a terminal, in a folder with the zip that Spotify sent; who agrees wherever they are asked to."""

    folder: Path
    spotify: SimulatedSpotify
    environment: dict[str, str]
    said: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return Path(self.environment["SPOTIFRIEND_HOME"])

    def export(self, until: datetime) -> None:
        """Let Spotify send what was played until then."""
        write_export(self.spotify.listeners["anna"].truth, self.folder / "my_spotify_data.zip", cutoff=until)

    def type(self, line: str, *, may_fail: bool = False) -> str:
        """Give a command."""
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        said = " ".join(result.output.split())
        assert "Traceback" not in said and isinstance(result.exception, SystemExit | None), (line, result.exception)
        assert result.exit_code == 0 or may_fail, (line, said)
        return said

    def follow(self, heading: str) -> Iterator[str]:
        """What each command of a recipe's steps says, as it is given."""
        for line in lines(section(GUIDE, heading)):
            yield self.type(line)

    def script(self, code: str) -> str:
        """Run a script of the guide."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            env=self.environment,
            cwd=self.folder,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def asked(self, sql: str) -> str:
        """The rows of a query."""
        return self.type(f'spotifriend query --format csv "{sql}"')


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    """An AWS, which the environment names."""
    with aws_server() as server:
        use(server, monkeypatch)
        yield server


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with a Spotify app, at a simulated Spotify that is at last year's end."""
    folder = tmp_path_factory.mktemp("reader")
    anna = simulate(5, start=NOW.date() - timedelta(days=30), years=31 / 365.25, plays_per_day=30)
    with (
        SimulatedSpotify({"anna": anna}, clock=Clock(LAST_YEAR, pace=0)) as spotify,
        pytest.MonkeyPatch.context() as to,
    ):
        to.chdir(folder)
        for name in [name for name in os.environ if name.startswith("SPOTIFRIEND_")]:
            to.delenv(name)
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
            to.delenv(name, raising=False)
        for name, value in {
            "DAGSTER_HOME": "",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SPOTIFRIEND_HOME": str(folder / "home"),
            "SPOTIFRIEND_SPOTIFY_CLIENT_ID": spotify.client_id,
            "SPOTIFRIEND_SPOTIFY_API_URL": spotify.api_url,
            "SPOTIFRIEND_SPOTIFY_ACCOUNTS_URL": spotify.accounts_url,
        }.items():
            to.setenv(name, value)
        to.setattr(consent, "_pasted", lambda address: spotify.authorize(address, "anna").replace("\n", ""))
        yield Reader(folder, spotify, dict(os.environ))


@pytest.mark.slow
def test_a_year(reader: Reader) -> None:
    """Added, polled with a gap, closed, consent renewed, rolled back, restored, backed up, and removed."""
    reader.export(LAST_YEAR - timedelta(days=3))
    adding = reader.follow("Add a listener")
    assert "anna" in next(adding) and "anna is signed in to Spotify: 18" in next(adding)  # days
    reader.type("spotifriend poll")
    reader.spotify.clock.set(NOW)

    exported = "SELECT COUNT(*), SUM(ms_played), MAX(started_at) FROM plays WHERE source = 'extended'"
    counted = reader.asked(exported)
    remove, *_ = blocks(section(GUIDE, "Restore"))
    reader.script(remove)
    left = {path.name for path in (reader.home / "lake").iterdir() if path.name[0] != "."}
    assert left == {"health", "raw", "reports"}
    assert "spotifriend run" in lines(section(GUIDE, "Restore"))  # which is the last step here, too
    assert "anna: 50 new plays in " in next(adding)
    assert reader.asked(exported) == counted

    reader.export(NOW)
    before, _, after = reader.follow("Close a gap")
    assert "plays may be missing" in before
    assert "gaps none" in after

    back, released, _ = reader.follow("Put a table back to what it was")
    assert "streaks is back at version" in back and "streaks will be published again" in released

    assert "poll" in reader.script(*blocks(section(GUIDE, "Read the cost")))

    (back_up,) = blocks(section(GUIDE, "Back up and move"))
    reader.script(back_up)
    moved = reader.folder / "moved"
    moved.mkdir()
    reader.script(f"tar -xzf spotifriend-backup.tar.gz -C {moved}")
    with pytest.MonkeyPatch.context() as there:
        there.setenv("SPOTIFRIEND_HOME", str(moved))
        assert "can be worked with" in reader.type("spotifriend doctor")
        assert reader.asked("SELECT COUNT(*) AS plays FROM plays").split()[1].isdecimal()

    reader.spotify.clock.advance(timedelta(days=190))
    assert "spotifriend login --listener anna" in reader.type("spotifriend poll", may_fail=True)
    before, after = reader.follow("Renew consent")
    assert "ended" in before
    assert "anna is signed in to Spotify: 18" in after  # days
    assert "anna: 0 new plays in 1 call" in reader.type("spotifriend poll")

    assert '`rm -r "$SPOTIFRIEND_HOME"`' in section(GUIDE, "Remove everything")
    reader.script('rm -r "$SPOTIFRIEND_HOME"')
    assert not reader.home.exists()


def test_consent_is_renewed_in_the_home_on_aws(aws: AwsServer, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same commands, from this machine; tokens are parameters of SSM there."""
    for name, value in {"DEPLOYMENT": "aws", "REGION": REGION, "BUCKET": BUCKET}.items():
        monkeypatch.setenv(f"SPOTIFRIEND_{name}", value)
    reader.type("spotifriend login --listener anna --zone Europe/Berlin")
    first = parameter("/spotifriend/spotify/anna")
    reader.spotify.clock.advance(timedelta(days=190))
    assert "spotifriend login --listener anna" in reader.type("spotifriend poll", may_fail=True)
    before, after = reader.follow("Renew consent")
    assert "ended" in before
    assert "anna is signed in to Spotify: 18" in after  # days
    assert parameter("/spotifriend/spotify/anna") != first
    assert "anna: 50 new plays in 1 call" in reader.type("spotifriend poll")


def parameter(name: str) -> str:
    """What is kept in SSM."""
    value: str = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    return value


def test_objects_of_a_versioned_bucket_come_back(aws: AwsServer, reader: Reader) -> None:
    """Deleted ones by removing the marks of their deletion; an overwritten one by its version."""
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    objects = {"raw/a/listener=anna/1": b"1", "raw/a/listener=anna/b c": b"2", "raw/kept": b"3"}
    for key, content in {**objects, "elsewhere": b"4", "config/listeners.toml": b"good"}.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    s3.put_object(Bucket=BUCKET, Key="config/listeners.toml", Body=b"bad")
    for key in (*list(objects)[:2], "elsewhere"):
        s3.delete_object(Bucket=BUCKET, Key=key)

    command = reader.folder / "bin" / "aws"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {aws_command.__file__} "$@"\n')
    command.chmod(0o755)
    there = {**aws.environment(), "BUCKET": BUCKET, "PATH": f"{command.parent}{os.pathsep}{reader.environment['PATH']}"}
    reader = Reader(reader.folder, reader.spotify, {**reader.environment, **there})
    _, deleted, overwritten = blocks(section(GUIDE, "Restore"))
    reader.script(deleted)
    kept = {each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert kept == {*objects, "config/listeners.toml"}

    look, _, copy = overwritten.partition("\n")
    (version,) = [row.split("\t")[2] for row in reader.script(look).splitlines() if "False" in row]
    reader.script(copy.replace("VERSION", version))
    assert s3.get_object(Bucket=BUCKET, Key="config/listeners.toml")["Body"].read() == b"good"
