"""What a command works with: settings, the lake, runs with their progress, and errors as sentences."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

DEFAULT_LISTENER = "me"
_LEAST_FREE_BYTES = 1 << 20

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance, Definitions
    from rich.console import Console

    from spotifriend_dagster.assets.resources import Lake
    from spotifriend_dagster.automation.channels import Channel, Message
    from spotifriend_dagster.automation.runs import RunOutcome
    from spotifriend_dagster.collecting.pulls import Spotify
    from spotifriend_dagster.definitions import Home
    from spotifriend_dagster.listeners import ListenersFile
    from spotifriend_dagster.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


class UserError(click.ClickException):
    """Something the user can put right, said in one sentence."""

    def show(self, file: Any = None) -> None:
        """Print the sentence, without a traceback."""
        click.secho(f"✗ {self.message}", fg="red", err=True)


def require_agreement(question: str) -> None:
    """Ask, and go on after a yes alone.

    Raises:
        UserError: the answer was another one, Ctrl-C, or none, as nobody is there.
    """
    try:
        is_agreed = click.confirm(question, default=False)
    except click.Abort:
        click.echo()
        is_agreed = False
    if not is_agreed:
        raise UserError("Nothing was changed. (Where nobody can answer, give --yes.)")


def speaks_plainly(command: _Command) -> _Command:
    """Turn every error that a user can cause into its sentence."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from spotifriend_dagster.lake.catalog import CatalogError
        from spotifriend_dagster.lake.dialect import SQLError
        from spotifriend_dagster.lake.engine import EngineError
        from spotifriend_dagster.lake.publishing import PublishingError
        from spotifriend_dagster.lake.storage import StorageError
        from spotifriend_dagster.quicksight.service import QuickSightError
        from spotifriend_dagster.reports.period import ReportError
        from spotifriend_dagster.settings import SettingsError
        from spotifriend_dagster.sources.errors import SourceError

        try:
            return command(*args, **kwargs)
        except (
            CatalogError,
            EngineError,
            PublishingError,
            QuickSightError,
            ReportError,
            SettingsError,
            SourceError,
            SQLError,
            StorageError,
        ) as error:
            raise UserError(str(error)) from None
        except Exception as error:
            if not _is_disk_full(error, args[0].settings.home):
                raise
            raise UserError(
                "No space is left on the disk: free some, then give the same command again. Nothing is half-written."
            ) from None

    return wrapped  # type: ignore[return-value]


def _is_disk_full(error: BaseException | None, home: Path) -> bool:
    """Whether an error comes from a full disk. Dagster's database does not always say so in its own errors."""
    if home.exists() and shutil.disk_usage(home).free < _LEAST_FREE_BYTES:
        return True
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return True
        error = error.__cause__ or error.__context__
    return False


class Session:
    """What a command works with, each part made when it is first asked for."""

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings of this process."""
        from spotifriend_dagster.settings import load_settings

        return load_settings()

    @functools.cached_property
    def home(self) -> Home:
        """The home of this process."""
        from spotifriend_dagster.definitions import build_home

        return build_home(self.settings)

    @functools.cached_property
    def listeners(self) -> ListenersFile:
        """Who there is."""
        return self.home.listeners

    @functools.cached_property
    def lake(self) -> Lake:
        """The lake of this home."""
        return self.home.lake

    @functools.cached_property
    def spotify(self) -> Spotify:
        """The Spotify side of the settings."""
        from spotifriend_dagster.definitions import build_spotify

        return build_spotify(self.settings)

    @functools.cached_property
    def console(self) -> Console:
        """Where to print."""
        from rich.console import Console

        return Console(highlight=False)

    @functools.cached_property
    def instance(self) -> DagsterInstance:
        """Dagster's notes of runs, in its home; closed at the end of the command."""
        from dagster import DagsterInstance

        instance = DagsterInstance.from_config(str(self.dagster_home()))
        if command := click.get_current_context(silent=True):
            command.find_root().call_on_close(instance.dispose)
        return instance

    def dagster_home(self) -> Path:
        """Dagster's home, made on first use with the project's instance configuration."""
        from importlib.resources import files

        home = self.settings.dagster_home
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            shipped = (files("spotifriend_dagster") / "dagster.yaml").read_text("utf-8")
            (home / "dagster.yaml").write_text(shipped, "utf-8")
        os.environ["DAGSTER_HOME"] = str(home)
        return home

    def run(
        self,
        job: str,
        title: str,
        *,
        config: dict[str, Any] | None = None,
        days: Sequence[str] = (),
        assets: Sequence[AssetKey] | None = None,
    ) -> RunOutcome:
        """Run a job that answers, with progress on the terminal, and say which checks did not pass.

        Raises:
            UserError: a step failed.
        """
        from spotifriend_dagster.reports.bundle import chart_scripts

        # Two seconds of native code, once in a lake's life: beside the run instead of after it.
        threading.Thread(target=chart_scripts, args=(self.lake.storage,), daemon=True).start()
        outcome = self.execute(job, title, config=config, days=days, assets=assets)
        for asset, check, severity in outcome.failed_checks:
            mark, style = ("✗", "red") if severity == "ERROR" else ("!", "yellow")
            self.console.print(
                f"[{style}]{mark}[/] {asset}: the check {check} did not pass; `spotifriend ui` shows why."
            )
        self.require(outcome)
        return outcome

    def execute(
        self,
        job: str,
        title: str,
        *,
        config: dict[str, Any] | None = None,
        days: Sequence[str] = (),
        assets: Sequence[AssetKey] | None = None,
    ) -> RunOutcome:
        """Run a job, with progress on the terminal."""
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from spotifriend_dagster.automation.after_run import after_run
        from spotifriend_dagster.automation.history import end_broken_off
        from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, progress_logger, run_job
        from spotifriend_dagster.definitions import build_definitions
        from spotifriend_dagster.lake.storage import StorageError

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(title, total=None)

            def on_step(step: str, has_ended: bool) -> None:
                if has_ended:
                    progress.advance(task)
                else:
                    progress.update(task, description=f"{title}: {step.replace('__', '/')}")

            loggers = {PROGRESS_LOGGER: progress_logger(on_step)}
            definitions = build_definitions(self.settings, loggers, self.spotify, self.home)
            progress.update(task, total=_steps(definitions, job))
            broken_off = end_broken_off(self.instance, datetime.now(UTC))
            outcome = run_job(definitions, job, self.instance, config=config, days=days, assets=assets)
        with suppress(StorageError):  # the run has said what it has to say, and it is its outcome that counts
            now, home = datetime.now(UTC), self.home
            for run_id in broken_off:
                after_run(home.lake, self.instance, run_id, home.channels, now)
            channels = home.channels if outcome.success else tuple(map(_silent_on_terminal, home.channels))
            after_run(home.lake, self.instance, outcome.run_id, channels, now, usage=home.usage())
        return outcome

    def require(self, outcome: RunOutcome) -> None:
        """Go on only from a run whose steps all ran through.

        Raises:
            UserError: a step failed.
        """
        if not outcome.success:
            steps: dict[str, list[str]] = {}
            for step, sentence in outcome.failures.items():
                steps.setdefault(sentence, []).append(step.replace("__", "/"))
            said = "; ".join(f"{', '.join(named)}: {sentence}" for sentence, named in steps.items())
            raise UserError(f"{said} (run {outcome.run_id}; what was published before is still published)")

    def ensure_listener(self, listener: str, zone: str | None, name: str | None) -> None:
        """Add a listener whom listeners.toml does not name yet; without a zone, on this machine's clock.

        Raises:
            UserError: the file says another zone.
            SettingsError: the id, the name or the zone is not allowed.
        """
        from spotifriend_dagster.listeners import system_time_zone

        known = self.listeners.read()
        if listener in known:
            if zone is not None and zone not in known[listener].zones.names:
                raise UserError(
                    f"{self.listeners.path} already says the time zone of {listener}, and it is not {zone}: "
                    "change it there."
                )
            return
        self.listeners.add(listener, name or listener.capitalize(), zone or system_time_zone())
        if zone is None:
            self.console.print(
                f"[yellow]![/] No --zone was given, so {listener}'s clock is this machine's, {system_time_zone()}: "
                f"change time_zone in {self.listeners.path} if that is wrong, and run `spotifriend run`."
            )


@dataclass(frozen=True)
class _Silent:
    """In place of the log where a command ends with why it failed: the same terminal would say it twice."""

    name: str

    def send(self, _message: Message) -> None:
        """See Channel."""


def _silent_on_terminal(channel: Channel) -> Channel:
    from spotifriend_dagster.automation.channels import LogChannel

    return _Silent(channel.name) if isinstance(channel, LogChannel) else channel


pass_session = click.make_pass_decorator(Session, ensure=True)


def _steps(definitions: Definitions, job: str) -> int:
    return len(definitions.resolve_job_def(job).nodes)
