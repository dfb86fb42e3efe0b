"""Insight assets: one for each SQL file in `insights/`. Writing, auditing and publishing belong to `lake/publishing.py`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.catalog import CATALOGUED, catalog_key
from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.assets.specs import (
    MATCHES_DECLARATION,
    OWNERS,
    asset_key,
    declaration_check,
    table_metadata,
)
from spotifriend_dagster.lake.publishing import publish
from spotifriend_dagster.tables.insight import Insight, load_insights

_CATALOGUED = {table.name: table for table in CATALOGUED}


def read_key(name: str, insights: dict[str, Insight]) -> dg.AssetKey:
    """The asset that a query depends on when it reads the table `name`."""
    return asset_key(insights[name].table) if name in insights else catalog_key(_CATALOGUED[name])


def insight_asset(insight: Insight, insights: dict[str, Insight]) -> dg.AssetsDefinition:
    """The asset of one insight."""
    table = insight.table

    @dg.asset(
        key=asset_key(table),
        deps=[read_key(name, insights) for name in insight.reads],
        group_name="insights",
        kinds={"sql", "parquet"},
        owners=OWNERS,
        description=table.description,
        metadata=table_metadata(table),
        check_specs=[declaration_check(table)],
    )
    def publish_insight(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
        publication = publish(insight, lake.engine, lake.catalog, lake.storage)
        raise NotImplementedError

    return publish_insight


def insight_assets() -> list[dg.AssetsDefinition]:
    """The assets of all insights."""
    insights = load_insights()
    return [insight_asset(insight, insights) for insight in insights.values()]
