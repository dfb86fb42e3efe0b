"""Whether a home can be worked with, found out by doing it: what is tested, and what is wrong. Here, the local one.

The aws home is examined in `aws_examination.py`.
"""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spotifriend_dagster.lake.catalog import CatalogError
from spotifriend_dagster.lake.dialect.errors import SQLError
from spotifriend_dagster.lake.engine import EngineError
from spotifriend_dagster.lake.storage import FolderStorage, StorageError

_LEAST_FREE_BYTES = 1 << 29
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SENTENCES = (CatalogError, EngineError, SQLError, StorageError)


@dataclass(frozen=True)
class Finding:
    """What was tested, whether it is well, and what was found; where it is not well, one sentence with the cure."""

    what: str
    is_well: bool
    said: str = ""


def examined(what: str, probe: Callable[[], str | None]) -> Finding:
    """What a probe finds: it gives what there is to say, or raises what is wrong."""
    try:
        return Finding(what, True, probe() or "")
    except _SENTENCES as error:
        return Finding(what, False, str(error))
    except OSError as error:  # of secrets, and of the disk
        return Finding(what, False, f"{error.strerror or error}.")


def probe_key() -> str:
    """A key that nobody else has, for an object that is removed at once."""
    return f"doctor/{uuid.uuid4().hex}"


def examine_folder(home: Path, lake: Path, secrets: Path) -> Iterator[Finding]:
    """Test the local home. Nothing is left behind; of a home that is not there yet, nothing is made."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    yield examined("writing, reading and deleting in the lake", lambda: _write(home, there, lake))
    yield examined("free space", lambda: _free_space(there))
    yield examined("tokens are their owner's alone", lambda: _modes(secrets))


def _write(home: Path, there: Path, lake: Path) -> str:
    if not home.exists():
        if not os.access(there, os.W_OK | os.X_OK):
            raise StorageError(f"{home} cannot be made in {there}: choose another SPOTIFRIEND_HOME, or allow writing.")
        return f"{home} will be made"
    storage, key = FolderStorage(lake), probe_key()
    storage.write_new(key, b"")
    storage.write(key, b"x")
    storage.read(key)
    storage.delete([key])
    return str(lake)


def _free_space(there: Path) -> str:
    free = shutil.disk_usage(there).free
    if free < _LEAST_FREE_BYTES:
        raise StorageError(f"Only {free / 1e6:,.0f} MB are free in {there}: free some, before a run ends half-way.")
    return f"{free / 1e9:,.1f} GB"


def _modes(secrets: Path) -> str:
    paths = [secrets, *secrets.rglob("*")] if secrets.exists() else []
    if opened := [path for path in paths if path.stat().st_mode & _OTHERS]:
        raise StorageError(f"Others on this machine may open {opened[0]}: chmod -R go= {secrets}")
    return f"{sum(path.is_file() for path in paths)} files"
