"""Catalog assets: the definition of every raw and cleaned table, as Glue has it. Publishing defines the insights."""

from collections.abc import Iterator

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import OWNERS, asset_key, table_metadata
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.rendering import glue_table_input

CATALOGUED = DECLARED_TABLES


def catalog_key(table: Table) -> dg.AssetKey:
    """The asset key of a table's definition."""
    return dg.AssetKey(["catalog", table.name])


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
    """Bring each table's definition up to date with its declaration and the listeners; touch it only if it differs."""
    names = sorted(listeners.read())
    for table in CATALOGUED:
        key = catalog_key(table)
        if key not in context.selected_asset_keys:
            continue
        definition = glue_table_input(table, lake.storage.uri(table.folder + "/"), listeners=names)
        version = lake.catalog.put_if_different(definition)
        yield dg.MaterializeResult(asset_key=key, metadata={"version": version, "columns": len(table.all_columns)})
