"""What is said to QuickSight, held against AWS's own model of it, against the tables, and against itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from spotifriend_dagster.quicksight.data_sets import COLUMN_TYPES, RULES, data_set, rules_data_set, sorted_rules
from spotifriend_dagster.quicksight.fields import Source
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.resources import DASHBOARD_KIND, DATA_SET, Resource, resources, shown_tables
from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.quicksight.references import columns_of, found, reference_faults
from spotifriend_dagster_tests.quicksight.strict import request_faults

Json = dict[str, Any]

OWNER = "arn:aws:quicksight:us-east-1:111122223333:user/default/Admin/anna@example.org"
PLACE = Place(
    "111122223333",
    "eu-central-1",
    OWNER,
    "spotifriend",
    "spotifriend",
    {"anna": ["user/Admin/anna@example.org", "group/family"], "o-neill": ["user/o-neill", "group/family"]},
)
_OPERATIONS = {"data_source": "DataSource", "data_set": "DataSet", "analysis": "Analysis", "dashboard": "Dashboard"}


@pytest.fixture(scope="module")
def wanted() -> list[Resource]:
    return resources(load_insights(), PLACE)


def creation(resource: Resource) -> tuple[str, Json]:
    """The request that makes it, as it is said to boto3."""
    permissions = [{"Principal": who, "Actions": list(may)} for who, may in resource.permissions.items()]
    said = {"AwsAccountId": PLACE.account, resource.kind.id_key: resource.id, "Permissions": permissions}
    return f"Create{_OPERATIONS[resource.kind.operation]}", said | resource.definition | resource.at_creation


def faults_of(made: dict[str, tuple[str, Json]]) -> list[str]:
    """All that is wrong with a set of requests."""
    of_model = [fault for operation, said in made.values() for fault in request_faults(operation, said)]
    if of_model:
        return of_model
    data_sets = {
        said["DataSetId"].removeprefix(PLACE.prefix): columns_of(said)
        for operation, said in made.values()
        if operation == "CreateDataSet"
    }
    dashboards = [said["Definition"] for _, said in made.values() if "Definition" in said]
    return [fault for definition in dashboards for fault in reference_faults(definition, data_sets)]


def requests(wanted: list[Resource]) -> dict[str, tuple[str, Json]]:
    """All requests, by what they make."""
    return {f"{resource.kind.noun} {resource.id}": creation(resource) for resource in wanted}


def test_all_that_is_said_is_as_aws_declares_it(wanted: list[Resource]):
    """Types, enums, patterns, lengths, ranges, unions; every column, visual and filter that is referred to is there."""
    assert faults_of(requests(wanted)) == []


def drop_column(made: dict[str, tuple[str, Json]]) -> None:
    said = made["data set spotifriend-genre_evolution"][1]
    table = said["PhysicalTableMap"]["table"]["RelationalTable"]
    table["InputColumns"] = [column for column in table["InputColumns"] if column["Name"] != "weight"]
    transforms = said["LogicalTableMap"]["table"]["DataTransforms"]
    transforms[:] = [one for one in transforms if one.get("TagColumnOperation", {}).get("ColumnName") != "weight"]
    transforms[-1]["ProjectOperation"]["ProjectedColumns"].remove("weight")


def dashboard_of(made: dict[str, tuple[str, Json]]) -> Json:
    said: Json = made["dashboard spotifriend-listening"][1]
    return said


def sheet_of(made: dict[str, tuple[str, Json]]) -> Json:
    sheet: Json = dashboard_of(made)["Definition"]["Sheets"][0]
    return sheet


def grid_of(made: dict[str, tuple[str, Json]]) -> list[Json]:
    elements: list[Json] = sheet_of(made)["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]
    return elements


def columns_said(made: dict[str, tuple[str, Json]]) -> list[Json]:
    said = made["data set spotifriend-daily_listening"][1]
    columns: list[Json] = said["PhysicalTableMap"]["table"]["RelationalTable"]["InputColumns"]
    return columns


FAULTS: dict[str, Callable[[dict[str, tuple[str, Json]]], object]] = {
    "unknown member": lambda made: dashboard_of(made).update(Definitions={}),
    "missing member": lambda made: dashboard_of(made).pop("Name"),
    "wrong type": lambda made: grid_of(made)[0].update(ColumnSpan="9"),
    "wrong word": lambda made: columns_said(made)[0].update(Type="VARCHAR"),
    "wrong pattern": lambda made: sheet_of(made).update(SheetId="listening sheet"),
    "pattern beside the end": lambda made: dashboard_of(made).update(DashboardId="spotifriend/listening"),
    "too long": lambda made: dashboard_of(made).update(Name="n" * 2049),
    "too wide": lambda made: grid_of(made)[0].update(ColumnSpan=37),
    "too many of a union": lambda made: sheet_of(made)["Visuals"][0].update(
        LineChartVisual={"VisualId": "another"}
    ),
    "union of fields": lambda made: next(found(sheet_of(made), "Values"))[0].update(
        CategoricalMeasureField={"FieldId": "x", "Column": {"DataSetIdentifier": "y", "ColumnName": "z"}}
    ),
    "column that is gone": drop_column,
    "data set that is gone": lambda made: made.pop("data set spotifriend-listening_clock"),
    "calculation of nothing": lambda made: dashboard_of(made)["Definition"]["CalculatedFields"][0].update(
        Expression="{minutes_played} / 60"
    ),
    "visual not laid out": lambda made: grid_of(made).pop(),
    "layout of nothing": lambda made: sheet_of(made)["Visuals"].pop(),
    "one over the other": lambda made: grid_of(made)[1].update(ColumnIndex=0),
    "beyond the sheet": lambda made: grid_of(made)[3].update(ColumnIndex=30),
    "sorted by nothing": lambda made: next(found(sheet_of(made), "FieldSort")).update(FieldId="gone"),
    "text as a number": lambda made: next(found(dashboard_of(made), "NumericalMeasureField"))["Column"].update(
        ColumnName="status"
    ),
    "control of nothing": lambda made: sheet_of(made)["FilterControls"][0]["CrossSheet"].update(SourceFilterId="gone"),
    "filter of nothing": lambda made: next(
        found(dashboard_of(made)["Definition"]["FilterGroups"], "SheetVisualScopingConfigurations")
    )[0].update(SheetId="gone"),
    "same id twice": lambda made: next(iter(sheet_of(made)["Visuals"][1].values())).update(VisualId="hours"),
}  # fmt: skip


SAID = {
    "unknown member": "Definitions: unknown",
    "missing member": "Name: missing",
    "wrong type": "is no integer",
    "wrong word": "'VARCHAR' is none of",
    "wrong pattern": "SheetId: 'listening sheet' does not match",
    "pattern beside the end": "DashboardId: 'spotifriend/listening' does not match",
    "too long": "2049 is not within",
    "too wide": "37 is not within",
    "too many of a union": "Visuals[0]: exactly one",
    "union of fields": "Values[0]: exactly one",
    "column that is gone": "'weight'} is not there",
    "data set that is gone": "data set listening_clock is not there",
    "calculation of nothing": "calculated of minutes_played",
    "visual not laid out": "is not laid out",
    "layout of nothing": "laid out and not there",
    "one over the other": "lie over each other",
    "beyond the sheet": "beyond the sheet",
    "sorted by nothing": "sorted by gone",
    "text as a number": "measures a column that is STRING",
    "control of nothing": "filter gone",
    "filter of nothing": "'gone', 'Scope'",
    "same id twice": "VisualId hours is there twice",
}
"""Part of what is said of each."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(wanted: list[Resource], fault: str):
    """A check that finds nothing wrong proves nothing before it has found each kind of fault."""
    made = copy.deepcopy(requests(wanted))
    FAULTS[fault](made)
    assert any(SAID[fault] in found_ for found_ in faults_of(made))


def test_every_data_set_shows_its_table_as_declared(wanted: list[Resource]):
    """All columns, in or beside the files, with QuickSight's word for the type; a listener among them."""
    shown = shown_tables(load_insights())
    assert {"daily_listening", "listening_clock", "discovery_vs_returning", "genre_evolution", "skip_behaviour"} <= {
        *shown
    }
    for name, table in shown.items():
        (said,) = [one.definition for one in wanted if one.kind is DATA_SET and one.id == PLACE.id(name)]
        assert columns_of(said) == {column.name: COLUMN_TYPES[column.type] for column in table.all_columns}
        relational = said["PhysicalTableMap"]["table"]["RelationalTable"]
        assert (relational["Schema"], relational["Name"], said["ImportMode"]) == ("spotifriend", name, "SPICE")
        assert "listener" in columns_of(said)


def test_no_data_set_is_without_row_level_security(wanted: list[Resource]):
    """One data set that forgets it would show everybody's listening to everybody."""
    data_sets = [one for one in wanted if one.kind is DATA_SET]
    rules = PLACE.arn("dataset", RULES)
    assert rules == "arn:aws:quicksight:eu-central-1:111122223333:dataset/spotifriend-row_level_security"
    for one in data_sets:
        if one.id == PLACE.id(RULES):
            assert one.at_creation == {"UseAs": "RLS_RULES"}
        else:
            secured = one.definition["RowLevelPermissionDataSet"]
            assert (secured["Arn"], secured["Status"], secured["FormatVersion"]) == (rules, "ENABLED", "VERSION_2")
    assert data_sets[0].id == PLACE.id(RULES)  # what others need is made before them


def test_rules_name_users_and_groups_by_arn():
    """The owner sees everybody's rows, whoever else owns what; a viewer of a listener sees theirs."""
    of = "arn:aws:quicksight:us-east-1:111122223333:"
    assert sorted_rules(PLACE) == [
        (None, f"{of}group/default/family", "anna"),
        (None, f"{of}group/default/family", "o-neill"),
        (OWNER, None, None),
        (f"{of}user/default/o-neill", None, "o-neill"),
    ]
    assert columns_of(rules_data_set(PLACE)) == dict.fromkeys(("UserARN", "GroupARN", "listener"), "STRING")


def test_the_rules_query_is_valid_sql_and_gives_the_rules():
    """The rules are values in a query, which must survive any name that a user can have."""
    import duckdb

    place = Place("111122223333", "eu-central-1", OWNER, "spotifriend", "w", {"anna": ["user/o'neill;--", "group/g"]})
    query = rules_data_set(place)["PhysicalTableMap"]["table"]["CustomSql"]["SqlQuery"]
    assert duckdb.sql(query).fetchall() == sorted_rules(place)


@pytest.mark.parametrize(
    ("user", "groups", "listeners"),
    [
        (OWNER, (), {"anna", "o-neill", "ben"}),
        ("user/default/o-neill", (), {"o-neill"}),
        ("user/default/mum", ("group/default/family",), {"anna", "o-neill"}),
        ("user/default/eve", (), set()),
        ("user/other/o-neill", (), set()),
        ("user/default/eve", ("group/other/family",), set()),
    ],
    ids=["owner", "listener", "group", "nobody", "namesake", "namesake-of-a-group"],
)
def test_a_user_sees_the_rows_of_their_rules_and_without_a_rule_none(user: str, groups: Any, listeners: set[str]):
    """As QuickSight applies rules that grant: the rules' query, asked for whose rules are somebody's.

    An empty field is a rule for everything, so that one without user and group would be for everybody.
    """
    import duckdb

    of = "arn:aws:quicksight:us-east-1:111122223333:"
    mine = [name if name.startswith("arn:") else of + name for name in (user, *groups)]
    (table,) = rules_data_set(PLACE)["PhysicalTableMap"].values()
    seen = duckdb.execute(
        f"""
        SELECT DISTINCT plays.listener
        FROM (VALUES ('anna'), ('o-neill'), ('ben')) AS plays (listener)
        JOIN ({table["CustomSql"]["SqlQuery"]}) AS rules
        ON (rules.listener IS NULL OR rules.listener = plays.listener)
            AND (rules.user_arn IS NULL OR list_contains($mine, rules.user_arn))
            AND (rules.group_arn IS NULL OR list_contains($mine, rules.group_arn))
        """,
        {"mine": mine},
    ).fetchall()
    assert {listener for (listener,) in seen} == listeners


def test_only_the_dashboard_is_shared_with_viewers(wanted: list[Resource]):
    """Whoever has a data set, or the analysis, can look past the dashboard: owners of a data set see all its rows."""
    for one in wanted:
        others = one.permissions.keys() - {OWNER}
        assert others == ({*PLACE.readers} if one.kind is DASHBOARD_KIND else set())
    (dashboard,) = [one for one in wanted if one.kind is DASHBOARD_KIND]
    assert all("quicksight:UpdateDashboard" not in dashboard.permissions[reader] for reader in PLACE.readers)


def test_a_table_that_cannot_be_kept_apart_or_held_is_refused():
    """Better at declaring it than in an ingestion at night."""
    listener, tags = Column("listener", "string", "Whose."), Column("tags", "array<string>", "Tags.")
    table = Table("t", "insights", "insights/t", "T.", ("listener",), (listener, tags))
    with pytest.raises(ValueError, match="tags of table t is array<string>"):
        data_set(table, PLACE)
    with pytest.raises(ValueError, match="no listener"):
        data_set(Table("t", "insights", "insights/t", "T.", (), (tags,)), PLACE)
    with pytest.raises(KeyError):
        Source(table).dimension("listner")
    with pytest.raises(ValueError, match="no number"):
        Source(table).measure("listener")


def test_listener_as_a_partition_key_is_a_column_all_the_same():
    """SQL sees it either way; so does QuickSight."""
    listener, plays = Column("listener", "string", "Whose."), Column("plays", "bigint", "Plays.")
    inside = Table("t", "insights", "insights/t", "T.", ("listener",), (listener, plays))
    beside = Table("t", "insights", "insights/t", "T.", ("listener",), (plays,), partition_keys=(listener,))
    assert columns_of(data_set(inside, PLACE)) == columns_of(data_set(beside, PLACE))
