"""What many rooms' tests share: a lake of a simulated listener, made once by the real jobs, and a browser."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd
import pytest
from hypothesis import settings

from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, RunOutcome, progress_logger, run_job
from spotifriend_dagster.automation.staleness import stale_days
from spotifriend_dagster.definitions import build_definitions, build_lake
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.polls import poll_answers
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.listeners import ListenersFile
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

# What a script starts in the background ignores Ctrl-C, and so do the processes to which tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time: who changes nothing breaks nothing. HYPOTHESIS_PROFILE=explore draws others.
settings.register_profile("explore", settings.default)
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@dataclass
class Home:
    """A home folder, with the jobs run over it in this process and an instance that forgets."""

    path: Path
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.path)
        self.lake = build_lake(self.settings)
        self.listeners = ListenersFile(self.settings.listeners_file)

    def run(self, job: str, days: list[str] | None = None, config: dict[str, Any] | None = None) -> RunOutcome:
        """Run a job; the outcome says what failed."""
        silent = {PROGRESS_LOGGER: progress_logger(lambda _step, _ended: None)}
        definitions = build_definitions(self.settings, loggers=silent)
        return run_job(definitions, job, self.instance, config=config, days=days or [])

    def import_export(self, path: Path, listener: str) -> RunOutcome:
        """Import an export by its job."""
        config = {"ops": {"raw__streaming_history": {"config": {"path": str(path), "listener": listener}}}}
        return self.run("import_export", config=config)

    def rebuild(self) -> RunOutcome:
        """Clean the days that need it, and answer."""
        return self.run("rebuild", stale_days(self.lake.storage))

    def frame(self, sql: str) -> pd.DataFrame:
        """Rows of a query."""
        return self.lake.engine.query(sql).to_pandas()


@dataclass
class SimulatedHome(Home):
    """A home with a simulated listener: an export of the first weeks, hourly polls of the last."""

    truth: Truth | None = None
    export: Path | None = None
    origins: pd.DataFrame | None = None
    answered: set[tuple[str, str]] = field(default_factory=set)
    """What any poll was answered: `played_at` and track URI."""


LISTENER = "robin"
FIRST_DAY = date(2025, 2, 1)
EXPORTED_UNTIL = datetime(2025, 4, 12, tzinfo=UTC)
POLLED_UNTIL = datetime(2025, 4, 22, tzinfo=UTC)


def simulated_home(path: Path) -> SimulatedHome:
    """Ten weeks of export over a night of the clock change, then ten days of hourly polls; imported and rebuilt."""
    home = SimulatedHome(path)
    home.truth = simulate(3, start=FIRST_DAY, years=85 / 365.25, plays_per_day=40)
    home.export = path / "export.zip"
    path.mkdir(parents=True, exist_ok=True)
    home.origins = write_export(home.truth, home.export, era="2025", cutoff=EXPORTED_UNTIL)
    home.listeners.add(LISTENER, "Robin", home.truth.zones)
    for instant, answer in poll_answers(home.truth, EXPORTED_UNTIL, POLLED_UNTIL - timedelta(hours=1)):
        home.answered.update((item["played_at"], item["track"]["uri"]) for item in answer["items"])
        pages = [("/v1/me/player/recently-played", answer)]
        write_pull(home.lake.storage, RECENTLY_PLAYED, LISTENER, instant.to_pydatetime(), pages)
    imported = home.import_export(home.export, LISTENER)
    assert imported.success, imported.failures
    rebuilt = home.rebuild()
    assert rebuilt.success, rebuilt.failures
    assert rebuilt.failed_checks == []
    return home


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> SimulatedHome:
    """The simulated listener's home, not to be changed."""
    return simulated_home(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def changeable_home(finished_home: SimulatedHome, tmp_path: Path) -> Iterator[SimulatedHome]:
    """A copy of it, to be changed at will: a lake can be moved as it is."""
    path = tmp_path / "home"
    shutil.copytree(finished_home.path, path)
    copy = SimulatedHome(path)
    copy.truth, copy.export, copy.origins = finished_home.truth, path / "export.zip", finished_home.origins
    yield copy


@pytest.fixture(scope="module")  # no longer: while Playwright's event loop lives, no other can run in this thread
def browser() -> Iterator[Browser]:
    """The system's Chromium, without network; the tests that need it are skipped where there is none."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"NO BROWSER: none of {', '.join(names)} is installed, so the page is not looked at.")
    quiet = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=quiet)
        yield chromium
        chromium.close()
