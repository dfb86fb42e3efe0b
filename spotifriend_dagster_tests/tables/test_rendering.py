"""What follows from a declaration is what Parquet, Glue and readers of the dictionary need."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import botocore.session
import pyarrow as pa
import pytest
from botocore.validate import ParamValidator

from spotifriend_dagster.tables.cleaned import HISTORY_PLAYS, HISTORY_REJECTS, PLAYS, RECENT_PLAYS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED, STREAMING_HISTORY
from spotifriend_dagster.tables.rendering import arrow_schema, data_dictionary, glue_table_input, markdown_table

INSIGHTS = load_insights()
TABLES = [*DECLARED_TABLES, *(insight.table for insight in INSIGHTS.values())]
TODAY = date(2026, 12, 31)


def rendered(table: Table, **more: Any) -> dict[str, Any]:
    return glue_table_input(table, f"lake:///{table.folder}/", listeners=["ben", "anna"], today=TODAY, **more)


def projection(table: Table, **more: Any) -> dict[str, str]:
    parameters = rendered(table, **more)["Parameters"]
    return {name.removeprefix("projection."): value for name, value in parameters.items() if "projection" in name}


def test_files_hold_the_columns_that_are_not_in_the_path() -> None:
    """Names and order as declared; instants naive in milliseconds, which Athena's UNLOAD and Parquet both hold."""
    for table in TABLES:
        assert tuple(arrow_schema(table).names) == table.column_names
    schema = arrow_schema(RECENT_PLAYS)
    assert schema.field("played_at").type == pa.timestamp("ms")
    assert schema.field("collected_on").type == pa.date32()
    assert schema.field("artist_ids").type == pa.list_(pa.string())
    assert "listener" not in schema.names


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_glue_would_take_every_table(table: Table) -> None:
    """Held against AWS's own model of CreateTable, and against the limits that it states in words only."""
    definition = rendered(table)
    shape = _glue().operation_model("CreateTable").input_shape
    problems = ParamValidator().validate({"DatabaseName": "spotifriend", "TableInput": definition}, shape)
    assert not problems.has_errors(), problems.generate_report()
    assert len(definition["Description"]) <= 2048
    columns = [*definition["StorageDescriptor"]["Columns"], *definition["PartitionKeys"]]
    assert [column["Name"] for column in columns] == [column.name for column in table.all_columns]
    for column in columns:
        assert column["Name"] == column["Name"].lower()
        assert 0 < len(column["Comment"]) <= 255


def test_each_partition_key_is_projected_as_what_it_is() -> None:
    """Out of range Athena finds nothing and says nothing: the range must hold every partition there can be."""
    of_listeners = {"enabled": "true", "listener.type": "enum", "listener.values": "anna,ben"}
    assert projection(PLAYS) == of_listeners
    assert projection(HISTORY_PLAYS) == of_listeners | {
        "year.type": "integer",
        "year.range": "2006,2027",
    }
    assert projection(HISTORY_PLAYS, years=[2019, 2024])["year.range"] == "2019,2026"
    assert projection(HISTORY_PLAYS, years=[2027])["year.range"] == "2026,2027"
    assert projection(HISTORY_PLAYS, years=[])["year.range"] == "2026,2026"
    assert projection(RECENTLY_PLAYED, first_day=date(2025, 3, 1)) == of_listeners | {
        "dt.type": "date",
        "dt.format": "yyyy-MM-dd",
        "dt.range": "2025-03-01,NOW",
    }
    assert projection(STREAMING_HISTORY, exports=["b2", "a1"])["export.values"] == "a1,b2"
    assert projection(STREAMING_HISTORY)["export.type"] == "injected"


def test_where_a_partition_lies_is_said_and_not_left_to_the_engine() -> None:
    """Trino itself looked into `cleaned/plays//listener=…`, and found nothing there."""
    template = rendered(HISTORY_PLAYS)["Parameters"]["storage.location.template"]
    assert template == "lake:///cleaned/history_plays/listener=${listener}/year=${year}/"


def test_without_listeners_and_without_partitions_nothing_is_projected() -> None:
    """An enum of nothing is refused by Athena."""
    nobody = glue_table_input(PLAYS, "lake:///cleaned/plays/")["Parameters"]
    assert {name: value for name, value in nobody.items() if "projection" in name} == {"projection.enabled": "false"}
    flat = replace(PLAYS, partition_keys=(), year_of=None, grain=("play_number",))
    assert projection(flat) == {}
    assert rendered(flat)["PartitionKeys"] == []


def test_the_format_decides_how_athena_reads_it() -> None:
    """Parquet by Parquet's reader, JSON Lines by the OpenX one, which takes a text as a text."""
    for table, classification, reader in (
        (PLAYS, "parquet", "ParquetHiveSerDe"),
        (HISTORY_REJECTS, "json", "JsonSerDe"),
    ):
        definition = rendered(table)
        assert definition["Parameters"]["classification"] == classification
        serialization = definition["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
        assert serialization.endswith(reader)
        assert definition["StorageDescriptor"]["Location"] == f"lake:///{table.folder}/"


def test_the_dictionary_in_the_docs_is_current() -> None:
    """After a change of a declaration: `make docs`."""
    file = Path(__file__).parents[2] / "docs" / "data-dictionary.md"
    assert file.read_text("utf-8") == data_dictionary(DECLARED_TABLES, INSIGHTS)


def test_the_dictionary_names_every_table_and_column() -> None:
    """With its meaning; nothing that the lake holds goes undescribed."""
    text = data_dictionary(DECLARED_TABLES, INSIGHTS)
    for table in TABLES:
        section = text.split(f"\n### {table.name}\n")[1].split("\n### ")[0]
        assert table.description in section
        for column in table.all_columns:
            assert f"| `{column.name}` | `{column.type}` |" in section
    assert "- Reads `listening_coverage`, `plays`.\n" in text.split("\n### sessions\n")[1].split("\n### ")[0]


def test_a_value_cannot_break_a_markdown_table() -> None:
    """Titles hold what they like."""
    assert markdown_table(("a", "b"), [("x|y", "1\n2"), (None, 3)]) == (
        "| a | b |\n| --- | --- |\n| x\\|y | 1 2 |\n| None | 3 |"
    )


def _glue() -> Any:
    return botocore.session.get_session().get_service_model("glue")
