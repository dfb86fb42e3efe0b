"""The cleaned tables of simulated listeners: their export and their polls, cleaned as the pipeline cleans them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import orjson
import pandas as pd

from spotifriend_dagster.cleaning.history import clean_history
from spotifriend_dagster.cleaning.plays import unite_plays
from spotifriend_dagster.cleaning.recent import clean_recent
from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.demo.exports import Era, write_export
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.polls import answers_at
from spotifriend_dagster.sources.exports import read_export
from spotifriend_dagster.tables.cleaned import CLEANED_TABLES


def cleaned_tables(
    listener: str, truth: Truth, folder: Path, *, era: Era, cutoff: datetime, polls: Iterable[datetime] = ()
) -> dict[str, pd.DataFrame]:
    """Every cleaned table of one listener, by name, with its partition keys.

    Args:
        listener: the id.
        truth: what really happened.
        folder: where the export is written.
        era: the export's form.
        cutoff: the export's instant, UTC-aware.
        polls: instants at which recently-played is asked, UTC-aware.
    """
    now = truth.end
    write_export(truth, folder / f"{listener}.zip", era=era, cutoff=cutoff)
    export = read_export(folder / f"{listener}.zip")
    raw = pd.DataFrame([row for file in export.files for row in file.rows()]).assign(export=export.sha256)
    history = clean_history(raw, now)
    answers = [
        {
            "file": f"{instant:%Y%m%dT%H%M%S}000Z",
            "pulled_at": f"{instant:%Y-%m-%dT%H:%M:%S}.000Z",
            "endpoint": "/v1/me/player/recently-played",
            "page": 0,
            "payload": orjson.dumps(answer).decode(),
        }
        for instant, answer in answers_at(truth, polls)
    ]
    days = pd.DataFrame(answers, columns=["file", "pulled_at", "endpoint", "page", "payload"])
    recent = clean_recent(days.assign(dt=days["pulled_at"].str[:10]), now)
    tables = {
        "history_plays": history.plays,
        "history_files": history.files,
        "history_rejects": history.rejects,
        "recent_plays": recent.plays,
        "recent_pages": recent.pages,
        "recent_rejects": recent.rejects,
    }
    united = unite_plays(
        history=tables["history_plays"],
        history_files=tables["history_files"],
        history_rejects=tables["history_rejects"],
        recent=tables["recent_plays"],
        recent_pages=tables["recent_pages"],
        recent_rejects=tables["recent_rejects"],
        zones=ZoneHistory(truth.zones),
        include_private=False,
    )
    tables |= {name: getattr(united, name) for name in ("plays", "play_hours", "row_outcomes", "listening_gaps")}
    return {table.name: _with_keys(listener, tables[table.name], table.year_of) for table in CLEANED_TABLES}


def _with_keys(listener: str, frame: pd.DataFrame, year_of: str | None) -> pd.DataFrame:
    keyed = frame.assign(listener=pd.Series(listener, index=frame.index, dtype="str"))
    return keyed.assign(year=frame[year_of].dt.year.astype("int32")) if year_of else keyed
