"""A file of a streaming history as it is stored; and two processes that make such files of a large export.

What a row keeps is `rows`; which files an export has is `exports`.
"""

import gc
import gzip
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from subprocess import DEVNULL, PIPE
from typing import BinaryIO, cast

import orjson

from spotifriend_dagster.sources.rows import RawRow, read_rows

_GZIP_LEVEL = 1


@dataclass(frozen=True)
class EncodedFile:
    """A history file as it is stored: gzipped JSON Lines of `RawRow`, the same bytes for the same content.

    `rows` counts all lines, `unreadable_rows` those with a problem instead of a payload; `problems` are sentences.
    """

    name: str
    content: bytes = field(repr=False)
    rows: int
    unreadable_rows: int
    problems: tuple[str, ...]


Encoded = tuple[EncodedFile, frozenset[str]]
"""A file as it is stored, and the user names seen in it, which must not leave memory."""


def encode(name: str, content: bytes) -> Encoded:
    """The file named `name` as it is stored. Never raises, whatever the bytes."""
    read = read_rows(content, name)
    # A list is written four times as fast as its items one by one. Inside a text, quotes follow a backslash, so what
    # separates two rows is found nowhere else.
    lines = orjson.dumps(read.rows)[1:-1].replace(b'},{"file":', b'}\n{"file":') + b"\n"
    file = EncodedFile(
        name=name,
        content=gzip.compress(lines, compresslevel=_GZIP_LEVEL, mtime=0),
        rows=len(read.rows),
        unreadable_rows=sum(row["problem"] is not None for row in read.rows),
        problems=tuple(_row_problems(name, read.rows)),
    )
    return file, read.user_names


@contextmanager
def another_encoder() -> Iterator[Callable[[str, bytes], Encoded]]:
    """`encode` in a process of its own, for one thread at a time: Python reads with one processor alone."""
    serve = f"import sys, {__name__} as encoding; encoding.serve(sys.stdin.buffer, sys.stdout.buffer)"
    program = [sys.executable, "-P", "-c", serve]  # not `-m`: its classes are to be those that are known here
    with subprocess.Popen(program, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as process:  # noqa: S603 - ours
        to_process, from_process = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)

        def encode_there(name: str, content: bytes) -> Encoded:
            try:
                pickle.dump((name, content), to_process, pickle.HIGHEST_PROTOCOL)
                to_process.flush()
                encoded: Encoded = pickle.load(from_process)  # noqa: S301 - what our own program says
            except (OSError, EOFError, pickle.UnpicklingError):  # it was ended, or could not begin
                return encode(name, content)
            return encoded

        try:
            yield encode_there
        finally:
            process.kill()
            with suppress(OSError):  # what was not sent to one that is gone
                to_process.close()


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Encode what is asked for, until nobody asks any more: the program of the other process."""
    gc.disable()  # rows hold no cycles
    with suppress(EOFError):
        while True:
            pickle.dump(encode(*pickle.load(asked)), answers, pickle.HIGHEST_PROTOCOL)  # noqa: S301 - what ours asks
            answers.flush()


def _row_problems(name: str, rows: list[RawRow]) -> list[str]:
    unreadable = [(row["row"], row["problem"]) for row in rows if row["problem"]]
    if not unreadable:
        return []
    number, problem = unreadable[0]
    return [
        f"{name}: {len(unreadable):,} of {len(rows):,} rows cannot be read and are set aside, the first at position "
        f"{number:,} ({problem.removesuffix('.')}): download the export again to get them."
    ]
