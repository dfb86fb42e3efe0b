"""Exports that people drop into the inbox: each imports itself, and says so.

What was imported is removed: every row of it is in the lake, and the rest of an export (addresses, user names) is
nothing that the lake keeps. What cannot be imported is moved to `inbox/failed/`, with a reason beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory

from spotifriend_dagster.automation.channels import Message, delivered
from spotifriend_dagster.aws_lambda.events import INBOX, Dropped
from spotifriend_dagster.aws_lambda.work import Work
from spotifriend_dagster.lake.lease import FORGETTING, holder_of
from spotifriend_dagster.lake.storage import ObjectMissing, StorageError, StorageFull, StoredObject, instant_name
from spotifriend_dagster.settings import SettingsError
from spotifriend_dagster.sources.errors import ExportError
from spotifriend_dagster.sources.exports import read_export

FAILED = f"{INBOX}/failed"
LARGEST_BYTES = 400 * 1024**2
"""More than any export has; less than /tmp holds, twice. Read at once, it takes 600 MB of memory."""


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
        _deal_with(work, dropped)
    except ObjectMissing:
        work.said.append(f"{dropped.key} is not there any more: it was dealt with already, or taken away.")


def _deal_with(work: Work, dropped: Dropped) -> None:
    stored = _stored(work, dropped)
    if stored is None:
        raise ObjectMissing(dropped.key)
    if stored.size > LARGEST_BYTES:
        _tell(work, f"{dropped.file} was not imported", _too_large(dropped, stored.size))
        return
    try:
        work.project.home.listeners.get(dropped.listener)
        _import(work, dropped, stored)
    except (ExportError, SettingsError) as error:
        _set_aside(work, dropped, str(error))


def _import(work: Work, dropped: Dropped, stored: StoredObject) -> None:
    with TemporaryDirectory() as folder:
        if (free := disk_usage(folder).free) < stored.size:
            raise StorageFull(
                f"{dropped.file} is not imported yet: it has {stored.size / 1024**2:,.0f} MB, and the disk of {folder} "
                f"has {free / 1024**2:,.0f} MB left."
            )
        path = Path(folder) / dropped.file
        path.write_bytes(work.project.home.lake.storage.read(dropped.key))
        read_export(path)  # before a run fails of it
        step = {"config": {"path": str(path), "listener": dropped.listener}}
        outcome = work.run("import_export", config={"ops": {"raw__streaming_history": step}})
    imported = outcome.metadata.get("raw/streaming_history", {})
    if "export" not in imported:
        return
    if _stored(work, dropped) not in (stored, None):  # the event of the new one met the lease of this one
        work.said.append(f"{dropped.file} was dropped anew while it was being imported, so it is imported again.")
        _deal_with(work, dropped)
        return
    _imported(work, dropped, imported["rows_imported"], imported["problems"], is_answered=outcome.success)


def _stored(work: Work, dropped: Dropped) -> StoredObject | None:
    """What is in the inbox now, under this key."""
    listed = work.project.home.lake.storage.list(dropped.key.rpartition("/")[0])
    return next((found for found in listed if found.key == dropped.key), None)


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
    """Move an object to where it is out of the way, with the reason beside it; first written, then removed.

    Raises:
        StorageError: it is gone, or cannot be moved.
    """
    storage, now = work.project.home.lake.storage, datetime.now(UTC)
    key = f"{FAILED}/listener={dropped.listener}/{instant_name(now)}-{dropped.file}"
    content = storage.read(dropped.key)
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
