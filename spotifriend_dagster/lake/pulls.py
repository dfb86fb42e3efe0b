"""Raw objects: where each is, and how the answers of a pull are kept. Nothing else builds a raw key.

Raw is append-only. What a payload means belongs to `cleaning/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count

from spotifriend_dagster.lake.json_lines import to_json_lines
from spotifriend_dagster.lake.storage import Storage, instant_name
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import STREAMING_HISTORY

_SUFFIX = ".jsonl.gz"


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
    folder = f"{table.folder}/listener={listener}/dt={utc:%Y-%m-%d}"
    for copy in count(1):
        key = f"{folder}/{name}{'' if copy == 1 else f'-{copy}'}{_SUFFIX}"
        if storage.write_new(key, content):
            return key
    raise AssertionError("There is always a number that is free.")


def object_name(key: str) -> str:
    """The name of a raw object, as cleaned tables cite it: the key's last part without its suffix."""
    return key.rpartition("/")[2].removesuffix(_SUFFIX)
