"""Who is named in an object of the lake, and what the object is without them. What goes is said in `forgetting.py`."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

from spotifriend_dagster.lake.storage import path_values

if TYPE_CHECKING:
    import pyarrow

_RECORDS = ("health/", "inbox/", "leases/", "cleaned/pipeline_health/")
"""Where records of what was done are: each word of them is ours, so one that is a listener's id means the listener.

What a run failed of is in the rows of everybody whom it worked for.
"""
_SOMEBODY = "somebody"


def is_of(key: str, listener: str) -> bool:
    """Whether an object is one listener's alone."""
    return path_values(key).get("listener") == listener


def names(key: str, content: bytes, listener: str) -> bool:
    """Whether an object of everybody, or of another listener, names this one or holds rows of theirs.

    An id may be a word like any other (`me`): only where all words are ours does the word alone mean the listener.
    """
    if key.endswith(".parquet"):
        return _rows_name(content, listener, _pattern(key, listener) if key.startswith(_RECORDS) else None)
    return bool(_pattern(key, listener).search(_unpacked(key, content)))


def is_named_in(record: bytes, listener: str) -> bool:
    """Whether a record, each word of which is ours, names a listener."""
    return bool(_pattern(_RECORDS[0], listener).search(record))


def without(key: str, content: bytes, listener: str) -> bytes | None:
    """What an object of everybody is without a listener; None where nothing is left of it.

    Of a table the rows go; of a record what is about the listener, and their name where others' is told with it. What
    is another listener's, or of a kind that the lake does not write, is as it was.
    """
    if not is_everybodys(key):
        return content
    pattern = _pattern(key, listener).pattern.decode()
    if key.endswith(".parquet"):
        return _without_rows(content, listener, pattern if key.startswith(_RECORDS) else None)
    if key.endswith(".json") and key.startswith(_RECORDS):
        said = json.loads(content)
        left = {name: _redacted(value, listener, re.compile(pattern)) for name, value in said.items()}
        if said.get("listeners") and not left["listeners"]:
            return None  # a run for them alone, which would pass for one for everybody
        return json.dumps(left, ensure_ascii=False).encode()
    return content


def is_everybodys(key: str) -> bool:
    """Whether an object is of no listener, or tells of everybody."""
    return "listener" not in path_values(key) or key.startswith(_RECORDS)


def _pattern(key: str, listener: str) -> re.Pattern[bytes]:
    id_ = re.escape(listener)
    if key.startswith(_RECORDS):
        said = rf"(?<![\w-])(?<!/v1/){id_}(?![\w-])"  # /v1/me is an address of Spotify's
    else:
        said = rf"listener(?:\W{{1,4}}|%3D){id_}(?![\w-])|(?m:^\[\"?{id_}\"?\])"
    return re.compile(said.encode())


def _unpacked(key: str, content: bytes) -> bytes:
    if not key.endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):  # damaged: it is searched as it is
        return content


def _rows_name(content: bytes, listener: str, pattern: re.Pattern[bytes] | None) -> bool:
    """Whether a Parquet file has rows of a listener, or, where there is a pattern, texts that it is found in."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(BytesIO(content))
        texts_of = [
            field.name for field in file.schema_arrow if field.name == "listener" or (pattern and _is_text(field))
        ]
        rows = file.read(texts_of)
    except (pa.ArrowInvalid, OSError):  # damaged: it tells nobody anything
        return False
    if "listener" in texts_of and listener in rows.column("listener").unique().to_pylist():
        return True
    texts = (text for name in texts_of for text in pc.unique(rows.column(name)).to_pylist())
    return pattern is not None and any(pattern.search(text.encode()) for text in texts if text)


def _without_rows(content: bytes, listener: str, pattern: str | None) -> bytes | None:
    """A Parquet file without a listener's rows, and, where there is a pattern, with nobody's name in its place."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    left = pq.ParquetFile(BytesIO(content), coerce_int96_timestamp_unit="ms").read()
    if "listener" in left.column_names:
        left = left.filter(pc.not_equal(left.column("listener"), listener))
    if not left.num_rows:
        return None
    for position, field in enumerate(left.schema):
        if pattern and _is_text(field):
            texts = [text and re.sub(pattern, _SOMEBODY, text) for text in left.column(position).to_pylist()]
            left = left.set_column(position, field, pa.array(texts, field.type))
    target = BytesIO()
    pq.write_table(left, target, compression="zstd", store_schema=False)
    return target.getvalue()


def _is_text(field: pyarrow.Field) -> bool:
    return str(field.type) in ("string", "large_string")


def _redacted(value: Any, listener: str, pattern: re.Pattern[str]) -> Any:
    match value:
        case dict():
            return {
                name: _redacted(said, listener, pattern)
                for name, said in value.items()
                if not pattern.search(name) and not _is_about(said, listener)
            }
        case list():
            return [_redacted(said, listener, pattern) for said in value if not _is_about(said, listener)]
        case str():
            return pattern.sub(_SOMEBODY, value)
        case _:
            return value


def _is_about(value: Any, listener: str) -> bool:
    return value == listener or (isinstance(value, dict) and value.get("listener") == listener)
