"""A real Trino, without a server: the process of `RunTrino.java`, asked one statement at a time.

Maven brings its jars, and keeps them: the first time needs a network. What the rows are compared with belongs to the
tests.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from shutil import which
from typing import Any

_HERE = Path(__file__).parent
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "double": float,  # JSON has NaN as a text
    "decimal": Decimal,
}


class TrinoMissing(Exception):
    """Trino cannot be had on this machine; the message names the cure."""


@dataclass(frozen=True)
class Answer:
    """The types of the columns, and the rows in Python's types: naive datetimes, lists for arrays, None for null.

    A type is named as in `lake/dialect/types.py`: without the length of a text or the precision of a timestamp.
    """

    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class LocalTrino:
    """A running Trino: UTC, and tables in memory."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def run(self, sql: str) -> Answer:
        """What Trino answers to a statement.

        Raises:
            AssertionError: it refuses the statement, or has ended.
        """
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(sql) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended; its log says why
        line = self._process.stdout.readline()
        assert line, f"Trino ended: {self._log.read_text('utf-8')[-2000:]}"
        answer = json.loads(line)
        assert "error" not in answer, f"Trino refuses the statement: {answer['error']}"
        types = tuple(_type(name) for name in answer["types"])
        return Answer(types, [tuple(map(_value, row, types)) for row in answer["rows"]])


@contextmanager
def local_trino(folder: Path) -> Iterator[LocalTrino]:
    """A Trino that runs as long as the context; `folder` takes its log.

    Raises:
        TrinoMissing: no JDK or no Maven on the PATH, or Maven could not fetch Trino.
    """
    java, classpath, log = _java(), _classpath(folder), folder / "trino.log"
    # The quick compiler and the simple collector: the process lives for a minute on small tables.
    options = ["-Xmx2g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [java, *options, "-cp", classpath, str(_HERE / "RunTrino.java")],  # compiled in memory
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        ) as process,
    ):
        yield LocalTrino(process, log)


def _java() -> str:
    """The `java` of a JDK: with a compiler beside it."""
    java = which("java")
    if java is None or which("javac") is None:
        raise TrinoMissing("Trino needs a JDK, 17 or later, and there is no java with a javac on the PATH: install it.")
    return java


def _classpath(folder: Path) -> str:
    """The jars of Trino, fetched where Maven has not got them yet."""
    maven = which("mvn")
    if maven is None:
        raise TrinoMissing("Maven fetches Trino, and there is no mvn on the PATH: install it.")
    found = folder / "classpath"
    command = [maven, "-q", "-B", "-f", str(_HERE / "pom.xml"), "dependency:build-classpath"]
    ended = subprocess.run([*command, f"-Dmdep.outputFile={found}"], capture_output=True, encoding="utf-8", check=False)
    if ended.returncode:
        said = next(iter(re.findall(r"\[ERROR\] (.+)", ended.stdout)), ended.stderr.strip())
        raise TrinoMissing(f"Maven cannot fetch Trino; the first time it needs a network. It says: {said}")
    return found.read_text("utf-8").strip()


def _type(name: str) -> str:
    """Trino's name of a type, as the dialect has it."""
    name = re.sub(r"\b(varchar|timestamp|decimal)\([\d,]+\)", r"\1", name)
    return "null" if name == "unknown" else name


def _value(value: Any, type_: str) -> Any:
    """A value of JSON as one of its type."""
    if value is None:
        return None
    if type_.startswith("array("):
        return [_value(element, type_.removeprefix("array(").removesuffix(")")) for element in value]
    return _CONVERSIONS[type_](value) if type_ in _CONVERSIONS else value
