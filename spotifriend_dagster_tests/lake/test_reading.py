"""Questions about one listener are answered from that listener's files, as an engine would answer them."""

from dataclasses import replace

import pyarrow as pa
import pytest

from spotifriend_dagster.lake.dialect import InvalidSQL
from spotifriend_dagster.lake.engine import QueryFailed
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.reading import Reader
from spotifriend_dagster.lake.storage import StorageError
from spotifriend_dagster.tables.rendering import arrow_schema
from spotifriend_dagster_tests.lake.test_engine import (
    LISTENER,
    LISTENS,
    TRACKS,
    TRACKS_SQL,
    Lake,
    lake,
    listen,
    listens,
)
from spotifriend_dagster_tests.lake.test_files import CountingStorage

__all__ = ["lake"]


def reader(lake: Lake, listener: str = "anna") -> Reader:
    return Reader(Files(lake.storage), lake.catalog, listener)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM listens WHERE listener = 'anna' ORDER BY number",
        "SELECT COUNT(*) AS n FROM listens WHERE listener = 'anna'",
        "SELECT year, MAX(at) AS at FROM listens WHERE listener = 'anna' GROUP BY 1 HAVING MIN(hour) >= 0 ORDER BY 1",
        "WITH l AS (SELECT number, track FROM listens WHERE listener = 'anna') "
        "SELECT one.track FROM l AS one JOIN l AS other ON other.number = one.number + 1 ORDER BY one.number",
        f"SELECT * FROM ({TRACKS_SQL}) WHERE listener = 'anna' ORDER BY track",
    ],
)
def test_the_rows_are_those_of_the_engine(lake: Lake, sql: str) -> None:
    """Types, partition keys and columns that only a condition names included."""
    listens(lake)
    found = reader(lake).query(sql)
    assert found.num_rows
    assert found.equals(lake.engine.query(sql))


def test_only_the_listener_s_files_are_read_and_once(lake: Lake) -> None:
    """In an object store each is paid for, and a thousand listeners are a thousand files."""
    listens(lake)
    storage = CountingStorage(lake.storage.root)
    asked = Reader(Files(storage), lake.catalog, "anna")
    everything = asked.query("SELECT listener FROM listens").column("listener").to_pylist()
    assert set(everything) == {"anna"}
    asked.query("SELECT number FROM listens")
    assert sorted(set(storage.reads)) == storage.reads
    assert all("listener=anna/" in key for key in storage.reads)


def test_a_version_that_is_published_meanwhile_is_read(lake: Lake) -> None:
    for version in (1, 2):
        row = {"track": "Song", "listens": version}
        lake.put(f"insights/tracks/version={version}/listener=anna/x", row, schema=arrow_schema(TRACKS))
    asked = reader(lake)
    for version in (1, 2):
        lake.define(TRACKS, f"insights/tracks/version={version}")
        assert asked.query("SELECT listens FROM tracks").column(0).to_pylist() == [version]


def test_a_version_from_before_each_listener_had_a_folder_is_read(lake: Lake) -> None:
    """It holds everybody's rows, of which the listener's are taken."""
    former = replace(TRACKS, columns=(LISTENER, *TRACKS.columns), partition_keys=())
    rows = [{"listener": listener, "track": "Song", "listens": 3} for listener in ("anna", "ben")]
    lake.put("insights/tracks/version=1/part-0.parquet", *rows, schema=arrow_schema(former))
    lake.define(former, "insights/tracks/version=1")
    assert reader(lake).query("SELECT listener, listens FROM tracks").to_pylist() == [
        {"listener": "anna", "listens": 3}
    ]


def test_a_table_without_files_and_an_older_file_are_no_errors(lake: Lake) -> None:
    assert reader(lake).query("SELECT * FROM listens").schema == lake.engine.query("SELECT * FROM listens").schema
    older = arrow_schema(replace(LISTENS, columns=LISTENS.columns[:2]))
    lake.put("cleaned/listens/listener=anna/year=2024/a.parquet", listen(1, "2024-01-01T00:00:00"), schema=older)
    assert reader(lake).query("SELECT number, track FROM listens").to_pylist() == [{"number": 1, "track": None}]


def test_what_cannot_be_read_is_said_in_a_sentence(lake: Lake) -> None:
    """As the engines say it."""
    key = "cleaned/listens/listener=anna/year=2024/a.parquet"
    lake.put(key, {"number": "text"}, schema=pa.schema([("number", pa.string())]))
    with pytest.raises(
        UnreadableFile, match=r"Column number of .*a\.parquet is string, .* declares int64: materialize"
    ):
        reader(lake).query("SELECT number FROM listens")
    lake.storage.write(key, b"no Parquet")
    with pytest.raises(UnreadableFile, match="no whole Parquet file: materialize listens again"):
        reader(lake).query("SELECT number FROM listens")
    present = lake.catalog.get("tracks")
    assert present is not None
    elsewhere = present.table_input["StorageDescriptor"] | {"Location": "s3://elsewhere/"}
    lake.catalog.put(present.table_input | {"StorageDescriptor": elsewhere}, present.version)
    with pytest.raises(StorageError, match=r"s3://elsewhere/ is not in this lake, .* `spotifriend run` puts it back"):
        reader(lake).query("SELECT * FROM tracks")
    with pytest.raises(InvalidSQL, match="There is no table songs"):
        reader(lake).query("SELECT * FROM songs")
    lake.put(key, listen(0, "2024-01-01T00:00:00"))
    with pytest.raises(QueryFailed, match="Division by zero"):
        reader(lake).query("SELECT 1 / number AS n FROM listens")
