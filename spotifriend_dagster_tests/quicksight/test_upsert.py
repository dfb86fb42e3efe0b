"""How the declared comes to be in QuickSight: over HTTP, by the real client, at a server that keeps AWS's rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.resources import Resource, resources
from spotifriend_dagster.quicksight.service import QuickSight, QuickSightError
from spotifriend_dagster.quicksight.upsert import Change, apply, differences, plan
from spotifriend_dagster.tables.declaration import Column
from spotifriend_dagster.tables.insight import Insight, load_insights
from spotifriend_dagster_tests.quicksight.server import ACCOUNT, REGION, QuickSightServer, counted, quicksight_server

OWNER = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:user/default/owner"
PLACE = Place(ACCOUNT, REGION, OWNER, "spotifriend", "spotifriend", {"anna": ["user/anna"]})
INSIGHTS = load_insights()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickSightServer]:
    monkeypatch.setattr("time.sleep", lambda _: None)  # this QuickSight is done as soon as it is asked twice
    with quicksight_server() as server:
        yield server
        assert server.refused == []  # nothing that AWS's model would refuse was ever sent


@pytest.fixture
def service(server: QuickSightServer) -> QuickSight:
    client = server.client()
    return QuickSight(ACCOUNT, lambda: client)


def bring(service: QuickSight, wanted: list[Resource], place: Place = PLACE) -> list[Change]:
    """Plan, and do it."""
    changes = plan(service, place, wanted)
    for change in changes:
        apply(service, place, change)
    return changes


def with_column(insights: Mapping[str, Insight], table: str, column: Column) -> dict[str, Insight]:
    """The insights, of which one gives a column more."""
    changed = replace(insights[table].table, columns=(*insights[table].table.columns, column))
    return {**insights, table: replace(insights[table], table=changed)}


def test_the_first_time_makes_everything_and_the_second_nothing(server: QuickSightServer, service: QuickSight):
    """What is used is there before what uses it; a run that changes nothing costs no version and no ingestion."""
    wanted = resources(INSIGHTS, PLACE)
    bring(service, wanted)
    made = [one for one in server.changes() if one[0].startswith("Create")]
    assert made[:2] == [("CreateDataSource", "spotifriend-athena"), ("CreateDataSet", "spotifriend-row_level_security")]
    assert [operation for operation, _ in made[-2:]] == ["CreateAnalysis", "CreateDashboard"]
    assert len(made) == len(wanted) == len(server.changes())
    assert {kept.status for kept in server.kept.values()} == {"CREATION_SUCCESSFUL"}
    server.asked.clear()
    assert bring(service, resources(INSIGHTS, PLACE)) == []
    assert server.changes() == []


def test_a_new_column_changes_its_data_set_alone(server: QuickSightServer, service: QuickSight):
    """An update makes a new version and an ingestion of 32 a day: what does not differ is left alone."""
    bring(service, resources(INSIGHTS, PLACE))
    server.asked.clear()
    more = with_column(INSIGHTS, "genre_evolution", Column("mood", "string", "What it sounds like."))
    (change,) = bring(service, resources(more, PLACE))
    assert (change.action, change.id) == ("update", "spotifriend-genre_evolution")
    assert change.reasons[0] == "PhysicalTableMap.table.RelationalTable.InputColumns"
    assert counted(server.changes()) == {"UpdateDataSet": 1, "TagResource": 1}
    assert bring(service, resources(more, PLACE)) == []


def test_what_is_drawn_otherwise_is_a_new_version_of_the_dashboard_published(
    server: QuickSightServer, service: QuickSight
):
    """An update alone leaves readers on the version before."""
    bring(service, resources(INSIGHTS, PLACE))
    server.asked.clear()
    wanted = resources(INSIGHTS, PLACE)
    for one in wanted:
        if "Definition" in one.definition:
            one.definition["Definition"]["Sheets"][0]["Name"] = "Hours"
    changes = bring(service, wanted)
    assert [(change.action, change.kind.noun) for change in changes] == [
        ("update", "analysis"),
        ("update", "dashboard"),
    ]
    assert changes[0].reasons == ("Definition.Sheets[0].Name",)
    assert [operation for operation, _ in server.changes()][-3:] == [
        "UpdateDashboard",
        "UpdateDashboardPublishedVersion",
        "TagResource",
    ]
    dashboard = server.kept["Dashboard", "spotifriend-listening"]
    assert (dashboard.published, dashboard.versions[2]["Definition"]["Sheets"][0]["Name"]) == (2, "Hours")
    assert bring(service, wanted) == []


def test_an_edit_by_hand_is_seen_and_put_back(server: QuickSightServer, service: QuickSight):
    """Row-level security that somebody switched off in the console comes back on."""
    bring(service, resources(INSIGHTS, PLACE))
    data_set = server.kept["DataSet", "spotifriend-listening_clock"]
    data_set.said = {name: value for name, value in data_set.said.items() if name != "RowLevelPermissionDataSet"}
    (change,) = bring(service, resources(INSIGHTS, PLACE))
    assert change.reasons == ("RowLevelPermissionDataSet",)
    assert data_set.said["RowLevelPermissionDataSet"]["Status"] == "ENABLED"


def test_what_is_not_said_any_more_is_a_change(server: QuickSightServer, service: QuickSight):
    """What QuickSight filled in and what was said once look alike; the tag knows."""
    bring(service, resources(INSIGHTS, PLACE))
    wanted = resources(INSIGHTS, PLACE)
    (clock,) = [one for one in wanted if one.id == "spotifriend-listening_clock"]
    tables = clock.definition["LogicalTableMap"]["table"]
    tables["DataTransforms"] = [{**one} for one in tables["DataTransforms"]]
    del clock.definition["RowLevelPermissionDataSet"]["FormatVersion"]
    (change,) = bring(service, wanted)
    assert (change.id, change.reasons) == (clock.id, ("its definition",))
    assert bring(service, wanted) == []


def test_another_viewer_changes_the_rules_and_who_has_the_dashboard(server: QuickSightServer, service: QuickSight):
    """Somebody who leaves loses both, in that order: the rows first."""
    bring(service, resources(INSIGHTS, PLACE))
    server.asked.clear()
    place = replace(PLACE, viewers={"anna": ["group/family"]})
    changes = bring(service, resources(INSIGHTS, place), place)
    assert [(change.action, change.kind.noun, change.id) for change in changes] == [
        ("update", "data set", "spotifriend-row_level_security"),
        ("share", "dashboard", "spotifriend-listening"),
    ]
    assert str(changes[1]) == "share dashboard spotifriend-listening: +group/default/family, -user/default/anna"
    permissions = server.kept["Dashboard", "spotifriend-listening"].permissions
    assert {who.split(":")[-1] for who in permissions} == {"user/default/owner", "group/default/family"}
    assert bring(service, resources(INSIGHTS, place), place) == []


def test_a_data_set_shared_by_hand_is_taken_back(server: QuickSightServer, service: QuickSight):
    """Whoever owns a data set sees all its rows, rules or not."""
    bring(service, resources(INSIGHTS, PLACE))
    data_set = server.kept["DataSet", "spotifriend-daily_listening"]
    data_set.permissions["arn:aws:quicksight:x:1:user/default/eve"] = ["quicksight:DescribeDataSet"]
    (change,) = bring(service, resources(INSIGHTS, PLACE))
    assert (change.action, change.reasons) == ("share", ("-user/default/eve",))
    assert list(data_set.permissions) == [OWNER]


def test_what_is_gone_is_deleted_if_it_is_ours(server: QuickSightServer, service: QuickSight):
    """By prefix and by tag: what somebody else named alike is theirs, and another lake's is another's."""
    other = replace(PLACE, database="spotifriend_of_bob")
    bring(service, resources(INSIGHTS, other), other)
    bring(service, resources(INSIGHTS, PLACE))
    ours, theirs = "spotifriend-row_accounting_old", "spotifriend-theirs"
    template = server.kept["DataSet", "spotifriend-row_accounting"]
    server.kept["DataSet", ours] = replace(template, id=ours)
    server.kept["DataSet", theirs] = replace(template, id=theirs, said={"Name": "Sales"}, tags={"team": "finance"})
    (change,) = bring(service, resources(INSIGHTS, PLACE))
    assert str(change) == f"delete data set {ours}"
    server.asked.clear()
    gone = bring(service, [])
    assert [change.kind.noun for change in gone][:2] == ["dashboard", "analysis"]
    assert [change.id for change in gone][-2:] == ["spotifriend-row_level_security", "spotifriend-athena"]
    left = {kept.id for kept in server.kept.values()}
    assert theirs in left
    assert {id_ for id_ in left if not id_.startswith(other.prefix)} == {theirs}
    assert bring(service, resources(INSIGHTS, other), other) == []


def test_what_is_not_ours_is_not_overwritten(server: QuickSightServer, service: QuickSight):
    """An id can be taken."""
    bring(service, resources(INSIGHTS, PLACE))
    server.kept["Dashboard", "spotifriend-listening"].tags.clear()
    with pytest.raises(QuickSightError, match="dashboard spotifriend-listening that SpotiFriend did not make"):
        plan(service, PLACE, resources(INSIGHTS, PLACE))


def test_an_interrupted_run_is_gone_on_with(server: QuickSightServer, service: QuickSight):
    """Nothing is made twice, and nothing is forgotten."""
    server.fails["CreateAnalysis"] = ("LimitExceededException", "no more analyses", 2)  # the client tries again
    with pytest.raises(QuickSightError, match="QuickSight allows no more of it now"):
        bring(service, resources(INSIGHTS, PLACE))
    made = set(server.kept)
    server.asked.clear()
    bring(service, resources(INSIGHTS, PLACE))
    assert counted(server.changes()) == {"CreateAnalysis": 1, "CreateDashboard": 1}
    assert len(server.kept) == len(made) + 2


def test_a_dashboard_that_quicksight_cannot_make_says_so_and_is_made_the_next_time(
    server: QuickSightServer, service: QuickSight
):
    """It is told seconds after the request was accepted; until then readers keep the version before."""
    bring(service, resources(INSIGHTS, PLACE))
    wanted = resources(INSIGHTS, PLACE)
    for one in wanted:
        one.definition["Name"] += "!"
    server.broken["spotifriend-listening"] = {"Type": "COLUMN_TYPE_MISMATCH", "Message": "weight is no number"}
    with pytest.raises(QuickSightError, match=r"could not make the analysis .*\(weight is no number\)"):
        bring(service, wanted)
    server.broken.clear()
    assert [change.kind.noun for change in bring(service, wanted)] == ["analysis", "dashboard"]
    assert server.kept["Dashboard", "spotifriend-listening"].published == 2
    assert bring(service, wanted) == []


def test_athena_denied_to_quicksight_is_said_with_its_cure(server: QuickSightServer, service: QuickSight):
    """The commonest fault of a first time: QuickSight itself has no access."""
    server.broken["spotifriend-athena"] = {"Type": "ACCESS_DENIED", "Message": "Insufficient permissions for athena"}
    with pytest.raises(
        QuickSightError, match="let QuickSight use Athena and the lake's bucket, under Manage QuickSight"
    ):
        bring(service, resources(INSIGHTS, PLACE))
    server.broken.clear()
    changes = bring(service, resources(INSIGHTS, PLACE))
    assert (changes[0].action, changes[0].reasons) == ("update", ("its status is CREATION_FAILED",))


@pytest.mark.parametrize(
    ("edition", "fails", "sentence"),
    [
        (None, {}, "111122223333 is not signed up for QuickSight: sign up once"),
        ("STANDARD", {}, "Standard edition, which cannot keep listeners' rows apart"),
        (
            "ENTERPRISE",
            {
                "DescribeAccountSubscription": (
                    "AccessDeniedException",
                    "User: arn:aws:iam::1:user/a is not authorized",
                    9,
                )
            },
            "AWS denies quicksight:DescribeAccountSubscription",
        ),
        (
            "ENTERPRISE",
            {"DescribeAccountSubscription": ("ThrottlingException", "Rate exceeded", 9)},
            "answered ThrottlingException again and again: try again in some minutes",
        ),
    ],
    ids=["not-signed-up", "standard", "denied", "throttled"],
)
def test_an_account_that_cannot_be_worked_with_is_said(
    server: QuickSightServer, service: QuickSight, edition: str | None, fails: Any, sentence: str
):
    """Before anything is made."""
    server.edition, server.fails = edition, fails
    with pytest.raises(QuickSightError, match=sentence):
        service.require_enterprise()
    assert server.changes() == []


def test_throttling_that_passes_is_not_noticed(server: QuickSightServer, service: QuickSight):
    """The client asks again by itself."""
    server.fails["DescribeAccountSubscription"] = ("ThrottlingException", "Rate exceeded", 1)
    service.require_enterprise()
    assert len(server.asked) == 2


def test_nobody_at_the_other_end_is_said(monkeypatch: pytest.MonkeyPatch):
    """No network is no traceback."""
    unreachable = QuickSightServer(url="http://127.0.0.1:9").client()
    with pytest.raises(QuickSightError, match="AWS cannot be reached"):
        QuickSight(ACCOUNT, lambda: unreachable).require_enterprise()


def test_what_quicksight_fills_in_is_no_difference():
    """AWS describes with defaults that nobody said; members of maps and lists it does not add."""
    wanted = {"A": {"B": 1}, "TableMap": {"t": {"N": [1, 2]}}}
    assert list(differences(wanted, {"A": {"B": 1.0, "C": 2}, "D": 3, "TableMap": {"t": {"N": [1, 2], "M": 0}}})) == []
    assert list(differences(wanted, {"A": {"B": 2}, "TableMap": {"t": {"N": [1]}, "u": {}}})) == [
        "A.B",
        "TableMap.t.N",
        "TableMap.u",
    ]
    assert list(differences(wanted, {})) == ["A", "TableMap"]
