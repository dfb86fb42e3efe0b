"""What is under each chart as a table: the figures for those who cannot see it, in columns that people can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spotifriend_dagster.reports.figures import Figures, Row
from spotifriend_dagster.reports.selections import (
    DAYPARTS,
    SOUNDS,
    TIME_RANGES,
    WEEKDAYS,
    agreements,
    leaning_artists,
    leaning_genres,
    retained,
    shows_single_days,
    taste_artists,
    top_genres,
)
from spotifriend_dagster.reports.words import day, duration, month, percent

_SHOWN_ROWS = 60
_PLACES = ("most heard", "second", "third")
_DIMENSIONS = {"all": 0, "hour": 1, "session_position": 2, "month": 3, "artist": 4, "track": 5}


@dataclass(frozen=True)
class TextTable:
    """A table as text: the columns' names, the rows' cells (the first names its row), how many rows are left out."""

    columns: tuple[str, ...]
    rows: list[list[str]]
    left_out: int = 0


def chart_table(name: str, figures: Figures) -> TextTable:
    """The table of the chart of that name."""
    rows, columns = _TABLES[name]
    given = rows(figures)
    cells = [[show(row) for show in columns.values()] for row in given[:_SHOWN_ROWS]]
    return TextTable(tuple(columns), cells, len(given) - len(cells))


def _cell(column: str, shown: Callable[[Any], str] = str) -> Callable[[Row], str]:
    return lambda row: "–" if row[column] is None else shown(row[column])


def _number(value: int) -> str:
    return f"{value:,}"


def _bits(value: float) -> str:
    return f"{value:.3f}"


def _times(value: float) -> str:
    return f"×{value:.2f}"


def _days(figures: Figures) -> list[Row]:
    """The listening by month, the latest first, or by day where the chart shows days."""
    if shows_single_days(figures):
        return [
            row | {"name": day(row["local_date"]), "active": int(row["listens"] > 0), "days": 1}
            for row in reversed(figures["daily_listening"])
        ]
    months: dict[str, Row] = {}
    for row in reversed(figures["daily_listening"]):
        name = month(row["local_date"])
        total = months.setdefault(name, {"name": name, "active": 0, "days": 0, "listens": 0, "ms_played": 0})
        total["active"] += row["listens"] > 0
        total["days"] += 1
        total["listens"] += row["listens"]
        total["ms_played"] += row["ms_played"]
    return list(months.values())


def _hours(figures: Figures) -> list[Row]:
    """A row for each hour of the day, with the weekdays beside each other."""
    minutes = {
        (cell["local_hour"], cell["weekday"]): (cell["ms_played_per_day"] or 0) / 60_000
        for cell in figures["listening_clock"]
    }
    return [
        {"hour": f"{hour}:00"}
        | {name: minutes.get((hour, number), 0.0) for number, name in enumerate(WEEKDAYS, start=1)}
        for hour in range(24)
    ]


def _dayparts(figures: Figures) -> list[Row]:
    return sorted(figures["daypart_divergence"], key=lambda row: DAYPARTS.index(row["daypart"]))


def _tastes(figures: Figures) -> list[Row]:
    lifts = {(row["artist_name"], row["daypart"]): row["lift"] for row in figures["taste_by_daypart"]}
    return [
        {"artist": artist} | {part: lifts.get((artist, part)) for part in DAYPARTS} for artist in taste_artists(figures)
    ]


def _genre_hours(figures: Figures) -> list[Row]:
    lifts = {(row["genre"], row["local_hour"]): row["lift"] for row in figures["taste_by_hour"]}
    return [
        {"genre": genre} | {f"{hour}:00": lifts.get((genre, hour)) for hour in range(24)}
        for genre in top_genres(figures)
    ]


def _genre_months(figures: Figures) -> list[Row]:
    """The months, the latest first, with the genres that were heard most in each."""
    months: dict[Any, Row] = {}
    for row in reversed(figures["genre_evolution"]):
        told = months.setdefault(row["month"], row | dict.fromkeys(_PLACES))
        if row["listens"] and row["genre_rank"] <= len(_PLACES):
            told[_PLACES[row["genre_rank"] - 1]] = f"{row['genre']} {percent(row['share'])}"
    return list(months.values())


def _libraries(figures: Figures) -> list[Row]:
    return figures["library_growth"][::-1]


def _sounds(figures: Figures) -> list[Row]:
    return figures["audio_features_by_hour"]


def _novelties(figures: Figures) -> list[Row]:
    return [row for row in reversed(figures["discovery_vs_returning"]) if row["subject"] == "artist"]


def _obsessions(figures: Figures) -> list[Row]:
    return sorted(figures["repeat_obsessions"], key=lambda row: row["obsession_rank"])


def _skips(figures: Figures) -> list[Row]:
    """Everything by what it is told apart; hours in their order, artists and songs by rank."""
    return sorted(
        (row for row in figures["skip_behaviour"] if row["dimension"] != "month"),
        key=lambda row: (
            _DIMENSIONS[row["dimension"]],
            row["skip_rank"] if row["dimension"] in ("artist", "track") else 0,
            row["value"],
        ),
    )


def _diversities(figures: Figures) -> list[Row]:
    months = [row for row in reversed(figures["diversity_by_month"]) if row["period_kind"] == "month"]
    return [row for row in months if row["effective_artists"] is not None]


def _seasons(figures: Figures) -> list[Row]:
    return sorted(figures["seasonality"], key=lambda row: row["month"])


def _month_name(number: int) -> str:
    return (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    )[number - 1]


_SKIP_WORDS = {
    "all": "all",
    "hour": "hour",
    "session_position": "place in session",
    "artist": "artist",
    "track": "song",
}
_DAYS = (
    _days,
    {
        "when": _cell("name"),
        "days with music": _cell("active", _number),
        "of days": _cell("days", _number),
        "listens": _cell("listens", _number),
        "listening time": _cell("ms_played", duration),
    },
)
_TABLES: dict[str, tuple[Callable[[Figures], list[Row]], dict[str, Callable[[Row], str]]]] = {
    "calendar": _DAYS,
    "daily_listening": _DAYS,
    "listening_clock": (
        _hours,
        {"minutes from": _cell("hour")} | {name: _cell(name, "{:.1f}".format) for name in WEEKDAYS},
    ),
    "daypart_divergence": (
        _dayparts,
        {
            "part of the day": _cell("daypart"),
            "listens": _cell("listens", _number),
            "share of the time": _cell("ms_played_share", percent),
            "artists": _cell("artists", _number),
            "divergence, bits": _cell("divergence_bits", _bits),
        },
    ),
    "taste_by_daypart": (_tastes, {"artist": _cell("artist")} | {part: _cell(part, _times) for part in DAYPARTS}),
    "weekday_weekend": (
        leaning_artists,
        {
            "artist": _cell("value"),
            "listens on weekdays": _cell("weekday_listens", _number),
            "listens at weekends": _cell("weekend_listens", _number),
            "weekends ÷ weekdays": _cell("weekend_lift_log2", lambda lift: _times(2**lift)),
        },
    ),
    "taste_by_hour": (
        _genre_hours,
        {"genre": _cell("genre")} | {f"{hour}:00": _cell(f"{hour}:00", _times) for hour in range(24)},
    ),
    "weekday_weekend_genres": (
        leaning_genres,
        {
            "genre": _cell("genre"),
            "listens on weekdays": _cell("weekday_listens", _number),
            "listens at weekends": _cell("weekend_listens", _number),
            "weekends ÷ weekdays": _cell("weekend_lift_log2", lambda lift: _times(2**lift)),
        },
    ),
    "genre_evolution": (
        _genre_months,
        {"month": _cell("month", month)}
        | {place: _cell(place) for place in _PLACES}
        | {
            "effective genres": _cell("effective_genres", "{:.1f}".format),
            "genres known of the time": _cell("genre_coverage", percent),
        },
    ),
    "spotify_top_agreement": (
        agreements,
        {
            "Spotify's top": lambda row: "songs" if row["entity_kind"] == "track" else "artists",
            "of the last": lambda row: TIME_RANGES[row["time_range"]],
            "in both first 10": _cell("common_10", _number),
            "in both first 50": _cell("common_50", _number),
            "rank-biased overlap": _cell("rank_biased_overlap", "{:.2f}".format),
        },
    ),
    "library_growth": (
        _libraries,
        {
            "month": _cell("month", month),
            "added": _cell("added_tracks", _number),
            "no longer liked": _cell("removed_tracks", _number),
            "liked songs": _cell("library_tracks", _number),
            "ever listened to": _cell("library_heard_share", percent),
        },
    ),
    "audio_features_by_hour": (
        _sounds,
        {"hour": lambda row: f"{row['local_hour']}:00"}
        | {feature: _cell(feature, "{:.2f}".format) for feature in SOUNDS}
        | {"tempo": _cell("tempo", "{:.0f}".format), "listens with features": _cell("feature_listens", _number)},
    ),
    "discovery_vs_returning": (
        _novelties,
        {
            "month": _cell("month", month),
            "listens": _cell("listens", _number),
            "discovery": _cell("discovery_share", percent),
            "rediscovery": _cell("rediscovery_share", percent),
            "lapsed": _cell("lapsed_share", percent),
            "returning": _cell("returning_share", percent),
        },
    ),
    "artist_retention": (
        retained,
        {
            "months later": _cell("months", _number),
            "artists": _cell("artists", _number),
            "heard again": _cell("again", _number),
            "share": _cell("share", percent),
        },
    ),
    "repeat_obsessions": (
        _obsessions,
        {
            "song": lambda row: row["track_name"] or "unknown",
            "artist": lambda row: row["artist_name"] or "unknown",
            "from": _cell("first_date"),
            "to": _cell("last_date"),
            "listens": _cell("listens", _number),
            "days": _cell("days", _number),
        },
    ),
    "skip_behaviour": (
        _skips,
        {
            "by": lambda row: _SKIP_WORDS[row["dimension"]],
            "value": _cell("label"),
            "plays": _cell("plays", _number),
            "skips": _cell("skips", _number),
            "rate": _cell("skip_rate", percent),
        },
    ),
    "diversity_by_month": (
        _diversities,
        {
            "month": _cell("period_start", month),
            "artists": _cell("artists", _number),
            "effective artists": _cell("effective_artists", "{:.1f}".format),
            "share of the first": _cell("top_1_share", percent),
            "share of the first ten": _cell("top_10_share", percent),
        },
    ),
    "seasonality": (
        _seasons,
        {
            "month": _cell("month", _month_name),
            "complete months": _cell("years", _number),
            "listening time a day": _cell("ms_played_per_day", duration),
            "of the average month": _cell("seasonal_index", "{:.2f}".format),
        },
    ),
}
