"""Forgetting a listener: nothing of theirs stays in any corner of a lake, and nothing of anybody else is touched."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.forgetting import (
    FolderLeftovers,
    forget_in_insight,
    forget_objects,
    search,
    without_listener,
)
from spotifriend_dagster.lake.mentions import names, without
from spotifriend_dagster.lake.publishing import Published, rollback
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.s3_versions import S3Versions, query_results
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.aws.server import BUCKET, WORKGROUP
from spotifriend_dagster_tests.lake.made_insights import INSIGHT, MadeLake, answers

RESULT = "athena-results/8e8b9c1e-7a4b-4c55-9d8b-0f1a2b3c4d5e.csv"


def parquet(**columns: list[Any]) -> bytes:
    target = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), target)
    content: bytes = target.getvalue().to_pybytes()
    return content


def as_json(said: Any) -> bytes:
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("key", "content", "listener", "expected"),
    [
        ("health/dt=2025-01-01/run.json", b'{"failures": {"plays": "ann: no room"}}', "ann", True),
        ("health/dt=2025-01-01/run.json", b'{"failures": {"plays": "anna: no room"}}', "ann", False),
        ("health/dt=2025-01-01/run.json", b'{"failures": {"plays": "ann-2: no room"}}', "ann", False),
        ("health/dt=2025-01-01/run.json", b'{"failures": {"plays": "/v1/me/tracks: 500"}}', "me", False),
        ("health/dt=2025-01-01/run.json", b'{"failures": {"plays": "login --listener me"}}', "me", True),
        ("raw/tracks/listener=bert/a.jsonl.gz", gzip.compress(b'{"name": "Ann"}\n{"name": "ann"}'), "ann", False),
        ("raw/tracks/listener=bert/a.jsonl.gz", gzip.compress(b'{"file": "x/listener=ann/y"}'), "ann", True),
        ("raw/tracks/listener=bert/a.jsonl.gz", b"damaged, of listener=ann", "ann", True),
        ("reports/listener=bert/all.html", b'<p data-listener="ann">', "ann", True),
        ("reports/listener=bert/all.html", b"<p>ann listened</p>", "ann", False),
        ("config/listeners.toml", b'[anna]\nx = 1\n[ann]\ntime_zone = "UTC"\n', "ann", True),
        ("insights/t/version=1/part.parquet", parquet(listener=["bert", "ann"], n=[1, 2]), "ann", True),
        ("insights/t/version=1/part.parquet", parquet(listener=["bert"], name=["ann"]), "ann", False),
        ("insights/t/version=1/part.parquet", b"damaged", "ann", False),
    ],
    ids=[
        *(
            "word in a record",
            "part of a word",
            "part of an id",
            "address of Spotify",
            "word that is an address's, too",
        ),
        *("song", "folder in a packed file", "damaged file", "attribute of a page", "word of a page"),
        *("section", "row", "value of another column", "damaged table"),
    ],
)
def test_an_id_is_told_from_a_word(key: str, content: bytes, listener: str, expected: bool) -> None:
    """The default id is `me`, which is in every address of Spotify's; and songs are called as people are."""
    assert names(key, content, listener) is expected


def test_a_record_loses_what_is_about_a_listener_and_keeps_the_rest() -> None:
    """Runs are everybody's: their costs stay, though one of those whom they were for is forgotten."""
    record = {
        "run_id": "1",
        "api_calls": 7,
        "failures": {"plays": "ann and bert: no room"},
        "problems": {
            "pull/tracks/ann": {"problem": {"listener": "ann"}},
            "pull/tracks/bert": {"problem": {"listener": "bert"}},
        },
        "people": ["ann", "bert", {"listener": "ann"}],
    }
    left = without("health/dt=2025-01-01/1.json", as_json(record), "ann")
    assert left is not None
    assert json.loads(left) == {
        "run_id": "1",
        "api_calls": 7,
        "failures": {"plays": "somebody and bert: no room"},
        "problems": {"pull/tracks/bert": {"problem": {"listener": "bert"}}},
        "people": ["bert"],
    }


def test_a_file_of_everybodys_rows_loses_a_listeners() -> None:
    """Versions of insights from before they were stored by listener; where nothing is left, the file goes."""
    key = "insights/t/version=1/part.parquet"
    left = without(key, parquet(listener=["bert", "ann", "bert"], n=[1, 2, 3]), "ann")
    assert left is not None
    assert pq.read_table(pa.BufferReader(left)).to_pydict() == {"listener": ["bert", "bert"], "n": [1, 3]}
    assert without(key, parquet(listener=["ann"], n=[1]), "ann") is None


def test_what_a_run_failed_of_names_nobody_in_the_rows_of_the_others() -> None:
    """A run is a row of everybody's; one for the forgotten listener alone would pass for one for all."""
    key = "cleaned/pipeline_health/listener=bert/year=2025/part.parquet"
    rows = parquet(run_id=["1", "2"], failures=["plays: ann: no room", None], seconds=[1.0, 2.0])
    assert names(key, rows, "ann") and not names(key, rows, "no-body")
    left = without(key, rows, "ann")
    assert left is not None and not names(key, left, "ann")
    assert pq.read_table(pa.BufferReader(left)).to_pydict() == {
        "run_id": ["1", "2"],
        "failures": ["plays: somebody: no room", None],
        "seconds": [1.0, 2.0],
    }
    assert without("health/dt=2025-01-01/1.json", as_json({"listeners": {"ann": {"api_calls": 1}}}), "ann") is None
    both = without("health/dt=2025-01-01/1.json", as_json({"listeners": {"ann": {}, "bert": {}}}), "ann")
    assert json.loads(both or b"") == {"listeners": {"bert": {}}}


def test_a_definition_is_as_if_the_listener_had_never_been() -> None:
    """The last one gone, nothing is projected; so the next run finds nothing to put right."""
    both, one, nobody = (
        glue_table_input(PLAYS, "lake:///cleaned/plays/", listeners=listeners)
        for listeners in (["ann", "anna"], ["anna"], [])
    )
    assert without_listener(both, "ann") == one
    assert without_listener(one, "anna") == nobody
    assert without_listener(one, "ann") == one


@pytest.fixture
def lake(tmp_path: Path) -> MadeLake:
    """A lake in which anna and bert have rows in two versions of an insight."""
    lake = MadeLake(tmp_path / "lake").with_plays()
    lake.storage.write(f"{PLAYS.folder}/listener=bert/year=2024/part.parquet", b"plays")
    lake.engine.also = ("bert", answers(7, rows=25))
    lake.publish(answers(1))
    lake.publish(answers(2))
    return lake


def test_an_insight_stays_published_for_the_others(lake: MadeLake) -> None:
    """No version has rows of the forgotten one; the table notes what it holds now, and the next version follows."""
    kept = FolderLeftovers(lake.storage.root)
    before = lake.catalog.get(INSIGHT.table.name)
    found = search("anna", lake.storage, lake.catalog, kept)
    assert len(found.own) == 3 and found.tables == (INSIGHT.table.name, "plays")
    forget_objects("anna", found, lake.storage, kept)
    for name in found.tables:
        forget_in_insight(name, "anna", lake.catalog, lake.storage)
    assert not search("anna", lake.storage, lake.catalog, kept, everywhere=True)
    assert set(lake.read()["answer"].to_pylist()) == {7}
    present = lake.catalog.get(INSIGHT.table.name)
    noted, noted_before = Published.of(present), Published.of(before)
    assert present and before and noted and noted_before
    assert present.location == before.location
    assert (noted.rows, noted_before.rows) == (25, 55)
    assert noted.moved_at > noted_before.moved_at  # Athena would answer from results of before
    publication = lake.publish(answers(3, rows=0))
    assert publication.outcome == "published"
    assert all(audit.passed for audit in publication.audits)
    rollback(INSIGHT.table.name, lake.catalog, lake.storage)


def test_a_table_is_published_again_though_its_newest_file_was_the_forgotten_ones(lake: MadeLake) -> None:
    """Without its newest file a table looks older than what was made of it, which would be refused as stale."""
    lake.storage.write(f"{PLAYS.folder}/listener=anna/year=2025/part.parquet", b"the newest")
    lake.publish(answers(3))
    kept = FolderLeftovers(lake.storage.root)
    forget_objects("anna", search("anna", lake.storage, lake.catalog, kept), lake.storage, kept)
    forget_in_insight(INSIGHT.table.name, "anna", lake.catalog, lake.storage)
    assert lake.publish(answers(4, rows=0)).outcome == "published"


def test_nobody_left_is_no_loss_of_rows(lake: MadeLake) -> None:
    """A table that had rows and has none blocks publishing: but not where they were to go."""
    kept = FolderLeftovers(lake.storage.root)
    for listener in ("anna", "bert"):
        forget_objects(listener, search(listener, lake.storage, lake.catalog, kept), lake.storage, kept)
        forget_in_insight(INSIGHT.table.name, listener, lake.catalog, lake.storage)
    lake.engine.also = ("bert", answers(0, rows=0))
    assert lake.publish(answers(0, rows=0)).outcome == "published"


def test_what_killed_writers_left_goes(lake: MadeLake) -> None:
    """Its name does not say whose it is."""
    leftover = lake.storage.root / ".writing" / "0123"
    leftover.write_bytes(b"half a day of anna")
    kept = FolderLeftovers(lake.storage.root)
    forget_objects("anna", search("anna", lake.storage, lake.catalog, kept), lake.storage, kept)
    assert not leftover.exists()


def test_what_cannot_be_rewritten_is_found_and_left_for_people(lake: MadeLake) -> None:
    """Another listener's object is never changed."""
    key = "raw/tracks/listener=bert/a.jsonl.gz"
    lake.storage.write(key, gzip.compress(b'{"file": "listener=anna"}'))
    kept = FolderLeftovers(lake.storage.root)
    assert key not in [each.key for each in search("anna", lake.storage, lake.catalog, kept).naming]
    found = search("anna", lake.storage, lake.catalog, kept, everywhere=True)
    forget_objects("anna", found, lake.storage, kept)
    left = search("anna", lake.storage, lake.catalog, kept, everywhere=True)
    assert [each.key for each in left.naming] == [key] and not left.own


def everything(clients: AwsClients) -> list[tuple[str, bool]]:
    """Every version of every object in the bucket, and every mark of a deletion: its key, and whether it is present."""
    said = clients.client("s3").list_object_versions(Bucket=BUCKET)
    return sorted(
        (each["Key"], each["IsLatest"]) for kind in ("Versions", "DeleteMarkers") for each in said.get(kind, [])
    )


def test_no_version_in_a_bucket_is_left(clients: AwsClients, tmp_path: Path) -> None:
    """Of a versioned bucket: what was replaced, what was deleted, the marks that say so, and results of queries."""
    s3 = clients.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    storage, kept, results = (
        S3Storage(clients, BUCKET, "lake"),
        S3Versions(clients, BUCKET, "lake"),
        query_results(clients, WORKGROUP),
    )
    catalog = MadeLake(tmp_path / "lake").catalog
    of_bert = "cleaned/plays/listener=bert/year=2024/part.parquet"
    for content in (b"1", b"2"):
        for key in ("cleaned/plays/listener=anna/year=2024/part.parquet", of_bert, "raw/x/listener=anna/deleted"):
            storage.write(key, content)
    storage.delete(["raw/x/listener=anna/deleted"])
    storage.write("config/listeners.toml", b'[anna]\ntime_zone = "UTC"\n[bert]\ntime_zone = "UTC"\n')
    storage.write("config/listeners.toml", b'[bert]\ntime_zone = "UTC"\n')
    storage.write("health/dt=2025-01-01/1.json", as_json({"failures": {"plays": "anna: no room"}}))
    for content in (b"listener\nanna\n", b"listener\nbert\n"):
        s3.put_object(Bucket=BUCKET, Key=RESULT, Body=content)
    s3.put_object(Bucket=BUCKET, Key="athena-results/notes.txt", Body=b"somebody's own")
    forget_objects("anna", search("anna", storage, catalog, kept), storage, kept)
    assert results.count() == 2
    results.remove()
    assert results.count() == 0
    assert not search("anna", storage, catalog, kept, everywhere=True)
    assert everything(clients) == [
        ("athena-results/notes.txt", True),
        ("lake/" + of_bert, False),
        ("lake/" + of_bert, True),
        ("lake/config/listeners.toml", True),
        ("lake/health/dt=2025-01-01/1.json", True),
    ]


def test_a_bucket_without_versions_has_none(clients: AwsClients) -> None:
    """Versioning is a setting of the bucket that nobody has to make."""
    storage = S3Storage(clients, BUCKET)
    storage.write("raw/x/listener=anna/a", b"1")
    storage.write("raw/x/listener=anna/a", b"2")
    assert S3Versions(clients, BUCKET).earlier() == []
