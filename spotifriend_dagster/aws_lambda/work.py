"""What an invocation works with, and the jobs that schedules ask for. Exports from the inbox are in `inbox.py`.

A rebuild of many days is done in portions, for as long as there is time. Which days are left is seen from the lake, so
an invocation that was ended in the middle, or never began, loses nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.collected import NOBODY_SIGNED_IN
from spotifriend_dagster.automation.after_run import after_run
from spotifriend_dagster.automation.failures import is_permanent
from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, RunOutcome, run_job
from spotifriend_dagster.automation.staleness import looked_back_to, stale_days
from spotifriend_dagster.aws_lambda.deadline import Context, interrupted_after, seconds_left
from spotifriend_dagster.collecting.pulls import Spotify
from spotifriend_dagster.definitions import Home, build_definitions, build_home, build_spotify
from spotifriend_dagster.settings import Settings, load_settings

DAYS_AT_ONCE = 60
"""How many days of the calendar one run cleans, at most."""
ANSWERING_SECONDS = 240.0
"""How long it takes to unite and to answer, generously: with less time left it is not begun."""

log = logging.getLogger("spotifriend.lambda")


@dataclass(frozen=True)
class Project:
    """What all invocations of a process share: made once, as it takes a second."""

    settings: Settings
    home: Home
    spotify: Spotify
    definitions: dg.Definitions

    @classmethod
    def of(cls, settings: Settings) -> Project:
        """The project that the settings name.

        Raises:
            SettingsError: a setting is missing.
        """
        home = build_home(settings)
        spotify = build_spotify(settings, home)
        return cls(settings, home, spotify, build_definitions(settings, _LOGGERS, spotify, home))


@cache
def project() -> Project:
    """The project of this process's settings.

    Raises:
        SettingsError: a setting is wrong.
    """
    return Project.of(load_settings())


@dataclass
class Work:
    """One invocation's work: what was said of it, and what failed, each with whether it would fail again.

    `goes_on` where something is left to the next invocation, and something was done: so the last one comes.
    """

    project: Project
    context: Context
    instance: dg.DagsterInstance
    said: list[str] = field(default_factory=list)
    failures: dict[str, bool] = field(default_factory=dict)
    goes_on: bool = False

    def poll(self) -> None:
        """Ask for everybody's last plays."""
        self._collect("poll")

    def daily(self) -> None:
        """Collect what changes slowly, ask MusicBrainz where it is turned on, and rebuild."""
        self._collect("collect")
        if self.project.settings.musicbrainz_contact:
            self.run("look_up")
        if seconds_left(self.context) >= ANSWERING_SECONDS:
            self.rebuild(looked_back_to(datetime.now(UTC)))
        else:
            self.goes_on = True
            self.said.append("Asking took long: the rebuild is left to the next invocation.")

    def rebuild(self, since: date | None = None) -> None:
        """Clean the days that need it, in portions, and answer with the last one; for as long as there is time.

        Args:
            since: where it is given, polls of earlier days are not looked at. Whoever asks for a rebuild, or goes on
                with one, wants all of them, whatever the day of the week is by now.

        Raises:
            OutOfTime: it was interrupted in the middle.
        """
        storage = self.project.home.lake.storage
        days = stale_days(storage, since)
        *before, last = portions(days) or [[]]
        try:
            if self._is_clean(before):
                self.run("rebuild", last) if last else self.run("answer")
        finally:
            left = len(stale_days(storage, since)) if before else 0
            self.goes_on = 0 < left < len(days)
            if left:
                self.said.append(f"{len(days) - left} of {len(days)} days are clean, the others are left.")

    def _is_clean(self, days: Sequence[Sequence[str]]) -> bool:
        """Clean portions of days; whether all are clean, and there is time left to answer."""
        longest = 0.0
        for portion in days:
            if longest and seconds_left(self.context) < 2 * longest:
                return False
            began = time.monotonic()
            if not self.run("clean", portion).success:
                return False
            longest = max(longest, time.monotonic() - began)
        return not days or seconds_left(self.context) >= ANSWERING_SECONDS

    def run(self, job: str, days: Sequence[str] = (), config: Mapping[str, Any] | None = None) -> RunOutcome:
        """Run a job, keep its record, and tell of its problems.

        Raises:
            OutOfTime: it was interrupted.
            StorageError: its record cannot be kept.
        """
        began = time.monotonic()
        try:
            with interrupted_after(seconds_left(self.context)):
                outcome = run_job(self.project.definitions, job, self.instance, config=config, days=days)
        finally:
            for run in self.instance.get_runs(limit=1):
                home = self.project.home
                now = datetime.now(UTC)
                after_run(home.lake, self.instance, run.run_id, home.channels, now, usage=home.usage())
        of_days = f" of {days[0]}" + (f" to {days[-1]}" if days[1:] else "") if days else ""
        ended = "ran through" if outcome.success else "failed"
        self.said.append(f"{job}{of_days} {ended} in {time.monotonic() - began:.1f} s.")
        for step, sentence in outcome.failures.items():
            self.failures[f"{step.replace('__', '/')}: {sentence}"] = is_permanent(self.instance, outcome.run_id)
        return outcome

    def _collect(self, job: str) -> None:
        spotify, listeners = self.project.spotify, self.project.home.listeners.read()
        if any(map(spotify.is_signed_in, listeners)):
            self.run(job, [f"{spotify.now():%Y-%m-%d}"])
        else:
            self.said.append(NOBODY_SIGNED_IN)


def is_own(error: Exception) -> bool:
    """Whether an error is one of the project's own, whose text is a sentence for people."""
    return type(error).__module__.startswith(__name__.partition(".")[0])


def portions(days: Sequence[str]) -> list[list[str]]:
    """Sorted days, cut so that none spans more than DAYS_AT_ONCE: a run cleans all days from its first to its last."""
    found: list[list[str]] = []
    for day in days:
        if not found or date.fromisoformat(day) - date.fromisoformat(found[-1][0]) >= timedelta(DAYS_AT_ONCE):
            found.append([])
        found[-1].append(day)
    return found


class _Failures(logging.Handler):
    """Says of a run what failed, for whoever looks into the log; what is well is in the run's record."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            log.warning("%s", record.getMessage())


@dg.logger
def _failures(_context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("spotifriend.runs")
    logger.addHandler(_Failures())
    return logger


_LOGGERS = {PROGRESS_LOGGER: _failures}
