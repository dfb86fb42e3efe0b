"""SQL over the catalog's tables on DuckDB: their files as declared, and nothing else that is on the machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.lake.dialect import InvalidSQL, SQLError, UnsupportedSQL
from spotifriend_dagster.lake.engine import RESULT_FILE, DuckDBEngine, EngineError, QueryFailed
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.json_lines import to_json_lines
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.queries import NO_VALUE
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster.tables.rendering import arrow_schema, glue_table_input

LISTENER = Column("listener", "string", "Whose it is.", nullable=False)
LISTENS = Table(
    name="listens",
    layer="cleaned",
    folder="cleaned/listens",
    description="What was listened to.",
    grain=("listener", "number"),
    columns=(
        Column("number", "bigint", "Its number."),
        Column("at", "timestamp", "When, UTC."),
        Column("day", "date", "The day."),
        Column("hour", "int", "The hour."),
        Column("track", "string", "The title."),
        Column("share", "double", "A share."),
        Column("is_skip", "boolean", "Whether it was skipped."),
        Column("artists", "array<string>", "Who is credited."),
    ),
    partition_keys=(LISTENER, Column("year", "int", "The year.")),
    year_of="at",
)
TRACKS = Table(
    name="tracks",
    layer="insights",
    folder="insights/tracks",
    description="Listens of each track.",
    grain=("listener", "track"),
    columns=(
        Column("track", "string", "The title."),
        Column("listens", "bigint", "How often."),
        Column("hour", "int", "The latest hour."),
        Column("first_at", "timestamp", "When first, UTC."),
        Column("first_day", "date", "The day of it."),
        Column("share", "double", "Of all."),
        Column("artists", "array<string>", "Who is credited."),
    ),
    partition_keys=(LISTENER,),
)
TRACKS_SQL = """
    SELECT
        listener,
        track,
        COUNT(*) AS listens,
        MAX(HOUR(at)) AS hour,
        MIN(at) AS first_at,
        MIN(day) AS first_day,
        1 AS share,
        MIN_BY(artists, number) AS artists
    FROM listens
    GROUP BY listener, track
"""


@dataclass(frozen=True)
class Lake:
    """A lake with the tables above, and ways to put files into it."""

    storage: FolderStorage
    catalog: FolderCatalog
    engine: DuckDBEngine

    def define(self, table: Table, folder: str = "") -> None:
        location = self.storage.uri(f"{folder or table.folder}/")
        self.catalog.put_if_different(glue_table_input(table, location, listeners=["anna", "ben"]))

    def put(self, key: str, *rows: dict[str, Any], schema: pa.Schema | None = None) -> None:
        target = BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema or arrow_schema(LISTENS)), target)
        self.storage.write(key, target.getvalue())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.engine.query(sql).to_pylist()]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    storage = FolderStorage(tmp_path / "it's a lake")
    catalog = FolderCatalog(storage)
    made = Lake(storage, catalog, DuckDBEngine(storage, catalog))
    for table in (LISTENS, TRACKS, RECENTLY_PLAYED):
        made.define(table)
    return made


def listen(number: int, at: str, **values: Any) -> dict[str, Any]:
    when = datetime.fromisoformat(at)
    return {"number": number, "at": when, "day": when.date(), "hour": when.hour, "track": "Song", **values}


def listens(lake: Lake) -> None:
    lake.put("cleaned/listens/listener=anna/year=2024/a.parquet", listen(1, "2024-12-31T23:59:59.999"))
    lake.put(
        "cleaned/listens/listener=anna/year=2025/a.parquet",
        listen(2, "2025-01-01T00:00:00", artists=["A", "B"], share=0.5, is_skip=False),
        listen(3, "2025-01-02T10:00:00", track="Other"),
    )
    lake.put("cleaned/listens/listener=007/year=2025/a.parquet", listen(1, "2025-01-03T10:00:00"))


def test_files_and_their_folders_are_one_table(lake: Lake) -> None:
    """The keys of partitions are columns, of their declared types: the listener 007 is no number."""
    listens(lake)
    assert lake.rows("SELECT listener, year, number FROM listens ORDER BY 1, 3") == [
        ("007", 2025, 1),
        ("anna", 2024, 1),
        ("anna", 2025, 2),
        ("anna", 2025, 3),
    ]
    assert lake.rows("SELECT count(*) FROM listens WHERE listener = 'anna' AND year = 2025") == [(2,)]


def test_windows_of_two_orders_over_the_key_of_partitions(lake: Lake) -> None:
    """DuckDB 2.0 breaks down here, and with it every later query of the run, where it knows a key for what it is."""
    listens(lake)
    sql = """
        SELECT listener, year, number,
            ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY at, listener) AS place,
            ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY at DESC, listener DESC) AS place_from_the_end
        FROM listens ORDER BY listener, number
    """
    assert [row[3:] for row in lake.rows(sql.format(key="listener"))] == [(1, 1), (1, 3), (2, 2), (3, 1)]
    assert [row[3:] for row in lake.rows(sql.format(key="year"))] == [(3, 1), (1, 1), (1, 3), (2, 2)]


def test_every_type_comes_as_it_is_declared(lake: Lake) -> None:
    """Instants are naive, in Athena's milliseconds."""
    listens(lake)
    found = lake.engine.query("SELECT * FROM listens WHERE number = 2 AND listener = 'anna'")
    assert found.to_pylist() == [
        listen(2, "2025-01-01T00:00:00", artists=["A", "B"], share=0.5, is_skip=False)
        | {"listener": "anna", "year": 2025}
    ]
    assert [field.type for field in found.schema][:8] == [field.type for field in arrow_schema(LISTENS)]


@pytest.mark.parametrize("table", ["listens", "tracks", "raw_recently_played"])
def test_a_table_without_files_is_empty(lake: Lake, table: str) -> None:
    """The first run of a new lake reads tables that nothing has been written to."""
    found = lake.engine.query(f"SELECT * FROM {table}")
    assert found.num_rows == 0
    assert found.column_names == [column["Name"] for column in _columns(lake, table)]
    assert lake.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_raw_lines_are_texts_as_received(lake: Lake) -> None:
    """Nothing is guessed: an instant stays a text, a day of the path too, and what a line lacks is null."""
    key = "raw/recently_played/listener=anna/dt=2025-01-02/20250102T000003123Z.jsonl.gz"
    lines = [{"pulled_at": "2025-01-02T00:00:03.123Z", "page": 0, "payload": '{"limit": 50}'}, {"page": 1, "more": []}]
    lake.storage.write(key, to_json_lines(lines))
    sql = "SELECT pulled_at, endpoint, page, JSON_EXTRACT_SCALAR(payload, '$.limit'), dt FROM raw_recently_played"
    assert lake.rows(f"{sql} ORDER BY page") == [
        ("2025-01-02T00:00:03.123Z", None, 0, "50", "2025-01-02"),
        (None, None, 1, None, "2025-01-02"),
    ]
    assert lake.rows("SELECT count(*) FROM raw_recently_played WHERE dt >= '2025-01-03'") == [(0,)]


def test_a_line_that_is_no_json_is_named(lake: Lake) -> None:
    key = "raw/recently_played/listener=anna/dt=2025-01-02/broken.jsonl.gz"
    lake.storage.write(key, to_json_lines([{"page": "no number"}]))
    with pytest.raises(QueryFailed, match=r"broken\.jsonl\.gz"):
        lake.engine.query("SELECT max(page) FROM raw_recently_played")


def test_a_file_from_before_a_column_was_declared_has_nulls_there(lake: Lake) -> None:
    """Whichever file comes first; and what a file has beyond the declaration is left out."""
    old = arrow_schema(replace(LISTENS, columns=LISTENS.columns[:2])).append(pa.field("gone", pa.int64()))
    for year in (2023, 2026):
        values = {"number": year, "at": datetime(year, 1, 1), "gone": 1}
        lake.put(f"cleaned/listens/listener=anna/year={year}/a.parquet", values, schema=old)
    assert lake.rows("SELECT number, track FROM listens ORDER BY number") == [(2023, None), (2026, None)]
    lake.put("cleaned/listens/listener=anna/year=2024/a.parquet", listen(1, "2024-01-01T00:00:00"))
    assert lake.rows("SELECT number, track FROM listens ORDER BY number") == [(1, "Song"), (2023, None), (2026, None)]
    assert "gone" not in lake.engine.query("SELECT * FROM listens").column_names


@pytest.mark.parametrize(
    ("column", "type_"),
    [("number", pa.string()), ("number", pa.int32()), ("at", pa.timestamp("ms", "UTC")), ("track", pa.int64())],
)
def test_a_file_of_another_type_is_named(lake: Lake, column: str, type_: pa.DataType) -> None:
    """Athena refuses it, or reads nonsense; DuckDB would cast, and the figures would differ."""
    listens(lake)
    schema = pa.schema([field.with_type(type_) if field.name == column else field for field in arrow_schema(LISTENS)])
    empty = schema.empty_table()
    target = BytesIO()
    pq.write_table(empty, target)
    lake.storage.write("cleaned/listens/listener=anna/year=2026/clash.parquet", target.getvalue())
    with pytest.raises(UnreadableFile, match=rf"Column {column} of cleaned/listens/.*clash\.parquet is"):
        lake.engine.query("SELECT count(*) FROM listens")


def test_half_a_file_is_named(lake: Lake) -> None:
    lake.storage.write("cleaned/listens/listener=anna/year=2026/half.parquet", b"PAR1 and no more")
    with pytest.raises(UnreadableFile, match=r"half\.parquet is no whole Parquet file"):
        lake.engine.query("SELECT count(*) FROM listens")


def test_a_file_that_is_replaced_is_looked_at_again(lake: Lake) -> None:
    """What was found in a file is remembered only as long as the file is the same."""
    key = "cleaned/listens/listener=anna/year=2024/a.parquet"
    lake.put(key, {"number": "text"}, schema=pa.schema([("number", pa.string())]))
    with pytest.raises(UnreadableFile):
        lake.rows("SELECT number FROM listens")
    lake.put(key, listen(5, "2024-01-01T00:00:00"))
    assert lake.rows("SELECT number FROM listens") == [(5,)]


def test_a_query_sees_the_version_that_is_published_when_it_starts(lake: Lake) -> None:
    """Publishing moves the catalog's table; the folder of a version is no partition."""
    for version, listened in (("1", 1), ("2", 2)):
        row = {"track": "Song", "listens": listened}
        lake.put(f"insights/tracks/version={version}/listener=anna/{RESULT_FILE}", row, schema=arrow_schema(TRACKS))
        lake.define(TRACKS, f"insights/tracks/version={version}")
        assert lake.rows("SELECT listener, track, listens FROM tracks") == [("anna", "Song", listened)]


def test_a_version_from_before_each_listener_had_a_folder_is_read(lake: Lake) -> None:
    """Its definition says that the listener is in the files, until the next run publishes a version of today's kind."""
    former = replace(TRACKS, columns=(LISTENER, *TRACKS.columns), partition_keys=())
    row = {"listener": "anna", "track": "Song", "listens": 3}
    lake.put(f"insights/tracks/version=1/{RESULT_FILE}", row, schema=arrow_schema(former))
    lake.define(former, "insights/tracks/version=1")
    assert lake.rows("SELECT listener, listens FROM tracks WHERE listener = 'anna'") == [("anna", 3)]


def test_unload_writes_what_is_declared_in_the_order_of_the_grain(lake: Lake) -> None:
    """Types as declared, whatever the query's: a count is a bigint, HOUR is cut to an int, 1 is a double."""
    listens(lake)
    lake.engine.unload(TRACKS_SQL, TRACKS, "insights/tracks/version=1/")
    stored = [stored.key for stored in lake.storage.list("insights/tracks/version=1")]
    assert stored == [f"insights/tracks/version=1/listener={name}/{RESULT_FILE}" for name in ("007", "anna")]
    one, written = (pq.ParquetFile(BytesIO(lake.storage.read(key))).read() for key in stored)
    assert written.schema.equals(arrow_schema(TRACKS))
    assert [(row["track"], row["listens"], row["hour"]) for row in one.to_pylist()] == [("Song", 1, 10)]
    assert [(row["track"], row["listens"], row["hour"]) for row in written.to_pylist()] == [
        ("Other", 1, 10),
        ("Song", 2, 23),
    ]
    assert written.column("first_at").to_pylist()[1] == datetime(2024, 12, 31, 23, 59, 59, 999000)
    assert written.column("first_day").to_pylist()[1] == date(2024, 12, 31)


def test_unload_of_the_same_rows_gives_the_same_bytes(lake: Lake) -> None:
    """Whatever the order in which the rows were met: a rerun that changes nothing shows as such."""
    listens(lake)
    lake.engine.unload(TRACKS_SQL, TRACKS, "insights/tracks/version=1")
    union = (
        f"WITH t AS ({TRACKS_SQL}) SELECT * FROM t WHERE track = 'Song' UNION ALL SELECT * FROM t WHERE track <> 'Song'"
    )
    lake.engine.unload(union, TRACKS, "insights/tracks/version=2")
    alone = f"SELECT * FROM ({TRACKS_SQL}) WHERE listener = 'anna'"
    lake.engine.unload(alone, TRACKS, "insights/tracks/version=3")
    of_anna = f"listener=anna/{RESULT_FILE}"
    first, second, third = (lake.storage.read(f"insights/tracks/version={version}/{of_anna}") for version in (1, 2, 3))
    assert first == second == third


def test_what_was_found_before_counts_unless_a_table_was_defined_anew(lake: Lake) -> None:
    """An insight is read by others, and is published by the same run: not what it was before is to be told on."""
    listens(lake)
    files = Files(lake.storage)
    prepared = lake.engine.prepare(TRACKS_SQL, TRACKS, files)
    none = replace(prepared, rows=prepared.rows.slice(0, 0))
    assert lake.engine.unload(TRACKS_SQL, TRACKS, "insights/tracks/version=1", files, none).files == []
    lake.define(LISTENS, "cleaned/others")
    lake.put("cleaned/others/listener=ben/year=2024/part.parquet", listen(1, "2024-05-01T10:00:00", track="New"))
    (written,) = lake.engine.unload(TRACKS_SQL, TRACKS, "insights/tracks/version=2", files, prepared).files
    assert pq.read_table(BytesIO(lake.storage.read(written.key))).column("track").to_pylist() == ["New"]


def test_unload_of_no_rows_writes_no_file(lake: Lake) -> None:
    """Nor does Athena."""
    lake.engine.unload(TRACKS_SQL, TRACKS, "insights/tracks/version=1/")
    assert lake.storage.list("insights/tracks") == []


def test_unload_gives_rows_of_nobody_a_folder_as_hive_names_it(lake: Lake) -> None:
    """So that the audit finds them, as it does those that Athena writes."""
    listens(lake)
    lake.engine.unload(
        TRACKS_SQL.replace("        listener,", "        NULLIF(listener, 'anna') AS listener,"),
        TRACKS,
        "insights/tracks/version=1/",
    )
    stored = [stored.key.split("/")[3] for stored in lake.storage.list("insights/tracks")]
    assert stored == ["listener=007", f"listener={NO_VALUE}"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sql: sql.replace("AS listens", "AS plays"), "its declaration says listener, track, listens"),
        (lambda sql: sql.replace("track,", "", 1), "its declaration says"),
        (lambda sql: sql.replace("COUNT(*) AS", "AVG(number) AS"), "listens of tracks is declared bigint"),
        (lambda sql: sql.replace("MIN(day)", "MIN(at)"), "first_day of tracks is declared date"),
        (lambda sql: sql.replace("1 AS share", "'1' AS share"), "share of tracks is declared double"),
    ],
)
def test_unload_refuses_what_is_not_declared(lake: Lake, change: Callable[[str], str], said: str) -> None:
    """A column that is cast with a loss, or that stands in another's place, would be published as it is."""
    with pytest.raises(InvalidSQL, match=said):
        lake.engine.unload(change(TRACKS_SQL), TRACKS, "insights/tracks/version=1/")
    assert lake.storage.list("insights") == []


def test_unload_leaves_nothing_where_the_query_fails(lake: Lake) -> None:
    listens(lake)
    failing = TRACKS_SQL.replace("MAX(HOUR(at))", "MAX(3000000000 + HOUR(at))")
    with pytest.raises(QueryFailed, match="do not fit table tracks"):
        lake.engine.unload(failing, TRACKS, "insights/tracks/version=1/")
    assert lake.storage.list("insights") == []


def test_the_same_tables_are_read_by_many_at_once(lake: Lake) -> None:
    """Each query has views of its own, so none finds those of another."""
    listens(lake)
    sql = "SELECT count(*), count(DISTINCT t.track) FROM listens AS l LEFT JOIN tracks AS t ON l.track = t.track"
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: lake.rows(sql), range(40)))
    assert found == [[(4, 0)]] * 40


def test_nothing_but_the_catalog_is_read(lake: Lake, tmp_path: Path) -> None:
    """A query is given by whoever may ask; the machine's files are none of its business."""
    (tmp_path / "secret.csv").write_text("x\n1\n")
    for sql in (
        f"SELECT * FROM '{tmp_path / 'secret.csv'}'",
        'SELECT * FROM "../listens"',
        f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM duckdb_tables",
        "SELECT getenv('HOME')",
    ):
        with pytest.raises((InvalidSQL, UnsupportedSQL)):
            lake.engine.query(sql)
    cursor = lake.engine._connection.cursor()
    with pytest.raises(Exception, match="disabled by configuration"):
        cursor.execute(f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')")
    with pytest.raises(Exception, match="locked"):
        cursor.execute("SET enable_external_access = true")


@pytest.mark.parametrize(
    ("sql", "kind", "said"),
    [
        ("SELECT 1 / (number - number) FROM listens", QueryFailed, "Division by zero: divide by NULLIF(…, 0)."),
        ("SELECT CAST(track AS bigint) FROM listens", QueryFailed, "'not a bigint: "),
        ("SELECT track, count(*) FROM listens", InvalidSQL, "GROUP BY"),
        ("SELECT * FROM listen", InvalidSQL, "There is no table listen; did you mean listens?"),
        ("SELECT tracc FROM listens", InvalidSQL, "There is no column tracc; did you mean track?"),
    ],
)
def test_what_goes_wrong_is_said_in_one_sentence(lake: Lake, sql: str, kind: type[Exception], said: str) -> None:
    """For the terminal: no traceback, nothing of DuckDB's own dialect."""
    listens(lake)
    with pytest.raises((EngineError, SQLError)) as failure:
        lake.engine.query(sql)
    assert isinstance(failure.value, kind)
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


def test_lineage_is_of_the_catalog(lake: Lake) -> None:
    lineage = lake.engine.column_lineage(TRACKS_SQL)
    assert lineage["first_at"] == (("listens", "at"),)
    assert lineage["artists"] == (("listens", "artists"), ("listens", "number"))
    assert list(lineage) == ["listener", *TRACKS.column_names]


def _columns(lake: Lake, name: str) -> list[dict[str, str]]:
    definition = lake.catalog.get(name)
    assert definition is not None
    return [*definition.table_input["StorageDescriptor"]["Columns"], *definition.table_input["PartitionKeys"]]
