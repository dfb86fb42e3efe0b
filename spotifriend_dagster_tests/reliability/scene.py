"""Where faults happen: a home of a simulated listener over the night of a clock change, and its undisturbed twin.

The faults are in `faults.py`, what becomes of them in `test_faults.py`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from spotifriend_dagster.assets.catalog import CATALOGUED, catalog_asset, catalog_key
from spotifriend_dagster.assets.cleaned import history, plays, recent_asset
from spotifriend_dagster.assets.collected import collected_assets
from spotifriend_dagster.assets.insights import insight_asset
from spotifriend_dagster.assets.raw import streaming_history
from spotifriend_dagster.assets.specs import accepted_beta, asset_key
from spotifriend_dagster.automation.after_run import after_run
from spotifriend_dagster.automation.channels import FileChannel
from spotifriend_dagster.automation.history import end_broken_off
from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, RunOutcome, progress_logger, run_job
from spotifriend_dagster.automation.staleness import stale_days
from spotifriend_dagster.checks.days import latest_closed_day
from spotifriend_dagster.checks.rules import rules_across_tables
from spotifriend_dagster.definitions import build_home
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.storage import StorageError
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.tables.cleaned import CLEANED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED, STREAMING_HISTORY
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, AwsServer
from spotifriend_dagster_tests.collected_home import CollectedHome

LISTENER = "robin"
BEGUN = datetime(2025, 3, 29, 22, 41, tzinfo=UTC)
"""The first poll; Berlin's clocks go forward at 01:00 UTC of the night that follows."""
BETWEEN = timedelta(hours=2)
INSIGHTS = ("daily_listening", "listening_coverage")
COMPARED = ("plays", "play_hours", *INSIGHTS)
_WHERE_FROM = ["origin", "file", "row"]
"""Which of several polls told a play: of one that was missed, the next."""
_DEFINED = {name: insight for name, insight in load_insights().items() if name in INSIGHTS}
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["spotifriend_dagster_tests.reliability.faults"])
_SILENT = {PROGRESS_LOGGER: progress_logger(lambda _step, _ended: None)}


@lru_cache
def truth() -> Truth:
    """What the listener really played, in six weeks."""
    return simulate(8, start=date(2025, 3, 1), years=32 / 365.25, plays_per_day=15)


class Scene(CollectedHome):
    """A home whose runs are followed up as everywhere, with few insights; its alerts are in a file, as at home.

    `patches` are undone when a test is over; `aws` is where the lake is, unless it is in a folder.
    """

    patches: pytest.MonkeyPatch
    aws: AwsServer | None = None

    def __init__(self, path: Path, server: SimulatedSpotify) -> None:
        super().__init__(path, server)
        self.channel = FileChannel(path / "alerts.jsonl")
        self._told = 0

    @cached_property
    def _whole(self) -> dg.Definitions:
        days = days_from(self.settings.first_day)
        with accepted_beta("backfill_policy"):
            collected = [
                streaming_history,
                collected_assets(days)[0],
                history,
                recent_asset(days),
                plays,
                catalog_asset(self.settings.first_day),
                *(insight_asset(insight, _DEFINED) for insight in _DEFINED.values()),
            ]
        polled, imported = (
            dg.AssetSelection.assets(asset_key(table)) for table in (RECENTLY_PLAYED, STREAMING_HISTORY)
        )
        daily = dg.AssetSelection.assets(collected[3])
        others = (catalog_key(table) for table in CATALOGUED if table not in CLEANED_TABLES)
        made = dg.AssetSelection.all() - polled - imported - dg.AssetSelection.assets(*others)
        return dg.Definitions(
            assets=collected,
            asset_checks=[rules_across_tables, latest_closed_day],
            jobs=[
                dg.define_asset_job("poll", polled),
                dg.define_asset_job("rebuild", made),
                dg.define_asset_job("import_export", (made - daily) | imported),
            ],
            resources={
                "lake": self.lake,
                "listeners": self.listeners,
                "spotify": self.spotify,
                "table_io_manager": TableIOManager(self.lake.storage),
            },
            executor=dg.in_process_executor,
            loggers=_SILENT,
        )

    def follow(self, job: str, days: list[str] | None = None, config: dict[str, Any] | None = None) -> RunOutcome:
        """Run a job, and what follows each run."""
        outcome = run_job(self._whole, job, self.instance, config=config, days=days or [])
        with suppress(StorageError):  # as the commands do
            after_run(self.lake, self.instance, outcome.run_id, [self.channel], self.server.clock())
        return outcome

    def keep_notes(self, folder: Path) -> None:
        """Note runs in a folder: those of a process that is killed are to be found by the next."""
        self.notes = folder
        self.instance = dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}})

    def follow_up(self) -> None:
        """What commands and the daemon do about runs that were killed, an hour later."""
        for run_id in end_broken_off(self.instance, datetime.now(UTC) + timedelta(hours=1)):
            after_run(self.lake, self.instance, run_id, [self.channel], self.server.clock())
        self.instance = dg.DagsterInstance.ephemeral()  # notes on disk cost seconds

    def poll(self) -> RunOutcome:
        """The hour's poll."""
        return self.follow("poll", [self.today])

    def rebuild(self) -> RunOutcome:
        """The night's run."""
        return self.follow("rebuild", stale_days(self.lake.storage) or [self.today])

    def import_it(self, path: Path) -> RunOutcome:
        """Import an export."""
        config = {"ops": {"raw__streaming_history": {"config": {"path": str(path), "listener": LISTENER}}}}
        return self.follow("import_export", config=config)

    def hours_later(self, by: timedelta = BETWEEN) -> None:
        """Time goes by."""
        self.server.clock.advance(by)

    def file(self, key: str) -> Path:
        """Where an object of the lake is on this disk."""
        return self.settings.lake / key

    def told(self) -> list[str]:
        """The subjects of what was told since this was asked last."""
        if not self.channel.path.exists():
            return []
        said = [json.loads(line)["subject"] for line in self.channel.path.read_text("utf-8").splitlines()]
        found, self._told = said[self._told :], len(said)
        return found

    def content(self, table: str) -> pd.DataFrame:
        """A table's rows, ordered by all that is no list, without what says which of several polls told them."""
        found = self.lake.engine.query(f"SELECT * FROM {table}")
        found = found.select([name for name in found.column_names if name not in _WHERE_FROM])
        keys = [(field.name, "ascending") for field in found.schema if not pa.types.is_list(field.type)]
        return found.sort_by(keys).to_pandas()


def begun(path: Path, server: SimulatedSpotify, at: datetime = BEGUN) -> Scene:
    """A home with an export and the first poll at an instant, answered."""
    scene = Scene(path, server)
    export = path / "export.zip"
    path.mkdir(parents=True)
    write_export(truth(), export, era="2025", cutoff=at)
    server.clock.set(at)
    scene.sign_in(LISTENER)
    for ended in (scene.import_it(export), scene.poll(), scene.rebuild()):
        assert ended.success, ended.failures
    return scene


def copied(base: Scene, path: Path) -> Scene:
    """The same home elsewhere, at the same instant, with everything in order at Spotify."""
    shutil.copytree(base.path, path)
    base.server.clock.set(BEGUN)
    base.server.faults.clear()
    scene = Scene(path, base.server)
    scene.sign_in(LISTENER)
    scene.told()
    scene.hours_later()
    return scene


def in_cloud(base: Scene, path: Path, aws: AwsServer) -> Scene:
    """The same home in AWS: what was received and cleaned is taken there, and answered."""
    base.server.clock.set(BEGUN)
    base.server.faults.clear()
    scene = Scene(path, base.server)
    scene.aws = aws
    scene.settings = scene.settings.model_copy(update={"deployment": "aws", "region": REGION, "bucket": BUCKET})
    home = build_home(scene.settings)
    scene.lake, scene.listeners = home.lake, home.listeners
    scene.spotify = replace(scene.spotify, secrets=home.secrets)
    for layer in ("raw", "cleaned", "rejects"):
        for stored in base.lake.storage.list(layer):
            scene.lake.storage.write(stored.key, base.lake.storage.read(stored.key))
    scene.sign_in(LISTENER)
    assert scene.rebuild().success
    assert scene.told() == []
    scene.hours_later()
    return scene


@dataclass(frozen=True)
class Elsewhere:
    """What a process of its own has to know of the simulated Spotify, whose clock stands still for it."""

    client_id: str
    api_url: str
    accounts_url: str
    now: datetime

    def clock(self) -> datetime:
        """Now, UTC-aware."""
        return self.now


def process(scene: Scene, run: Callable[..., object], *arguments: object) -> BaseProcess:
    """A process that calls `run` with the scene and the arguments: begun anew, for threads do not survive a fork."""
    server = scene.server
    spotify = Elsewhere(server.client_id, server.api_url, server.accounts_url, server.clock())
    notes = getattr(scene, "notes", None)
    return _PROCESSES.Process(target=_run, args=(scene.path, spotify, notes, run, *arguments))


def _run(path: Path, spotify: Any, notes: Path | None, run: Callable[..., object], *arguments: object) -> None:
    scene = Scene(path, spotify)
    if notes:
        scene.keep_notes(notes)
    run(scene, *arguments)
    os._exit(0)  # what Dagster would clean up is not this process's alone


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Another value for an attribute, within the context."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
