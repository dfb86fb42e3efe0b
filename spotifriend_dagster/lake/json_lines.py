"""Rows as gzipped JSON Lines: what is kept as received, or as set aside. Which key they go to is not known here."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BufferedWriter, BytesIO, RawIOBase
from typing import TYPE_CHECKING, cast

from spotifriend_dagster.lake.parquet import DamagedFile, UnreadableFile, checked
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.rendering import arrow_schema

if TYPE_CHECKING:
    import pyarrow

_LEVEL = 3  # of gzip's nine: an export is written in a third of the time that the usual 6 takes, 5 to 15 % larger
_BLOCK = 1 << 22  # bytes
_LONGEST_LINE = 1 << 30  # bytes
_STEP = 64  # bytes: what one step meets of damage costs what it unpacked


def to_json_lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Rows as gzipped JSON Lines; equal rows give equal bytes."""
    import orjson  # noqa: PLC0415 - where it is used

    target = BytesIO()
    compressed = cast(RawIOBase, gzip.GzipFile(fileobj=target, mode="wb", compresslevel=_LEVEL, mtime=0))
    with BufferedWriter(compressed, buffer_size=1 << 20) as lines:  # the text of an export is never held whole
        for row in rows:
            lines.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return target.getvalue()


def rows_to_json_lines(rows: pyarrow.Table, _table: Table) -> bytes:
    """Rows of strings, numbers and booleans, as `parquet.to_arrow` gives them, as gzipped JSON Lines."""
    return to_json_lines(rows.to_pylist())


def read_json_lines(content: bytes, table: Table, key: str) -> pyarrow.Table:
    """The content of a file of gzipped JSON Lines, with exactly the declared columns and types.

    A column that a line does not name is null there; one that is not declared is left out.

    Args:
        content: the file's content.
        table: the table it belongs to.
        key: the file's key, for messages.

    Raises:
        UnreadableFile: it is no whole gzip, no JSON, or a value is of another type than declared.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    schema = arrow_schema(table)
    try:
        found = _parsed(content, schema)
    except (OSError, pa.ArrowInvalid) as error:
        kind = DamagedFile if isinstance(error, OSError) else UnreadableFile  # of the other, types may be to blame
        raise kind(f"{key} does not hold what {table.name} declares: {error}") from error
    return checked(found.cast(schema), table, key)


def salvaged_json_lines(content: bytes, table: Table) -> tuple[pyarrow.Table, str]:
    """What is left of a damaged file: its good lines, and the text of all others as far as it can be unpacked.

    Args:
        content: the file's content, which `read_json_lines` refuses.
        table: the table it belongs to.
    """
    import orjson  # noqa: PLC0415 - where it is used
    import pyarrow as pa  # noqa: PLC0415 - heavy

    schema = arrow_schema(table)
    good, bad = [schema.empty_table()], []
    for line in _unpacked(content).split(b"\n"):
        try:
            good.append(checked(pa.Table.from_pylist([orjson.loads(line)], schema), table, "a line"))
        except (ValueError, TypeError, AttributeError, pa.ArrowException, UnreadableFile):
            bad.append(line)
    return pa.concat_tables(good), b"\n".join(bad).strip().decode(errors="replace")


def _unpacked(content: bytes) -> bytes:
    """As much of a gzip as can be unpacked."""
    packed, unpacked = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), bytearray()
    with suppress(zlib.error):
        for at in range(0, len(content), _STEP):
            unpacked += packed.decompress(content[at : at + _STEP])
    return bytes(unpacked)


def _parsed(content: bytes, schema: pyarrow.Schema) -> pyarrow.Table:
    """The lines as they are parsed while they are unpacked: the text of an export is never held whole."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    from pyarrow import json  # noqa: PLC0415

    def unpacked() -> pyarrow.NativeFile:
        return pa.CompressedInputStream(pa.BufferReader(content), "gzip")

    def parsed(block: int) -> pyarrow.Table:
        return json.read_json(
            unpacked(),
            # Files are read side by side by whoever has several. Threads within one gain nothing then.
            read_options=json.ReadOptions(block_size=block, use_threads=False),
            parse_options=json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )

    if not unpacked().read(1):
        return schema.empty_table()
    try:
        return parsed(_BLOCK)
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error):  # the parser's word for a line that is longer than a block
            raise
    return parsed(_LONGEST_LINE)
