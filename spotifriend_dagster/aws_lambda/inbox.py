"""Exports that people drop into the inbox: each imports itself, and says so.

What was imported is removed: every row of it is in the lake, and the rest of an export (addresses, user names) is
nothing that the lake keeps. What cannot be imported is moved to `inbox/failed/`, with a reason beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from spotifriend_dagster.automation.channels import Message, delivered
from spotifriend_dagster.aws_lambda.events import INBOX, Dropped
from spotifriend_dagster.aws_lambda.work import Work
from spotifriend_dagster.lake.lease import FORGETTING, holder_of
from spotifriend_dagster.lake.storage import ObjectMissing, StorageError, instant_name
from spotifriend_dagster.settings import SettingsError
from spotifriend_dagster.sources.errors import ExportError
from spotifriend_dagster.sources.exports import read_export

FAILED = f"{INBOX}/failed"
LARGEST_BYTES = 400 * 1024**2
"""More than any export has; less than /tmp holds, twice."""


def take_in(work: Work, dropped: Dropped) -> None:
    """Import what was dropped. What comes to nothing that trying again could cure is moved away, and is no failure.

    Raises:
        OutOfTime: it was interrupted; the object stays where it is.
        StorageError: it can be neither read nor moved, or somebody is being forgotten. The object stays where it is.
    """
    home = work.project.home
    if forgetting := holder_of(home.lake.storage, FORGETTING, datetime.now(UTC)):
        raise StorageError(f"{dropped.file} is not imported yet, because {forgetting}.")
    try:
        home.listeners.get(dropped.listener)
    except SettingsError as error:
        _set_aside(work, dropped, str(error))
        return
    stored = [found for found in home.lake.storage.list(dropped.key.rpartition("/")[0]) if found.key == dropped.key]
    if not stored:
        work.said.append(f"{dropped.key} is not there any more: it was imported already, or taken away.")
        return
    if stored[0].size > LARGEST_BYTES:
        _tell(work, f"{dropped.file} was not imported", _too_large(dropped, stored[0].size))
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / dropped.file
        path.write_bytes(home.lake.storage.read(dropped.key))
        try:
            read_export(path)  # before a run fails of it
        except ExportError as error:
            _set_aside(work, dropped, str(error))
            return
        step = {"config": {"path": str(path), "listener": dropped.listener}}
        outcome = work.run("import_export", config={"ops": {"raw__streaming_history": step}})
    imported = outcome.metadata.get("raw/streaming_history", {})
    if "export" in imported:
        _imported(work, dropped, imported["rows_imported"], imported["problems"], is_answered=outcome.success)


def _imported(work: Work, dropped: Dropped, rows: int, problems: Sequence[str], *, is_answered: bool) -> None:
    said = f"{rows:,} rows of {dropped.file} are imported for {dropped.listener}."
    if not is_answered:
        said += " What is made of them is made by the next run, because a step after the import failed."
    if problems:
        _set_aside(work, dropped, f"{said} But: {' '.join(problems)}")
        return
    work.project.home.lake.storage.delete([dropped.key])
    _tell(work, f"{dropped.file} is imported", said)


def _set_aside(work: Work, dropped: Dropped, reason: str) -> None:
    """Move an object to where it is out of the way, with the reason beside it; first written, then removed."""
    storage, now = work.project.home.lake.storage, datetime.now(UTC)
    key = f"{FAILED}/listener={dropped.listener}/{instant_name(now)}-{dropped.file}"
    try:
        content = storage.read(dropped.key)
    except ObjectMissing:
        work.said.append(f"{dropped.key} is not there any more: it was dealt with already, or taken away.")
        return
    storage.write(f"{key}.reason.txt", f"{reason}\n".encode())
    storage.write(key, content)
    storage.delete([dropped.key])
    _tell(work, f"{dropped.file} is set aside", f"{reason}\nIt is in {storage.uri(key)}; drop it again to try again.")


def _too_large(dropped: Dropped, size: int) -> str:
    return (
        f"{dropped.key} has {size / 1024**2:,.0f} MB, more than any export of Spotify's: it stays where it is. "
        "If it is one, unpack it, and drop its files one by one."
    )


def _tell(work: Work, subject: str, text: str) -> None:
    work.said.append(text)
    message = Message(f"SpotiFriend: {subject}", text, (), datetime.now(UTC))
    for channel in work.project.home.channels:
        delivered(channel, message)
