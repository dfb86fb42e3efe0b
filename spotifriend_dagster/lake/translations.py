"""The insights' SQL, translated by a process of its own while a command loads Dagster, reads and cleans.

What a query becomes depends on the package's own files alone; how it does is in `dialect/`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

from spotifriend_dagster.lake import dialect


def translate_insights() -> threading.Thread:
    """Begin to translate the query of every insight, for whoever asks for it later; nobody has to wait for it.

    A query that is asked for earlier, or never comes, is translated where it is asked for. The process ends by itself,
    at its next word at the latest when there is nobody left to hear it.
    """
    listening = threading.Thread(target=_listen, daemon=True)
    listening.start()
    return listening


def _listen() -> None:
    program = [sys.executable, "-P", "-m", __name__]
    with (
        suppress(EOFError, pickle.UnpicklingError, OSError),  # it has said everything, was ended, or could not begin
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as speaker,  # noqa: S603 - ours
    ):
        while speaker.stdout:
            dialect.remember(pickle.load(speaker.stdout))  # noqa: S301 - what our own program says


def _speak(listener: BinaryIO) -> None:
    from spotifriend_dagster.tables.insight import every_table, load_insights  # noqa: PLC0415 - the program's alone

    schema = {name: {column.name: column.type for column in table.all_columns} for name, table in every_table().items()}
    for insight in load_insights().values():
        pickle.dump(dialect.translate(insight.query, {name: schema[name] for name in insight.reads}), listener)
        listener.flush()


if __name__ == "__main__":
    os.nice(10)  # a command is waited for, and this is not
    _speak(sys.stdout.buffer)
