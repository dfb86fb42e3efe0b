"""Refreshing the data sets: all at once, within what QuickSight allows, and by the asset that Dagster runs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from spotifriend_dagster.assets.quicksight import NO_ROWS_DROPPED, Dashboards, data_sets_asset
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.refresh import A_DAY, Ingested, refresh
from spotifriend_dagster.quicksight.resources import DATA_SET, resources, shown_tables
from spotifriend_dagster.quicksight.service import QuickSight, QuickSightError
from spotifriend_dagster.quicksight.upsert import apply, plan
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.quicksight.server import (
    ACCOUNT,
    REGION,
    Kept,
    QuickSightServer,
    counted,
    quicksight_server,
)

PLACE = Place(
    ACCOUNT, REGION, f"arn:aws:quicksight:{REGION}:{ACCOUNT}:user/default/owner", "spotifriend", "spotifriend"
)
INSIGHTS = load_insights()
TABLES = shown_tables(INSIGHTS)
CLOCK, SKIPS = PLACE.id("listening_clock"), PLACE.id("skip_behaviour")


@pytest.fixture(scope="module")
def kept() -> dict[tuple[str, str], Kept]:
    """All data sets, made as a person makes them."""
    with quicksight_server() as server, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("time.sleep", lambda _: None)
        client = server.client()
        service = QuickSight(ACCOUNT, lambda: client)
        for change in plan(
            service, PLACE, [one for one in resources(INSIGHTS, PLACE) if "Definition" not in one.definition]
        ):
            apply(service, PLACE, change)
        return server.kept


@pytest.fixture
def server(kept: dict[tuple[str, str], Kept], monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickSightServer]:
    """A QuickSight in which all data sets are, none of them refreshed yet."""
    monkeypatch.setattr("time.sleep", lambda _: None)  # this QuickSight is done as soon as it is asked twice
    with quicksight_server() as server:
        server.kept = copy.deepcopy(kept)
        yield server
        assert server.refused == []


@pytest.fixture
def service(server: QuickSightServer) -> QuickSight:
    client = server.client()
    return QuickSight(ACCOUNT, lambda: client)


def refreshed(
    service: QuickSight, *data_sets: str, ingestion: str = "of-a-run", patience: float = 60
) -> dict[str, Ingested]:
    now = datetime.now(UTC)
    found = refresh(service, data_sets, ingestion, now, patience_seconds=patience)
    return {one.data_set: one for one in found}


def test_all_begin_before_any_is_waited_for(server: QuickSightServer, service: QuickSight):
    """QuickSight works on several at once; one after the other would take as long as all together."""
    done = refreshed(service, CLOCK, SKIPS)
    operations = [operation for operation, _ in server.asked]
    assert operations[:4] == ["ListIngestions", "CreateIngestion"] * 2
    assert done[CLOCK] == Ingested(CLOCK, rows=365, rows_dropped=0, seconds=7, size=4096)
    assert done[SKIPS].rows_dropped == 2
    (one,) = server.ingestions[CLOCK].values()
    assert (one["IngestionId"], one["RequestType"]) == ("of-a-run", "FULL_REFRESH")


def test_the_same_ingestion_is_not_begun_twice(server: QuickSightServer, service: QuickSight):
    """An answer that got lost is asked for again by the client: QuickSight has begun already."""
    server._begin(CLOCK, "of-a-run", "FULL_REFRESH")
    assert refreshed(service, CLOCK)[CLOCK].fault is None
    assert len(server.ingestions[CLOCK]) == 1


def test_more_than_quicksight_allows_is_refused_before_it_is_asked(server: QuickSightServer, service: QuickSight):
    """32 in any 24 hours; those before do not count, nor does what QuickSight schedules itself."""
    for number in range(120):
        server._begin(CLOCK, f"old-{number}", "FULL_REFRESH", age_seconds=25 * 3600)
    server._begin(CLOCK, "scheduled", "FULL_REFRESH")
    server.ingestions[CLOCK]["scheduled"]["RequestSource"] = "SCHEDULED"
    for number in range(A_DAY - 1):
        server._begin(CLOCK, f"today-{number}", "FULL_REFRESH", age_seconds=3600)
    assert refreshed(service, CLOCK, ingestion="the-last")[CLOCK].fault is None
    server.asked.clear()
    done = refreshed(service, CLOCK, SKIPS, ingestion="one-too-many")
    assert done[CLOCK].fault == (
        "spotifriend-listening_clock was refreshed 32 times in the last 24 hours, and QuickSight allows 32: it is "
        "refreshed again by tomorrow's run; materialize fewer runs a day."
    )
    assert done[SKIPS].fault is None
    assert counted(server.changes()) == {"CreateIngestion": 1}


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        ("PERMISSION_DENIED", "let QuickSight use Athena, the lake's bucket"),
        ("SQL_TABLE_NOT_FOUND", "the table is not published yet: `spotifriend run`"),
        ("SQL_SCHEMA_MISMATCH_ERROR", "other columns than the data set: `spotifriend quicksight`"),
        ("ACCOUNT_CAPACITY_LIMIT_EXCEEDED", "buy SPICE capacity"),
        ("INTERNAL_SERVICE_ERROR", "the next refresh tries again"),
    ],
)
def test_a_failed_ingestion_is_said_with_its_cure(server: QuickSightServer, service: QuickSight, error: str, cure: str):
    """QuickSight's own words alone help nobody."""
    server.broken[CLOCK] = {"Type": error, "Message": "It went\nwrong."}
    fault = refreshed(service, CLOCK)[CLOCK].fault
    assert fault is not None
    assert fault.startswith(f"spotifriend-listening_clock was not refreshed ({error}: It went wrong): ")
    assert cure in fault


def test_every_fault_that_has_a_cure_is_one_of_quicksights():
    """A cure under a name that QuickSight never says is never read."""
    from spotifriend_dagster.quicksight.refresh import _CURES
    from spotifriend_dagster_tests.quicksight.strict import service_model

    assert _CURES.keys() <= {*service_model().shape_for("IngestionErrorType").enum}


def test_what_is_not_made_yet_is_said(server: QuickSightServer, service: QuickSight):
    """After an update of SpotiFriend that shows one more table."""
    fault = refreshed(service, PLACE.id("moods"))[PLACE.id("moods")].fault
    assert fault == "QuickSight has no data set spotifriend-moods: make it by `spotifriend quicksight`."


def test_waiting_has_an_end(server: QuickSightServer, service: QuickSight):
    """A run that waits for ever holds up the next one."""
    server._go_on = lambda *_: None  # type: ignore[method-assign]
    fault = refreshed(service, CLOCK, patience=0.01)[CLOCK].fault
    assert fault == "spotifriend-listening_clock is not refreshed after 0 s; QuickSight goes on with it."


def test_throttling_ends_in_a_sentence(server: QuickSightServer, service: QuickSight):
    """ListIngestions has five a second for everybody together."""
    server.fails["ListIngestions"] = ("ThrottlingException", "Rate exceeded", 9)
    with pytest.raises(QuickSightError, match="ThrottlingException again and again: try again in some minutes"):
        refreshed(service, CLOCK)


def materialize(service: QuickSight, *tables: str) -> Any:
    asset = data_sets_asset(INSIGHTS)
    chosen = dg.AssetSelection.assets(*(["quicksight", name] for name in tables or TABLES))
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [asset],
            selection=chosen,
            resources={"dashboards": Dashboards(service, PLACE)},
            instance=instance,
            raise_on_error=False,
        )


def test_the_asset_refreshes_every_data_set_but_the_rules(server: QuickSightServer, service: QuickSight):
    """Rules change by `spotifriend quicksight` alone, which refreshes them itself."""
    ended = materialize(service)
    assert ended.success
    made = {event.asset_key.path[1]: event for event in ended.get_asset_materialization_events()}
    assert made.keys() == TABLES.keys()
    kept = {one.id for one in resources(INSIGHTS, PLACE) if one.kind is DATA_SET}
    assert {PLACE.id(name) for name in made} == kept - {PLACE.id("row_level_security")}
    metadata = {name: value.value for name, value in made["listening_clock"].materialization.metadata.items()}
    assert metadata == {"dagster/row_count": 365, "rows_dropped": 0, "seconds": 7, "bytes": 4096}
    (failed,) = [one for one in ended.get_asset_check_evaluations() if not one.passed]
    assert (failed.asset_key.path[1], failed.check_name) == ("skip_behaviour", NO_ROWS_DROPPED)
    assert failed.severity == dg.AssetCheckSeverity.WARN


def test_the_asset_follows_its_insights_and_can_be_asked_for_alone(server: QuickSightServer, service: QuickSight):
    """A data set is refreshed after its table is published, and not without need."""
    specs = {spec.key.path[1]: spec for spec in data_sets_asset(INSIGHTS).specs}
    assert {name: [dep.asset_key.path for dep in spec.deps] for name, spec in specs.items()} == {
        name: [["insights", name]] for name in TABLES
    }
    assert materialize(service, "listening_clock").success
    assert server.ingestions.keys() == {CLOCK}


def test_one_that_fails_leaves_the_others_refreshed(server: QuickSightServer, service: QuickSight):
    """The run fails with the sentence; what was refreshed is a materialization all the same."""
    server.broken[CLOCK] = {"Type": "QUERY_TIMEOUT", "Message": "Too slow"}
    ended = materialize(service)
    assert not ended.success
    made = {event.asset_key.path[1] for event in ended.get_asset_materialization_events()}
    assert made == TABLES.keys() - {"listening_clock"}
    (failure,) = [event for event in ended.all_events if event.is_step_failure]
    said = failure.step_failure_data.error
    assert "spotifriend-listening_clock was not refreshed (QUERY_TIMEOUT: Too slow)" in str(said)
