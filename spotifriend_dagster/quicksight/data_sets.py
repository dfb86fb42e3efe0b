"""The data source and the data sets, as QuickSight wants them said; their columns come from the tables' declarations.

What is drawn of them is in `sheets.py`.
"""

from __future__ import annotations

from typing import Any

from spotifriend_dagster.quicksight.place import Place, is_group
from spotifriend_dagster.tables.declaration import Column, Table

Json = dict[str, Any]

COLUMN_TYPES = {
    "string": "STRING",
    "bigint": "INTEGER",
    "int": "INTEGER",
    "double": "DECIMAL",
    "boolean": "BOOLEAN",
    "timestamp": "DATETIME",
    "date": "DATETIME",
}
"""QuickSight's name of each type of a column. SPICE has no arrays."""
ATHENA = "athena"
RULES = "row_level_security"
_LISTENER = "listener"
_TABLE = "table"  # the only one of its data set, which names it twice: as it is, and as it is shown
_LONGEST_DESCRIPTION = 500
_RULES_COLUMNS = {"user_arn": "UserARN", "group_arn": "GroupARN"}  # QuickSight wants capitals, Athena has none


def data_source(place: Place) -> Json:
    """The data source: Athena, by the lake's workgroup."""
    return {
        "Name": f"SpotiFriend ({place.database})",
        "DataSourceParameters": {"AthenaParameters": {"WorkGroup": place.workgroup}},
    }


def data_set(table: Table, place: Place) -> Json:
    """The data set of a table, kept in SPICE, of which everybody sees the rows of their own listeners alone.

    Raises:
        ValueError: it has no listener, or a column that SPICE cannot hold.
    """
    if _LISTENER not in {column.name for column in table.all_columns}:
        raise ValueError(f"Table {table.name} has no listener: nobody could be kept from anybody's rows.")
    columns = [{"Name": column.name, "Type": _type(table, column)} for column in table.all_columns]
    relational = {
        "DataSourceArn": place.arn("datasource", ATHENA),
        "Catalog": "AwsDataCatalog",
        "Schema": place.database,
        "Name": table.name,
        "InputColumns": columns,
    }
    described = [
        {
            "TagColumnOperation": {
                "ColumnName": column.name,
                "Tags": [{"ColumnDescription": {"Text": _shortened(column.description)}}],
            }
        }
        for column in table.all_columns
    ]
    return _kept_in_spice(
        table.name, {"RelationalTable": relational}, described, [column["Name"] for column in columns]
    ) | {
        "RowLevelPermissionDataSet": {
            "Arn": place.arn("dataset", RULES),
            "PermissionPolicy": "GRANT_ACCESS",
            "FormatVersion": "VERSION_2",  # rules by ARN, as a user of another namespace may have the same name
            "Status": "ENABLED",
        }
    }


def rules_data_set(place: Place) -> Json:
    """The data set that says who sees whose rows: the owner everybody's, others what listeners.toml says.

    The rules are values in its query, so that no table and no file has to be kept in step with them.
    """
    rows = ",\n    ".join(
        f"({_literal(user)}, {_literal(group)}, {_literal(listener)})" for user, group, listener in sorted_rules(place)
    )
    query = (
        "SELECT user_arn, group_arn, listener\n"
        f"FROM (VALUES\n    {rows}\n) AS rules (user_arn, group_arn, listener)"
    )  # fmt: skip
    named = (*_RULES_COLUMNS, _LISTENER)
    custom = {
        "DataSourceArn": place.arn("datasource", ATHENA),
        "Name": "rules",
        "SqlQuery": query,
        "Columns": [{"Name": name, "Type": "STRING"} for name in named],
    }
    renamed = [
        {"RenameColumnOperation": {"ColumnName": old, "NewColumnName": new}} for old, new in _RULES_COLUMNS.items()
    ]
    return _kept_in_spice(RULES, {"CustomSql": custom}, renamed, [_RULES_COLUMNS.get(name, name) for name in named])


def sorted_rules(place: Place) -> list[tuple[str | None, str | None, str | None]]:
    """The rules: user or group (ARNs), and the listener whose rows they see; all listeners where there is none."""
    rules = {(place.owner, None)} | {
        (place.principal(viewer), listener)
        for listener, viewers in place.viewers.items()
        for viewer in viewers
        if place.principal(viewer) != place.owner
    }
    return [
        (None, principal, listener) if is_group(principal) else (principal, None, listener)
        for principal, listener in sorted(rules, key=lambda rule: (rule[0], rule[1] or ""))
    ]


def _kept_in_spice(name: str, physical: Json, transforms: list[Json], projected: list[str]) -> Json:
    return {
        "Name": name,
        "PhysicalTableMap": {_TABLE: physical},
        "LogicalTableMap": {
            _TABLE: {
                "Alias": name,
                "DataTransforms": [*transforms, {"ProjectOperation": {"ProjectedColumns": projected}}],
                "Source": {"PhysicalTableId": _TABLE},
            }
        },
        "ImportMode": "SPICE",
    }


def _type(table: Table, column: Column) -> str:
    if column.type not in COLUMN_TYPES:
        raise ValueError(f"Column {column.name} of table {table.name} is {column.type}, which SPICE cannot hold.")
    return COLUMN_TYPES[column.type]


def _shortened(description: str) -> str:
    if len(description) <= _LONGEST_DESCRIPTION:
        return description
    return description[: _LONGEST_DESCRIPTION - 1].rpartition(" ")[0] + "…"


def _literal(text: str | None) -> str:
    if text is None:
        return "CAST(NULL AS varchar)"
    return "'" + text.replace("'", "''") + "'"
