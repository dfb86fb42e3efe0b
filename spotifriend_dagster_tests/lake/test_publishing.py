"""Readers see whole, audited versions, the newest that there is; and one command goes back."""

import shutil
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotifriend_dagster.lake import publishing
from spotifriend_dagster.lake.catalog import CatalogConflict, FolderCatalog
from spotifriend_dagster.lake.engine import Prepared
from spotifriend_dagster.lake.publishing import (
    KEPT_VERSIONS,
    Published,
    PublishingError,
    StalePublication,
    States,
    release,
    rollback,
    state_of,
)
from spotifriend_dagster.lake.queries import NO_VALUE
from spotifriend_dagster.lake.storage import ObjectMissing
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.insight import Insight
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.lake.made_insights import INSIGHT, MadeLake, answers
from spotifriend_dagster_tests.lake.processes import finished, started_at_once

NAME = INSIGHT.table.name
ANSWERS = f"insights/{NAME}"
OF_ANNA = f"{PLAYS.folder}/listener=anna/year=2024/part.parquet"


@pytest.fixture
def lake(tmp_path: Path) -> MadeLake:
    return MadeLake(tmp_path / "lake").with_plays()


def in_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on it is more than a day later."""
    now = publishing._now
    monkeypatch.setattr(publishing, "_now", lambda: now() + timedelta(hours=25))


def published(lake: MadeLake) -> Published:
    noted = Published.of(lake.catalog.get(NAME))
    assert noted is not None
    return noted


def test_a_run_notes_a_tables_files_as_they_were_when_it_first_looked(lake: MadeLake) -> None:
    """Thirty insights read plays, and each listed them. What others write meanwhile is not noted as if it was read."""
    states = States(lake.catalog, lake.storage)
    before = states.of("plays")
    lake.storage.write(OF_ANNA, b"others wrote meanwhile")
    assert states.of("plays") == before != state_of("plays", lake.catalog, lake.storage)
    lake.publish(answers(1))
    first = states.of(NAME)
    lake.publish(answers(2))
    assert states.of(NAME) != first, "an insight may be published by this very run"


def test_after_a_failure_a_run_looks_at_files_anew(lake: MadeLake) -> None:
    """Another run may have removed one since they were listed: it would be missing for every insight that follows."""
    states = States(lake.catalog, lake.storage)
    before = states.of("plays")
    lake.storage.delete([OF_ANNA])

    def fail() -> None:
        raise ObjectMissing(OF_ANNA)

    lake.engine.meanwhile = fail
    with pytest.raises(ObjectMissing):
        publishing.publish(INSIGHT, lake.engine, lake.catalog, lake.storage, states)  # type: ignore[arg-type]
    assert states.of("plays") == state_of("plays", lake.catalog, lake.storage) != before
    assert states.files.list(PLAYS.folder) == []


def begun(lake: MadeLake, states: States, insight: Insight = INSIGHT) -> Prepared | None:
    """What the engine is given of an insight that was to be begun with, when it is published."""
    states.begin([insight], lake.engine)  # type: ignore[arg-type]
    while any(future.running() for future in states._begun.values()):  # else it is not waited for
        time.sleep(0.01)
    publishing.publish(INSIGHT, lake.engine, lake.catalog, lake.storage, states)  # type: ignore[arg-type]
    return lake.engine.given[-1]


def test_a_query_that_comes_next_is_begun_when_all_that_it_reads_is_made(lake: MadeLake) -> None:
    """The files of a table that the run is yet to make would be looked up, and be others by then."""
    states = States(lake.catalog, lake.storage)
    assert begun(lake, states) is None
    states.made(["plays"])
    prepared = begun(lake, states)
    assert prepared is not None
    assert prepared.rows is lake.engine.answer
    assert begun(lake, States(lake.catalog, lake.storage)) is None, "another run has other files"


def test_a_query_that_fails_before_it_is_asked_for_is_run_again(lake: MadeLake) -> None:
    """What is wrong is said where somebody asks, and after a failure nothing counts that was found before."""
    states = States(lake.catalog, lake.storage)
    states.made(["plays"])
    assert begun(lake, states, replace(INSIGHT, query="SELECT 1")) is None
    states.begin([INSIGHT], lake.engine)  # type: ignore[arg-type]
    states.look_anew()
    assert states.begun(INSIGHT) is None


def test_a_version_that_passes_is_what_readers_see(lake: MadeLake) -> None:
    """The catalog holds the declared table at the new version, and notes what it was built from."""
    publication = lake.publish(answers(1))
    assert publication.outcome == "published"
    assert [audit.name for audit in publication.audits] == ["schema", "grain", "never_null", "rows"]
    assert all(audit.passed for audit in publication.audits)
    assert (publication.content.rows, publication.content.listeners) == (30, ("anna",))
    assert publication.content.size == sum(stored.size for stored in lake.storage.list(ANSWERS))

    definition = lake.catalog.get(NAME)
    assert definition is not None
    assert definition.location == publication.uri == f"lake:///{ANSWERS}/version={publication.version}/"
    assert [column["Name"] for column in definition.table_input["StorageDescriptor"]["Columns"]] == ["n", "answer"]
    assert [key["Name"] for key in definition.table_input["PartitionKeys"]] == ["listener"]
    assert definition.parameters["projection.listener.values"] == "anna"
    assert published(lake).version == publication.version
    assert published(lake).rows == 30
    assert published(lake).inputs == publication.inputs
    assert publication.inputs["plays"].as_of == lake.storage.list(OF_ANNA.rpartition("/")[0])[0].modified.isoformat(
        timespec="microseconds"
    )
    assert lake.answer() == 1
    assert lake.publish(answers(2)).version > publication.version
    assert lake.answer() == 2


@pytest.mark.parametrize(
    "content",
    [pa.concat_tables([answers(2), answers(2)]), answers(2).drop_columns(["answer"]), answers(2, rows=0)],
    ids=["repeated keys", "a column too few", "nothing left"],
)
def test_a_version_that_fails_its_audits_is_never_seen(lake: MadeLake, content: pa.Table) -> None:
    """Readers stay on the last good version; the new one can be looked at in its folder."""
    lake.publish(answers(1))
    before = lake.catalog.get(NAME)
    publication = lake.publish(content)
    assert publication.outcome == "failed_audits"
    assert any(audit.blocks for audit in publication.audits)
    assert lake.catalog.get(NAME) == before
    assert lake.answer() == 1
    assert publication.version in lake.versions() or not content.num_rows, "of no rows there are no files"


def test_a_first_version_that_fails_defines_no_table(lake: MadeLake) -> None:
    """Before there is a good version there is no table."""
    assert lake.publish(pa.concat_tables([answers(2), answers(2)])).outcome == "failed_audits"
    assert lake.catalog.get(NAME) is None


def test_a_loss_of_rows_is_told_and_published(lake: MadeLake) -> None:
    """Listening may be taken out on purpose."""
    lake.publish(answers(1, rows=100))
    publication = lake.publish(answers(2, rows=40))
    assert publication.outcome == "published"
    assert [(audit.name, audit.severity) for audit in publication.audits if not audit.passed] == [("rows", "WARN")]


def test_a_query_that_fails_leaves_no_files(lake: MadeLake) -> None:
    """Nor does a full disk stay full of what nobody will read."""
    lake.publish(answers(1))
    before = lake.storage.list("insights")

    def fail() -> None:
        raise OSError("no space")

    lake.engine.meanwhile = fail
    with pytest.raises(OSError, match="no space"):
        lake.publish(answers(2))
    assert lake.storage.list("insights") == before
    assert lake.answer() == 1


def test_a_run_that_read_older_inputs_does_not_overwrite(lake: MadeLake) -> None:
    """A slow run began before the plays were rebuilt; a quick one read the new ones, and was published first."""

    def rebuilt_and_published() -> None:
        lake.storage.write(OF_ANNA, b"more plays")
        assert lake.publish(answers(2)).outcome == "published"

    lake.engine.meanwhile = rebuilt_and_published
    with pytest.raises(StalePublication, match=r"answers is published from plays as of 20.*materialize answers again"):
        lake.publish(answers(1))
    assert lake.answer() == 2
    assert lake.publish(answers(3)).outcome == "published"


def test_of_two_runs_on_the_same_inputs_the_later_stays(lake: MadeLake) -> None:
    """Neither is stale; both are whole."""
    lake.engine.meanwhile = lambda: lake.publish(answers(2)) and None
    assert lake.publish(answers(1)).outcome == "published"
    assert lake.answer() == 1


def test_inputs_that_are_insights_are_known_by_their_move(lake: MadeLake) -> None:
    """Rolling an input back makes it newer, not older: what is built from it then may be published."""
    other = {"Name": "sessions", "Parameters": {}, "StorageDescriptor": {"Location": "lake:///insights/sessions/"}}

    def move(version: str, moved_at: str) -> None:
        present = lake.catalog.get("sessions")
        note = Published(version, moved_at, 1, {})
        lake.catalog.put(note.noted_in(other), present.version if present else None)

    insight = replace(INSIGHT, reads=("sessions",))

    def publish() -> str:
        return publishing.publish(insight, lake.engine, lake.catalog, lake.storage).outcome  # type: ignore[arg-type]

    lake.engine.answer = answers(1)
    move("v2", "2026-01-02T00:00:00.000000+00:00")
    assert publish() == "published"
    assert published(lake).inputs["sessions"].fingerprint == "v2"
    move("v1", "2026-01-03T00:00:00.000000+00:00")
    assert publish() == "published"
    move("v2", "2026-01-01T00:00:00.000000+00:00")
    with pytest.raises(StalePublication):
        publish()


def test_others_move_the_table_and_the_run_tries_again(lake: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conflict is no failure until it comes again and again."""
    lake.publish(answers(1))
    put, conflicts = FolderCatalog.put, iter(range(4))

    def contended(catalog: FolderCatalog, table_input: Any, expected: str | None) -> str:
        if next(conflicts, None) is not None:
            present = catalog.get(NAME)
            assert present is not None
            put(catalog, present.table_input, present.version)
        return put(catalog, table_input, expected)

    monkeypatch.setattr(FolderCatalog, "put", contended)
    assert lake.publish(answers(2)).outcome == "published"
    assert lake.answer() == 2
    conflicts = iter(range(100))
    with pytest.raises(CatalogConflict):
        lake.publish(answers(3))
    assert lake.answer() == 2


def test_back_and_held_and_released(lake: MadeLake) -> None:
    """A fault that no audit knows is seen by a person: one command goes back, and stays until it is let go."""
    good = lake.publish(answers(1))
    lake.publish(answers(666))
    assert rollback(NAME, lake.catalog, lake.storage) == good.version
    assert lake.answer() == 1
    assert published(lake).is_pinned

    held = lake.publish(answers(667))
    assert held.outcome == "pinned"
    assert held.version in lake.versions(), "written and audited, so that one can look at it"
    assert lake.answer() == 1

    release(NAME, lake.catalog)
    assert lake.answer() == 1
    assert lake.publish(answers(2)).outcome == "published"
    assert lake.answer() == 2
    assert not published(lake).is_pinned


def test_back_leads_past_what_was_rolled_back(lake: MadeLake) -> None:
    """After a mended version, the one before is the good one that readers had, and not the fault between."""
    for answer in (1, 666):
        lake.publish(answers(answer))
    rollback(NAME, lake.catalog, lake.storage)
    release(NAME, lake.catalog)
    lake.publish(answers(2))
    rollback(NAME, lake.catalog, lake.storage)
    assert lake.answer() == 1


def test_back_leads_past_an_edit_by_hand(lake: MadeLake) -> None:
    """Somebody pointed the table elsewhere, and a run put it right: going back is not going back to the edit."""
    good = lake.publish(answers(1)).version
    present = lake.catalog.get(NAME)
    assert present is not None
    elsewhere = present.table_input["StorageDescriptor"] | {"Location": "s3://elsewhere/"}
    lake.catalog.put(present.table_input | {"StorageDescriptor": elsewhere}, present.version)
    lake.publish(answers(666))
    assert rollback(NAME, lake.catalog, lake.storage) == good
    assert lake.answer() == 1


def test_back_and_back_again(lake: MadeLake) -> None:
    """Each time one version further, to the oldest that is kept; there is none before it."""
    for answer in (1, 2, 3):
        lake.publish(answers(answer))
    for expected in (2, 1):
        rollback(NAME, lake.catalog, lake.storage)
        assert lake.answer() == expected
    with pytest.raises(PublishingError, match=r"no version before .* is kept"):
        rollback(NAME, lake.catalog, lake.storage)
    assert lake.answer() == 1


def test_back_to_a_version_of_no_rows(lake: MadeLake) -> None:
    """Of no rows there are no files, and yet that version is kept: it was right, and the one after it is not."""
    empty = lake.publish(answers(1, rows=0)).version
    lake.publish(answers(666))
    assert rollback(NAME, lake.catalog, lake.storage) == empty
    definition = lake.catalog.get(NAME)
    assert definition is not None
    assert definition.parameters["projection.enabled"] == "false"


def test_a_version_from_before_each_listener_had_a_folder_is_replaced_and_gone_back_to(lake: MadeLake) -> None:
    """A lake that was filled before the update: the next run publishes beside it, and one command goes back."""
    former = replace(INSIGHT.table, columns=(*INSIGHT.table.partition_keys, *INSIGHT.table.columns), partition_keys=())
    rows = answers(1).add_column(0, "listener", pa.array(["anna"] * 30))
    target = pa.BufferOutputStream()
    pq.write_table(rows, target)
    folder = f"{ANSWERS}/version=20250101T000000000Z-c7a54e/"
    lake.storage.write(f"{folder}part-0.parquet", target.getvalue().to_pybytes())
    note = Published("20250101T000000000Z-c7a54e", "2025-01-01T00:00:00.000000+00:00", 30, {})
    lake.catalog.put(note.noted_in(glue_table_input(former, lake.storage.uri(folder))), None)
    assert lake.publish(answers(666)).outcome == "published"
    assert lake.answer() == 666
    assert rollback(NAME, lake.catalog, lake.storage) == note.version
    definition = lake.catalog.get(NAME)
    assert definition is not None
    assert (definition.keys, list(definition.columns)) == ([], ["listener", "n", "answer"])
    assert lake.answer() == 1


def test_everybody_has_a_folder_and_is_audited(lake: MadeLake) -> None:
    """Of two listeners the one's fault holds the table; a row of nobody's is one, too."""
    lake.publish(answers(1))
    for listener, fault in ((NO_VALUE, "never_null"), ("bert", "grain")):
        lake.engine.also = (listener, pa.concat_tables([answers(2)] * (2 if listener == "bert" else 1)))
        publication = lake.publish(answers(2))
        assert publication.outcome == "failed_audits"
        assert publication.content.listeners == tuple(sorted(("anna", listener)))
        (audit,) = [audit for audit in publication.audits if not audit.passed]
        assert (audit.name, audit.metadata["listener"], audit.metadata["listeners"]) == (fault, listener, 1)
    lake.engine.also = ("bert", answers(3))
    publication = lake.publish(answers(2))
    assert (publication.outcome, publication.content.rows) == ("published", 60)
    definition = lake.catalog.get(NAME)
    assert definition is not None
    assert definition.parameters["projection.listener.values"] == "anna,bert"


def test_what_cannot_go_back_says_so(lake: MadeLake) -> None:
    """A sentence for a table that was never published, that is no insight, or that nobody holds."""
    for name in ("answers", "plays", "nonsense"):
        with pytest.raises(PublishingError, match=f"{name} is no insight that was ever published"):
            rollback(name, lake.catalog, lake.storage)
        with pytest.raises(PublishingError, match=f"{name} was not rolled back"):
            release(name, lake.catalog)
    lake.publish(answers(1))
    with pytest.raises(PublishingError, match="was not rolled back"):
        release(NAME, lake.catalog)


def test_going_back_takes_the_older_columns_along(lake: MadeLake) -> None:
    """The definition goes back with the files: a column added since is not in them."""
    lake.publish(answers(1))
    present = lake.catalog.get(NAME)
    assert present is not None
    lake.publish(answers(2))
    grown = lake.catalog.get(NAME)
    assert grown is not None
    columns = [*grown.table_input["StorageDescriptor"]["Columns"], {"Name": "more", "Type": "int", "Comment": ""}]
    storage_descriptor = grown.table_input["StorageDescriptor"] | {"Columns": columns}
    lake.catalog.put(grown.table_input | {"StorageDescriptor": storage_descriptor}, grown.version)
    rollback(NAME, lake.catalog, lake.storage)
    back = lake.catalog.get(NAME)
    assert back is not None
    assert back.table_input["StorageDescriptor"] == present.table_input["StorageDescriptor"]


def test_the_last_versions_are_kept_for_a_day_and_longer(lake: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a day all are, for whoever still reads one; then the last three published, and never the one in use."""
    made = [lake.publish(answers(n)).version for n in range(KEPT_VERSIONS + 2)]
    failed = lake.publish(answers(9, rows=0)).version
    assert failed not in lake.versions(), "of no rows there are no files"
    assert lake.versions() == made
    in_a_day(monkeypatch)
    made.append(lake.publish(answers(10)).version)
    assert lake.versions() == made[-KEPT_VERSIONS:]


def test_the_published_version_is_kept_however_old(lake: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rolled back and held, while version after version is written beside it, and a run crashed."""
    first = lake.publish(answers(1)).version
    second = lake.publish(answers(2)).version
    rollback(NAME, lake.catalog, lake.storage)
    for n in range(KEPT_VERSIONS + 1):
        assert lake.publish(answers(n)).outcome == "pinned"
    lake.storage.write(f"{ANSWERS}/version=20250101T000000000Z-c7a54e/part-0.parquet", b"left by a crash")
    in_a_day(monkeypatch)
    assert lake.answer() == 1
    release(NAME, lake.catalog)
    third = lake.publish(answers(3)).version
    assert lake.versions() == [first, second, third]


def test_versions_outlive_a_move_of_the_lake(lake: MadeLake, tmp_path: Path) -> None:
    """A copied lake is published to, and rolled back, like the one it is a copy of."""
    lake.publish(answers(1))
    shutil.copytree(lake.storage.root, tmp_path / "copy")
    copy = MadeLake(tmp_path / "copy")
    assert copy.answer() == 1
    assert copy.publish(answers(2)).outcome == "published"
    rollback(NAME, copy.catalog, copy.storage)
    assert copy.answer() == 1


def test_readers_see_whole_versions_while_two_runs_publish(lake: MadeLake, tmp_path: Path) -> None:
    """Two processes publish as fast as they can: whoever reads meanwhile finds a version whole, and never none."""
    lake.publish(answers(0, rows=50))
    imports = """
        from spotifriend_dagster_tests.lake.made_insights import MadeLake, answers
    """
    publishes = """
        lake = MadeLake(pathlib.Path(sys.argv[1], "lake"))
        outcomes = [lake.publish(answers(n, rows=50 + n)).outcome for n in range(30)]
        print(*set(outcomes))
    """
    runs = started_at_once(tmp_path, imports, publishes, range(2))
    reads = 0
    while any(run.poll() is None for run in runs):
        content = lake.read()
        assert set(content["answer"].to_pylist()) == {content.num_rows - 50}
        reads += 1
    assert [finished(run).split() for run in runs] == [["published"]] * 2
    assert reads > 10
    assert lake.answer() == 29


def test_going_back_while_a_run_publishes_holds(lake: MadeLake) -> None:
    """The person's command comes while a query runs: the run finds the table held, and leaves it."""
    lake.publish(answers(1))
    lake.publish(answers(666))
    lake.engine.meanwhile = lambda: rollback(NAME, lake.catalog, lake.storage) and None
    assert lake.publish(answers(667)).outcome == "pinned"
    assert lake.answer() == 1


def test_going_back_at_the_very_moment_of_the_move_holds(lake: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a run's last look at the catalog and its move there: the move is refused, and the run looks again."""
    lake.publish(answers(1))
    lake.publish(answers(666))
    commands = iter([lambda: rollback(NAME, lake.catalog, lake.storage)])

    def rendered(*arguments: Any, **more: Any) -> dict[str, Any]:
        for command in commands:
            command()
        return glue_table_input(*arguments, **more)

    monkeypatch.setattr(publishing, "glue_table_input", rendered)
    assert lake.publish(answers(667)).outcome == "pinned"
    assert lake.answer() == 1
