"""What is sent to Athena, what is made of its answers, and what is said where it does not answer well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from spotifriend_dagster.lake.athena import AthenaEngine
from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.dialect import InvalidSQL, SQLError, UnsupportedSQL
from spotifriend_dagster.lake.engine import EngineError, QueryFailed
from spotifriend_dagster.lake.glue import GlueCatalog
from spotifriend_dagster.lake.parquet import UnreadableFile
from spotifriend_dagster.lake.publishing import Input, Published, publish
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.rendering import arrow_schema, glue_table_input
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, WORKGROUP
from spotifriend_dagster_tests.lake.client_faults import Faults
from spotifriend_dagster_tests.lake.made_insights import INSIGHT, answers
from spotifriend_dagster_tests.lake.scripted_athena import ScriptedAthena, as_athena_writes
from spotifriend_dagster_tests.lake.test_engine import LISTENS, TRACKS, TRACKS_SQL

FOLDER = "insights/tracks/version=1/"


@dataclass(frozen=True)
class Lake:
    """A lake of AWS over an Athena that answers what it is told."""

    storage: S3Storage
    catalog: GlueCatalog
    engine: AthenaEngine
    athena: ScriptedAthena

    def sent(self) -> str:
        """The statement that was sent last, on one line."""
        return " ".join(self.athena.started[-1]["QueryString"].split())

    def reuse(self) -> dict[str, object]:
        found: dict[str, object] = self.athena.started[-1]["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"]
        return found


@pytest.fixture
def lake(clients: AwsClients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    monkeypatch.setattr("spotifriend_dagster.lake.athena._FIRST_WAIT_SECONDS", 0)
    storage, catalog, athena = (
        S3Storage(clients, BUCKET, "lake"),
        GlueCatalog(clients, DATABASE),
        ScriptedAthena(clients),
    )
    for table in (LISTENS, TRACKS, PLAYS):
        catalog.put(glue_table_input(table, storage.uri(f"{table.folder}/"), listeners=["anna"]), None)
    engine = AthenaEngine(clients, storage, catalog, database=DATABASE, workgroup=WORKGROUP)
    yield Lake(storage, catalog, engine, athena)
    athena.end()


def test_a_query_is_sent_as_it_is_to_the_workgroup_and_the_database(lake: Lake):
    lake.engine.query("SELECT count(*) FROM listens")
    (asked,) = lake.athena.started
    assert asked["QueryString"] == "SELECT count(*) FROM listens"
    assert asked["WorkGroup"] == WORKGROUP
    assert asked["QueryExecutionContext"] == {"Database": DATABASE}
    assert asked["ClientRequestToken"], "a request that is sent twice by botocore runs once"
    assert "ResultConfiguration" not in asked, "where results go is the workgroup's to say"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT typeof(number) FROM listens", UnsupportedSQL),
        ("DELETE FROM listens", SQLError),
        ("SELECT nmber FROM listens", InvalidSQL),
        ("SELECT * FROM lisens", InvalidSQL),
        ("SELECT number FROM information_schema.tables", SQLError),
    ],
)
def test_what_is_refused_at_home_never_reaches_athena(lake: Lake, sql: str, kind: type[Exception]):
    """One allow-list for both homes, and no bytes are paid for."""
    for ask in (
        lambda: lake.engine.query(sql),
        lambda: lake.engine.unload(sql, TRACKS, FOLDER),
        lambda: lake.engine.column_lineage(sql),
    ):
        with pytest.raises(kind):
            ask()
    assert lake.athena.started == []


def test_every_type_comes_as_it_is_declared(lake: Lake):
    """A null is not an empty text; a text may hold quotes, commas, lines, NaN and NULL; arrays are told apart."""
    lake.athena.rows = (
        '"number","at","day","hour","track","share","is_skip","artists","listener","year"\n'
        '"1","2024-12-31 23:59:59.999","2024-12-31","23","a ""b"", c\nd","0.1","true",'
        '"[""x, y"",""z"",null]","anna","2024"\n'
        '"9007199254740993",,,,"","NaN","false","[]","anna","2025"\n'
        '"3",,,,"NULL","-Infinity",,,"anna","2025"\n'
        '"4",,,,,"1.0E-10",,,"anna","2025"\n'
    )
    found = lake.engine.query("SELECT * FROM listens")
    rows = found.to_pylist()
    assert rows[0] == {
        "number": 1,
        "at": datetime(2024, 12, 31, 23, 59, 59, 999000),
        "day": date(2024, 12, 31),
        "hour": 23,
        "track": 'a "b", c\nd',
        "share": 0.1,
        "is_skip": True,
        "artists": ["x, y", "z", None],
        "listener": "anna",
        "year": 2024,
    }
    assert [row["track"] for row in rows[1:]] == ["", "NULL", None]
    assert rows[1]["number"] == 9007199254740993
    assert str(rows[1]["share"]) == "nan"
    assert [row["share"] for row in rows[2:]] == [float("-inf"), 1e-10]
    assert [row["artists"] for row in rows[1:]] == [[], None, None]
    expected = [*arrow_schema(LISTENS), pa.field("listener", pa.string()), pa.field("year", pa.int32())]
    assert [(field.name, field.type) for field in found.schema] == [(field.name, field.type) for field in expected]


def test_a_column_of_nulls_and_no_rows_keep_their_rows_and_types(lake: Lake):
    """A null alone on its line is an empty line; a result without rows is a header."""
    lake.athena.rows = '"track"\n"x"\n\n"y"\n'
    assert lake.engine.query("SELECT track FROM listens").column("track").to_pylist() == ["x", None, "y"]
    lake.athena.rows = '"track","n"\n'
    found = lake.engine.query("SELECT track, count(*) AS n FROM listens GROUP BY track")
    assert (found.num_rows, found.schema.types) == (0, [pa.string(), pa.int64()])
    lake.athena.rows = '"a","a"\n"1","x"\n'
    found = lake.engine.query("SELECT number AS a, track AS a FROM listens")
    assert [column.to_pylist() for column in found.columns] == [[1], ["x"]]


def test_arrays_are_asked_for_as_json_in_the_same_order(lake: Lake):
    """Athena's CSV writes ['a, b'] and ['a', 'b'] alike."""
    lake.athena.rows = '"artists","n"\n"[""a, b""]","1"\n"[""a"",""b""]","2"\n'
    sql = "SELECT artists, number AS n FROM listens WHERE hour > 3 ORDER BY n DESC, 1 LIMIT 5;"
    assert lake.engine.query(sql).column("artists").to_pylist() == [["a, b"], ["a", "b"]]
    assert lake.sent() == (
        'SELECT json_format(CAST(given."artists" AS JSON)) AS "artists", given."n" '
        "FROM ( SELECT artists, number AS n FROM listens WHERE hour > 3 ORDER BY n DESC, 1 LIMIT 5 ) AS given "
        'ORDER BY "given"."n" DESC, "given"."artists"'
    )
    with pytest.raises(UnsupportedSQL, match=r"rows are ordered only by columns that are given, and listens\.number"):
        lake.engine.query("SELECT artists FROM listens ORDER BY number")


def test_unload_casts_and_orders_and_writes_to_the_folder(lake: Lake):
    """Types as declared, whatever the query's; Parquet, packed by zstd; what was read for it is told."""
    lake.athena.files = {"listener=anna/20250101_abc": b"what Athena wrote"}
    assert lake.engine.unload(TRACKS_SQL, TRACKS, FOLDER).bytes_scanned == 4321
    sent = lake.sent()
    assert sent.startswith('UNLOAD (SELECT CAST("track" AS varchar) AS "track", CAST("listens" AS bigint)')
    assert 'CAST("hour" AS integer) AS "hour", CAST("first_at" AS timestamp) AS "first_at"' in sent
    assert 'CAST("artists" AS array(varchar)) AS "artists", CAST("listener" AS varchar) AS "listener" FROM (' in sent
    assert " ".join(TRACKS_SQL.split()) in sent
    assert sent.endswith(
        f'ORDER BY "listener", "track") TO \'s3://{BUCKET}/lake/{FOLDER}\' '
        "WITH (format = 'PARQUET', compression = 'ZSTD', partitioned_by = ARRAY['listener'])"
    )
    assert [stored.key for stored in lake.storage.list(FOLDER)] == [f"{FOLDER}listener=anna/20250101_abc"]
    assert lake.reuse() == {"Enabled": False}


def test_unload_refuses_what_is_not_declared(lake: Lake):
    with pytest.raises(InvalidSQL, match="first_day of tracks is declared date"):
        lake.engine.unload(TRACKS_SQL.replace("MIN(day)", "MIN(at)"), TRACKS, FOLDER)
    assert lake.athena.started == []


def test_more_listeners_than_athena_takes_at_once_are_unloaded_a_hundred_at_a_time(lake: Lake):
    """Each hundred into an empty folder, as Athena demands; then everything is where the catalog looks for it."""
    everybody = [f"listener-{number:03d}" for number in range(201)]
    present = lake.catalog.get("listens")
    assert present is not None
    location = lake.storage.uri(f"{LISTENS.folder}/")
    lake.catalog.put(glue_table_input(LISTENS, location, listeners=everybody), present.version)
    lake.athena.files = {"listener=somebody/20250101_abc": b"what Athena wrote"}
    assert lake.engine.unload(TRACKS_SQL, TRACKS, FOLDER).bytes_scanned == 3 * 4321
    sent = [asked["QueryString"] for asked in lake.athena.started]
    assert [re.findall(r"listener-\d+", statement) for statement in sent] == [
        everybody[:100],
        everybody[100:200],
        everybody[200:],
    ]
    assert len({re.search("TO '(.*?)'", statement)[1] for statement in sent}) == 3  # type: ignore[index]
    assert [stored.key for stored in lake.storage.list(FOLDER)] == [f"{FOLDER}listener=somebody/20250101_abc"]


def test_what_athena_writes_is_audited_and_published(lake: Lake):
    """Files without a suffix, as many as Athena likes; the asset is told what they cost."""
    halves = answers(7).slice(0, 10), answers(7).slice(10)
    lake.athena.files = {f"listener=anna/2025_0000{n}_x": as_athena_writes(half) for n, half in enumerate(halves)}
    publication = publish(INSIGHT, lake.engine, lake.catalog, lake.storage)
    assert publication.outcome == "published", publication.audits
    assert (publication.content.rows, publication.bytes_scanned) == (30, 4321)
    published = lake.catalog.get(INSIGHT.table.name)
    assert published is not None
    assert published.location == f"s3://{BUCKET}/lake/insights/answers/version={publication.version}/"


def test_instants_of_athena_s_files_are_the_milliseconds_of_the_declaration(lake: Lake):
    """Athena writes them in 96 bits, which Arrow by itself reads as nanoseconds: every insight would fail its audit."""
    row = {field.name: None for field in arrow_schema(TRACKS)}
    instant = datetime(2024, 12, 31, 23, 59, 59, 999000)
    row |= {"track": "Song", "first_at": instant}
    content = pa.Table.from_pylist([row], schema=arrow_schema(TRACKS))
    lake.athena.files = {"listener=anna/20250101_x": as_athena_writes(content)}
    columns = tuple(replace(column, nullable=True) for column in TRACKS.columns)
    insight = replace(INSIGHT, table=replace(TRACKS, columns=columns), query=TRACKS_SQL, reads=("listens",))
    publication = publish(insight, lake.engine, lake.catalog, lake.storage)
    assert publication.outcome == "published", publication.audits
    assert publication.content.sample.column("first_at").to_pylist() == [instant]


def test_what_athena_failed_at_by_itself_is_run_again_into_an_empty_folder(lake: Lake):
    """Half an UNLOAD that failed would be read with the whole one."""
    lake.athena.fail("GENERIC_INTERNAL_ERROR: Internal error", is_retryable=True)
    lake.athena.fail("GENERIC_INTERNAL_ERROR: Internal error", is_retryable=True)
    lake.athena.files = {"half": b""}
    emptied: list[bool] = []
    start = lake.athena._StartQueryExecution

    def noted(asked: dict[str, object]) -> tuple[int, dict[str, object]]:
        emptied.append(lake.storage.list(FOLDER) == [])
        return start(asked)

    lake.athena._StartQueryExecution = noted  # type: ignore[method-assign]
    lake.engine.unload(TRACKS_SQL, TRACKS, FOLDER)
    assert emptied == [True, True, True]
    for _ in range(3):
        lake.athena.fail("GENERIC_INTERNAL_ERROR: Internal error", is_retryable=True)
    with pytest.raises(QueryFailed, match="Internal error"):
        lake.engine.query("SELECT count(*) FROM listens")
    assert len(lake.athena.started) == 6


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_a_query_whose_run_is_interrupted_is_cancelled(lake: Lake, interrupt: type[BaseException]):
    """Else it would go on, be paid for, and write into a folder that nobody waits for."""
    lake.athena.endings.append({"State": "RUNNING"})
    polls = iter(range(3))

    def interrupted() -> None:
        if next(polls) == 2:
            raise interrupt

    lake.athena.on_poll = interrupted
    with pytest.raises(interrupt):
        lake.engine.query("SELECT count(*) FROM listens")
    assert lake.athena.stopped == ["query-1"]


def published(lake: Lake, moved_ago: timedelta) -> None:
    """Note on the table `tracks` that it was published so long ago."""
    present = lake.catalog.get("tracks")
    assert present is not None
    note = Published("1", (datetime.now(UTC) - moved_ago).isoformat(), 1, {"listens": Input("", "")})
    lake.catalog.put(note.noted_in(present.table_input), present.version)


def test_a_result_is_used_again_only_where_nothing_has_changed_since(lake: Lake):
    """Athena looks at the age of a result alone: a table that was published since would be answered from before."""
    lake.athena.rows = '"n"\n"1"\n'
    sql = "SELECT count(*) AS n FROM tracks"
    lake.engine.query(sql)
    assert lake.reuse() == {"Enabled": False}, "nobody knows when it changed"
    published(lake, timedelta(hours=3))
    lake.engine.query(sql)
    minutes = lake.reuse()["MaxAgeInMinutes"]
    assert lake.reuse()["Enabled"]
    assert isinstance(minutes, int)
    assert 180 - 40 < minutes < 180 - 30, "not those that may have begun before the change"
    published(lake, timedelta(days=30))
    lake.engine.query(sql)
    assert lake.reuse()["MaxAgeInMinutes"] == 7 * 24 * 60, "the most that Athena takes"
    published(lake, timedelta(minutes=20))
    lake.engine.query(sql)
    assert lake.reuse() == {"Enabled": False}
    published(lake, timedelta(days=1))
    lake.engine.query("SELECT count(*) AS n FROM tracks AS t JOIN listens AS l ON t.track = l.track")
    assert lake.reuse() == {"Enabled": False}, "plays come at any time"


@pytest.mark.parametrize(
    ("reason", "kind", "said"),
    [
        ("DIVISION_BY_ZERO: Division by zero", QueryFailed, r"Division by zero: divide by NULLIF\(…, 0\)\."),
        ("SYNTAX_ERROR: line 1:8: Column 'x' cannot be resolved", InvalidSQL, "run: Column 'x' cannot be resolved"),
        (
            "HIVE_BAD_DATA: Field number's type BINARY in parquet file s3://lake-of-tests/lake/cleaned/listens/listener=anna/"
            "year=2024/part.parquet is incompatible with type bigint defined in table schema",
            UnreadableFile,
            r"Column number of cleaned/listens/listener=anna/year=2024/part\.parquet .*materialize cleaned/listens",
        ),
        (
            "HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split s3://lake-of-tests/lake/cleaned/listens/a.parquet "
            "(offset=0, length=5): Not valid Parquet file",
            UnreadableFile,
            r"^cleaned/listens/a\.parquet is not what the catalog declares .*materialize cleaned/listens again",
        ),
        (
            "HIVE_BAD_DATA: Error reading field value: For input string",
            UnreadableFile,
            r"^A file .*materialize the tab",
        ),
        (
            "HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists",
            EngineError,
            "The folder that Athena was to write is not empty.*run again",
        ),
        (
            "SCHEMA_NOT_FOUND: line 1:15: Schema 'spotifriend' does not exist",
            EngineError,
            "create it, or correct SPOTI",
        ),
        ("Database spotifriend not found", EngineError, "SPOTIFRIEND_GLUE_DATABASE"),
        (
            "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)",
            EngineError,
            "Athena may not do what the query needs .*spotifriend doctor",
        ),
        ("Insufficient permissions to execute the query. Principal does not have…", EngineError, "may not do"),
        ("Query exhausted resources at this scale factor", QueryFailed, "The query failed: Query exhausted"),
        ("", QueryFailed, "The query failed: FAILED"),
    ],
)
def test_why_a_query_failed_is_a_sentence(lake: Lake, reason: str, kind: type[Exception], said: str):
    lake.athena.fail(reason)
    with pytest.raises(kind, match=said) as error:
        lake.engine.query("SELECT count(*) FROM listens")
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
    assert type(error.value) is kind


def test_a_cancelled_query_is_a_sentence(lake: Lake):
    """By somebody in the console, or because it would read more than the workgroup allows."""
    lake.athena.fail("Query cancelled!", state="CANCELLED")
    with pytest.raises(QueryFailed, match=r"was cancelled .*give it again"):
        lake.engine.query("SELECT count(*) FROM listens")
    lake.athena.fail("Bytes scanned limit was exceeded", state="CANCELLED")
    with pytest.raises(QueryFailed, match="raise the workgroup's limit"):
        lake.engine.query("SELECT count(*) FROM listens")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input.",
            "workgroup spotifriend has no place for results .*query result location",
        ),
        ("Unable to verify/create output bucket the-results", "workgroup spotifriend has no place for results"),
        ("WorkGroup spotifriend is not found.", "SPOTIFRIEND_WORKGROUP"),
        ("WorkGroup is disabled.", "create or enable it"),
        ("Query string exceeds maximum allowed length", "did not accept the query: Query string exceeds"),
    ],
)
def test_a_query_that_athena_does_not_begin_is_a_sentence(lake: Lake, refusal: str, said: str):
    lake.athena.refusal = refusal
    with pytest.raises(EngineError, match=said):
        lake.engine.query("SELECT count(*) FROM listens")


def test_results_that_athena_keeps_itself_are_a_sentence(lake: Lake):
    """A workgroup of managed results names no place in S3; a query that fails otherwise would say nothing of that."""
    lake.athena.location = ""
    with pytest.raises(EngineError, match=r"has no place for results .*it keeps them itself.*query result location"):
        lake.engine.query("SELECT count(*) FROM listens")


def test_a_result_that_may_not_be_read_is_a_sentence(lake: Lake, clients: AwsClients):
    """The results are in another bucket, for which the policy must speak, too."""
    faults = Faults(clients, "s3")
    faults.put("GetObject", 403, "AccessDenied")
    with pytest.raises(EngineError, match=rf"s3://{BUCKET}/athena-results/.* cannot be read: AWS denies s3:GetObject"):
        lake.engine.query("SELECT count(*) FROM listens")
    faults.end()


def test_lineage_is_that_of_the_other_home(lake: Lake):
    lineage = lake.engine.column_lineage(TRACKS_SQL)
    assert lineage["first_at"] == (("listens", "at"),)
    assert lake.athena.started == []
