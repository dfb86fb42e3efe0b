"""Which rows a chart, its table and its sentence share, so that they say the same. No figure is made here but a sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from spotifriend_dagster.reports.figures import Figures, Row

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SOUNDS = ("energy", "danceability", "valence")
"""The audio features that are shown."""
DAYPARTS = ("morning", "afternoon", "evening", "night")
CALENDAR_YEARS = 6
"""How many years a calendar shows at most, the latest."""
_FEW_DAYS = 60
TIME_RANGES = {"short_term": "4 weeks", "medium_term": "6 months", "long_term": "year"}
"""Spotify's ranges as people say them, the shortest first."""
_TASTE_ARTISTS = 12
_LEANING = 6
_GENRES = 10


def shows_single_days(figures: Figures) -> bool:
    """Whether `trend` shows the days themselves: in a month, or where there are too few for means."""
    return figures.period.kind == "month" or len(figures["daily_listening"]) <= _FEW_DAYS


def taste_artists(figures: Figures) -> list[str]:
    """The most heard artists, over the whole day."""
    share = {row["artist_name"]: row["overall_share"] for row in figures["taste_by_daypart"]}
    return sorted(share, key=lambda artist: (-share[artist], artist))[:_TASTE_ARTISTS]


def leaning_artists(figures: Figures) -> list[Row]:
    """The artists that lean most to weekdays (first) and to weekends (last)."""
    return _leaning(figures["weekday_weekend"], "value")


def leaning_genres(figures: Figures) -> list[Row]:
    """The genres that lean most to weekdays (first) and to weekends (last)."""
    return _leaning(figures["weekday_weekend_genres"], "genre")


def _leaning(rows: Iterable[Row], about: str) -> list[Row]:
    leaning = sorted(
        (row for row in rows if row["weekend_lift_log2"] is not None),
        key=lambda row: (row["weekend_lift_log2"], row[about]),
    )
    weekdays = [row for row in leaning if row["weekend_lift_log2"] < 0][:_LEANING]
    return weekdays + [row for row in leaning if row["weekend_lift_log2"] > 0][-_LEANING:]


def top_genres(figures: Figures) -> list[str]:
    """The most heard genres, over all time."""
    share = {row["genre"]: row["overall_share"] for row in figures["taste_by_hour"]}
    return sorted(share, key=lambda genre: (-share[genre], genre))[:_GENRES]


def top_genres_of_months(figures: Figures) -> list[str]:
    """The most heard genres of the months of the period."""
    weight: dict[str, float] = defaultdict(float)
    for row in figures["genre_evolution"]:
        weight[row["genre"]] += row["weight"]
    return sorted(weight, key=lambda genre: (-weight[genre], genre))[:_GENRES]


def agreements(figures: Figures) -> list[Row]:
    """How Spotify's tops agree with the listener's own: songs, then artists, from the shortest range to the longest."""
    ranges = list(TIME_RANGES)
    judged = [row for row in figures["spotify_top_agreement"] if row["overlap_50"] is not None]
    return sorted(judged, key=lambda row: (row["entity_kind"] != "track", ranges.index(row["time_range"])))


def known_playlists(figures: Figures) -> list[Row]:
    """The playlists of the library whose content is known, the most played from first."""
    known = [row for row in figures["playlist_listening"] if row["is_in_library"] and row["tracks"]]
    return sorted(
        known, key=lambda row: (-row["listens"], -row["heard_tracks"], row["playlist_name"] or "", row["value"])
    )


def retained(figures: Figures) -> list[Row]:
    """By months since the discovery: the artists that were discovered, those heard again then, and their share.

    All months of discovery are taken together, but for those of the first 90 days.
    """
    artists: dict[int, int] = defaultdict(int)
    again: dict[int, int] = defaultdict(int)
    for row in figures["artist_retention"]:
        if not row["is_censored"]:
            artists[row["months_later"]] += row["discovered_artists"]
            again[row["months_later"]] += row["retained_artists"]
    return [
        {"months": months, "artists": count, "again": again[months], "share": again[months] / count}
        for months, count in sorted(artists.items())
        if count
    ]


def longest_streak(figures: Figures) -> Row | None:
    """The longest streak that touches the period, where it is one of three days or more."""
    streaks = sorted(figures["streaks"], key=lambda row: row["streak_rank"])
    return streaks[0] if streaks and streaks[0]["days"] >= 3 else None
