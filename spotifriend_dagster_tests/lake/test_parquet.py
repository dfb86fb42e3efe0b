"""What is written as Parquet comes back as it was, typed as declared, also where the declaration has grown."""

from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.lake.parquet import UnreadableFile, read_parquet, to_frame, to_parquet
from spotifriend_dagster.tables.cleaned import CLEANED_TABLES, HISTORY_FILES, PLAYS, RECENT_PLAYS
from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.frames import empty_frame
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.lake.made_frames import made_frame

KEY = "cleaned/sound/listener=anna/part.parquet"
TABLES = [table for table in CLEANED_TABLES if table.format == "parquet"]
TABLES += [insight.table for insight in load_insights().values()]
SOUND = Table(
    name="sound",
    layer="cleaned",
    folder="cleaned/sound",
    description="A table of every type.",
    grain=("id",),
    columns=(
        Column("id", "bigint", "A number.", nullable=False),
        Column("heard_at", "timestamp", "When."),
        Column("local_heard_at", "timestamp", "When, on the clock."),
        Column("heard_on", "date", "The day."),
        Column("name", "string", "What."),
        Column("names", "array<string>", "Whose."),
        Column("loudness", "double", "How loud."),
        Column("is_loud", "boolean", "Whether."),
        Column("hour", "int", "The hour."),
    ),
)


def read(content: bytes, table: Table = SOUND) -> pd.DataFrame:
    return to_frame([read_parquet(content, table, KEY)], table)


@pytest.mark.parametrize("table", [SOUND, *TABLES], ids=lambda table: table.name)
def test_every_table_comes_back_as_it_was(table: Table) -> None:
    """Values, nulls and dtypes, of every declared table; also without rows."""
    frame = made_frame(table, 60, seed=len(table.columns))
    pd.testing.assert_frame_equal(read(to_parquet(frame, table), table), frame)
    pd.testing.assert_frame_equal(read(to_parquet(empty_frame(table), table), table), empty_frame(table))


def test_another_engine_reads_the_declared_types(tmp_path: Path) -> None:
    """Instants are naive UTC, and days are days: what Athena can read, as DuckDB tells it."""
    file = tmp_path / "sound.parquet"
    frame = made_frame(SOUND, 1).assign(
        heard_at=pd.to_datetime(["2025-10-26T02:30:00.123+01:00"], utc=True).as_unit("ms"),
        heard_on=pd.to_datetime(["2025-10-26"]).as_unit("s"),
    )
    file.write_bytes(to_parquet(frame, SOUND))
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
        values = connection.execute("SELECT heard_at, heard_on FROM read_parquet(?)", [str(file)]).fetchone()
    assert {name: type_ for name, type_, *_ in described} == {
        "id": "BIGINT",
        "heard_at": "TIMESTAMP",
        "local_heard_at": "TIMESTAMP",
        "heard_on": "DATE",
        "name": "VARCHAR",
        "names": "VARCHAR[]",
        "loudness": "DOUBLE",
        "is_loud": "BOOLEAN",
        "hour": "INTEGER",
    }
    assert values == (datetime(2025, 10, 26, 1, 30, 0, 123_000), date(2025, 10, 26))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=4), st.integers(0, 5))
def test_equal_frames_give_equal_bytes(cuts: list[int], seed: int) -> None:
    """A day that is rebuilt from the same rows is the same file, however the frame was put together."""
    frame = made_frame(SOUND, 40, seed)
    edges = [0, *sorted(cuts), 40]
    pieces = [frame.iloc[start:end] for start, end in pairwise(edges)]
    assert to_parquet(pd.concat(pieces), SOUND) == to_parquet(frame, SOUND)
    assert to_parquet(read(to_parquet(frame, SOUND)), SOUND) == to_parquet(frame, SOUND)


def test_a_long_frame_in_pieces_gives_the_same_bytes() -> None:
    """Where a column outgrows its dictionary, the writer would otherwise cut pages where the pieces end."""
    texts = pd.Series([f"{n:0300d}" for n in range(20_000)], dtype="str")
    table = replace(SOUND, columns=(Column("id", "string", "A text."),))
    whole = pd.DataFrame({"id": texts})
    pieces = pd.concat([whole.iloc[:7_777], whole.iloc[7_777:7_778], whole.iloc[7_778:]])
    assert to_parquet(pieces, table) == to_parquet(whole, table)


def test_several_files_are_one_frame_in_order() -> None:
    """A listener's years, or a year's days, are read one after the other."""
    frames = [made_frame(RECENT_PLAYS, rows, seed=rows) for rows in (3, 0, 5)]
    found = [read_parquet(to_parquet(frame, RECENT_PLAYS), RECENT_PLAYS, KEY) for frame in frames]
    pd.testing.assert_frame_equal(to_frame(found, RECENT_PLAYS), pd.concat(frames, ignore_index=True))
    pd.testing.assert_frame_equal(to_frame([], RECENT_PLAYS), empty_frame(RECENT_PLAYS))


def test_a_column_declared_later_is_null_in_older_files() -> None:
    """A table may grow by a nullable column, or put its columns in another order, without being rebuilt."""
    older = replace(SOUND, columns=tuple(column for column in reversed(SOUND.columns) if column.name != "is_loud"))
    frame = made_frame(older, 5)
    grown = read(to_parquet(frame, older))
    assert list(grown.columns) == list(SOUND.column_names)
    assert grown["is_loud"].dtype == "boolean"
    assert grown["is_loud"].isna().all()
    pd.testing.assert_frame_equal(grown[list(older.column_names)], frame)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (pa.table({"id": ["1"]}), rf"Column id of {KEY} is string, not int64: materialize cleaned/sound again"),
        (pa.table({"id": [1], "hour": [1.5]}), rf"Column hour of {KEY} is double, not int32"),
        (pa.table({"hour": pa.array([1], pa.int32())}), rf"Column id of {KEY} is never null"),
        (pa.table({"id": pa.array([1, None], pa.int64())}), rf"Column id of {KEY} is never null"),
    ],
    ids=["text for a number", "double for an int", "a column that is missing", "a null that must not be"],
)
def test_a_file_of_other_types_is_named(written: pa.Table, sentence: str) -> None:
    """The sentence says which file and column, and the cure; no column is bent into its type in silence."""
    target = pa.BufferOutputStream()
    pa.parquet.write_table(written, target)
    with pytest.raises(UnreadableFile, match=sentence):
        read(target.getvalue().to_pybytes())


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda _: b"", lambda _: b"<html>"])
def test_a_file_that_is_no_parquet_is_named(damage) -> None:  # type: ignore[no-untyped-def]
    """Cut short, empty or something else: a sentence that names it."""
    with pytest.raises(UnreadableFile, match=f"{KEY} is no whole Parquet file"):
        read(damage(to_parquet(made_frame(SOUND, 3), SOUND)))


def test_a_frame_of_another_table_is_refused() -> None:
    """What is not typed as declared never reaches a file."""
    with pytest.raises(ValueError, match="not one of table plays"):
        to_parquet(made_frame(HISTORY_FILES, 1), PLAYS)
    with pytest.raises(ValueError, match="does not fit table sound"):
        to_parquet(made_frame(SOUND, 1).assign(id=["x"]), SOUND)
