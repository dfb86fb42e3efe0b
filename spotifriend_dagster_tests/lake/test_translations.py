"""Insights' SQL that another process translates: the same, and nobody depends on it."""

import subprocess
import sys

import pytest

from spotifriend_dagster.lake import dialect, translations
from spotifriend_dagster.lake.catalog import CatalogTable
from spotifriend_dagster.lake.queries import schema_of
from spotifriend_dagster.tables.insight import every_table, load_insights
from spotifriend_dagster.tables.rendering import glue_table_input


@pytest.fixture(autouse=True)
def _of_this_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "_remembered", {})
    monkeypatch.setattr(dialect, "_remembered_tables", {})
    dialect._translated.cache_clear()
    dialect._parsed.cache_clear()


def test_what_is_remembered_is_what_the_engine_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another order of columns would be another schema: all would be translated twice, and nobody would notice."""
    insights = load_insights()
    tables = {
        name: CatalogTable(glue_table_input(table, f"s3://lake/{name}/"), "1") for name, table in every_table().items()
    }
    schemas = {name: schema_of({read: tables[read] for read in insight.reads}) for name, insight in insights.items()}
    here = {name: dialect.translate(insight.query, schemas[name]) for name, insight in insights.items()}
    dialect._translated.cache_clear()
    dialect._parsed.cache_clear()
    translations.translate_insights().join()
    monkeypatch.setattr(dialect, "_parsed", None)  # from now on, nothing is read here
    for name, insight in insights.items():
        assert dialect.translate(insight.query, schemas[name]) == here[name]
        assert dialect.tables_read(insight.query) == here[name].tables


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
def test_a_process_that_does_not_speak_is_not_missed(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """No memory for it, or somebody ended it: the command does its own work, and says nothing of it."""
    monkeypatch.setattr(sys, "executable", program)
    translations.translate_insights().join()
    query = load_insights()["streaks"].query
    assert dialect.tables_read(query) == {"listening_coverage", "listening_totals"}


def test_nobody_to_hear_it_ends_it() -> None:
    """A command that is killed leaves no process behind."""
    program = [sys.executable, "-P", "-m", "spotifriend_dagster.lake.translations"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as speaker:
        assert speaker.stdout
        speaker.stdout.close()
        assert speaker.wait(60) != 0
