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
    columns: tuple[str, ...] = COLUMNS


def pipeline(figures: Figures) -> Pipeline | None:
    """How the figures of the period were collected; None where no run is known."""
    days = [day for day in figures["data_quality_daily"] if day["runs"]]
    if not days:
        return None
    months: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys((*_SUMMED, "usd"), 0))
    for day in days:
        for name in _SUMMED:
            months[f"{day['day']:%Y-%m}"][name] += day[name]
    for cost in figures["pipeline_cost"]:
        months[f"{cost['month']:%Y-%m}"]["usd"] += cost["usd"]
    whole = {name: sum(month[name] for month in months.values()) for name in (*_SUMMED, "usd")}
    return Pipeline(_words(whole, days), [_row(name, months[name]) for name in sorted(months, reverse=True)])


def _words(whole: dict[str, Any], days: list[dict[str, Any]]) -> str:
    said = [
        f"{count(whole['runs'], 'run', 'runs')} on {count(len(days), 'day', 'days')}, {whole['failed_runs']:,} failed"
    ]
    if whole["poll_hours"]:
        said.append(f"polls in {percent(whole['poll_hours'] / (24 * len(days)))} of the hours of these days")
    if whole["api_calls"]:
        said.append(f"{count(whole['api_calls'], 'call', 'calls')} of Spotify's Web API")
    if whole["usd"]:
        said.append(f"{whole['usd']:.2f} USD on AWS by list prices")
    return "; ".join(said) + "."


def _row(name: str, month: dict[str, Any]) -> tuple[str, ...]:
    numbers = (*(month[column] for column in _SUMMED[:5]), month["checks_warned"] + month["checks_failed"])
    return (name, *(f"{number:,}" for number in numbers), f"{month['usd']:.4f}")
