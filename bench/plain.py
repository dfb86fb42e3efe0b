"""The baseline: the same files, cleaning and SQL in one plain script, without Dagster, lake or audits.

Usage: python -m bench.plain EXPORT.zip ZONE
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import duckdb
import pandas as pd

from spotifriend_dagster.cleaning.history import clean_history
from spotifriend_dagster.cleaning.plays import unite_plays
from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.lake.dialect import to_duckdb
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.frames import empty_frame
from spotifriend_dagster.tables.insight import load_insights

_DUCKDB_TYPES = {"string": "VARCHAR", "int": "INTEGER", "array<string>": "VARCHAR[]"}


def main(export: Path, zone: str) -> None:
    """Read, clean, and run every insight's SQL into a table of an in-memory database."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(export) as archive:
        files = [archive.extract(name, folder) for name in archive.namelist() if name.endswith(".json")]
        raw = database.execute(
            """
            SELECT filename AS file, row_number() OVER (PARTITION BY filename) - 1 AS row, json::VARCHAR AS payload
            FROM read_json_objects(?, format = 'array', filename = true)
            """,
            [files],
        ).df()
    raw = raw.assign(export="export", file=raw["file"].map(lambda name: Path(name).name), problem=None)
    history = clean_history(raw.astype({"problem": "str"}), pd.Timestamp.now("UTC"))
    united = unite_plays(
        history=history.plays,
        history_files=history.files,
        history_rejects=history.rejects,
        recent=empty_frame(RECENT_PLAYS),
        recent_pages=empty_frame(RECENT_PAGES),
        recent_rejects=empty_frame(RECENT_REJECTS),
        zones=ZoneHistory.always(zone),
        include_private=False,
    )
    frames = {
        "history_plays": history.plays,
        "history_files": history.files,
        "history_rejects": history.rejects,
        "plays": united.plays,
        "play_hours": united.play_hours,
        "row_outcomes": united.row_outcomes,
        "listening_gaps": united.listening_gaps,
    }
    schema = {table.name: {column.name: column.type for column in table.all_columns} for table in DECLARED_TABLES}
    for table in (table for table in DECLARED_TABLES if table.layer != "raw"):
        frame = frames.get(table.name, empty_frame(table)).assign(listener="me", year=0)
        for name in frame.columns[frame.dtypes.astype(str).str.endswith("UTC]")]:
            frame[name] = frame[name].dt.tz_localize(None)
        database.register("incoming", frame)
        columns = ", ".join(
            f"{column.name}::{_DUCKDB_TYPES.get(column.type, column.type.upper())} AS {column.name}"
            for column in table.all_columns
        )
        database.execute(f"CREATE TABLE {table.name} AS SELECT {columns} FROM incoming")
    for name, insight in load_insights().items():
        columns = ", ".join(
            f"{column.name}::{_DUCKDB_TYPES.get(column.type, column.type.upper())} AS {column.name}"
            for column in insight.table.all_columns
        )
        query = to_duckdb(insight.query, {read: schema[read] for read in insight.reads})
        database.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM ({query})")
        schema[name] = {column.name: column.type for column in insight.table.all_columns}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
