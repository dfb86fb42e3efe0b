"""The stand-in breaks where Athena breaks: each thing that it emulates, seen through boto3 as a client sees it."""

from __future__ import annotations

import os
import threading
from datetime import UTC, date, datetime, timedelta

import awswrangler as wr
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotifriend_dagster_tests.aws.asked import client, ended, executed, refused, rows, scanned, started
from spotifriend_dagster_tests.aws.athena import Answer, Execution
from spotifriend_dagster_tests.aws.made_tables import define, keys, put, put_json, put_parquet, read
from spotifriend_dagster_tests.aws.planning import Plan, QueryFailed, billed_bytes
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, WORKGROUP, AwsServer
from spotifriend_dagster_tests.aws.unloading import NO_VALUE

PROJECTION = {
    "listener.type": "enum",
    "listener.values": "anna,ben",
    "year.type": "integer",
    "year.range": "2024,2026",
}
YEARS = {"listener": "string", "year": "int"}
TARGET = f"s3://{BUCKET}/unloaded/"


def unload(query: str, target: str = TARGET) -> str:
    return f"UNLOAD ({query}) TO '{target}' WITH (format = 'PARQUET', compression = 'ZSTD')"


@pytest.fixture
def plays(aws: AwsServer) -> AwsServer:
    """A table projected by listener and year, with a song for each of three years of one listener."""
    define("plays", {"song": "string"}, YEARS, PROJECTION)
    for year in (2024, 2025, 2026):
        put_parquet(f"plays/listener=anna/year={year}/part.parquet", {"song": [f"song of {year}"]})
    return aws


# Partitions


def test_a_value_outside_of_the_projected_range_is_not_found_and_nothing_is_said(plays: AwsServer) -> None:
    """The quietest way to lose rows: the file is there, its partition is not in the range."""
    put_parquet("plays/listener=anna/year=2031/part.parquet", {"song": ["unheard"]})
    put_parquet("plays/listener=zoe/year=2025/part.parquet", {"song": ["unheard"]})
    assert rows("SELECT song FROM plays ORDER BY song") == [(f"song of {year}",) for year in (2024, 2025, 2026)]
    assert rows("SELECT song FROM plays WHERE year = 2031") == []
    assert rows("SELECT song FROM plays WHERE listener = 'zoe'") == []


def test_where_partitions_are_projected_those_that_glue_knows_are_ignored(plays: AwsServer) -> None:
    """A partition that somebody registered by hand is not read."""
    put_parquet("elsewhere/part.parquet", {"song": ["registered"]})
    client("glue").create_partition(
        DatabaseName=DATABASE,
        TableName="plays",
        PartitionInput={"Values": ["anna", "2025"], "StorageDescriptor": {"Location": f"s3://{BUCKET}/elsewhere/"}},
    )
    assert ("registered",) not in rows("SELECT song FROM plays")


def test_without_projection_only_partitions_that_glue_knows_are_read(aws: AwsServer) -> None:
    """A table whose projection is off is empty, whatever files there are."""
    define("plays", {"song": "string"}, YEARS)
    put_parquet("plays/listener=anna/year=2025/part.parquet", {"song": ["there"]})
    assert rows("SELECT song FROM plays") == []
    where = {"Location": f"s3://{BUCKET}/plays/listener=anna/year=2025/"}
    client("glue").create_partition(
        DatabaseName=DATABASE,
        TableName="plays",
        PartitionInput={"Values": ["anna", "2025"], "StorageDescriptor": where},
    )
    assert rows("SELECT song, listener, year FROM plays") == [("there", "anna", "2025")]


def test_days_are_projected_up_to_today(aws: AwsServer) -> None:
    """NOW is Athena's own clock, in UTC; tomorrow's file is there and not found."""
    today = datetime.now(UTC).date()
    projection = {"dt.type": "date", "dt.format": "yyyy-MM-dd", "dt.range": f"{today - timedelta(2)},NOW"}
    define("polls", {"song": "string"}, {"dt": "string"}, projection)
    for days in (-3, -2, 0, 1):
        put_parquet(f"polls/dt={today + timedelta(days)}/a.parquet", {"song": [str(days)]})
    assert rows("SELECT song, dt FROM polls ORDER BY song") == [
        ("-2", str(today - timedelta(2))),
        ("0", str(today)),
    ]


def test_an_injected_key_has_to_be_named(aws: AwsServer) -> None:
    """Athena cannot know the values there are."""
    define("history", {"row": "bigint"}, {"export": "string"}, {"export.type": "injected"})
    put_parquet("history/export=e1/part.parquet", {"row": [1]})
    assert "CONSTRAINT_VIOLATION" in refused("SELECT row FROM history")
    assert rows("SELECT row FROM history WHERE export = 'e1'") == [("1",)]


# What is read


def test_only_the_partitions_and_columns_that_a_query_names_are_read(plays: AwsServer) -> None:
    """What Athena is paid for: the columns named, in the partitions that comparisons leave over."""
    define("wide", {"a": "string", "b": "string"}, YEARS, PROJECTION)
    for year in (2024, 2025):
        noise = [str(hash((year, number))) for number in range(5000)]
        put_parquet(f"wide/listener=anna/year={year}/part.parquet", {"a": noise, "b": noise})
    everything = scanned("SELECT a, b FROM wide")
    assert scanned("SELECT a, b FROM wide WHERE year = 2025") == pytest.approx(everything / 2, rel=0.1)
    assert scanned("SELECT a FROM wide WHERE year = 2025") == pytest.approx(everything / 4, rel=0.1)
    assert scanned("SELECT a FROM wide WHERE year BETWEEN 2025 AND 2026 AND listener IN ('ben')") == 0
    found = plays.athena.executions[executed("SELECT a FROM wide WHERE listener = 'anna'")["QueryExecutionId"]].plan
    assert found is not None
    assert (found.listings, found.reads) == (3, 4)  # an empty year is listed, too


def test_what_only_the_other_side_of_an_outer_join_says_prunes_nothing(plays: AwsServer) -> None:
    """Its rows stay, whatever the ON says: pruning them would lose rows."""
    found = rows(
        "SELECT a.song, b.song FROM plays AS a LEFT JOIN plays AS b ON a.year = b.year AND a.year = 2025 "
        "ORDER BY a.song"
    )
    assert found == [("song of 2024", None), ("song of 2025", "song of 2025"), ("song of 2026", None)]


def test_a_query_costs_ten_megabytes_at_least() -> None:
    """However little it reads; above that whole megabytes count."""
    assert [billed_bytes(count) for count in (0, 1, 10_000_000, 10_000_001)] == [
        10_000_000,
        10_000_000,
        10_000_000,
        11_000_000,
    ]


def test_hidden_and_empty_files_are_no_data(plays: AwsServer) -> None:
    """As Hive has it: `_` and `.` begin names of what is being written."""
    put("plays/listener=anna/year=2025/_SUCCESS", b"no parquet")
    put("plays/listener=anna/year=2025/.hidden", b"no parquet")
    put("plays/listener=anna/year=2025/empty", b"")
    assert rows("SELECT song FROM plays WHERE year = 2025") == [("song of 2025",)]


@pytest.mark.parametrize(
    ("declared", "held"),
    [("string", pa.array([1])), ("bigint", pa.array([1.5])), ("timestamp", pa.array(["2025-01-01"]))],
)
def test_a_file_of_another_type_than_its_table_is_bad_data(aws: AwsServer, declared: str, held: pa.Array) -> None:
    """Athena casts nothing: a column whose type changed fails, and names the file; who does not read it is not hurt."""
    define("changed", {"good": "bigint", "bad": declared})
    put_parquet("changed/part.parquet", {"good": pa.array([7]), "bad": held})
    said = refused("SELECT bad FROM changed")
    assert said.startswith("HIVE_BAD_DATA: Field bad's type")
    assert f"s3://{BUCKET}/changed/part.parquet" in said
    assert rows("SELECT good FROM changed") == [("7",)]


def test_a_column_that_a_file_lacks_is_null(aws: AwsServer) -> None:
    """Files from before a column was declared are read by name."""
    define("grown", {"a": "string", "b": "bigint"})
    put_parquet("grown/old.parquet", {"a": ["old"]})
    put_parquet("grown/new.parquet", {"b": [2], "a": ["new"]})
    assert rows("SELECT a, b FROM grown ORDER BY a") == [("new", "2"), ("old", None)]


def test_instants_are_milliseconds(aws: AwsServer) -> None:
    """Athena rounds what a file holds more exactly, and takes away its zone."""
    define("instants", {"at": "timestamp"})
    instant = datetime(2025, 1, 1, 12, 0, 0, 1500)
    put_parquet("instants/micro.parquet", {"at": pa.array([instant], pa.timestamp("us"))})
    put_parquet("instants/zoned.parquet", {"at": pa.array([instant], pa.timestamp("us", "UTC"))})
    assert rows("SELECT at FROM instants") == [("2025-01-01 12:00:00.002",)] * 2


def test_what_is_no_parquet_is_bad_data(plays: AwsServer) -> None:
    """A half-written file, were there one."""
    put("plays/listener=anna/year=2025/broken.parquet", b"PAR1 and then the power failed")
    assert refused("SELECT song FROM plays WHERE year = 2025").startswith("HIVE_BAD_DATA: Not valid Parquet file")


def test_a_file_that_goes_while_it_is_read_fails_the_query(plays: AwsServer) -> None:
    """Athena lists first and reads later: who deletes what is published breaks a reader."""

    engine = plays.athena.engine
    assert engine

    class RemovesFirst:
        def run(self, sql: str, database: str, plan: Plan) -> Answer:
            client("s3").delete_object(Bucket=BUCKET, Key="plays/listener=anna/year=2025/part.parquet")
            return engine.run(sql, database, plan)

    plays.athena.engine = RemovesFirst()
    assert refused("SELECT song FROM plays").startswith("HIVE_CANNOT_OPEN_SPLIT")


def test_raw_json_lines_are_read_with_the_payload_as_text(aws: AwsServer) -> None:
    """Whatever Spotify sends: a payload that is an object comes as its text, an unknown name is not seen."""
    define("raw_polls", {"page": "int", "payload": "string"}, {"listener": "string"}, _listeners(), form="json")
    size = put_json(
        "raw_polls/listener=anna/a.jsonl.gz",
        [{"Page": 0, "payload": '{"items": []}', "new": 1}, {"page": 1, "payload": {"items": [1, None]}}, {}],
    )
    assert rows("SELECT page, payload, listener FROM raw_polls ORDER BY page") == [
        ("0", '{"items": []}', "anna"),
        ("1", '{"items":[1,null]}', "anna"),
        (None, None, "anna"),
    ]
    assert scanned("SELECT page FROM raw_polls") == size  # there are no columns to read apart
    put_json("raw_polls/listener=anna/b.jsonl.gz", ["{half a line"])
    assert refused("SELECT page FROM raw_polls").startswith("HIVE_BAD_DATA")


def _listeners() -> dict[str, str]:
    return {"listener.type": "enum", "listener.values": "anna"}


# SELECT


def test_results_are_csv_with_every_value_in_quotes_and_null_as_nothing(aws: AwsServer) -> None:
    """'' and null differ by quotes alone: a reader that does not look at them takes one for the other."""
    define("values_there_are", {"n": "int", "text": "string", "x": "double", "day": "date", "yes": "boolean"})
    put_parquet(
        "values_there_are/part.parquet",
        {
            "n": pa.array([1, 2, 3], pa.int32()),
            "text": ['say "hi"\nthere, you', "", None],
            "x": [1.5, 1e10, float("nan")],
            "day": [date(2025, 1, 31), None, None],
            "yes": [True, False, None],
        },
    )
    said = executed("SELECT n, text, x, day, yes FROM values_there_are ORDER BY n")
    location = said["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{BUCKET}/athena-results/{said['QueryExecutionId']}.csv"
    assert read(location).decode() == (
        '"n","text","x","day","yes"\n'
        '"1","say ""hi""\nthere, you","1.5","2025-01-31","true"\n'
        '"2","","1.0E10",,"false"\n'
        '"3",,"NaN",,\n'
    )
    assert keys("athena-results/") == [location.partition(f"{BUCKET}/")[2] + end for end in ("", ".metadata")]


def test_an_array_in_csv_is_a_list_that_cannot_be_read_back(aws: AwsServer) -> None:
    """Its texts stand there without quotes: who wants them has to ask for JSON."""
    define("lists", {"genres": "array<string>"})
    put_parquet("lists/part.parquet", {"genres": [["soul, funk", "jazz"], [], None]})
    query = "SELECT genres FROM lists"
    assert set(rows(query)) == {("[soul, funk, jazz]",), ("[]",), (None,)}
    as_json = f'SELECT json_format(CAST(given."genres" AS JSON)) AS "genres" FROM (\n{query}\n) AS given'
    assert set(rows(as_json)) == {('["soul, funk","jazz"]',), ("[]",), (None,)}


def test_results_come_in_pages_with_types(aws: AwsServer) -> None:
    """A thousand rows at once, the header is the first of them."""
    define("many", {"n": "bigint"})
    put_parquet("many/part.parquet", {"n": list(range(1500))})
    id_ = executed("SELECT n, CAST(n AS double) AS x FROM many ORDER BY n")["QueryExecutionId"]
    pages = list(client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=id_))
    assert [len(page["ResultSet"]["Rows"]) for page in pages] == [1000, 501]
    columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(column["Name"], column["Type"]) for column in columns] == [("n", "bigint"), ("x", "double")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_awswrangler_reads_it(plays: AwsServer) -> None:
    """By CSV and by UNLOAD, as from the real one."""
    asked = {"database": DATABASE, "workgroup": WORKGROUP, "ctas_approach": False}
    query = "SELECT song, year FROM plays ORDER BY year"
    for more in ({}, {"unload_approach": True, "s3_output": f"s3://{BUCKET}/for-awswrangler/"}):
        found = wr.athena.read_sql_query(query, athena_query_wait_polling_delay=0.02, **asked, **more)
        assert sorted(found["year"]) == [2024, 2025, 2026]


def test_a_result_that_is_reused_is_as_old_as_it_is(plays: AwsServer) -> None:
    """Athena asks only for the statement and the age: what was written since is not seen."""
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 60}}
    query = "SELECT count(*) AS n FROM plays"
    assert rows(query, ResultReuseConfiguration=reuse) == [("3",)]
    put_parquet("plays/listener=ben/year=2025/part.parquet", {"song": ["new"]})
    said = executed(query, ResultReuseConfiguration=reuse)
    assert said["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
    assert said["Statistics"]["DataScannedInBytes"] == 0
    assert rows(query, ResultReuseConfiguration=reuse) == [("3",)]
    assert rows(query) == [("4",)]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT song FROM nowhere", "TABLE_NOT_FOUND"),
        ("SELECT sing FROM plays", "COLUMN_NOT_FOUND"),
        ("SELEC song FROM plays", "SYNTAX_ERROR"),
        ("SELECT 1 / 0 AS x", "GENERIC_USER_ERROR"),
        ("SELECT strftime(song) AS x FROM plays", "SYNTAX_ERROR"),
        ("DROP TABLE plays", "NOT_SUPPORTED"),
    ],
)
def test_a_query_that_cannot_run_fails_with_a_reason(plays: AwsServer, query: str, reason: str) -> None:
    """The request is accepted; that it failed is found out by whoever asks."""
    assert refused(query).startswith(reason)


def test_a_database_that_is_not_there_fails_the_query(plays: AwsServer) -> None:
    """As a missing table does."""
    said = refused("SELECT song FROM plays", QueryExecutionContext={"Database": "elsewhere"})
    assert said.startswith("SCHEMA_NOT_FOUND")


# UNLOAD


def test_unload_writes_parquet_without_suffix_and_a_manifest(plays: AwsServer) -> None:
    """The manifest names every file; instants are INT96, which pyarrow reads in nanoseconds."""
    said = executed(unload("SELECT song, year, TIMESTAMP '2025-01-01 12:00:00' AS at FROM plays"))
    written = keys("unloaded/")
    assert written
    assert not any("." in key for key in written)
    manifest = said["Statistics"]["DataManifestLocation"]
    assert manifest == f"s3://{BUCKET}/athena-results/{said['QueryExecutionId']}-manifest.csv"
    assert read(manifest).decode().split() == [f"s3://{BUCKET}/{key}" for key in written]
    found = pq.read_table(pa.BufferReader(read(f"s3://{BUCKET}/{written[0]}")))
    assert found.schema.names == ["song", "year", "at"]
    assert [str(type_) for type_ in found.schema.types] == ["string", "int32", "timestamp[ns]"]


def test_unload_writes_several_files_in_no_order_and_of_no_rows_none(aws: AwsServer) -> None:
    """Who needs an order, or a file at all, has to see to it."""
    define("many", {"n": "bigint"})
    put_parquet("many/part.parquet", {"n": list(range(2500))})
    executed(unload("SELECT n FROM many ORDER BY n"))
    files = [pq.read_table(pa.BufferReader(read(f"s3://{BUCKET}/{key}"))) for key in keys("unloaded/")]
    assert len(files) == 3
    assert sorted(value for file in files for value in file["n"].to_pylist()) == list(range(2500))
    said = executed(unload("SELECT n FROM many WHERE n < 0", f"s3://{BUCKET}/nothing/"))
    assert keys("nothing/") == []
    assert read(said["Statistics"]["DataManifestLocation"]) == b""


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (
            "SELECT TIMESTAMP '2025-01-01 12:00:00' AT TIME ZONE 'Europe/Berlin' AS at",
            "NOT_SUPPORTED: Unsupported Hive",
        ),
        ("SELECT current_timestamp AS at", "NOT_SUPPORTED: Unsupported Hive type: timestamp(3) with time zone"),
        ("SELECT NULL AS nothing", "COLUMN_TYPE_UNKNOWN"),
        ("SELECT 1", "MISSING_COLUMN_NAME"),
        ("SELECT 1 AS a, 2 AS a", "DUPLICATE_COLUMN_NAME"),
    ],
)
def test_unload_refuses_what_has_no_place_in_a_file(aws: AwsServer, query: str, reason: str) -> None:
    """Instants with a zone, nulls without a type, columns without a name of their own: all good in a SELECT."""
    assert refused(unload(query)).startswith(reason)


def unload_by(keys: str, query: str) -> str:
    return unload(query).replace("'ZSTD')", f"'ZSTD', partitioned_by = ARRAY[{keys}])")


def test_unload_by_partitions_gives_each_value_a_folder(plays: AwsServer) -> None:
    """The files do not hold what the path says; and Athena takes the last columns alone, and a hundred values."""
    executed(unload_by("'year'", "SELECT song, NULLIF(year, 2024) AS year FROM plays"))
    folders = {key.split("/")[1] for key in keys("unloaded/")}
    assert f"year={NO_VALUE}" in folders
    assert len(folders) > 1
    for key in keys("unloaded/"):
        assert pq.ParquetFile(pa.BufferReader(read(f"s3://{BUCKET}/{key}"))).schema_arrow.names == ["song"]
    assert refused(unload_by("'song'", "SELECT song, year FROM plays").replace("unloaded", "other")).startswith(
        "HIVE_COLUMN_ORDER_MISMATCH"
    )


def test_unload_writes_into_a_hundred_partitions_at_most(aws: AwsServer) -> None:
    define("numbered", {"n": "bigint"})
    put_parquet("numbered/part.parquet", {"n": list(range(101))})
    executed(unload_by("'n'", "SELECT 1 AS one, n FROM numbered WHERE n < 100"))
    assert len(keys("unloaded/")) == 100
    assert refused(unload_by("'n'", "SELECT 1 AS one, n FROM numbered").replace("unloaded", "other")).startswith(
        "HIVE_TOO_MANY_OPEN_PARTITIONS"
    )


def test_unload_writes_only_where_there_is_nothing(plays: AwsServer) -> None:
    """A second run must take another folder."""
    executed(unload("SELECT song FROM plays"))
    written = keys("unloaded/")
    assert refused(unload("SELECT song FROM plays")).startswith("HIVE_PATH_ALREADY_EXISTS")
    assert keys("unloaded/") == written


def test_a_comment_at_the_end_of_the_query_swallows_the_bracket(plays: AwsServer) -> None:
    """Athena reads a statement, not a template: what is put around a query must stand on lines of its own."""
    query = "SELECT song FROM plays -- all of them"
    assert refused(unload(query)).startswith("SYNTAX_ERROR")
    executed(unload(query + "\n"))


# Workgroups


def test_an_enforced_workgroup_decides_where_results_go(plays: AwsServer) -> None:
    """What the client asks for is not heard; another workgroup lets the client decide."""
    elsewhere = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/mine"}}
    said = executed("SELECT 1 AS n", **elsewhere)
    assert said["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{BUCKET}/athena-results/")
    client("athena").create_work_group(Name="free", Configuration={"EnforceWorkGroupConfiguration": False})
    said = executed("SELECT 1 AS n", WorkGroup="free", **elsewhere)
    assert said["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{BUCKET}/mine/")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"WorkGroup": "nobody"}, "WorkGroup nobody is not found"),
        ({"WorkGroup": "nowhere"}, "No output location provided"),
        ({"WorkGroup": "off"}, "WorkGroup off is disabled"),
        ({"WorkGroup": "lost"}, "Unable to verify/create output bucket"),
    ],
)
def test_a_query_without_a_place_for_its_result_is_not_begun(
    aws: AwsServer, asked: dict[str, str], reason: str
) -> None:
    """The request itself is refused: no workgroup, one without output location, one switched off, no such bucket."""
    athena = client("athena")
    athena.create_work_group(Name="nowhere", Configuration={})
    athena.create_work_group(
        Name="lost", Configuration={"ResultConfiguration": {"OutputLocation": "s3://no-such-bucket-here/"}}
    )
    athena.create_work_group(Name="off", Configuration={})
    _moto_workgroup("off").state = "DISABLED"
    with pytest.raises(athena.exceptions.InvalidRequestException, match=reason):
        started("SELECT 1 AS n", **asked)
    if asked["WorkGroup"] == "nobody":
        with pytest.raises(athena.exceptions.InvalidRequestException, match=reason):
            athena.get_work_group(WorkGroup="nobody")


def _moto_workgroup(name: str):  # type: ignore[no-untyped-def]
    from moto.athena.models import athena_backends
    from moto.core import DEFAULT_ACCOUNT_ID

    from spotifriend_dagster_tests.aws.server import REGION

    return athena_backends[DEFAULT_ACCOUNT_ID][REGION].work_groups[name]


def test_a_workgroup_with_a_limit_cancels_what_reads_more(plays: AwsServer) -> None:
    """The query is CANCELLED, not FAILED, and nobody cancelled it."""
    limited = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/x/"}, "BytesScannedCutoffPerQuery": 10_000_000}
    client("athena").create_work_group(Name="limited", Configuration=limited)
    put_parquet("plays/listener=ben/year=2025/part.parquet", {"song": [os.urandom(6_000_000).hex()]})
    said = ended(started("SELECT song FROM plays", WorkGroup="limited"))
    assert said["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit" in said["Status"]["StateChangeReason"]


# From start to end


def test_a_query_is_queued_then_runs_then_ends(plays: AwsServer) -> None:
    """Whoever asks too early is told so, and gets no rows."""
    go_on = threading.Event()
    plays.athena.before = lambda _: go_on.wait(10) and None
    athena = client("athena")
    id_ = started("SELECT song FROM plays")
    seen = set()
    while "RUNNING" not in seen:
        seen.add(athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"]["State"])
    assert seen <= {"QUEUED", "RUNNING"}
    with pytest.raises(athena.exceptions.InvalidRequestException, match="not yet finished"):
        athena.get_query_results(QueryExecutionId=id_)
    go_on.set()
    assert ended(id_)["Status"]["State"] == "SUCCEEDED"


def test_a_query_that_is_cancelled_gives_no_result(plays: AwsServer) -> None:
    """But what an UNLOAD has written by then stays where it is, for nobody."""
    go_on = threading.Event()
    plays.athena.before = lambda _: go_on.wait(10) and None
    athena = client("athena")
    ids = [started("SELECT song FROM plays"), started(unload("SELECT song FROM plays"))]
    for id_ in ids:
        while athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"]["State"] == "QUEUED":
            pass
        athena.stop_query_execution(QueryExecutionId=id_)
    go_on.set()
    plays.athena.close()
    assert [ended(id_)["Status"]["State"] for id_ in ids] == ["CANCELLED", "CANCELLED"]
    assert keys("athena-results/") == []
    assert len(keys("unloaded/")) == 1
    with pytest.raises(athena.exceptions.InvalidRequestException, match="CANCELLED"):
        athena.get_query_results(QueryExecutionId=ids[0])


def test_a_fault_of_athena_itself_says_that_it_may_be_tried_again(plays: AwsServer) -> None:
    """And a fault of the query says that it may not."""

    def fail_once(_: Execution) -> None:
        plays.athena.before = lambda _: None
        raise QueryFailed("GENERIC_INTERNAL_ERROR: no workers", is_retryable=True)

    plays.athena.before = fail_once
    status = ended(started("SELECT song FROM plays"))["Status"]
    assert (status["State"], status["AthenaError"]["Retryable"]) == ("FAILED", True)
    status = ended(started("SELECT sing FROM plays"))["Status"]
    assert (status["State"], status["AthenaError"]["Retryable"]) == ("FAILED", False)


def test_the_same_request_twice_is_one_query(plays: AwsServer) -> None:
    """A start whose answer was lost is repeated by botocore with the token it had."""
    plays.fail("StartQueryExecution", status=500, code="InternalServerException", is_answer_lost=True)
    id_ = started("SELECT song FROM plays")
    assert list(plays.athena.executions) == [id_]


def test_several_queries_are_asked_for_at_once(plays: AwsServer) -> None:
    """moto itself cannot, and awswrangler asks so."""
    id_ = executed("SELECT song FROM plays")["QueryExecutionId"]
    athena = client("athena")
    assert athena.list_query_executions(WorkGroup=WORKGROUP)["QueryExecutionIds"] == [id_]
    said = athena.batch_get_query_execution(QueryExecutionIds=[id_, "unknown"])
    assert [each["QueryExecutionId"] for each in said["QueryExecutions"]] == [id_]
    assert said["UnprocessedQueryExecutionIds"] == [{"QueryExecutionId": "unknown"}]
