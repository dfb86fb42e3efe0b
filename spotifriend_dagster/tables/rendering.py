"""What follows from a declaration: the Parquet schema, the Glue table, and the data dictionary.

The declarations are in the modules beside this one; who stores or publishes what is rendered here is `lake/`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.insight import Insight

if TYPE_CHECKING:
    import pyarrow

FIRST_DAY = date(2025, 1, 1)
"""Before it, nothing was collected day by day."""
_FIRST_YEAR = 2006  # Spotify was founded: a play before it is rejected

_LAYERS = {
    "raw": "As received, never changed. Gzipped JSON Lines.",
    "cleaned": "Typed, with every rule of [docs/metrics.md](metrics.md) applied. Parquet.",
    "rejects": "What cleaning set aside. Gzipped JSON Lines.",
    "insights": "One SQL file each. Parquet, a new version at each publication.",
}
_STORAGE_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "parquet": {
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    },
    "jsonl": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    },
}


def arrow_schema(table: Table) -> pyarrow.Schema:
    """The schema of the table's Parquet files: the columns inside the files, in their order.

    Timestamps are naive, in milliseconds: Athena's precision, and it refuses zoned ones.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in table.columns])


def arrow_type(declared: str) -> pyarrow.DataType:
    """The type that Parquet files have for a declared one."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    types = {
        "string": pa.string(),
        "bigint": pa.int64(),
        "int": pa.int32(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("ms"),
        "date": pa.date32(),
        "array<string>": pa.list_(pa.string()),
    }
    return types[declared]


def glue_table_input(
    table: Table,
    location: str,
    *,
    listeners: Sequence[str] = (),
    exports: Sequence[str] = (),
    first_day: date = FIRST_DAY,
    years: Collection[int] | None = None,
    today: date | None = None,
) -> dict[str, Any]:
    """The table in the shape that Glue's CreateTable and UpdateTable take, with its partitions projected.

    Athena finds a projected partition only within the range said here, and says nothing of what lies outside.

    Args:
        table: the declaration.
        location: the URI of the folder that holds its files, ending in a slash.
        listeners: the ids of all listeners. Without any there is no partition, and nothing is projected.
        exports: the SHA-256 of all imported exports. Without any, a query must name the one it wants.
        first_day: the first UTC day of collection.
        years: the years of which there are files: those from the first of them to the last, or to this year, are
            projected. Without, all that there can be, from the first year of Spotify to the next one.
        today: the present UTC day.
    """
    day = today or datetime.now(UTC).date()
    projected = (_FIRST_YEAR, day.year + 1) if years is None else (*years, day.year)
    projections = {
        "listener": {"type": "enum", "values": ",".join(sorted(listeners))},
        "export": {"type": "enum", "values": ",".join(sorted(exports))} if exports else {"type": "injected"},
        "dt": {"type": "date", "format": "yyyy-MM-dd", "range": f"{first_day.isoformat()},NOW"},
        "year": {"type": "integer", "range": f"{min(projected)},{max(projected)}"},
    }
    parameters = {"EXTERNAL": "TRUE", "classification": "json" if table.format == "jsonl" else "parquet"}
    if table.partition_keys:
        parameters["projection.enabled"] = "true" if listeners else "false"
    if listeners:
        parameters |= {
            f"projection.{key.name}.{property_}": value
            for key in table.partition_keys
            for property_, value in projections[key.name].items()
        }
    if listeners and table.partition_keys:
        # Left to itself, Trino puts a second slash after a location that ends in one, and finds nothing there.
        folders = "".join(f"{key.name}=${{{key.name}}}/" for key in table.partition_keys)
        parameters["storage.location.template"] = location + folders
    return {
        "Name": table.name,
        "Description": table.description,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": [_glue_column(key) for key in table.partition_keys],
        "StorageDescriptor": {
            "Columns": [_glue_column(column) for column in table.columns],
            "Location": location,
            **_STORAGE_FORMATS[table.format],
        },
    }


def data_dictionary(tables: Iterable[Table], insights: Mapping[str, Insight]) -> str:
    """docs/data-dictionary.md: every table with its grain and columns, by layer, as Markdown.

    Args:
        tables: the raw and cleaned tables, in the order in which they are listed.
        insights: the insight tables by name.
    """
    declared = [*tables, *(insight.table for _, insight in sorted(insights.items()))]
    lines = [
        "# Data dictionary",
        "",
        "Generated by `make docs` from the declarations in `tables/` and the headers of `insights/*.sql`.",
        "",
        "Instants are UTC, in milliseconds; `local_*` is the listener's own clock. What a figure means is defined in "
        "[docs/metrics.md](metrics.md).",
    ]
    for layer, meaning in _LAYERS.items():
        in_layer = [table for table in declared if table.layer == layer]
        lines += ["", f"## {layer.capitalize()}", "", meaning, ""]
        lines += [f"- [`{table.name}`](#{table.name}): {table.description}" for table in in_layer]
        for table in in_layer:
            lines += ["", f"### {table.name}", "", table.description, "", f"- One row per {_names(table.grain)}."]
            if table.partition_keys:
                lines.append(f"- Partitioned by {_names(key.name for key in table.partition_keys)}.")
            if insight := insights.get(table.name):
                lines.append(f"- Reads {_names(insight.reads)}.")
            rows = [
                (f"`{column.name}`", f"`{column.type}`", "" if column.nullable else "never", column.description)
                for column in table.all_columns
            ]
            lines += ["", markdown_table(("column", "type", "null", "meaning"), rows)]
    return "\n".join(lines) + "\n"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; what a value holds cannot break it."""
    return "\n".join(
        "| " + " | ".join(" ".join(str(value).replace("|", "\\|").split()) for value in row) + " |"
        for row in (header, ["---"] * len(header), *rows)
    )


def _glue_column(column: Column) -> dict[str, str]:
    return {"Name": column.name, "Type": column.type, "Comment": column.description}


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
