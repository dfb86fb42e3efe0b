"""What a summary says of how its figures were collected: runs, failures, calls, cost. Other words are in `words.py`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spotifriend_dagster.reports.words import count, percent

if TYPE_CHECKING:
    from spotifriend_dagster.reports.figures import Figures

COLUMNS = ("Month (UTC)", "Runs", "Failed", "Hours polled", "Calls", "Rows", "Checks not passed", "USD on AWS")
_SUMMED = ("runs", "failed_runs", "poll_hours", "api_calls", "collected_rows", "checks_warned", "checks_failed")


@dataclass(frozen=True)
class Pipeline:
    """A sentence, and a table by month, the latest first."""

    words: str
    rows: list[tuple[str, ...]]
    columns: tuple[str, ...]


def pipeline(figures: Figures) -> Pipeline | None:
    """How the figures of the period were collected; None where no run is known."""
    quality = figures["data_quality_daily"]
    days = [day for day in quality if day["runs"]]
    if not days:
        return None
    months: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys((*_SUMMED, "usd"), 0))
    for day in quality:
        for name in _SUMMED:
            months[f"{day['day']:%Y-%m}"][name] += day[name]
    for cost in figures["pipeline_cost"]:
        months[f"{cost['month']:%Y-%m}"]["usd"] += cost["usd"]
    whole = {name: sum(month[name] for month in months.values()) for name in (*_SUMMED, "usd")}
    rows = [_row(name, months[name]) for name in sorted(months, reverse=True)]
    shown = len(COLUMNS) if whole["usd"] else len(COLUMNS) - 1  # at home, nothing costs anything
    return Pipeline(_words(whole, quality, days), [row[:shown] for row in rows], COLUMNS[:shown])


def _words(whole: dict[str, Any], quality: list[dict[str, Any]], days: list[dict[str, Any]]) -> str:
    said = [
        f"{count(whole['runs'], 'run', 'runs')} on {count(len(days), 'day', 'days')}, {whole['failed_runs']:,} failed"
    ]
    if polled := [day["day"] for day in quality if day["poll_hours"]]:
        span = (max(polled) - min(polled)).days + 1
        share = percent(sum(day["poll_hours"] for day in quality) / (24 * span))
        of_days = f"the {count(span, 'day', 'days')} from the first poll to the last" if span > 1 else "one day"
        said.append(f"polls in {share} of the hours of {of_days}")
    if whole["api_calls"]:
        said.append(f"{count(whole['api_calls'], 'call', 'calls')} of Spotify's Web API")
    if whole["usd"]:
        said.append(f"{whole['usd']:.2f} USD on AWS by list prices")
    return "; ".join(said) + "."


def _row(name: str, month: dict[str, Any]) -> tuple[str, ...]:
    numbers = (*(month[column] for column in _SUMMED[:5]), month["checks_warned"] + month["checks_failed"])
    return (name, *(f"{number:,}" for number in numbers), f"{month['usd']:.4f}")
