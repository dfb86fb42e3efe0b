"""The listening summary: one self-contained HTML page about one listener and period. It reads insight tables only.

The charts are in `charts/`, what is said of them in `captions.py`, "in plain words" in `words.py`, the lists in
`lists.py`, the page in `summary.html.j2`.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from spotifriend_dagster.reports.bundle import chart_scripts
from spotifriend_dagster.reports.captions import chart_words, coverage_words, missing_words
from spotifriend_dagster.reports.charts import draw
from spotifriend_dagster.reports.definitions import DEFINITIONS
from spotifriend_dagster.reports.figures import ALL_TIME, READS, Figures, Row, read_figures
from spotifriend_dagster.reports.lists import headline, lists
from spotifriend_dagster.reports.period import ReportError, parse_period
from spotifriend_dagster.reports.pipeline import pipeline
from spotifriend_dagster.reports.tables import chart_table
from spotifriend_dagster.reports.words import day, learned, percent

if TYPE_CHECKING:
    from jinja2 import Environment

    from spotifriend_dagster.lake.reading import Reader
    from spotifriend_dagster.lake.storage import Storage

__all__ = ["READS", "ReportError", "summary_key", "write_summary"]

_SECTIONS = (
    ("calendar", "Every day", "day"),
    ("daily_listening", "Over time", "listening-time"),
    ("listening_clock", "The clock", "local-time"),
    ("daypart_divergence", "Parts of the day", "through-the-day"),
    ("taste_by_daypart", "Taste through the day", "through-the-day"),
    ("taste_by_hour", "Genres through the day", "genre"),
    ("weekday_weekend", "Weekdays against weekends", "weekend-lift"),
    ("weekday_weekend_genres", "Genres of weekdays and weekends", "genre"),
    ("discovery_vs_returning", "Discovery against returning", "discovery"),
    ("artist_retention", "Do discoveries stay?", "retention"),
    ("repeat_obsessions", "Obsessions", "obsession"),
    ("skip_behaviour", "Skips", "skip"),
    ("diversity_by_month", "Diversity", "diversity"),
    ("genre_evolution", "Genres over time", "genre"),
    ("seasonality", "Seasons", "seasonality"),
    ("spotify_top_agreement", "Spotify's tops against the counts", "spotify-top"),
    ("library_growth", "Liked songs", "library"),
    ("audio_features_by_hour", "How it sounds through the day", "audio-feature"),
)


def summary_key(listener: str, period: str) -> str:
    """Where the page of a listener and period is in the lake."""
    return f"reports/listener={listener}/{period}.html"


def write_summary(reader: Reader, storage: Storage, name: str, period: str) -> str:
    """Make the page about the reader's listener and put it into the lake.

    Args:
        reader: where the insight tables are read.
        storage: where the page goes.
        name: the name on the page.
        period: `all`, a year (`2025`) or a month (`2025-03`), in local dates.

    Returns:
        The page's key.

    Raises:
        ReportError: the period is not one, or the listener has no listening in it.
    """
    figures = read_figures(reader, name, parse_period(period))
    page = render(figures, chart_scripts(storage))
    key = summary_key(reader.listener, period)
    storage.write(key, page.encode("utf-8"))
    return key


def render(figures: Figures, scripts: str) -> str:
    """The page as HTML; `scripts` draw its charts."""
    inline = [f"\n{scripts}\n", f"\n{_shipped('summary.js')}\n"]
    return (
        _environment()
        .get_template("summary.html.j2")
        .render(
            figures=figures,
            period=figures.period,
            totals=figures.totals,
            known_days=[row["local_date"] for row in figures["listening_coverage"]],
            coverage=coverage_words(figures["listening_coverage"]),
            headline=headline(figures),
            learned=learned(figures),
            sections=_sections(figures),
            lists=lists(figures),
            missing=missing_words(figures),
            accounts=_accounts(figures["row_accounting"]),
            pipeline=pipeline(figures),
            definitions=DEFINITIONS,
            style=_shipped("summary.css"),
            scripts=inline,
            script_hashes=[b64encode(sha256(script.encode()).digest()).decode() for script in inline],
        )
    )


def _sections(figures: Figures) -> list[dict[str, Any]]:
    """The charts that there is something to draw for, with their words and tables."""
    said = chart_words(figures)
    return [
        {
            "id": name,
            "title": title,
            "definition": definition,
            "words": said[name],
            "is_all_time": name in ALL_TIME,
            "spec": _json(spec),
            "table": chart_table(name, figures),
        }
        for name, title, definition in _SECTIONS
        if (spec := draw(name, figures)) is not None
    ]


def _accounts(rows: list[Row]) -> dict[str, int]:
    return {
        name: sum(row[f"{name}_rows"] for row in rows)
        for name in ("input", "kept", "duplicate", "superseded", "rejected", "unaccounted")
    }


def _json(spec: dict[str, Any]) -> str:
    # "<" is escaped so that no title in the data can end the script element that carries it.
    return orjson.dumps(spec).decode("utf-8").replace("<", "\\u003c")


def _shipped(name: str) -> str:
    return (files("spotifriend_dagster") / "reports" / name).read_text("utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - where it is used

    environment = Environment(loader=FunctionLoader(_shipped), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {"day": day, "percent": percent, "number": "{:,}".format}
    return environment
