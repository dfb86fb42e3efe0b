"""What figures are measured against: the baseline knows every table, also those that came after it."""

from __future__ import annotations

from pathlib import Path

from bench import plain
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import simulate


def test_the_plain_script_runs_every_insight(tmp_path: Path):
    """An insight that reads a new table left the baseline without figures, and nobody saw until they were wanted."""
    export = tmp_path / "export.zip"
    write_export(simulate(5, years=30 / 365.25), export)
    plain.main(export, "Europe/Berlin")
