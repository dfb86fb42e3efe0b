"""QuickSight assets: the data set of each insight that its dashboard shows, refreshed once the insights are published.

Only where QuickSight is turned on. What the data sets are, and how they are refreshed, belongs to `quicksight/`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.specs import OWNERS, asset_key, table_metadata
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.refresh import Ingested, refresh
from spotifriend_dagster.quicksight.resources import shown_tables
from spotifriend_dagster.quicksight.service import QuickSight
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.insight import Insight

NO_ROWS_DROPPED = "no_rows_dropped"


@dataclass(frozen=True)
class Dashboards:
    """Where the lake is shown: QuickSight's service, and the part of it that is the lake's."""

    service: QuickSight
    place: Place


def data_set_key(table: Table) -> dg.AssetKey:
    """The asset of a table's data set."""
    return dg.AssetKey(["quicksight", table.name])


def data_sets_asset(insights: Mapping[str, Insight]) -> dg.AssetsDefinition:
    """One step that refreshes all data sets: each is an asset, and QuickSight works on them at the same time."""
    tables = shown_tables(insights)
    by_key = {data_set_key(table): table for table in tables.values()}

    @dg.multi_asset(
        name="quicksight",
        specs=[
            dg.AssetSpec(
                key,
                deps=[asset_key(table)],
                group_name="quicksight",
                kinds={"quicksight"},
                owners=OWNERS,
                description=f"QuickSight's copy, in SPICE, of {table.name}. {table.description}",
                metadata=table_metadata(table),
                skippable=True,
            )
            for key, table in by_key.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(NO_ROWS_DROPPED, asset=key, description="QuickSight could take every row of the table.")
            for key in by_key
        ],
        can_subset=True,
    )
    def refresh_data_sets(context: dg.AssetExecutionContext, dashboards: dg.ResourceParam[Dashboards]) -> Iterator[Any]:
        place = dashboards.place
        chosen = {place.id(by_key[key].name): key for key in context.selected_asset_keys}
        ingestion = f"{context.run.run_id}-{context.retry_number}"
        faults = []
        for ingested in refresh(dashboards.service, sorted(chosen), ingestion, datetime.now(UTC)):
            if ingested.fault:
                faults.append(ingested.fault)
            else:
                yield _materialized(chosen[ingested.data_set], ingested)
        if faults:
            raise dg.Failure(" ".join(sorted(faults)), allow_retries=False)

    return refresh_data_sets


def _materialized(key: dg.AssetKey, ingested: Ingested) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            "dagster/row_count": ingested.rows,
            "rows_dropped": ingested.rows_dropped,
            "seconds": ingested.seconds,
            "bytes": ingested.size,
        },
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                check_name=NO_ROWS_DROPPED,
                passed=not ingested.rows_dropped,
                severity=dg.AssetCheckSeverity.WARN,  # the others' figures are right; the dashboard shows too little
                metadata={"rows_dropped": ingested.rows_dropped},
            )
        ],
    )
