"""A real Trino, without a server: the process of `RunTrino.java`, asked one statement at a time.

Maven brings its jars, and keeps them: the first time needs a network. Over AWS's Glue and S3 it runs with the Hive
connector, which Athena's own comes from. What the rows are compared with belongs to the tests.
"""

from __future__ import annotations

import json
import os
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
_HIVE = "trino-hive-435"
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "double": float,  # JSON has NaN as a text
    "decimal": Decimal,
}


class TrinoMissing(Exception):
    """Trino cannot be had on this machine; the message names the cure."""


class TrinoRefuses(AssertionError):
    """Trino refuses a statement, or fails on the data.

    `kind` is the name of its error: SYNTAX_ERROR, HIVE_BAD_DATA.
    """

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(f"Trino refuses the statement: {kind}: {said}")
        self.kind = kind
        self.said = said


@dataclass(frozen=True)
class Answer:
    """The names and types of the columns, and the rows.

    Rows are in Python's types: naive datetimes, lists for arrays, None for null. A type is named as in
    `lake/dialect/types.py`: without the length of a text or the precision of a timestamp.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class LocalTrino:
    """A running Trino: UTC, and tables in memory, or in AWS."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def run(self, sql: str) -> Answer:
        """What Trino answers to a statement.

        Raises:
            TrinoRefuses: it refuses the statement, or fails on the data.
            AssertionError: it has ended.
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
        if "error" in answer:
            raise TrinoRefuses(answer["kind"], answer["error"])
        types = tuple(_type(name) for name in answer["types"])
        return Answer(tuple(answer["names"]), types, [tuple(map(_value, row, types)) for row in answer["rows"]])


@contextmanager
def local_trino(folder: Path) -> Iterator[LocalTrino]:
    """A Trino with tables in memory, that runs as long as the context; `folder` takes its log.

    Raises:
        TrinoMissing: no JDK or no Maven on the PATH, or Maven could not fetch Trino.
    """
    with _running(folder, _classpath(folder), []) as trino:
        yield trino


@contextmanager
def trino_over_aws(folder: Path, url: str, region: str, database: str) -> Iterator[LocalTrino]:
    """A Trino over the tables of a database of Glue and their files in S3, both at `url`.

    Raises:
        TrinoMissing: as `local_trino`.
    """
    properties = {
        "hive.metastore": "glue",
        "hive.metastore.glue.region": region,
        "hive.metastore.glue.endpoint-url": url,
        "hive.metastore.glue.aws-access-key": "testing",
        "hive.metastore.glue.aws-secret-key": "testing",
        "hive.partition-projection-enabled": "true",
        "hive.recursive-directories": "true",  # as Athena has it
        "hive.parquet.time-zone": "UTC",
        "hive.table-statistics-enabled": "false",
        "hive.collect-column-statistics-on-write": "false",
        "hive.non-managed-table-writes-enabled": "true",
        "fs.hadoop.enabled": "false",
        "fs.native-s3.enabled": "true",
        "s3.endpoint": url,
        "s3.region": region,
        "s3.aws-access-key": "testing",
        "s3.aws-secret-key": "testing",
        "s3.path-style-access": "true",
    }
    jars = ":".join(str(jar) for jar in sorted(_hive_jars().glob("*.jar")))
    arguments = [database, *(f"{name}={value}" for name, value in properties.items())]
    with _running(folder, f"{_classpath(folder)}:{jars}", arguments) as trino:
        yield trino


@contextmanager
def _running(folder: Path, classpath: str, arguments: list[str]) -> Iterator[LocalTrino]:
    java, log = _java(), folder / "trino.log"
    # The quick compiler and the simple collector: the process lives for a minute on small tables.
    options = ["-Xmx2g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [java, *options, "-cp", classpath, str(_HERE / "RunTrino.java"), *arguments],  # compiled in memory
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
    found = folder / "classpath"
    _maven("dependency:build-classpath", f"-Dmdep.outputFile={found}")
    return found.read_text("utf-8").strip()


def _hive_jars() -> Path:
    """The folder of the Hive connector's jars, unpacked once for all runs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spotifriend-tests"
    if not (cache / _HIVE / "unpacked").exists():
        artifact = f"io.trino:{_HIVE.rpartition('-')[0]}:{_HIVE.rpartition('-')[2]}:zip"
        _maven("dependency:unpack", f"-Dartifact={artifact}", f"-DoutputDirectory={cache}")
        (cache / _HIVE / "unpacked").touch()
    return cache / _HIVE


def _maven(*asked: str) -> None:
    """Let Maven do something that may need a network the first time."""
    maven = which("mvn")
    if maven is None:
        raise TrinoMissing("Maven fetches Trino, and there is no mvn on the PATH: install it.")
    command = [maven, "-q", "-B", "-f", str(_HERE / "pom.xml"), *asked]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if ended.returncode:
        said = next(iter(re.findall(r"\[ERROR\] (.+)", ended.stdout)), ended.stderr.strip())
        raise TrinoMissing(f"Maven cannot fetch Trino; the first time it needs a network. It says: {said}")


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
