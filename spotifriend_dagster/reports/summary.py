"""The listening summary: one self-contained HTML page about one listener and period. It reads insight tables only.

The charts are in `charts.py`, the sentences in `words.py`, the page in `summary.html.j2`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from spotifriend_dagster.reports.bundle import chart_scripts
from spotifriend_dagster.reports.charts import CHARTS, WEEKDAYS, calendar
from spotifriend_dagster.reports.figures import READS, Figures, Row, read_figures
from spotifriend_dagster.reports.period import ReportError, parse_period
from spotifriend_dagster.reports.words import chart_words, coverage_words, day, duration, learned, percent

if TYPE_CHECKING:
    from jinja2 import Environment

    from spotifriend_dagster.lake.engine import Engine
    from spotifriend_dagster.lake.storage import Storage

__all__ = ["READS", "ReportError", "summary_key", "write_summary"]

_SECTIONS = (
    ("calendar", "Every day", "listening-time", "daily_listening"),
    ("daily_listening", "Over time", "listening-time", "daily_listening"),
    ("listening_clock", "The clock", "local-time", "listening_clock"),
    ("daypart_divergence", "Taste through the day", "through-the-day", "daypart_divergence"),
    ("discovery_vs_returning", "Discovery against returning", "discovery", "discovery_vs_returning"),
    ("artist_retention", "Do discoveries stay?", "retention", "artist_retention"),
    ("weekday_weekend", "Weekdays against weekends", "weekend-lift", "weekday_weekend"),
    ("repeat_obsessions", "Obsessions", "obsession", "repeat_obsessions"),
    ("skip_behaviour", "Skips", "skip", "skip_behaviour"),
    ("diversity_by_month", "Diversity", "diversity", "diversity_by_month"),
    ("seasonality", "Seasons", "seasonality", "seasonality"),
)
_ALWAYS_ALL_TIME = {
    "listening_clock",
    "daypart_divergence",
    "artist_retention",
    "weekday_weekend",
    "skip_behaviour",
    "seasonality",
}
_TABLE_ROWS = 60


def summary_key(listener: str, period: str) -> str:
    """Where the page of a listener and period is in the lake."""
    return f"reports/listener={listener}/{period}.html"


def write_summary(engine: Engine, storage: Storage, listener: str, name: str, period: str) -> str:
    """Make the page and put it into the lake.

    Args:
        engine: where the insight tables are read.
        storage: where the page goes.
        listener: the listener's id.
        name: the name on the page.
        period: `all`, a year (`2025`) or a month (`2025-03`), in local dates.

    Returns:
        The page's key.

    Raises:
        ReportError: the period is not one, or the listener has no listening in it.
    """
    figures = read_figures(engine, listener, name, parse_period(period))
    page = render(figures, chart_scripts(storage))
    key = summary_key(listener, period)
    storage.write(key, page.encode("utf-8"))
    return key


def render(figures: Figures, scripts: str) -> str:
    """The page as HTML; `scripts` draw its charts."""
    drawn = {"calendar": calendar(figures)} | {name: draw(figures) for name, draw in CHARTS.items()}
    said = chart_words(figures)
    sections = [
        {
            "id": name,
            "title": title,
            "definition": definition,
            "words": said[name],
            "is_all_time": name in _ALWAYS_ALL_TIME and figures.period.kind != "all",
            "spec": _json(drawn[name]),
            "table": _table(figures[table], name),
        }
        for name, title, definition, table in _SECTIONS
        if drawn[name] is not None
    ]
    template = _environment().get_template("summary.html.j2")
    return template.render(
        figures=figures,
        period=figures.period,
        totals=figures.totals,
        cards=_cards(figures),
        coverage=coverage_words(figures["listening_coverage"]),
        learned=learned(figures),
        sections=sections,
        tops=_tops(figures),
        loyal=sorted(figures["artist_loyalty"], key=lambda row: row["loyalty_rank"])[:10],
        forgotten=sorted(figures["forgotten_favourites"], key=lambda row: row["favourite_rank"])[:10],
        milestones=_milestones(figures),
        accounts=_accounts(figures["row_accounting"]),
        definitions=DEFINITIONS,
        scripts=scripts,
        style=_shipped("summary.css"),
        script=_shipped("summary.js"),
    )


def _cards(figures: Figures) -> list[dict[str, str]]:
    days = figures["daily_listening"]
    at_least = "at least " if any(row["is_minimum"] for row in days) else ""
    ms = sum(row["ms_played"] for row in days)
    listens = sum(row["listens"] for row in days)
    active = sum(1 for row in days if row["listens"])
    judged = sum(row["skippable_plays"] for row in days)
    skips = sum(row["skips"] for row in days)
    sessions = figures["sessions"]
    cards = [
        ("Listening time", f"{at_least}{duration(ms)}", f"{duration(ms / max(active, 1))} per active day", "listening-time"),
        ("Listens", f"{listens:,}", "plays of at least 30 seconds", "listen"),
        ("Days with music", f"{active:,}", f"of {len(days):,}", "streak"),
    ]
    if figures.period.kind == "all":
        totals = figures.totals
        cards.append(("Artists", f"{totals['artists']:,}", f"{totals['recordings']:,} recordings", "recording"))
    else:
        found = sum(row["artist_discoveries"] for row in days)
        cards.append(("New artists", f"{found:,}", "heard for the first time", "discovery"))
    if sessions:
        mean = sum(row["ms_played"] for row in sessions) / len(sessions)
        cards.append(("Sessions", f"{len(sessions):,}", f"{duration(mean)} of sound on average", "session"))
    if judged:
        cards.append(("Skipped", percent(skips / judged), f"{skips:,} of {judged:,} plays that can be judged", "skip"))
    streaks = [row["days"] for row in figures["streaks"]]
    if streaks:
        cards.append(("Longest streak", f"{max(streaks):,} days", "in a row with a listen", "streak"))
    estimated = sum((row["estimated_share"] or 0) * row["ms_played"] for row in days) / ms if ms else 0
    if estimated:
        cards.append(("Estimated", percent(estimated), "of the listening time: polled plays have no length", "estimate"))
    return [dict(zip(("title", "value", "note", "definition"), card, strict=True)) for card in cards]


def _tops(figures: Figures) -> list[dict[str, Any]]:
    tops = []
    for kind, title in (("artist", "Artists"), ("recording", "Songs"), ("album", "Albums")):
        rows = sorted(
            (row for row in figures["top_by_period"] if row["entity_kind"] == kind), key=lambda row: row["rank"]
        )[:10]
        if rows:
            most = rows[0]["listens"]
            tops.append({"title": title, "kind": kind, "rows": [row | {"of_most": row["listens"] / most} for row in rows]})
    return tops


def _milestones(figures: Figures) -> list[str]:
    words = {
        "listens": "{threshold:,} listens",
        "hours": "{threshold:,} hours of listening",
        "streak_days": "{threshold:,} days in a row",
    }
    return [
        f"{day(row['local_date'])}: {words[row['kind']].format(threshold=row['threshold'])}"
        for row in sorted(figures["milestones"], key=lambda row: row["play_number"])
        if row["kind"] in words
    ]


def _accounts(rows: list[Row]) -> dict[str, int]:
    return {
        name: sum(row[f"{name}_rows"] for row in rows)
        for name in ("input", "kept", "duplicate", "superseded", "rejected", "unaccounted")
    }


_TABLE_COLUMNS = {
    "daypart_divergence": ("daypart", "listens", "ms_played_share", "artists", "divergence_bits"),
    "discovery_vs_returning": ("month", "subject", "listens", "discovery_share", "returning_share", "local_novelty"),
    "weekday_weekend": ("value", "weekday_listens", "weekend_listens", "weekend_lift_log2"),
    "repeat_obsessions": ("track_name", "artist_name", "first_date", "last_date", "listens", "days"),
    "skip_behaviour": ("dimension", "label", "plays", "skips", "skip_rate"),
    "artist_retention": ("discovered_month", "months_later", "discovered_artists", "retention"),
    "diversity_by_month": ("period", "artists", "effective_artists", "top_1_share", "top_10_share"),
    "seasonality": ("month", "years", "seasonal_index"),
}


def _table(rows: list[Row], name: str) -> dict[str, Any] | None:
    columns = _TABLE_COLUMNS.get(name)
    if columns is None:
        return None
    shown = rows[:_TABLE_ROWS]
    return {
        "columns": [column.replace("_", " ") for column in columns],
        "rows": [[_cell(row[column]) for column in columns] for row in shown],
        "left_out": len(rows) - len(shown),
    }


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _json(spec: dict[str, Any] | None) -> str:
    # "<" is escaped so that no title in the data can end the script element that carries it.
    return orjson.dumps(spec).decode("utf-8").replace("<", "\\u003c")


def _shipped(name: str) -> str:
    return (files("spotifriend_dagster") / "reports" / name).read_text("utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(loader=FunctionLoader(_shipped), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {"duration": duration, "day": day, "percent": percent}
    environment.globals["weekdays"] = WEEKDAYS
    return environment


DEFINITIONS = {
    "listening-time": ("Listening time", "The sum of what was really played, in milliseconds; never of track lengths."),
    "listen": ("Listen", "A play of at least 30 seconds: the unit of every count."),
    "local-time": ("Local time", "The listener's own clock at that instant, daylight saving and journeys included."),
    "session": ("Session", "Plays with no pause of more than 20 minutes between them, with at least one listen."),
    "skip": (
        "Skip",
        "Ended by a skip button before 30 seconds and before half of the track, where its length is known. The rate is "
        "over the plays for which this can be decided.",
    ),
    "recording": ("Recording", "A song, whichever release it was played from: by ISRC, else by title and artist."),
    "discovery": (
        "Discovery, returning, rediscovery, lapsed",
        "The first listen of an artist in the known history; a listen within 180 days of the one before; one after "
        "longer, with three earlier listens; the same with fewer. In the first 90 days, what is new may be new only to "
        "the data.",
    ),
    "retention": ("Retention", "Of the artists discovered in a month, the share heard again k months later."),
    "through-the-day": (
        "Through the day",
        "Night 0–6, morning 6–12, afternoon 12–18, evening 18–24, local. The difference is the Jensen–Shannon "
        "divergence of the part's artists from the whole, in bits: 0 is the same, 1 is nothing in common.",
    ),
    "weekend-lift": (
        "Weekdays against weekends",
        "How much larger an artist's share of the listens is at weekends than on weekdays; from 20 listens on.",
    ),
    "obsession": (
        "Obsession",
        "Five listens of one recording within 168 hours open one; it lasts until a pause of 14 days.",
    ),
    "diversity": ("Diversity", "Effective artists: 2 to the power of the Shannon entropy of listening time over artists."),
    "seasonality": ("Season", "Mean listening time per day of a month of the year ÷ that of all months; two years needed."),
    "streak": ("Streak", "Consecutive local dates with at least one listen."),
    "loyalty": ("Loyalty", "Months with a listen ÷ months since the discovery, both counted; from three on."),
    "forgotten": ("Forgotten favourite", "At least 15 full plays, and none for 180 days."),
    "estimate": (
        "Estimate",
        "What the Web API reports has no length of play: it is the track's length, or the time since the play before.",
    ),
    "coverage": (
        "Coverage",
        "A day is complete when an export or an unbroken chain of polls reaches it, a minimum when plays may be missing, "
        "unknown otherwise.",
    ),
}
"""The definitions on the page, by anchor; docs/metrics.md has them in full."""
