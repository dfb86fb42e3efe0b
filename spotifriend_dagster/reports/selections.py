"""Which rows a chart, its table and its sentence share, so that they say the same. No figure is made here but a sum."""

from __future__ import annotations

from collections import defaultdict

from spotifriend_dagster.reports.figures import Figures, Row

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAYPARTS = ("morning", "afternoon", "evening", "night")
CALENDAR_YEARS = 6
"""How many years a calendar shows at most, the latest."""
_FEW_DAYS = 60
_TASTE_ARTISTS = 12
_LEANING_ARTISTS = 6


def shows_single_days(figures: Figures) -> bool:
    """Whether `trend` shows the days themselves: in a month, or where there are too few for means."""
    return figures.period.kind == "month" or len(figures["daily_listening"]) <= _FEW_DAYS


def taste_artists(figures: Figures) -> list[str]:
    """The most heard artists, over the whole day."""
    share = {row["artist_name"]: row["overall_share"] for row in figures["taste_by_daypart"]}
    return sorted(share, key=lambda artist: (-share[artist], artist))[:_TASTE_ARTISTS]


def leaning_artists(figures: Figures) -> list[Row]:
    """The artists that lean most to weekdays (first) and to weekends (last)."""
    leaning = sorted(
        (row for row in figures["weekday_weekend"] if row["weekend_lift_log2"] is not None),
        key=lambda row: (row["weekend_lift_log2"], row["value"]),
    )
    weekdays = [row for row in leaning if row["weekend_lift_log2"] < 0][:_LEANING_ARTISTS]
    return weekdays + [row for row in leaning if row["weekend_lift_log2"] > 0][-_LEANING_ARTISTS:]


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
