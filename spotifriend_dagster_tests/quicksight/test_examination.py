"""`spotifriend doctor` of QuickSight: what is denied is named, and nothing there is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotifriend_dagster.quicksight.examination import examine_quicksight
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.resources import resources
from spotifriend_dagster.quicksight.service import QuickSight
from spotifriend_dagster.quicksight.upsert import apply, plan
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.quicksight.server import ACCOUNT, REGION, QuickSightServer, quicksight_server

OWNER = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:user/default/owner"
PLACE = Place(ACCOUNT, REGION, OWNER, "spotifriend", "spotifriend")
KINDS = ("DataSource", "DataSet", "Analysis", "Dashboard")
ASKED = {
    "DescribeAccountSubscription",
    *("ListDataSources", "ListDataSets", "ListAnalyses", "ListDashboards"),
    *(f"Describe{kind}{part}" for kind in KINDS for part in ("", "Permissions")),
    *("DescribeAnalysisDefinition", "DescribeDashboardDefinition", "ListTagsForResource"),
    *("ListIngestions", "DescribeIngestion"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[QuickSightServer]:
    with quicksight_server() as server:
        yield server
        assert server.refused == []


@pytest.fixture
def service(server: QuickSightServer) -> Iterator[QuickSight]:
    client = server.client()
    yield QuickSight(ACCOUNT, lambda: client)
    server.fails.clear()
    server.asked.clear()
    server.edition = "ENTERPRISE"


@pytest.mark.parametrize("is_made", [False, True])
def test_a_quicksight_that_is_well_is_said_to_be_and_left_as_it_is(
    server: QuickSightServer, service: QuickSight, is_made: bool, monkeypatch: pytest.MonkeyPatch
):
    """Also before anything is in it: that something is not there is told only to who may look."""
    if is_made:
        monkeypatch.setattr("time.sleep", lambda _: None)
        for change in plan(service, PLACE, resources(load_insights(), PLACE)):
            apply(service, PLACE, change)
        server.asked.clear()
    findings = list(examine_quicksight(service, PLACE))
    assert all(finding.is_well for finding in findings), findings
    assert findings[-1].said.startswith("not tested: Create…")
    assert {operation for operation, _ in server.asked} == ASKED
    assert server.changes() == []


@pytest.mark.parametrize("operation", sorted(ASKED))
def test_what_is_denied_is_named(server: QuickSightServer, service: QuickSight, operation: str):
    """Each right alone; where the account itself may not be looked at, nothing else is asked."""
    server.fails[operation] = ("AccessDeniedException", "User: arn:aws:iam::1:user/me is not authorized", 9)
    findings = list(examine_quicksight(service, PLACE))
    (trouble,) = [finding for finding in findings if not finding.is_well]
    assert f"AWS denies quicksight:{operation} " in trouble.said
    assert trouble.said.count("AWS denies") == 1
    assert (len(findings) == 1) is (operation == "DescribeAccountSubscription")


def test_each_of_many_that_are_denied_has_its_sentence(server: QuickSightServer, service: QuickSight):
    """Who gives rights one after the other asks many times."""
    denied = {"ListDataSources", "ListDashboards", "DescribeDataSet"}
    server.fails = dict.fromkeys(denied, ("AccessDeniedException", "not authorized", 9))
    said = " ".join(finding.said for finding in examine_quicksight(service, PLACE) if not finding.is_well)
    assert {each for each in ASKED if f"quicksight:{each} " in said} == denied


def test_a_standard_edition_is_said(server: QuickSightServer, service: QuickSight):
    """It could not keep listeners apart."""
    server.edition = "STANDARD"
    (finding,) = examine_quicksight(service, PLACE)
    assert not finding.is_well and "upgrade it to Enterprise" in finding.said
