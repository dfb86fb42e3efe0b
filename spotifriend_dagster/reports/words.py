"""What the figures say, in plain words: sentences for people, each with what it rests on. No figure is made here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from spotifriend_dagster.reports.figures import Figures, Row
from spotifriend_dagster.reports.selections import (
    longest_streak,
    top_genres,
)

_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIMES = {"morning": "mornings", "afternoon": "afternoons", "evening": "evenings", "night": "nights"}
_NAME_LENGTH = 80
_FEW_LISTENS = 50
_FEW_DISCOVERIES = 10


@dataclass(frozen=True)
class Sentence:
    """A sentence, the anchor of the definition that its figures rest on, and whether it is about all time."""

    text: str
    definition: str
    is_all_time: bool = False


def duration(ms: float) -> str:
    """Milliseconds as people say them: minutes, hours and minutes, or (from 100 hours on) hours."""
    minutes = round(ms / 60_000)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 6_000 else f"{round(minutes / 60):,} hours"


def day(on: date) -> str:
    """A date as people write it."""
    return f"{on.day} {on:%B %Y}"


def month(of: date) -> str:
    """The month of a date as people write it."""
    return f"{of:%B %Y}"


def percent(share: float) -> str:
    """A share as a percentage, with a decimal where it is small."""
    if 0 < share < 0.0005:
        return "under 0.1%"
    return f"{share:.1%}" if 0 < share < 0.0995 else f"{share:.0%}"


def count(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many}"


def name(said: str | None) -> str:
    """A title or an artist within a sentence: cut where very long, and apart from the sentence's own direction."""
    shown = said or "unknown"
    shown = shown if len(shown) <= _NAME_LENGTH else shown[: _NAME_LENGTH - 1] + "…"
    return f"\u2068{shown}\u2069"  # isolated, so that a title in Arabic does not turn the sentence around


def at_least(rows: Iterable[Row]) -> str:
    """The words before a count over these rows: "at least " where plays may be missing."""
    return "at least " if any(row["is_minimum"] for row in rows) else ""


def capital(text: str) -> str:
    """A sentence with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def learned(figures: Figures) -> list[Sentence]:
    """The sentences of "in plain words", the most telling first; those that cannot be said are left out."""
    sentences = (
        busiest_hour(figures),
        _taste(figures),
        _genres(figures),
        _new(figures),
        _stuck(figures),
        _weekend(figures),
        greatest_obsession(figures),
        _repeats(figures),
        _skipping(figures),
        _spread(figures),
        _liked(figures),
        _longest_day(figures),
        _streak(figures),
    )
    return [sentence for sentence in sentences if sentence]


def busiest_hour(figures: Figures) -> Sentence | None:
    """The hour of the week with most listening."""
    cells = [cell for cell in figures["listening_clock"] if cell["ms_played_per_day"]]
    if not cells:
        return None
    top = max(cells, key=lambda cell: (cell["ms_played_per_day"], -cell["weekday"], -cell["local_hour"]))
    return Sentence(
        f"The busiest hour of the week is {_DAY_NAMES[top['weekday'] - 1]} from {top['local_hour']}:00, "
        f"with {duration(top['ms_played_per_day'])} of listening on average.",
        "local-time",
        is_all_time=True,
    )


def _taste(figures: Figures) -> Sentence | None:
    parts = [part for part in figures["daypart_divergence"] if part["divergence_bits"] and not part["is_small_sample"]]
    if len(parts) < 2:
        return None
    furthest = max(parts, key=lambda part: part["divergence_bits"])
    typical = [
        name(row["artist_name"])
        for row in sorted(figures["taste_by_daypart"], key=lambda row: (-row["lift"], row["artist_name"]))
        if row["daypart"] == furthest["daypart"] and row["listens"] >= 5 and row["lift"] > 1.2
    ][:2]
    then = f": {' and '.join(typical)} belong there more than elsewhere" if len(typical) == 2 else ""
    return Sentence(
        f"The {TIMES[furthest['daypart']]} sound most unlike the whole day{then}.", "through-the-day", is_all_time=True
    )


def _genres(figures: Figures) -> Sentence | None:
    coverage = figures["genre_coverage"]
    shares = {row["genre"]: row["overall_share"] for row in figures["taste_by_hour"]}
    if not coverage or coverage[0]["is_low_coverage"] or len(shares) < 3:
        return None
    said = [f"{name(genre)} ({percent(shares[genre])})" for genre in top_genres(figures)[:3]]
    return Sentence(
        f"The most heard genres are {said[0]}, {said[1]} and {said[2]}; genres are known for "
        f"{percent(coverage[0]['ms_played_share'])} of the listening time for music.",
        "genre",
        is_all_time=True,
    )


def _new(figures: Figures) -> Sentence | None:
    months = [row for row in figures["discovery_vs_returning"] if row["subject"] == "artist"]
    judged = [row for row in months if not row["is_censored"]]
    listens = sum(row["listens"] for row in judged)
    if not listens:
        return None
    since = "" if len(judged) == len(months) else f"From {month(min(row['month'] for row in judged))} on, "
    new = sum(row["discovery_listens"] for row in judged)
    back = sum(row["rediscovery_listens"] + row["lapsed_listens"] for row in judged)
    said = f"{since}{at_least(judged)}{count(new, 'artist was', 'artists were')} heard for the first time"
    if back:
        returned = count(back, "listen was", "listens were")
        said += f", and {returned} to artists that came back after half a year or more: together"
    else:
        said += ":"
    return Sentence(capital(f"{said} {percent((new + back) / listens)} of the listens."), "discovery")


def _stuck(figures: Figures) -> Sentence | None:
    judged = sum(row["judged_discoveries"] for row in figures["artist_conversion"])
    if judged < _FEW_DISCOVERIES:
        return None
    stuck = sum(row["converted_discoveries"] for row in figures["artist_conversion"])
    return Sentence(
        f"Of {judged:,} artists whose discovery can be judged, {stuck:,} ({percent(stuck / judged)}) stuck: three "
        "listens or more, on two days or more, within 30 days.",
        "conversion",
    )


def _weekend(figures: Figures) -> Sentence | None:
    overall = figures.one("weekday_weekend", dimension="all")
    if overall is None or not overall["weekday_ms_per_day"] or not overall["weekend_ms_per_day"]:
        return None
    ratio = overall["weekend_ms_per_day"] / overall["weekday_ms_per_day"]
    if 0.95 <= ratio <= 1.05:
        said = "A day of the weekend has about as much music as a weekday"
    else:
        more, less = ("day of the weekend", "weekday") if ratio > 1 else ("weekday", "day of the weekend")
        said = f"A {more} has {percent(max(ratio, 1 / ratio) - 1)} more music than a {less}"
    weekday, weekend = duration(overall["weekday_ms_per_day"]), duration(overall["weekend_ms_per_day"])
    return Sentence(f"{said}: {weekday} on weekdays, {weekend} at weekends.", "weekend-lift", is_all_time=True)


def greatest_obsession(figures: Figures) -> Sentence | None:
    """The most intense obsession of those that began in the period."""
    ranked = sorted(figures["repeat_obsessions"], key=lambda row: row["obsession_rank"])
    if not ranked:
        return None
    top = ranked[0]
    by = f" by {name(top['artist_name'])}" if top["artist_name"] else ""
    is_whole = figures.period.kind == "all"
    when = "" if is_whole else f" of those that began in {figures.period.title}"
    rest = "" if len(ranked) == 1 else f" There were {len(ranked):,}{' obsessions in all' if is_whole else ' of them'}."
    return Sentence(
        f"The greatest obsession{when} was {name(top['track_name'])}{by}: {top['listens']:,} listens in "
        f"{count(top['days'], 'day', 'days')} from {day(top['first_date'])}.{rest}",
        "obsession",
    )


def _repeats(figures: Figures) -> Sentence | None:
    listens = sum(week["listens"] for week in figures["repeat_share"])
    if listens < _FEW_LISTENS:
        return None
    repeats = sum(week["repeats"] for week in figures["repeat_share"])
    when = "" if figures.period.kind == "all" else f" in the weeks that began in {figures.period.title}"
    return Sentence(
        f"{percent(repeats / listens)} of the listens{when} were of a song heard within the seven days before.",
        "repeat",
    )


def _skipping(figures: Figures) -> Sentence | None:
    first = figures.one("skip_behaviour", dimension="session_position", value="1")
    late = figures.one("skip_behaviour", dimension="session_position", value="11+")
    if first is None or late is None or not (first["is_ranked"] and late["is_ranked"]):
        return None
    return Sentence(
        f"The first song of a session is skipped in {percent(first['skip_rate'])} of cases, songs after the tenth in "
        f"{percent(late['skip_rate'])}.",
        "skip",
        is_all_time=True,
    )


def _spread(figures: Figures) -> Sentence | None:
    row = figures.one("diversity_by_month", period=figures.period.name)  # a year has no row
    if row is None or row["effective_artists"] is None or row["artists"] <= 10:
        return None
    return Sentence(
        f"The ten most heard artists take {percent(row['top_10_share'])} of the time for music; it is as diverse as "
        f"{count(round(row['effective_artists']), 'artist', 'artists')} heard equally.",
        "diversity",
    )


def _liked(figures: Figures) -> Sentence | None:
    months = figures["library_growth"]
    if not months or figures.period.kind != "all" or not months[-1]["library_tracks"]:
        return None
    last = months[-1]
    least = "" if last["is_whole_library"] else "at least "
    return Sentence(
        f"Of {least}{count(last['library_tracks'], 'liked song', 'liked songs')}, {at_least([last])}"
        f"{percent(last['library_heard_share'])} were ever listened to.",
        "library",
    )


def _longest_day(figures: Figures) -> Sentence | None:
    days = [row for row in figures["daily_listening"] if row["ms_played"]]
    if len(days) < 2:
        return None
    top = max(days, key=lambda row: (row["ms_played"], -row["local_date"].toordinal()))
    return Sentence(
        f"The longest day was {_DAY_NAMES[top['weekday'] - 1]}, {day(top['local_date'])}, with {at_least([top])}"
        f"{duration(top['ms_played'])}.",
        "listening-time",
    )


def _streak(figures: Figures) -> Sentence | None:
    top = longest_streak(figures)
    if top is None:
        return None
    which = "" if figures.period.kind == "all" else f" that touches {figures.period.title}"
    return Sentence(
        f"The longest streak of days with music{which} is {at_least([top])}{top['days']:,} days, from "
        f"{day(top['first_date'])} to {day(top['last_date'])}.",
        "streak",
    )
