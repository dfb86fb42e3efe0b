"""What the figures say, in plain words: sentences for people, each with what it rests on. No figure is made here."""

from __future__ import annotations

from datetime import date
from typing import Any

from spotifriend_dagster.reports.charts import DAYPARTS, WEEKDAYS
from spotifriend_dagster.reports.figures import Figures, Row

_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIMES = {"morning": "mornings", "afternoon": "afternoons", "evening": "evenings", "night": "nights"}


def duration(ms: float) -> str:
    """Milliseconds as people say them: minutes, hours and minutes, or (from 100 hours on) hours."""
    minutes = round(ms / 60_000)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 6_000 else f"{round(minutes / 60):,} hours"


def day(on: date) -> str:
    """A date as people write it."""
    return f"{on.day} {on:%B %Y}"


def percent(share: float) -> str:
    """A share as a percentage, with a decimal where it is small."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def learned(figures: Figures) -> list[str]:
    """The sentences of "what was learned", the most telling first; those that cannot be said are left out."""
    sentences = (
        _when(figures),
        _taste(figures),
        _new(figures),
        _stuck(figures),
        _weekend(figures),
        _obsession(figures),
        _repeats(figures),
        _skipping(figures),
        _spread(figures),
        _longest_day(figures),
        _streak(figures),
    )
    return [sentence for sentence in sentences if sentence]


def _when(figures: Figures) -> str | None:
    cells = [cell for cell in figures["listening_clock"] if cell["ms_played_per_day"]]
    if not cells:
        return None
    top = max(cells, key=lambda cell: (cell["ms_played_per_day"], -cell["weekday"], -cell["local_hour"]))
    minutes = round(top["ms_played_per_day"] / 60_000)
    return (
        f"The busiest hour of the week is {_DAY_NAMES[top['weekday'] - 1]} from {top['local_hour']}:00, "
        f"with {minutes} minutes of sound on average."
    )


def _taste(figures: Figures) -> str | None:
    parts = [part for part in figures["daypart_divergence"] if part["divergence_bits"] and not part["is_small_sample"]]
    if len(parts) < 2:
        return None
    furthest = max(parts, key=lambda part: part["divergence_bits"])
    typical = [
        row["artist_name"]
        for row in sorted(figures["taste_by_daypart"], key=lambda row: (-row["lift"], row["artist_name"]))
        if row["daypart"] == furthest["daypart"] and row["listens"] >= 5 and row["lift"] > 1.2
    ][:2]
    then = f": {' and '.join(typical)} belong to them more than to the rest of the day" if typical else ""
    return f"The {_TIMES[furthest['daypart']]} sound most unlike the rest of the day{then}."


def _new(figures: Figures) -> str | None:
    months = [row for row in figures["discovery_vs_returning"] if row["subject"] == "artist" and not row["is_censored"]]
    listens = sum(row["listens"] for row in months)
    if not listens:
        return None
    new = sum(row["discovery_listens"] for row in months)
    back = sum(row["rediscovery_listens"] + row["lapsed_listens"] for row in months)
    return (
        f"{new:,} artists were heard for the first time, and {back:,} listens were to artists that came back after "
        f"half a year or more: together {percent((new + back) / listens)} of the listens that can be judged."
    )


def _stuck(figures: Figures) -> str | None:
    judged = sum(row["judged_discoveries"] for row in figures["artist_conversion"])
    if judged < 10:
        return None
    stuck = sum(row["converted_discoveries"] for row in figures["artist_conversion"])
    return (
        f"Of {judged:,} discovered artists, {stuck:,} ({percent(stuck / judged)}) stuck: three listens on two days "
        "within a month."
    )


def _weekend(figures: Figures) -> str | None:
    overall = figures.one("weekday_weekend", dimension="all")
    if overall is None or not overall["weekday_ms_per_day"] or not overall["weekend_ms_per_day"]:
        return None
    ratio = overall["weekend_ms_per_day"] / overall["weekday_ms_per_day"]
    if 0.95 <= ratio <= 1.05:
        return "Weekend days and weekdays have about the same listening time."
    more, less = ("Weekend days", "weekdays") if ratio > 1 else ("Weekdays", "weekend days")
    return f"{more} have {percent(max(ratio, 1 / ratio) - 1)} more listening time than {less}."


def _obsession(figures: Figures) -> str | None:
    ranked = sorted(figures["repeat_obsessions"], key=lambda row: row["obsession_rank"])
    if not ranked:
        return None
    top = ranked[0]
    by = f" by {top['artist_name']}" if top["artist_name"] else ""
    return (
        f"The greatest obsession was {top['track_name']}{by}: {top['listens']:,} listens in {top['days']:,} days "
        f"from {day(top['first_date'])}. There were {len(ranked):,} obsessions in all."
    )


def _repeats(figures: Figures) -> str | None:
    listens = sum(week["listens"] for week in figures["repeat_share"])
    if not listens:
        return None
    repeats = sum(week["repeats"] for week in figures["repeat_share"])
    return f"{percent(repeats / listens)} of the listens were of a song heard within the seven days before."


def _skipping(figures: Figures) -> str | None:
    first = figures.one("skip_behaviour", dimension="session_position", value="1")
    late = figures.one("skip_behaviour", dimension="session_position", value="11+")
    if first is None or late is None or not (first["is_ranked"] and late["is_ranked"]):
        return None
    return (
        f"The first song of a session is skipped in {percent(first['skip_rate'])} of cases, songs after the tenth in "
        f"{percent(late['skip_rate'])}."
    )


def _spread(figures: Figures) -> str | None:
    overall = figures.one("diversity_by_month", period_kind="all")
    if figures.period.kind != "all" or overall is None or overall["effective_artists"] is None:
        return None
    return (
        f"Of {overall['artists']:,} artists, the ten most heard take {percent(overall['top_10_share'])} of the time; "
        f"it is as diverse as {round(overall['effective_artists']):,} artists heard equally."
    )


def _longest_day(figures: Figures) -> str | None:
    days = [row for row in figures["daily_listening"] if row["ms_played"]]
    if not days:
        return None
    top = max(days, key=lambda row: (row["ms_played"], -row["local_date"].toordinal()))
    return f"The longest day was {WEEKDAYS[top['weekday'] - 1]} {day(top['local_date'])}, with {duration(top['ms_played'])}."


def _streak(figures: Figures) -> str | None:
    streaks = sorted(figures["streaks"], key=lambda row: row["streak_rank"])
    if not streaks or streaks[0]["days"] < 3:
        return None
    top = streaks[0]
    return (
        f"The longest streak of days with music was {top['days']:,} days, {day(top['first_date'])} to "
        f"{day(top['last_date'])}."
    )


def chart_words(figures: Figures) -> dict[str, str]:
    """What each chart shows, in a sentence: for those who cannot see it, and those who would rather read."""
    days = figures["daily_listening"]
    listened = [row for row in days if row["listens"]]
    parts = {row["daypart"]: row for row in figures["daypart_divergence"]}
    overall = figures.one("skip_behaviour", dimension="all")
    said = {
        "calendar": f"{len(listened):,} of {len(days):,} days have a listen.",
        "daily_listening": "Listening time a day: the area is the mean of 7 days, the line that of 28.",
        "listening_clock": _when(figures) or "",
        "discovery_vs_returning": "Listens that were new for their artist or came back after half a year; the rest is returning.",
        "daypart_divergence": "; ".join(
            f"{name} {percent(parts[name]['ms_played_share'] or 0)}" for name in DAYPARTS if name in parts
        ),
        "weekday_weekend": _weekend(figures) or "",
        "repeat_obsessions": _obsession(figures) or "",
        "skip_behaviour": ""
        if overall is None
        else f"{overall['skips']:,} of {overall['plays']:,} plays that can be judged were skipped "
        f"({percent(overall['skip_rate'])}), over all time.",
        "artist_retention": "Of the artists discovered in a month, the share heard again in each later month.",
        "diversity_by_month": "How many artists, heard equally, would be as diverse as the month was.",
        "seasonality": "Listening time a day by month of the year, against the average month.",
    }
    if figures.period.kind == "month":
        said["daily_listening"] = "Listening time of each day."
    return said


def coverage_words(rows: list[Row]) -> str:
    """How much of the period is known."""
    counts: dict[Any, int] = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    known = f"{counts.get('complete', 0):,} of {len(rows):,} days are completely known"
    rest = [
        f"{counts[status]:,} {words}"
        for status, words in (("minimum", "are a minimum (plays may be missing)"), ("unknown", "are unknown"))
        if counts.get(status)
    ]
    return ", ".join([known, *rest]) + "."
