"""How Dagster shows a declared table: description, columns, owners; and the checks that every table has."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from spotifriend_dagster.tables.declaration import Table

OWNERS = ["team:listening"]
MATCHES_DECLARATION = "matches_declaration"
EVERY_LISTENER = "every_listener"
UNKNOWN_FIELDS = "no_unknown_fields"


def asset_key(table: Table) -> dg.AssetKey:
    """A table's asset key: its folder in the lake."""
    return dg.AssetKey(table.folder.split("/"))


def column_schema(table: Table) -> dg.TableSchema:
    """The declared columns, as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.all_columns
        ],
        constraints=dg.TableConstraints(other=[f"one row per {', '.join(table.grain)}"]),
    )


def table_metadata(table: Table) -> Mapping[str, Any]:
    """An asset's definition metadata that follows from the declaration."""
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": table.name}


def declaration_check(table: Table, *, blocking: bool = True) -> dg.AssetCheckSpec:
    """The check that what was written is what was declared: schema, grain and nulls."""
    return dg.AssetCheckSpec(
        MATCHES_DECLARATION,
        asset=asset_key(table),
        blocking=blocking,
        description=f"Columns and types as declared; one row per {', '.join(table.grain)}; no null where none may be.",
    )


def every_listener_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that no listener was left out. It blocks nothing: the others' data has landed."""
    return dg.AssetCheckSpec(EVERY_LISTENER, asset=key, description="Every listener's data could be worked through.")


def every_listener_result(key: dg.AssetKey, failures: Mapping[str, str]) -> dg.AssetCheckResult:
    """The evaluation of that check: `failures` says by listener what went wrong."""
    return dg.AssetCheckResult(
        check_name=EVERY_LISTENER,
        asset_key=key,
        passed=not failures,
        severity=dg.AssetCheckSeverity.ERROR,  # somebody's figures are old from now on
        metadata={listener: dg.MetadataValue.text(sentence) for listener, sentence in failures.items()},
    )


def unknown_fields_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that Spotify sent no field that cleaning does not know."""
    return dg.AssetCheckSpec(
        UNKNOWN_FIELDS, asset=key, description="Every field that Spotify sent is known; unknown ones are kept in raw."
    )


def unknown_fields_result(key: dg.AssetKey, fields: Iterable[str]) -> dg.AssetCheckResult:
    """The evaluation of that check: `fields` are those that nobody knows."""
    names = sorted(fields)
    return dg.AssetCheckResult(
        check_name=UNKNOWN_FIELDS,
        asset_key=key,
        passed=not names,
        severity=dg.AssetCheckSeverity.WARN,  # nothing is lost: Spotify has begun to say something new
        metadata={"fields": dg.MetadataValue.json(names)},
    )
