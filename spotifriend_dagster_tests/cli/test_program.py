"""The program's end: at once, with what was said said, what was open closed, and the right code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spotifriend_dagster_tests.conftest import SimulatedHome


def program(home: Path, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run `spotifriend` as a process, after some lines of Python's."""
    code = f"from spotifriend_dagster.cli import program\n{before}\nprogram.spotifriend()"
    environment = {**os.environ, "SPOTIFRIEND_HOME": str(home), "DAGSTER_HOME": ""}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, "version"),
        (["tables"], 0, "weekday_weekend_genres"),
        (["nonsense"], 2, "No such command"),
        (["import", "missing.zip", "--zone", "Europe/London"], 1, "missing.zip"),
    ],
    ids=["version", "tables", "usage", "import"],
)
def test_the_code_says_how_it_went_and_everything_is_said(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    """Scripts and cron go by the code; what goes to a pipe or file waits in memory until it is flushed."""
    done = program(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_never_foreseen_is_shown(tmp_path: Path) -> None:
    """A fault of ours is not to end in silence, and not as a success."""
    done = program(tmp_path, before="program.main = lambda: 1 / 0")
    assert "ZeroDivisionError" in done.stderr
    assert done.returncode == 1


def test_what_has_to_be_closed_is_closed_and_nothing_is_taken_apart(tmp_path: Path) -> None:
    """Libraries tidy up in exit handlers; objects may stay where they are."""
    lines = "\n".join(
        (
            "import atexit, os, sys",
            "class Table:",
            "    def __del__(self, write=os.write): write(1, b'taken apart')",
            "table = Table()",
            "def command():",
            "    atexit.register(print, 'closed')",
            "    sys.exit(0)",
            "program.main = command",
        )
    )
    assert program(tmp_path, before=lines).stdout.split("\n") == ["closed", ""]


def test_the_databases_of_runs_are_closed(changeable_home: SimulatedHome) -> None:
    """What SQLite has yet to move from its log into a database is lost where somebody copies the database alone."""
    done = program(changeable_home.path, "status")
    assert done.returncode == 0, done.stderr
    assert [*changeable_home.path.rglob("*.db")]
    assert [*changeable_home.path.rglob("*.db-wal")] == []
