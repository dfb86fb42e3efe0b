"""Figures in shorthand: rows of insight tables with what a test says, and something neutral in every other column."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from spotifriend_dagster.reports.figures import READS, Figures, Row
from spotifriend_dagster.reports.period import parse_period
from spotifriend_dagster.tables.insight import load_insights

HOUR = 3_600_000
HOSTILE = (
    "</script><b>bold</b>",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 500,
    "سماء زرقاء",
    '🎧 <img src=x onerror=alert(1)> & "quotes" \'',
    "datum.value == 0 ? 'a' : 'b'",
)
"""Titles that break a page which takes them for anything but text."""
_TABLES = {name: insight.table for name, insight in load_insights().items()}
_NEUTRAL = {"bigint": 0, "int": 0, "double": 0.0, "boolean": False, "string": "", "date": date(2025, 1, 1)}


def row(table: str, **values: Any) -> Row:
    """A row of an insight: a column that is not told is null where it may be, and else 0, empty or false.

    Raises:
        KeyError: the table has no such column.
    """
    declared = {column.name: column for column in _TABLES[table].all_columns}
    if unknown := values.keys() - declared.keys():
        raise KeyError(f"{table} has no {sorted(unknown)}")
    return {name: None if column.nullable else _NEUTRAL.get(column.type) for name, column in declared.items()} | values


def made_figures(period: str = "all", name: str = "Robin", **tables: Iterable[Row]) -> Figures:
    """Figures that hold these rows, and no others but the totals; `sessions` and changes are counted from 0."""
    rows: dict[str, list[Row]] = {table: [] for table in READS}
    rows["listening_totals"] = [
        row("listening_totals", first_date=date(2024, 1, 1), last_date=date(2025, 1, 1), plays=1)
    ]
    rows["sessions"] = [{"sessions": 0, "ms_played": None}]
    rows["playlist_changes"] = [{"added": 0, "removed": 0}]
    return Figures("robin", name, parse_period(period), rows | {table: list(given) for table, given in tables.items()})


def day(on: date | str, hours: float = 1.0, **values: Any) -> Row:
    """A row of daily_listening: a complete day with as many listens as half hours."""
    on = date.fromisoformat(on) if isinstance(on, str) else on
    told = {
        "local_date": on,
        "weekday": on.isoweekday(),
        "status": "complete",
        "ms_played": round(hours * HOUR),
        "plays": round(hours * 2),
        "listens": round(hours * 2),
        "mean_ms_played_7_days": hours * HOUR,
        "mean_ms_played_28_days": hours * HOUR,
    }
    return row("daily_listening", **(told | values))


def days(first: date, count: int, hours: float = 1.0) -> list[Row]:
    """That many days one after the other, each a little longer than the one before."""
    return [day(first + timedelta(days=number), hours + number % 7 / 10) for number in range(count)]


def coverage(first: date, count: int, status: str = "complete", source: str | None = "extended") -> list[Row]:
    """The coverage of that many days."""
    return [
        row(
            "listening_coverage",
            local_date=first + timedelta(days=number),
            status=status,
            is_minimum=status != "complete",
            source=source,
        )
        for number in range(count)
    ]
