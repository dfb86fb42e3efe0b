"""The whole graph in both homes: what is true on the laptop is true in the cloud, whatever goes wrong there."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pytest
from botocore.retries.standard import ExponentialBackoff

from spotifriend_dagster.assets.catalog import catalog_key
from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.lake import athena, in_process
from spotifriend_dagster.lake.in_process import IN_PROCESS_BYTES
from spotifriend_dagster.lake.publishing import Published
from spotifriend_dagster.tables import cleaned as tables
from spotifriend_dagster.tables.cleaned import (
    LISTENING_GAPS,
    PLAY_HOURS,
    RECENT_PAGES,
    RECENT_PLAYS,
    RECENT_REJECTS,
    ROW_OUTCOMES,
)
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.aws.asked import client
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.homes import (
    HOUR,
    LISTENER,
    SIGNED_IN,
    AwsHome,
    collect_and_answer,
    rebuild_only,
    truth,
)
from spotifriend_dagster_tests.aws.server import (
    BUCKET,
    DATABASE,
    REGION,
    AwsServer,
    Fault,
    Request,
    aws_server,
    every_third,
)
from spotifriend_dagster_tests.collected_home import CollectedHome, simulated
from spotifriend_dagster_tests.deploy.rights import missing
from spotifriend_dagster_tests.lake.processes import started

pytestmark = pytest.mark.timeout(600)

CLEANED = [asset_key(table) for table in (RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS)]
PLAYS = [asset_key(table) for table in (tables.PLAYS, PLAY_HOURS, ROW_OUTCOMES, LISTENING_GAPS)]
INSIGHTS = [
    asset_key(load_insights()[name].table) for name in ("listening_totals", "daily_listening", "listening_coverage")
]
CATALOG = [catalog_key(table) for table in (tables.PLAYS, PLAY_HOURS, ROW_OUTCOMES, LISTENING_GAPS, RECENT_PAGES)]
ANSWERS = [*CLEANED, *PLAYS, *CATALOG, *INSIGHTS]
"""A way through the graph, from polls to insights."""


@dataclass
class Twins:
    """The same history in a folder and in AWS, and what AWS was asked for it."""

    local: CollectedHome
    cloud: AwsHome
    server: AwsServer
    asked: Sequence[Request]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Both homes, with everything collected, imported and answered: by Athena, however small the lake is.

    Nobody waits between attempts, or for Athena.
    """
    folder = tmp_path_factory.mktemp("homes")
    with aws_server() as server, pytest.MonkeyPatch.context() as patched:
        use(server, patched)
        patched.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        patched.setattr(athena, "_FIRST_WAIT_SECONDS", 0.02)
        patched.setattr(in_process, "IN_PROCESS_BYTES", 0)
        with simulated({LISTENER: truth()}, SIGNED_IN) as spotify:
            local = CollectedHome(folder / "local", spotify)
            collect_and_answer(local, folder)
            cloud = AwsHome(folder / "aws", spotify)
            collect_and_answer(cloud, folder)
            yield Twins(local, cloud, server, list(server.requests))


def content(home: CollectedHome, table: str) -> pd.DataFrame:
    """A table's rows, ordered by all that is no list."""
    found = home.lake.engine.query(f"SELECT * FROM {table}")
    keys = [(field.name, "ascending") for field in found.schema if not pa.types.is_list(field.type)]
    return found.sort_by(keys).to_pandas()


def assert_same(twins: Twins, names: Collection[str]) -> None:
    """These tables have the same rows in both homes; of doubles that are sums, the last digits depend on the order."""
    for name in sorted(names):
        pd.testing.assert_frame_equal(content(twins.cloud, name), content(twins.local, name), rtol=1e-12, obj=name)


def test_every_table_has_the_same_rows(twins: Twins) -> None:
    """Export, polls, snapshots, cleaning, catalog, insights: raw to insight, table by table."""
    names = twins.local.lake.catalog.names()
    assert twins.cloud.lake.catalog.names() == names
    assert_same(twins, names)
    assert sum(len(content(twins.local, name)) > 0 for name in names) > 50


def test_every_object_is_the_same(twins: Twins) -> None:
    """Raw and cleaned, byte by byte: a lake can be taken from one home to the other."""
    for layer in ("raw", "cleaned", "rejects"):
        local = {stored.key: stored.size for stored in twins.local.lake.storage.list(layer)}
        cloud = {stored.key: stored.size for stored in twins.cloud.lake.storage.list(layer)}
        assert cloud == local
        for key in local:
            assert twins.cloud.lake.storage.read(key) == twins.local.lake.storage.read(key), key


def test_the_report_is_the_same(twins: Twins) -> None:
    """What the listener reads is the last thing that may differ."""
    pages = [
        {stored.key: _rounded(home.lake.storage.read(stored.key)) for stored in home.lake.storage.list("reports")}
        for home in (twins.local, twins.cloud)
    ]
    assert pages[0].keys() == pages[1].keys()
    assert sum(key.endswith(".html") for key in pages[0]) == 1
    assert pages[0] == pages[1]


def _rounded(page: bytes) -> str:
    """A page whose long fractions are cut, as sums of doubles depend on the order of rows."""
    return re.sub(r"(\d\.\d{12})\d+", r"\1", page.decode())


def test_nothing_is_left_in_the_bucket_that_is_not_the_lakes(twins: Twins) -> None:
    """Athena's results lie in a place of their own, which a lifecycle rule empties."""
    found = client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    layers = {stored["Key"].split("/")[0] for page in found for stored in page["Contents"]}
    assert layers <= {"raw", "cleaned", "rejects", "insights", "reports", "config", "assets", "athena-results"}


def test_the_functions_may_ask_for_all_that_the_graph_asks(twins: Twins) -> None:
    """A right that a step lacks is found here, and not by AWS at night. Only people write the files of people."""
    asked = [asked for asked in twins.asked if (asked.operation, asked.key[:7]) != ("PutObject", "config/")]
    assert missing(asked, "daily", "inbox") == set()
    assert {request.service for request in asked} >= {"s3", "glue", "athena", "ssm"}


def test_a_small_lake_is_answered_without_athena_and_alike(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is outside of tests: the same rows, in files that Athena reads; nothing is fetched for each query anew."""
    monkeypatch.setattr(in_process, "IN_PROCESS_BYTES", IN_PROCESS_BYTES)
    first, insights = len(twins.server.requests), load_insights()
    home = AwsHome(twins.cloud.path / "thrifty", twins.cloud.server)
    rebuild_only(home, [asset_key(insight.table) for insight in insights.values()])
    asked = twins.server.requests[first:]
    assert {request.service for request in asked} == {"s3", "glue"}
    assert missing(asked, "daily") == set()
    for operation in ("GetObject", "ListObjectsV2"):
        times = Counter(request.key for request in asked if request.operation == operation)
        assert max(times.values()) == 2, "once for all queries, and once for the rules"
    assert_same(twins, insights)


def test_a_reader_throughout_sees_the_old_or_the_new_and_nothing_between(twins: Twins) -> None:
    """Polls come in, and are cleaned and published; whoever asks meanwhile never meets an empty or a half table."""
    queries = ["SELECT COUNT(*) AS plays, SUM(ms_played) AS ms FROM plays", "SELECT * FROM listening_totals"]
    reader = AwsHome(twins.cloud.path, twins.cloud.server).lake.engine
    before = [reader.query(query).to_pylist() for query in queries]
    seen: list[list[object]] = [[] for _ in queries]
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            for place, query in enumerate(queries):
                seen[place].append(reader.query(query).to_pylist())

    twins.local.server.clock.advance(24 * HOUR)  # the Spotify of both
    for home in (twins.local, twins.cloud):
        home.collect("poll")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            rebuild_only(twins.cloud, ANSWERS)
        finally:
            is_over.set()
        reading.result()
    after = [reader.query(query).to_pylist() for query in queries]
    for place, _ in enumerate(queries):
        assert before[place] != after[place]
        assert len(seen[place]) > 5
        assert all(rows in (before[place], after[place]) for rows in seen[place])
    rebuild_only(twins.local, ANSWERS)


def test_two_runs_at_once_end_as_one(twins: Twins) -> None:
    """Somebody runs by hand while the schedule does: each ends well, and the lake is as after one of them."""
    homes = [AwsHome(twins.cloud.path / str(number), twins.cloud.server) for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(rebuild_only, home, ANSWERS) for home in homes]:
            ended.result()
    assert_same(twins, {key.path[-1] for key in (*CLEANED, *PLAYS, *INSIGHTS)})


def test_a_run_that_is_killed_before_it_publishes_changes_nothing_and_the_next_one_publishes(twins: Twins) -> None:
    """UNLOAD is done, UpdateTable is not: readers stay where they are, and what was left is in nobody's way."""
    name = "listening_totals"
    before = Published.of(twins.cloud.lake.catalog.get(name))
    rows = content(twins.cloud, name)
    killed = """
        import os
        from spotifriend_dagster.definitions import build_lake
        from spotifriend_dagster.lake.glue import GlueCatalog
        from spotifriend_dagster.lake.publishing import publish
        from spotifriend_dagster.settings import load_settings
        from spotifriend_dagster.tables.insight import load_insights

        lake = build_lake(load_settings())
        GlueCatalog.put = lambda *_: os._exit(9)
        publish(load_insights()["listening_totals"], lake.engine.large, lake.catalog, lake.storage)
    """
    of_aws = {"DEPLOYMENT": "aws", "BUCKET": BUCKET, "REGION": REGION, "GLUE_DATABASE": DATABASE}
    with pytest.MonkeyPatch.context() as patched:
        for setting, value in of_aws.items():
            patched.setenv(f"SPOTIFRIEND_{setting}", value)
        process = started(killed)
        process.communicate(timeout=120)
    assert process.returncode == 9
    unloaded = {key.rsplit("/", 1)[0] for key in _keys(f"insights/{name}/")}
    assert Published.of(twins.cloud.lake.catalog.get(name)) == before
    pd.testing.assert_frame_equal(content(twins.cloud, name), rows)
    rebuild_only(twins.cloud, INSIGHTS[:1])
    now = Published.of(twins.cloud.lake.catalog.get(name))
    assert before and now and now.version > before.version
    assert f"insights/{name}/version={now.version}" not in unloaded
    pd.testing.assert_frame_equal(content(twins.cloud, name), rows, rtol=1e-12)


def _keys(prefix: str) -> list[str]:
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [stored["Key"] for page in pages for stored in page.get("Contents", [])]


@pytest.mark.parametrize(
    ("codes", "operations", "is_answer_lost"),
    [
        ({"InternalError": 500, "SlowDown": 503}, ("GetObject", "PutObject", "ListObjectsV2"), False),
        ({"ConditionalRequestConflict": 409}, ("PutObject",), False),
        ({"InternalError": 500}, ("PutObject",), True),
    ],
)
def test_errors_of_s3_are_overcome(
    twins: Twins, codes: dict[str, int], operations: tuple[str, ...], is_answer_lost: bool
) -> None:
    """Requests fail again and again, or their answers are lost: what is collected and made is what would have been."""
    key = "raw/" if 409 in codes.values() else ""  # a conflict meets only who writes where nothing is to be
    twins.local.server.clock.advance(24 * HOUR)  # the Spotify of both
    twins.local.collect("poll")
    rebuild_only(twins.local, ANSWERS)
    faults = [
        Fault(every_third(*operations, key=key), status, code, 10_000, is_answer_lost) for code, status in codes.items()
    ]
    twins.server.faults.extend(faults)
    try:
        twins.cloud.collect("poll")
        rebuild_only(twins.cloud, ANSWERS)
    finally:
        twins.server.faults.clear()
    assert all(fault.times < 10_000 for fault in faults)
    assert_same(twins, {key.path[-1] for key in (*CLEANED, *PLAYS, *INSIGHTS)})
    assert len(twins.cloud.objects("recently_played")) == len(twins.local.objects("recently_played"))
