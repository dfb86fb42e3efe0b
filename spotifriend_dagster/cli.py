"""`spotifriend`: the command line. Every command is a thin layer over a room: jobs, the lake, reports.

What people read in the terminal after a run is made in `reports/terminal.py`.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

DEFAULT_LISTENER = "me"
_LEAST_FREE_BYTES = 1 << 20

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions
    from rich.console import Console

    from spotifriend_dagster.assets.resources import Lake
    from spotifriend_dagster.automation.runs import RunOutcome
    from spotifriend_dagster.settings import ListenersFile, Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


class UserError(click.ClickException):
    """Something the user can put right, said in one sentence."""

    def show(self, file: Any = None) -> None:
        """Print the sentence, without a traceback."""
        click.secho(f"✗ {self.message}", fg="red", err=True)


def _speaks_plainly(command: _Command) -> _Command:
    """Turn every error that a user can cause into its sentence."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from spotifriend_dagster.lake.catalog import CatalogError
        from spotifriend_dagster.lake.dialect import SQLError
        from spotifriend_dagster.lake.engine import EngineError
        from spotifriend_dagster.lake.publishing import PublishingError
        from spotifriend_dagster.lake.storage import StorageError
        from spotifriend_dagster.reports.period import ReportError
        from spotifriend_dagster.settings import SettingsError
        from spotifriend_dagster.sources.errors import SourceError

        try:
            return command(*args, **kwargs)
        except (
            CatalogError,
            EngineError,
            PublishingError,
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


class _Session:
    """What a command works with, each part made when it is first asked for."""

    @functools.cached_property
    def settings(self) -> Settings:
        from spotifriend_dagster.settings import load_settings

        return load_settings()

    @functools.cached_property
    def listeners(self) -> ListenersFile:
        from spotifriend_dagster.settings import ListenersFile

        return ListenersFile(self.settings.listeners_file)

    @functools.cached_property
    def lake(self) -> Lake:
        from spotifriend_dagster.definitions import build_lake

        return build_lake(self.settings)

    @functools.cached_property
    def console(self) -> Console:
        from rich.console import Console

        return Console(highlight=False)

    @functools.cached_property
    def instance(self) -> DagsterInstance:
        from dagster import DagsterInstance

        return DagsterInstance.from_config(str(self.dagster_home()))

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
        self, job: str, title: str, *, config: dict[str, Any] | None = None, days: Sequence[str] = ()
    ) -> RunOutcome:
        """Run a job with progress on the terminal, and say what went wrong.

        Raises:
            UserError: a step failed.
        """
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, progress_logger, run_job
        from spotifriend_dagster.definitions import build_definitions
        from spotifriend_dagster.reports.bundle import chart_scripts

        # Two seconds of native code, once in a lake's life: beside the run instead of after it.
        threading.Thread(target=chart_scripts, args=(self.lake.storage,), daemon=True).start()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(title, total=None)

            def on_step(step: str, has_ended: bool) -> None:
                if has_ended:
                    progress.advance(task)
                else:
                    progress.update(task, description=f"{title}: {step.replace('__', '/')}")

            definitions = build_definitions(self.settings, loggers={PROGRESS_LOGGER: progress_logger(on_step)})
            progress.update(task, total=_steps(definitions, job))
            outcome = run_job(definitions, job, self.instance, config=config, days=days)
        for asset, check, severity in outcome.failed_checks:
            mark, style = ("✗", "red") if severity == "ERROR" else ("!", "yellow")
            self.console.print(
                f"[{style}]{mark}[/] {asset}: the check {check} did not pass; `spotifriend ui` shows why."
            )
        if not outcome.success:
            said = "; ".join(f"{step.replace('__', '/')}: {sentence}" for step, sentence in outcome.failures.items())
            raise UserError(f"{said} (run {outcome.run_id}; what was published before is still published)")
        return outcome


def _steps(definitions: Definitions, job: str) -> int:
    return len(definitions.resolve_job_def(job).nodes)


_session = click.make_pass_decorator(_Session, ensure=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="spotifriend_dagster")
def main() -> None:
    """Your Spotify listening, kept for good in a lake of your own, and answered.

    \b
    Begin with the zip that Spotify sends you (spotify.com → Account → Privacy → Extended streaming history):
        spotifriend import my_spotify_data.zip --zone Europe/London
        spotifriend report
        spotifriend query "SELECT artist_name, listens FROM artist_loyalty ORDER BY listens DESC LIMIT 10"

    Everything is kept in $SPOTIFRIEND_HOME (by default .spotifriend in this folder).
    """
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")


@main.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--listener", default=DEFAULT_LISTENER, show_default=True, help="Whose listening it is: an id in listeners.toml."
)
@click.option("--zone", help="The listener's time zone (Europe/London), for one that listeners.toml does not name yet.")
@click.option("--name", help="The name that reports show, for a listener that listeners.toml does not name yet.")
@_session
@_speaks_plainly
def import_(session: _Session, path: Path, listener: str, zone: str | None, name: str | None) -> None:
    """Import an export from Spotify (a zip, a folder or a file), and answer.

    Importing the same export again changes nothing; several exports of one listener are united.
    """
    _ensure_listener(session, listener, zone, name)
    _import(session, path, listener)
    _print_answers(session, listener)


@main.command()
@_session
@_speaks_plainly
def run(session: _Session) -> None:
    """Clean what was collected since the last run, and answer anew."""
    from spotifriend_dagster.automation.staleness import stale_days

    days = stale_days(session.lake.storage)
    session.run("rebuild", "Rebuilding", days=days) if days else session.run("answer", "Rebuilding")
    for listener in session.listeners.read():
        _print_answers(session, listener)


@main.command()
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@_session
@_speaks_plainly
def query(session: _Session, sql: str, form: str) -> None:
    """Ask the lake in SQL (Athena's dialect, read-only), over the tables that `spotifriend tables` lists."""
    from spotifriend_dagster.reports.terminal import print_rows

    print_rows(session.console, session.lake.engine.query(sql), form, sys.stdout)


@main.command()
@_session
@_speaks_plainly
def tables(session: _Session) -> None:
    """List the tables, with what one row of each is."""
    from spotifriend_dagster.reports.terminal import print_tables

    print_tables(session.console, session.lake.catalog)


@main.command()
@click.option("--period", default="all", show_default=True, help="all, a year (2025) or a month (2025-03).")
@click.option("--listener", help="Whose; by default everybody's.")
@_session
@_speaks_plainly
def report(session: _Session, period: str, listener: str | None) -> None:
    """Write the listening summary of a period as one HTML file, and say where it is."""
    from spotifriend_dagster.reports.summary import write_summary

    people = [session.listeners.get(listener)] if listener else list(session.listeners.read().values())
    if not people:
        raise UserError("There is no listener yet: spotifriend import my_spotify_data.zip --zone Europe/London")
    for person in people:
        key = write_summary(session.lake.engine, session.lake.storage, person.id, person.display_name, period)
        session.console.print(session.lake.storage.address(key), soft_wrap=True)


@main.command()
@_session
@_speaks_plainly
def status(session: _Session) -> None:
    """Show listeners, coverage, the last runs, failed checks, and the lake's size."""
    from spotifriend_dagster.reports.status import print_status

    print_status(
        session.console,
        storage=session.lake.storage,
        catalog=session.lake.catalog,
        engine=session.lake.engine,
        names={id_: person.display_name for id_, person in session.listeners.read().items()},
        instance=session.instance,
        home=session.settings.home,
    )


@main.command()
@click.argument("table")
@_session
@_speaks_plainly
def rollback(session: _Session, table: str) -> None:
    """Put an insight table back to the version before, and hold it there until `spotifriend release`."""
    from spotifriend_dagster.lake.publishing import rollback as roll_back

    version = roll_back(table, session.lake.catalog, session.lake.storage)
    session.console.print(f"{table} is back at version {version}, and stays there until: spotifriend release {table}")


@main.command()
@click.argument("table")
@_session
@_speaks_plainly
def release(session: _Session, table: str) -> None:
    """Let a table that was rolled back be published again, by the next run."""
    from spotifriend_dagster.lake.publishing import release as let_go

    let_go(table, session.lake.catalog)
    session.console.print(f"{table} will be published again by the next `spotifriend run`.")


@main.command()
@click.option("--port", default=3000, show_default=True)
@_session
@_speaks_plainly
def ui(session: _Session, port: int) -> None:
    """Open Dagster's UI on 127.0.0.1: every table is an asset, with its checks, lineage and history."""
    session.dagster_home()
    session.console.print(f"Dagster's UI is at http://127.0.0.1:{port} in a few seconds; Ctrl-C ends it.")
    os.environ["SPOTIFRIEND_HOME"] = str(session.settings.home)
    dagster = Path(sys.executable).with_name("dagster")
    arguments = ["dev", "-m", "spotifriend_dagster.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.execv(dagster, [str(dagster), *arguments])  # noqa: S606 - the program of this very environment


@main.command()
@click.option(
    "--export", "path", type=click.Path(path_type=Path), help="Answer a real export instead of a simulated one."
)
@click.option("--zone", help="The time zone of the export's listener, such as Europe/London.")
@_session
@_speaks_plainly
def demo(session: _Session, path: Path | None, zone: str | None) -> None:
    """Show what SpotiFriend answers: from a simulated listener, or with --export from a real one."""
    from spotifriend_dagster.reports.summary import summary_key
    from spotifriend_dagster.reports.terminal import print_where_next

    if path is None:
        listener = _simulate(session)
    else:
        listener = DEFAULT_LISTENER
        _ensure_listener(session, listener, zone, None)
        _import(session, path, listener)
    _print_answers(session, listener)
    page = session.lake.storage.address(summary_key(listener, "all"))
    print_where_next(session.console, page, session.settings.home)


def _import(session: _Session, path: Path, listener: str) -> None:
    config = {"ops": {"raw__streaming_history": {"config": {"path": str(path.absolute()), "listener": listener}}}}
    session.run("import_export", f"Importing {path.name}", config=config)


def _simulate(session: _Session) -> str:
    """Make the simulated listener's data, import it, and clean the days of polls."""
    from spotifriend_dagster.automation.staleness import stale_days
    from spotifriend_dagster.demo.showcase import DISPLAY_NAME, LISTENER, make_showcase

    with session.console.status("Simulating two years of listening, and four weeks of polls after them"):
        made = make_showcase(session.lake.storage, session.settings.home)
    if LISTENER not in session.listeners.read():
        session.listeners.add(LISTENER, DISPLAY_NAME, made.truth.zones)
    _import(session, made.export, LISTENER)
    if days := stale_days(session.lake.storage):
        session.run("rebuild", "Joining the polls", days=days)
    return LISTENER


def _ensure_listener(session: _Session, listener: str, zone: str | None, name: str | None) -> None:
    from spotifriend_dagster.settings import system_time_zone

    known = session.listeners.read()
    if listener in known:
        if zone is not None and zone not in known[listener].zones.names:
            raise UserError(
                f"{session.listeners.path} already says the time zone of {listener}, and it is not {zone}: "
                "change it there."
            )
        return
    session.listeners.add(listener, name or listener.capitalize(), zone or system_time_zone())
    if zone is None:
        session.console.print(
            f"[yellow]![/] No --zone was given, so {listener}'s clock is this machine's, {system_time_zone()}: "
            f"change time_zone in {session.listeners.path} if that is wrong, and run `spotifriend run`."
        )


def _print_answers(session: _Session, listener: str) -> None:
    from spotifriend_dagster.reports.terminal import print_answers

    print_answers(session.console, session.lake.engine, listener)
