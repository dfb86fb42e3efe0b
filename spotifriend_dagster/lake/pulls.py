"""Raw objects: where each is, and how the answers of a pull are kept. Nothing else builds a raw key.

Raw is append-only. What a payload means belongs to `cleaning/`.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from spotifriend_dagster.lake.json_lines import to_json_lines
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.storage import Storage, StoredObject, instant_name, path_values
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import STREAMING_HISTORY

_SUFFIX = ".jsonl.gz"
_MONTH_DAYS = 31
_INSTANT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z")


def history_key(listener: str, export: str, file: str) -> str:
    """Where the rows of one file of an export are.

    Args:
        listener: the listener's id.
        export: the export's SHA-256.
        file: the file's name, as `sources/exports.py` gives it: one plain segment.
    """
    return f"{STREAMING_HISTORY.folder}/listener={listener}/export={export}/{file}{_SUFFIX}"


def write_pull(
    storage: Storage, table: Table, listener: str, pulled_at: datetime, answers: Iterable[tuple[str, object]]
) -> str:
    """Keep the answers of one pull, as one new object; two pulls of the same millisecond become two objects.

    Args:
        storage: the lake's storage.
        table: the raw table that they belong to.
        listener: whose listening it is.
        pulled_at: when the answers came.
        answers: the endpoint and the body, as parsed, of each answer, in the order of the pages.

    Returns:
        The object's key.
    """
    return _write(storage, table, listener, pulled_at, [(pulled_at, *answer) for answer in answers])


def write_lines(
    storage: Storage,
    table: Table,
    listener: str,
    lines: Sequence[tuple[datetime, str, object]],
    note: str = "",
) -> str:
    """The same of answers that came one after the other, each with its instant.

    Args:
        storage: the lake's storage.
        table: the raw table that they belong to.
        listener: whose listening it is.
        lines: the instant, the endpoint and the body of each, in their order; the last instant names the object.
        note: what its name says beside that, so that a listing tells it: a part of a plain segment.

    Returns:
        The object's key.
    """
    return _write(storage, table, listener, lines[-1][0], lines, note)


def _write(  # noqa: PLR0917 - what write_pull and write_lines share
    storage: Storage,
    table: Table,
    listener: str,
    at: datetime,
    lines: Iterable[tuple[datetime, str, object]],
    note: str = "",
) -> str:
    import orjson  # noqa: PLC0415 - where it is used

    content = to_json_lines(
        {
            "pulled_at": instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "endpoint": endpoint,
            "page": page,
            "payload": orjson.dumps(payload).decode(),
        }
        for page, (instant, endpoint, payload) in enumerate(lines)
    )
    name = f"{_day_folder(table, listener, at.astimezone(UTC).date())}/{instant_name(at)}"
    for copy in count(1):
        key = f"{name}{'' if copy == 1 else f'-{copy}'}{note}{_SUFFIX}"
        if storage.write_new(key, content):
            return key
    raise AssertionError("There is always a number that is free.")


def _day_folder(table: Table, listener: str, day: date) -> str:
    return f"{table.folder}/listener={listener}/dt={day.isoformat()}"


def object_name(key: str) -> str:
    """The name of a raw object, as cleaned tables cite it: the key's last part without its suffix."""
    return key.rpartition("/")[2].removesuffix(_SUFFIX)


def instant_of(key: str) -> str:
    """When a pull was kept, as the name of its object tells and as its lines say it; by its day, where it does not."""
    found = _INSTANT.match(object_name(key))
    day = path_values(key)["dt"]
    return "{}-{}-{}T{}:{}:{}.{}Z".format(*found.groups()) if found else f"{day}T00:00:00.000Z"


@dataclass(frozen=True)
class StoredAnswer:
    """One line of a raw object: what was asked, when the answer came (UTC-aware), and its body as JSON text."""

    pulled_at: datetime
    endpoint: str
    payload: str

    def body(self) -> Any:
        """The body, parsed."""
        import orjson  # noqa: PLC0415 - where it is used

        return orjson.loads(self.payload)


def pulls_of_day(storage: Storage, table: Table, listener: str, day: date) -> list[str]:
    """The keys of the pulls of one UTC day, in the order of time."""
    return _in_order(storage.list(_day_folder(table, listener, day)))


def pulls_since(storage: Storage, table: Table, listener: str, day: date) -> list[str]:
    """The keys of the pulls of a UTC day and of all later ones, in the order of time: one listing for a month."""
    folder = f"{table.folder}/listener={listener}"
    return _in_order(storage.list(folder, f"{folder}/dt={day.isoformat()}"))


def _in_order(stored: Iterable[StoredObject]) -> list[str]:
    # By name: with its suffix, a copy's would come before the one that it is a copy of.
    return sorted((each.key for each in stored), key=object_name)


def read_pull(storage: Storage, key: str) -> list[StoredAnswer]:
    """The answers of one pull, in order. For few and small pulls: whole tables are read by the IO manager.

    Raises:
        UnreadableFile: the object is not what `write_pull` wrote.
    """
    import orjson  # noqa: PLC0415 - where it is used

    try:
        content = storage.read(key)
        if not content:
            raise EOFError("it is empty")
        lines = [orjson.loads(line) for line in gzip.decompress(content).splitlines()]
        return [
            StoredAnswer(datetime.fromisoformat(line["pulled_at"]), line["endpoint"], line["payload"]) for line in lines
        ]
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise UnreadableFile(f"{key} is no whole pull ({error}): put back a copy of the file, or remove it.") from error


def last_pull(storage: Storage, table: Table, listener: str, now: datetime) -> str | None:
    """The key of a listener's newest pull of the month before `now`; None where there is none."""
    today = now.astimezone(UTC).date()
    keys = pulls_since(storage, table, listener, today - timedelta(days=_MONTH_DAYS - 1))
    return next((key for key in reversed(keys) if path_values(key)["dt"] <= today.isoformat()), None)
