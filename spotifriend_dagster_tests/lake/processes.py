"""Several Python processes at once: what two runs on one lake are."""

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

_ROOT = Path(__file__).parents[2]
_AT_ONCE = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1], "go").exists():
    time.sleep(0.001)
"""


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs `script`, with the arguments as `sys.argv[1:]`."""
    command = [sys.executable, "-c", dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT)


def finished(process: subprocess.Popen[str]) -> str:
    """What it printed, once it has ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def killed(process: subprocess.Popen[str]) -> None:
    """It ends at once, wherever it is."""
    process.kill()
    with suppress(OSError):
        process.communicate()


def started_at_once(
    folder: Path, imports: str, script: str, arguments: Iterable[object]
) -> list[subprocess.Popen[str]]:
    """One process for each argument (`sys.argv[2]`), of which all begin with `script` at the same moment.

    `folder`, an empty one, is `sys.argv[1]`.
    """
    processes = [started(dedent(imports) + _AT_ONCE + dedent(script), folder, argument) for argument in arguments]
    (folder / "go").touch()
    return processes
