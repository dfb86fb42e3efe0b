"""What the terminal shows of a listener's collecting: polls, plays, gaps, calls. Answers are in `terminal.py`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from spotifriend_dagster.reports.terminal import columns_of
from spotifriend_dagster.reports.words import count
from spotifriend_dagster.tables.cleaned import LISTENING_GAPS, RECENT_PAGES, ROW_OUTCOMES
from spotifriend_dagster.tables.raw import API_PULLS

if TYPE_CHECKING:
    from rich.console import Console

    from spotifriend_dagster.lake.catalog import Catalog
    from spotifriend_dagster.lake.engine import Engine

_GAPS_SHOWN = 3
_READ = {table.name for table in (RECENT_PAGES, ROW_OUTCOMES, LISTENING_GAPS, API_PULLS)}


def print_collection(console: Console, catalog: Catalog, engine: Engine, listener: str) -> None:
    """How a listener's plays were collected live, and how that joins what exports tell; nothing where nobody polled."""
    if not set(catalog.names()) >= _READ:
        return
    quoted = "'" + listener.replace("'", "''") + "'"

    def rows(select: str, then: str = "") -> list[dict[str, Any]]:
        return engine.query(f"{select} WHERE listener = {quoted} {then}").to_pylist()

    polls = rows("SELECT COUNT(*) AS polls, MIN(pulled_at) AS first_at, MAX(pulled_at) AS last_at FROM recent_pages")[0]
    if not polls["polls"]:
        return
    said = rows("SELECT outcome, SUM(rows) AS plays FROM row_outcomes", "AND source = 'recent' GROUP BY outcome")
    plays = {row["outcome"]: row["plays"] for row in said}
    kept, known = plays.get("kept", 0), plays.get("superseded", 0)
    calls = rows("SELECT SUM(CAST(JSON_EXTRACT_SCALAR(payload, '$.calls') AS BIGINT)) AS calls FROM raw_api_pulls")
    gaps = rows("SELECT open_from, open_until FROM listening_gaps", "AND is_open ORDER BY open_from DESC")
    grid = columns_of(("", "left"), ("", "left"))
    grid.columns[1].no_wrap = False
    grid.add_row("polls", f"{polls['polls']:,}, from {_minute(polls['first_at'])} to {_minute(polls['last_at'])}")
    grid.add_row("calls", f"{calls[0]['calls'] or 0:,} of the Web API, for polls and all that is collected daily")
    grid.add_row(
        "plays seen", f"{kept + known:,}: {known:,} that an export tells better, {kept:,} that no export tells"
    )
    if not gaps:
        grid.add_row("gaps", "none: no play can be missing between two polls")
    for gap in gaps[:_GAPS_SHOWN]:
        where = f"{_minute(gap['open_from'])} to {_minute(gap['open_until'])}"
        grid.add_row("gap", f"{where}: plays may be missing, until an export fills it")
    if len(gaps) > _GAPS_SHOWN:
        grid.add_row("", f"and {count(len(gaps) - _GAPS_SHOWN, 'gap', 'gaps')} before: the table listening_gaps")
    console.print(f"[bold]{escape(listener)}, collected live[/]")
    console.print(grid)
    console.print()


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
