"""What of a lake is to be in QuickSight, in the order in which it can be made: definitions and permissions.

How it comes to be there is in `upsert.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spotifriend_dagster.quicksight.dashboard import definition, drawn_from
from spotifriend_dagster.quicksight.data_sets import ATHENA, RULES, data_set, data_source, rules_data_set
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.sheets import sheets
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.insight import Insight

Json = dict[str, Any]

DASHBOARD = "listening"
_THEME = "arn:aws:quicksight::aws:theme/MIDNIGHT"  # one of QuickSight's own


@dataclass(frozen=True)
class Kind:
    """A kind of what QuickSight keeps.

    `operation` is what operations of boto3 are named after (`create_<operation>`); `arn` is the ARN's word; `listed`
    names what `list_<operations>` lists; `owner_may` and `reader_may` are the actions that QuickSight grants together.
    """

    noun: str
    operation: str
    id_key: str
    arn: str
    operations: str
    listed: str
    owner_may: tuple[str, ...]
    reader_may: tuple[str, ...] = ()


def _actions(*names: str) -> tuple[str, ...]:
    return tuple(sorted(f"quicksight:{name}" for name in names))


DATA_SOURCE = Kind(
    noun="data source",
    operation="data_source",
    id_key="DataSourceId",
    arn="datasource",
    operations="data_sources",
    listed="DataSources",
    owner_may=_actions(
        *("DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource"),
        *("UpdateDataSource", "DeleteDataSource", "UpdateDataSourcePermissions"),
    ),
)
DATA_SET = Kind(
    noun="data set",
    operation="data_set",
    id_key="DataSetId",
    arn="dataset",
    operations="data_sets",
    listed="DataSetSummaries",
    owner_may=_actions(
        *("DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions"),
        *("UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion", "UpdateDataSetPermissions"),
    ),
)
ANALYSIS = Kind(
    noun="analysis",
    operation="analysis",
    id_key="AnalysisId",
    arn="analysis",
    operations="analyses",
    listed="AnalysisSummaryList",
    owner_may=_actions(
        *("RestoreAnalysis", "UpdateAnalysisPermissions", "DeleteAnalysis", "QueryAnalysis"),
        *("DescribeAnalysisPermissions", "DescribeAnalysis", "UpdateAnalysis"),
    ),
)
DASHBOARD_KIND = Kind(
    noun="dashboard",
    operation="dashboard",
    id_key="DashboardId",
    arn="dashboard",
    operations="dashboards",
    listed="DashboardSummaryList",
    owner_may=_actions(
        *("DescribeDashboard", "ListDashboardVersions", "UpdateDashboardPermissions", "QueryDashboard"),
        *("UpdateDashboard", "DeleteDashboard", "DescribeDashboardPermissions", "UpdateDashboardPublishedVersion"),
    ),
    reader_may=_actions("DescribeDashboard", "ListDashboardVersions", "QueryDashboard"),
)
KINDS = (DATA_SOURCE, DATA_SET, ANALYSIS, DASHBOARD_KIND)
"""In the order in which they are made; what uses another comes after it."""


@dataclass(frozen=True)
class Resource:
    """One thing that is to be in QuickSight.

    `definition` is what creating and updating it take alike, `at_creation` what creating it takes beside. `permissions`
    say by principal what it may do.
    """

    kind: Kind
    id: str
    definition: Json
    at_creation: Json
    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def shown_tables(insights: Mapping[str, Insight]) -> dict[str, Table]:
    """The insight tables that the dashboard draws from, by name: those that have a data set."""
    return {name: sources[0].table for name, sources in drawn_from(sheets(insights)).items()}


def resources(insights: Mapping[str, Insight], place: Place) -> list[Resource]:
    """Everything that is to be there."""
    owned = {kind: {place.owner: kind.owner_may} for kind in KINDS}
    shared = owned[DASHBOARD_KIND] | dict.fromkeys(place.readers, DASHBOARD_KIND.reader_may)
    drawn = {
        "Name": f"Listening ({place.database})",
        "Definition": definition(sheets(insights), place),
        "ThemeArn": _THEME,
    }
    published = {
        "DashboardPublishOptions": {
            "AdHocFilteringOption": {"AvailabilityStatus": "ENABLED"},
            "ExportToCSVOption": {"AvailabilityStatus": "ENABLED"},
            "SheetControlsOption": {"VisibilityState": "EXPANDED"},
        }
    }
    return [
        Resource(DATA_SOURCE, place.id(ATHENA), data_source(place), {"Type": "ATHENA"}, owned[DATA_SOURCE]),
        Resource(DATA_SET, place.id(RULES), rules_data_set(place), {"UseAs": "RLS_RULES"}, owned[DATA_SET]),
        *(
            Resource(DATA_SET, place.id(name), data_set(table, place), {}, owned[DATA_SET])
            for name, table in shown_tables(insights).items()
        ),
        Resource(ANALYSIS, place.id(DASHBOARD), drawn, {}, owned[ANALYSIS]),
        Resource(DASHBOARD_KIND, place.id(DASHBOARD), drawn | published, {}, shared),
    ]
