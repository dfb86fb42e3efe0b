"""Raw objects: where each is, and how the answers of a pull are kept. Nothing else builds a raw key.

Raw is append-only. What a payload means belongs to `cleaning/`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from spotifriend_dagster.lake.json_lines import to_json_lines
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.storage import Storage, instant_name
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import STREAMING_HISTORY

_SUFFIX = ".jsonl.gz"
_MONTH_DAYS = 31


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
    import orjson  # noqa: PLC0415 - where it is used

    name = instant_name(pulled_at)
    utc = pulled_at.astimezone(UTC)
    content = to_json_lines(
        {
            "pulled_at": utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "endpoint": endpoint,
            "page": page,
            "payload": orjson.dumps(payload).decode(),
        }
        for page, (endpoint, payload) in enumerate(answers)
    )
    folder = _day_folder(table, listener, utc.date())
    for copy in count(1):
        key = f"{folder}/{name}{'' if copy == 1 else f'-{copy}'}{_SUFFIX}"
        if storage.write_new(key, content):
            return key
    raise AssertionError("There is always a number that is free.")


def _day_folder(table: Table, listener: str, day: date) -> str:
    return f"{table.folder}/listener={listener}/dt={day.isoformat()}"


def object_name(key: str) -> str:
    """The name of a raw object, as cleaned tables cite it: the key's last part without its suffix."""
    return key.rpartition("/")[2].removesuffix(_SUFFIX)


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
    # By name: with its suffix, a copy's would come before the one that it is a copy of.
    return sorted((stored.key for stored in storage.list(_day_folder(table, listener, day))), key=object_name)


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
    for back in range(_MONTH_DAYS):
        if keys := pulls_of_day(storage, table, listener, (now.astimezone(UTC) - timedelta(days=back)).date()):
            return keys[-1]
    return None
