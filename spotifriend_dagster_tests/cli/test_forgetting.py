"""`spotifriend forget` as a person gives it: what goes is shown, asked for, gone, and searched for."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from spotifriend_dagster.assets.catalog import definition_of
from spotifriend_dagster.automation import history
from spotifriend_dagster.cli import forgetting, main
from spotifriend_dagster.definitions import build_home
from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.lease import lease
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.listeners import ListenersFile
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.sources.spotify import tokens
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, aws_server
from spotifriend_dagster_tests.conftest import LISTENER, SimulatedHome

Command = Callable[..., Result]
KIM = "kim-2"
_TIMES = "health/dt=2025-01-01/1.json"


@pytest.fixture
def home(changeable_home: SimulatedHome) -> SimulatedHome:
    """A home in which kim has what robin has, and is named wherever somebody may be."""
    storage, catalog = changeable_home.lake.storage, changeable_home.lake.catalog
    assert isinstance(storage, FolderStorage)
    for folder in [path for path in storage.root.rglob(f"listener={LISTENER}") if path.is_dir()]:
        shutil.copytree(folder, folder.with_name(f"listener={KIM}"))
    for name in catalog.names():
        definition = catalog.get(name)
        assert definition
        parameters = definition.parameters
        if "projection.listener.values" in parameters:
            parameters |= {"projection.listener.values": f"{KIM},{LISTENER}"}
            catalog.put(definition.table_input | {"Parameters": parameters}, definition.version)
    changeable_home.listeners.add(KIM, "Kim", "Europe/London")
    build_home(changeable_home.settings).secrets.write(f"spotify/{KIM}", "{}")
    storage.write(_TIMES, json.dumps({"api_calls": 3, "failures": {"plays": f"{KIM}: no room"}}).encode())
    storage.write(f"inbox/listener={KIM}/export.zip", b"zip")
    (changeable_home.path / "alerts.jsonl").write_text(f'{{"text": "{KIM}"}}\n{{"text": "{LISTENER}"}}\n')
    return changeable_home


@pytest.fixture
def command(home: SimulatedHome, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("SPOTIFRIEND_HOME", str(home.path))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return lambda *arguments, **options: CliRunner().invoke(main, list(arguments), **options)


def said(result: Result) -> str:
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return " ".join(result.output.split())


def files(home: Path) -> dict[str, bytes]:
    """Every file but Dagster's own, the catalog's, which counts its changes, and what leases and locks leave."""
    found = {path.relative_to(home).as_posix(): path for path in home.rglob("*") if path.is_file()}
    ignored = ("dagster/", "lake/catalog/", "lake/leases/", "lake/.replacing")
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(ignored)}


class Killed(BaseException):
    """What ends a process in the middle."""


@pytest.mark.slow
def test_killed_at_any_stage_the_same_command_ends_with_nothing_left(
    command: Command, home: SimulatedHome, finished_home: SimulatedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with the other listener's files as if the forgotten one had never been, to the byte."""
    refused = said(command("forget", KIM, input="n\n"))
    assert "What goes of kim-2" in refused and "1 sign-in to Spotify" in refused and "Nothing was changed" in refused
    assert "Versions of tables to roll back to go for everybody, until the next run." in refused
    assert files(home.path).keys() > files(finished_home.path).keys()

    delete = FolderStorage.delete
    deleted: list[str] = []

    def delete_some(storage: FolderStorage, keys: Any) -> None:
        for key in keys:
            if len(deleted) == 40:
                raise Killed
            deleted.append(key)
            delete(storage, [key])

    stages = [
        (tokens, "forget_token"),
        (history, "forget_runs"),
        (forgetting, "_forget_alerts"),
        (ListenersFile, "remove"),
        (FolderStorage, "delete"),
        (type(home.lake.catalog), "forget_history"),
    ]
    for owner, name in stages:
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, delete_some if name == "delete" else _killing(owner, name))
            with pytest.raises(Killed):
                CliRunner().invoke(main, ["forget", KIM, "--yes"])
    assert said(command("forget", KIM, "--yes")).endswith(
        f"Nothing of {KIM} is left in {home.path}. Until the next run, no table can be rolled back."
    )
    left, expected = files(home.path), files(finished_home.path)
    assert json.loads(left.pop(f"lake/{_TIMES}"))["failures"] == {"plays": "somebody: no room"}
    assert left.pop("alerts.jsonl") == f'{{"text": "{LISTENER}"}}\n'.encode()
    toml = (left.pop("listeners.toml"), expected.pop("listeners.toml"))
    assert toml[0].strip() == toml[1].strip()
    assert left == expected
    assert home.frame("SELECT COUNT(*) AS n FROM plays")["n"].item() > 0
    again = command("forget", KIM, "--yes")
    assert again.exit_code == 0 and f"Nothing of {KIM} is in" in said(again)


def _killing(owner: Any, name: str) -> Callable[..., Any]:
    """The function, which does its work and is killed then."""
    whole = getattr(owner, name)

    def killed(*arguments: Any, **options: Any) -> Any:
        whole(*arguments, **options)
        raise Killed

    return killed


def test_who_is_not_there_is_said_with_who_is(command: Command) -> None:
    """A slip of the pen must not pass for a success, nor take somebody else."""
    slip = command("forget", "robn", "--yes")
    assert slip.exit_code == 1
    assert "Nothing of robn is in" in said(slip) and said(slip).endswith(f"has: {KIM}, {LISTENER}. Did you mean robin?")


@pytest.mark.parametrize("name", ["forget", "poll", "rebuild", "inbox-0123456789abcdef"])
def test_nothing_is_forgotten_while_something_is_at_work(command: Command, home: SimulatedHome, name: str) -> None:
    """A run that goes on would write anew what has just gone; so would an export that is being imported."""
    before = files(home.path)
    with lease(home.lake.storage, name, holder="another machine", seconds=60, now=datetime.now(UTC)):
        result = command("forget", KIM, "--yes")
    assert result.exit_code == 1
    assert "another machine is at work until " in said(result)
    assert "Nothing is forgotten, because " in said(result)
    assert files(home.path) == before


def test_a_section_that_only_people_can_take_apart_is_said_before_anything_goes(
    command: Command, home: SimulatedHome
) -> None:
    """Found at the end, it would leave a listener half forgotten."""
    toml = home.path / "listeners.toml"
    toml.write_text(f'{KIM} = {{ time_zone = "Europe/London" }}\n' + toml.read_text().partition(f"[{KIM}]")[0])
    before = files(home.path)
    result = command("forget", KIM, "--yes")
    assert result.exit_code == 1
    assert "remove the section there by hand" in said(result)
    assert files(home.path) == before


@pytest.mark.parametrize("prefix", ["lake", ""], ids=["prefix", "bucket"])
def test_on_aws_nothing_is_left_in_any_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """S3 with its versions, Glue with its history, SSM, what Athena wrote of queries, and what runs printed.

    Where the lake is the bucket itself, results and logs are among its objects.
    """
    named = {"home": tmp_path / "home", "deployment": "aws", "region": REGION, "bucket": BUCKET, "prefix": prefix}
    place, folder = f"s3://{BUCKET}/{prefix}".rstrip("/"), f"{prefix}/".lstrip("/")
    with aws_server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        for name, value in named.items():
            monkeypatch.setenv(f"SPOTIFRIEND_{name.upper()}", str(value))
        settings = Settings(**named)
        there = build_home(settings)
        s3 = AwsClients(REGION).client("s3")
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for listener in (KIM, LISTENER):
            there.listeners.add(listener, listener.title(), "Europe/London")
            for _ in range(2):
                there.lake.storage.write(f"cleaned/plays/listener={listener}/year=2024/2024.parquet", b"made")
            there.secrets.write(f"spotify/{listener}", "{}")
            people = sorted(there.listeners.read())
            there.lake.catalog.put_if_different(definition_of(PLAYS, there.lake.storage, people, settings.first_day))
        there.user_files()
        s3.put_object(Bucket=BUCKET, Key=f"athena-results/{uuid.uuid4()}.csv", Body=b"rows")
        for printed in (f"storage/{uuid.uuid4()}/compute_logs/plays.err", "pipes/1/messages"):
            for _ in range(2):
                s3.put_object(
                    Bucket=BUCKET, Key=f"dagster-logs/{printed}", Body=f"{KIM}: no room; listener={KIM}".encode()
                )
        result = CliRunner().invoke(main, ["forget", KIM, "--yes"])
        assert "4 logs of runs, everybody's" in said(result)
        assert f"Nothing of {KIM} is left in {place}." in said(result)
        assert "Where Dagster runs on ECS, its history of runs is in a database" in said(result)
        versions = s3.list_object_versions(Bucket=BUCKET)
        kept = [each["Key"] for kind in ("Versions", "DeleteMarkers") for each in versions.get(kind, [])]
        of_robin = f"{folder}cleaned/plays/listener={LISTENER}/year=2024/2024.parquet"
        others = [key for key in kept if not key.startswith(f"{folder}leases/")]
        assert sorted(others) == [of_robin, of_robin, f"{folder}config/listeners.toml"]
        (definition,) = there.lake.catalog.history(PLAYS.name)
        assert definition.parameters["projection.listener.values"] == LISTENER
        assert there.secrets.read(f"spotify/{KIM}") is None and there.secrets.read(f"spotify/{LISTENER}") == "{}"
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and KIM.encode() in path.read_bytes()]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    """An instance as the local home has it."""
    from spotifriend_dagster.cli.session import Session

    monkeypatch.setenv("SPOTIFRIEND_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return Session().instance


@dg.asset(check_specs=[dg.AssetCheckSpec("every_listener", asset="previewed")])
def previewed() -> dg.MaterializeResult:
    """Shows rows, and who was left out."""
    left_out = dg.AssetCheckResult(check_name="every_listener", passed=False, metadata={KIM: "no room"})
    return dg.MaterializeResult(
        metadata={"preview": dg.MetadataValue.md(f"| {KIM} | Song |")}, check_results=[left_out]
    )


def sensor_state() -> InstigatorState:
    """A sensor that somebody has turned off, and that has looked at many events."""
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="nowhere"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repository"), "after_runs_that_failed")
    data = SensorInstigatorData(cursor="of 5000 events", sensor_type=SensorType.RUN_STATUS)
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, data)


def test_dagsters_notes_name_nobody_any_more_and_go_on(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """SQLite keeps what was deleted until it is packed; and sensors go by numbers that begin anew."""
    job = dg.Definitions([previewed]).resolve_implicit_global_asset_job_def()
    instance.add_instigator_state(sensor_state())

    def named() -> list[str]:
        return [str(path) for path in tmp_path.rglob("*") if path.is_file() and KIM.encode() in path.read_bytes()]

    ran = job.execute_in_process(instance=instance)
    printed = tmp_path / "dagster" / "storage" / ran.run_id / "compute_logs" / "previewed.err"
    printed.parent.mkdir(parents=True)
    printed.write_text(f"{KIM}: no room")  # as the instance of an earlier version captured it
    assert named() and history.at_work(instance, datetime.now(UTC)) is None
    history.forget_runs(instance, tmp_path / "dagster")
    assert named() == []
    assert instance.get_runs_count() == 0 and instance.get_latest_materialization_event(previewed.key) is None
    assert instance.get_run_by_id(ran.run_id) is None
    (state,) = instance.all_instigator_state()
    assert state.status == InstigatorStatus.STOPPED and state.instigator_data == SensorInstigatorData(
        sensor_type=SensorType.RUN_STATUS
    )
    assert job.execute_in_process(instance=instance).success
    assert instance.get_runs_count() == 1


def test_a_run_in_progress_is_seen_and_one_that_was_killed_is_not(instance: dg.DagsterInstance) -> None:
    """A killed process leaves its run in progress for good: that must not keep anybody from being forgotten."""
    seen: list[str | None] = []

    @dg.asset
    def looking() -> None:
        now = datetime.now(UTC)
        seen.append(history.at_work(instance, now))
        seen.append(history.at_work(instance, now.replace(year=now.year + 1)))

    looked = dg.Definitions([looking]).resolve_implicit_global_asset_job_def()
    assert looked.execute_in_process(instance=instance).success
    assert seen == ["a run of __ASSET_JOB is in progress here", None]
