"""Rows as JSON Lines come back as they were; what is damaged is named."""

import gzip
import json

import pandas as pd
import pytest

from spotifriend_dagster.lake.json_lines import read_json_lines, rows_to_json_lines, to_json_lines
from spotifriend_dagster.lake.parquet import UnreadableFile, to_arrow, to_frame
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.frames import empty_frame
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster_tests.lake.made_frames import made_frame

KEY = "raw/streaming_history/listener=anna/export=e/file.jsonl.gz"
TABLES = [table for table in DECLARED_TABLES if table.format == "jsonl"]


def read(content: bytes, table: Table = STREAMING_HISTORY) -> pd.DataFrame:
    return to_frame([read_json_lines(content, table, KEY)], table)


def zipped(text: str) -> bytes:
    return gzip.compress(text.encode())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_comes_back_as_it_was(table: Table) -> None:
    """Values, nulls and dtypes, of every table that is kept as JSON Lines; also without rows."""
    frame = made_frame(table, 60)
    for kept in (frame, empty_frame(table)):
        pd.testing.assert_frame_equal(read(rows_to_json_lines(to_arrow(kept, table), table), table), kept)


def test_a_line_is_a_row_anybody_can_read() -> None:
    """Gzip and JSON of the standard library read what is kept for good; equal rows are equal bytes, at any time."""
    rows = [{"file": "ä.json", "row": n, "payload": '{"a": "\\n|"}', "problem": None} for n in range(3)]
    content = to_json_lines(rows)
    assert [json.loads(line) for line in gzip.decompress(content).decode().splitlines()] == rows
    assert content[4:8] == bytes(4), "the time in gzip's header would make every writing another file"
    assert content == to_json_lines(iter(rows))


def test_a_payload_longer_than_any_buffer() -> None:
    """A pull may be one line of many megabytes."""
    rows = [{"file": "f", "row": n, "payload": "x" * length} for n, length in enumerate((9_000_000, 3, 5_000_000))]
    assert read(to_json_lines(rows))["payload"].str.len().tolist() == [9_000_000, 3, 5_000_000]


def test_lines_may_say_more_or_less_than_declared() -> None:
    """A field that is not declared is left out, and a nullable one that is missing is null."""
    frame = read(zipped('{"row": 1, "file": "f", "invented": [1]}\n{"file": "f", "row": 2, "payload": "p"}'))
    assert frame["payload"].isna().tolist() == [True, False]
    assert frame.dtypes.tolist() == empty_frame(STREAMING_HISTORY).dtypes.tolist()


@pytest.mark.parametrize(
    "content",
    [
        zipped('{"file": "f", "row": 1}\n' * 1000)[:-12],
        b'{"file": "f", "row": 1}',
        zipped('{"file": "f", "row": 1'),
        zipped('{"file": "f", "row": "one"}'),
        zipped('{"file": "f"}'),
        zipped('["f", 1]'),
    ],
    ids=["cut short", "not gzipped", "half a line", "text for a number", "no number", "a list"],
)
def test_a_file_that_holds_something_else_is_named(content: bytes) -> None:
    """One sentence that names the file, whatever is wrong with it."""
    with pytest.raises(UnreadableFile, match=KEY):
        read(content)
