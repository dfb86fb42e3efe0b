"""Catalog assets: the definition of every raw and cleaned table, as Glue has it. Publishing defines the insights."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import OWNERS, asset_key, table_metadata
from spotifriend_dagster.lake.storage import Storage, path_values
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster.tables.rendering import glue_table_input

CATALOGUED = DECLARED_TABLES
_FEW_EXPORTS = 30


def catalog_key(table: Table) -> dg.AssetKey:
    """The asset key of a table's definition."""
    return dg.AssetKey(["catalog", table.name])


def catalog_asset(first_day: date) -> dg.AssetsDefinition:
    """The definitions of all tables; of days of collection, those from `first_day` on."""

    @dg.multi_asset(
        name="catalog",
        specs=[
            dg.AssetSpec(
                catalog_key(table),
                deps=[asset_key(table)],
                group_name="catalog",
                kinds={"glue"},
                owners=OWNERS,
                description=f"The definition of the table `{table.name}` for SQL. {table.description}",
                metadata=table_metadata(table),
            )
            for table in CATALOGUED
        ],
        can_subset=True,
    )
    def catalog(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], listeners: dg.ResourceParam[Listeners]
    ) -> Iterator[dg.MaterializeResult]:
        """Bring each table's definition up to date with its declaration and the listeners; touch only what differs."""
        names = sorted(listeners.read())
        for table in CATALOGUED:
            key = catalog_key(table)
            if key not in context.selected_asset_keys:
                continue
            exports = _few_exports(lake.storage) if table is STREAMING_HISTORY else []
            location = lake.storage.uri(table.folder + "/")
            definition = glue_table_input(table, location, listeners=names, exports=exports, first_day=first_day)
            version = lake.catalog.put_if_different(definition)
            yield dg.MaterializeResult(asset_key=key, metadata={"version": version, "columns": len(table.all_columns)})

    return catalog


def _few_exports(storage: Storage) -> list[str]:
    """The exports there are; none where they are so many that a query must name the one it wants.

    Athena looks into the folder of every listener and export that the catalog names.
    """
    keys = (stored.key for stored in storage.list(STREAMING_HISTORY.folder))
    exports = sorted({path_values(key)["export"] for key in keys})
    return exports if len(exports) <= _FEW_EXPORTS else []
