"""Catalog assets: the definition of every raw and cleaned table, as Glue has it. Publishing defines the insights."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import OWNERS, asset_key, table_metadata
from spotifriend_dagster.lake.catalog import TableInput, differences
from spotifriend_dagster.lake.publishing import Published, listeners_of, version_folder
from spotifriend_dagster.lake.storage import Storage, path_values
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster.tables.rendering import glue_table_input

CATALOGUED = DECLARED_TABLES
_FEW_EXPORTS = 30
_SEAL = "spotifriend.digest"


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
        """Bring each table's definition up to date with its declaration and the listeners; touch only what differs.

        What differed is told: somebody may have edited it by hand.
        """
        names = sorted(listeners.read())
        years = years_there(lake.storage)
        for table in CATALOGUED:
            key = catalog_key(table)
            if key not in context.selected_asset_keys:
                continue
            definition = definition_of(table, lake.storage, names, first_day, years)
            present = lake.catalog.get(table.name)
            changed = differences(_unsealed(present.table_input), _unsealed(definition)) if present else []
            is_edited = present is not None and _is_edited(present.table_input)
            if changed:
                context.log.warning(f"The definition of {table.name} was not as declared: {', '.join(changed)}.")
            version = lake.catalog.put_if_different(definition)
            metadata: dict[str, Any] = {"version": version, "columns": len(table.all_columns), "changed": changed}
            if is_edited:
                metadata["edited"] = dg.MetadataValue.json(changed)
            yield dg.MaterializeResult(asset_key=key, metadata=metadata)

    return catalog


def definition_of(
    table: Table,
    storage: Storage,
    listeners: Sequence[str],
    first_day: date,
    years: Mapping[str, Collection[int]] | None = None,
) -> TableInput:
    """What the catalog is to say of a raw or cleaned table now.

    Args:
        table: the table.
        storage: the lake's.
        listeners: the ids of all listeners.
        first_day: the first UTC day of collection.
        years: what `years_there` gives, where it is known already.
    """
    exports = _few_exports(storage) if table is STREAMING_HISTORY else []
    of_table = (years_there(storage) if years is None else years).get(table.folder, ())
    location = storage.uri(table.folder + "/")
    return _sealed(
        glue_table_input(table, location, listeners=listeners, exports=exports, first_day=first_day, years=of_table)
    )


def _sealed(definition: TableInput) -> TableInput:
    """The definition with a digest of all that it says: by that, what somebody edits differs from what was declared
    otherwise, of other listeners, or of fewer years.
    """
    said = json.dumps(_unsealed(definition), sort_keys=True)
    return definition | {"Parameters": definition["Parameters"] | {_SEAL: sha256(said.encode()).hexdigest()[:16]}}


def _unsealed(definition: TableInput) -> TableInput:
    said = {name: value for name, value in definition.get("Parameters", {}).items() if name != _SEAL}
    return definition | {"Parameters": said}


def _is_edited(definition: TableInput) -> bool:
    """Whether a definition is another than was written here. Of one without a digest, that is not known."""
    return _SEAL in definition.get("Parameters", {}) and _sealed(_unsealed(definition)) != definition


def years_there(storage: Storage) -> Mapping[str, Collection[int]]:
    """By folder of a cleaned table, the years of which it has files, by one listing.

    Athena lists a folder for every year that is projected, in each query. An import that brings older years is followed
    by the catalog, before anything reads by it.
    """
    years: dict[str, set[int]] = {}
    for stored in storage.list("cleaned"):
        folder, _, path = stored.key.partition("/listener=")
        if year := path_values(path).get("year"):
            years.setdefault(folder, set()).add(int(year))
    return years


def not_as_declared(lake: Lake, listeners: Sequence[str], first_day: date) -> dict[str, list[str]]:
    """The tables whose definition is not what it is to be now, with the parts that differ. One that lacks is none.

    An insight's table notes where it was published; all else of it follows from that and from its declaration, but
    where a rollback holds it at an older one.
    """
    found = {}
    years = years_there(lake.storage)
    for table in CATALOGUED:
        if present := lake.catalog.get(table.name):
            declared = definition_of(table, lake.storage, listeners, first_day, years)
            found[table.name] = differences(present.table_input, declared)
    for name, insight in load_insights().items():
        if present := lake.catalog.get(name):
            note = Published.of(present)
            if note and note.is_pinned:
                continue
            folder = version_folder(insight.table, note.version) if note else ""
            whose = listeners_of(lake.storage.list(folder)) if note else []
            declared = glue_table_input(insight.table, lake.storage.uri(folder) if note else "", listeners=whose)
            found[name] = differences(present.table_input, note.noted_in(declared) if note else declared)
    return {name: parts for name, parts in found.items() if parts}


def _few_exports(storage: Storage) -> list[str]:
    """The exports there are; none where they are so many that a query must name the one it wants.

    Athena looks into the folder of every listener and export that the catalog names.
    """
    keys = (stored.key for stored in storage.list(STREAMING_HISTORY.folder))
    exports = sorted({path_values(key)["export"] for key in keys})
    return exports if len(exports) <= _FEW_EXPORTS else []
