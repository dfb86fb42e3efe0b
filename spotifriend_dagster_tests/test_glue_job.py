"""Plays united by Glue: real processes, spoken with through Pipes, that leave what a run in process leaves."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from spotifriend_dagster import definitions
from spotifriend_dagster.assets import plays_on_glue
from spotifriend_dagster.assets.plays_on_glue import PIPES, PlaysJob
from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.assets.uniting import SOURCES, UNITED, shard_of
from spotifriend_dagster.automation.runs import RunOutcome, run_job
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster.glue_job import settings_in
from spotifriend_dagster.tables.cleaned import HISTORY_FILES, HISTORY_PLAYS, HISTORY_REJECTS, PLAYS
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.glue_jobs import ROLE, GlueJobs, glue_jobs
from spotifriend_dagster_tests.aws.homes import EXPORTED_UNTIL, LISTENER, AwsHome, run_only, truth
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, AwsServer, aws_server
from spotifriend_dagster_tests.deploy.rights import missing, needed, rights

OTHERS = ("anna", "ben", "carla")
JOB = "spotifriend-plays"
NOT_EVERY_TIME = {
    "s3:DeleteObject",  # of a year that has no plays any more
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),  # Glue itself, in the role's name
}
HISTORY = (HISTORY_PLAYS, HISTORY_FILES, HISTORY_REJECTS)
pytestmark = pytest.mark.filterwarnings(  # which Pipes itself calls, of every reader of messages
    "ignore:Function `PipesMessageReader.expected_writer_count` is currently in preview"
)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    with aws_server() as server, pytest.MonkeyPatch.context() as monkeypatch:
        use(server, monkeypatch)
        yield server


@pytest.fixture(scope="module")
def home(aws: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsHome]:
    """Four listeners with the same history, which is cleaned and not yet united."""
    folder = tmp_path_factory.mktemp("glue")
    with SimulatedSpotify({LISTENER: truth()}) as spotify:
        home = AwsHome(folder / "home", spotify)
        home.add(LISTENER)
        write_export(truth(), folder / "export.zip", era="2025", cutoff=EXPORTED_UNTIL)
        config = {
            "ops": {"raw__streaming_history": {"config": {"path": str(folder / "export.zip"), "listener": LISTENER}}}
        }
        run_only(home, "import_export", list(map(asset_key, (STREAMING_HISTORY, *HISTORY))), config=config)
        storage = home.lake.storage
        for other in OTHERS:
            home.listeners.add(other, other.title(), truth().zones)
            for table in HISTORY:
                for stored in storage.list(f"{table.folder}/listener={LISTENER}"):
                    storage.write(stored.key.replace(f"={LISTENER}/", f"={other}/"), storage.read(stored.key))
        yield home


@pytest.fixture(scope="module")
def in_process(home: AwsHome) -> dict[str, bytes]:
    """The files that a run in process makes, which are then removed."""
    run_only(home, "answer", list(map(asset_key, UNITED)))
    made = files(home)
    home.lake.storage.delete(made)
    assert files(home) == {}
    return made


@pytest.fixture
def jobs(aws: AwsServer, tmp_path: Path) -> Iterator[GlueJobs]:
    """Glue, with the job."""
    said = {"DEPLOYMENT": "aws", "REGION": REGION, "BUCKET": BUCKET, "HOME": str(tmp_path)}
    with glue_jobs(aws, tmp_path, JOB, {f"--SPOTIFRIEND_{name}": value for name, value in said.items()}) as running:
        yield running
    import boto3

    boto3.client("glue").delete_job(JobName=JOB)


def files(home: AwsHome) -> dict[str, bytes]:
    """What the lake says of united plays."""
    storage = home.lake.storage
    return {stored.key: storage.read(stored.key) for table in UNITED for stored in storage.list(table.folder)}


def unite(home: AwsHome, monkeypatch: pytest.MonkeyPatch, shard: int = 9) -> RunOutcome:
    """Run the asset of a lake that has a job, with so many listeners in a shard."""
    monkeypatch.setattr(definitions, "PlaysJob", partial(PlaysJob, shard=shard))
    settings = home.settings.model_copy(update={"glue_job": JOB})
    whole = definitions.build_definitions(settings, spotify=home.spotify, loggers=home._whole.loggers)
    return run_job(whole, "answer", home.instance, assets=list(map(asset_key, UNITED)))


@pytest.mark.slow
def test_jobs_make_the_same_files_as_a_run_in_process(
    home: AwsHome, in_process: dict[str, bytes], jobs: GlueJobs, aws: AwsServer, monkeypatch: pytest.MonkeyPatch
):
    """Byte by byte, in shards that none is left out of; by no right that their role, or the run's, has not."""
    since = len(aws.requests)
    outcome = unite(home, monkeypatch, shard=2)
    assert outcome.success, (outcome.failures, [log.read_text() for log in jobs.folder.glob("*.log")])
    assert outcome.failed_checks == []
    assert files(home) == in_process
    assert len(jobs.arguments) == 2
    rows = outcome.metadata["cleaned/plays"]
    assert (rows["listeners"], rows["bytes"]) == (
        4,
        sum(len(made) for key, made in files(home).items() if key.startswith(PLAYS.folder + "/")),
    )
    asked = aws.requests[since:]
    of_jobs = [each for each in asked if each.who == ROLE]
    assert missing(of_jobs, "plays") == set()
    assert {action for action, _ in rights("plays")} - {action for action, _ in needed(of_jobs)} == NOT_EVERY_TIME
    assert missing([each for each in asked if each.who != ROLE], "daily") == set()
    spoken = {asked.key.partition("/")[0] for asked in aws.requests if asked.operation == "PutObject"}
    assert spoken <= {"raw", "cleaned", "rejects", "config", PIPES.partition("/")[0]}  # nothing beside the lake's own


@pytest.mark.slow
def test_who_cannot_be_united_is_named_and_stops_nobody(
    home: AwsHome, in_process: dict[str, bytes], jobs: GlueJobs, monkeypatch: pytest.MonkeyPatch
):
    """Of whom a source is broken, the files stay as they were, and the check of the asset says why.

    The others are united again, into the same files.
    """
    for key, made in in_process.items():
        home.lake.storage.write(key, made)
    broken = f"{HISTORY_FILES.folder}/listener=ben"
    (stored,) = home.lake.storage.list(broken)
    before = home.lake.storage.read(stored.key)
    home.lake.storage.write(stored.key, b"nothing")
    try:
        outcome = unite(home, monkeypatch)
    finally:
        home.lake.storage.write(stored.key, before)
    assert outcome.success, outcome.failures
    assert outcome.failed_checks == [("cleaned/plays", "every_listener", "ERROR")]
    assert files(home) == in_process


@pytest.mark.slow
def test_a_job_that_fails_fails_the_asset(home: AwsHome, jobs: GlueJobs, monkeypatch: pytest.MonkeyPatch):
    """Here for a setting that is wrong. Nothing is said to be made."""
    jobs.environment = {**jobs.environment, "SPOTIFRIEND_NOTHING": "1"}
    outcome = unite(home, monkeypatch)
    assert not outcome.success
    assert "FAILED" in " ".join(outcome.failures.values())


@pytest.mark.slow
@pytest.mark.parametrize("when", ["it waits", "it submits"])
def test_a_run_that_is_terminated_stops_its_jobs(
    home: AwsHome, jobs: GlueJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
):
    """They would go on at fifteen cents a minute, with nobody who waits for them. Those that wait are not started."""
    monkeypatch.setattr(plays_on_glue, "_AT_ONCE", 2)
    (tmp_path / "script").mkdir()
    jobs.script = tmp_path / "script" / "glue_job.py"
    jobs.script.write_text("import time\ntime.sleep(60)\n")

    both_run, is_over = threading.Event(), threading.Event()
    submitted = count(1)

    class Pool(ThreadPoolExecutor):
        def submit(self, *what: Any, **how: Any) -> Future[Any]:
            if next(submitted) == 4 and when == "it submits":  # the others are running, or wait for a thread
                assert both_run.wait(60)
                time.sleep(10)  # which the interrupt ends
            return super().submit(*what, **how)

    monkeypatch.setattr(plays_on_glue, "ThreadPoolExecutor", Pool)

    def terminate() -> None:
        while len(jobs.arguments) < 2:
            time.sleep(0.02)
        both_run.set()
        time.sleep(1)  # for the run to do what it then does
        if not is_over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=terminate, daemon=True).start()
    outcome = unite(home, monkeypatch, shard=1)
    is_over.set()
    assert not outcome.success
    assert len(jobs.stopped) == len(jobs.arguments) == 2  # of four


def test_a_listener_is_always_of_the_same_shard_and_shards_are_of_a_size():
    """A job that is tried again finds its own, and no listener is of two."""
    names = [f"listener-{number}" for number in range(2000)]
    sizes = Counter(shard_of(name, 20) for name in names)
    assert set(sizes) == set(range(20))
    assert max(sizes.values()) < 150
    assert [shard_of(name, 7) for name in ("anna", "ben", "robin")] == [
        shard_of(name, 7) for name in ("anna", "ben", "robin")
    ]


def test_a_jobs_arguments_are_settings_where_they_are_named_so():
    """Glue adds arguments of its own, and Pipes two."""
    said = ["--job-bookmark-option", "x", "--SPOTIFRIEND_BUCKET", "lake", "--dagster-pipes-context", "abc"]
    assert settings_in(said) == {"SPOTIFRIEND_BUCKET": "lake"}
    assert settings_in(["--SPOTIFRIEND_PREFIX", *said]) == {"SPOTIFRIEND_BUCKET": "lake"}  # a value that is empty


def test_whoever_names_no_job_unites_in_process(home: AwsHome):
    """The default, which needs nothing of Glue's; both have the same sources and the same outputs."""
    graph = home._whole.resolve_asset_graph()
    in_process = graph.get(asset_key(PLAYS))
    settings = home.settings.model_copy(update={"glue_job": JOB})
    on_glue = definitions.build_definitions(settings, spotify=home.spotify).resolve_asset_graph().get(asset_key(PLAYS))
    assert in_process.parent_keys == on_glue.parent_keys == {asset_key(table) for table in SOURCES}
    assert in_process.metadata == on_glue.metadata
    assert definitions.build_plays_job(home.settings) is None
