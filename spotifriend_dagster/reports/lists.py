"""The headline figures and the ranked lists of a summary, each with the definition that it leads to."""

from __future__ import annotations

from dataclasses import dataclass

from spotifriend_dagster.reports.captions import playlist_words
from spotifriend_dagster.reports.figures import Figures, Row
from spotifriend_dagster.reports.selections import known_playlists, longest_streak
from spotifriend_dagster.reports.words import at_least, count, day, duration, percent

_LEADING_LISTENS = 100
_MILESTONES = 12
_PLAYLISTS = 10


@dataclass(frozen=True)
class Headline:
    """A headline figure: `least` is "at least " where plays may be missing."""

    title: str
    value: str
    note: str
    definition: str
    least: str = ""


@dataclass(frozen=True)
class Entry:
    """A line of a list: a name, who it is by, a figure, the part of a bar that it fills, and places gained."""

    name: str
    figure: str
    by: str = ""
    share: float = 0.0
    change: int = 0


@dataclass(frozen=True)
class RankedList:
    """A list under a heading."""

    id: str
    title: str
    definition: str
    entries: list[Entry]
    words: str = ""
    is_all_time: bool = False
    is_ranked: bool = True


def headline(figures: Figures) -> list[Headline]:
    """The headline figures of the period; those that nothing is known of are left out."""
    days = figures["daily_listening"]
    least = at_least(days)
    ms = sum(row["ms_played"] for row in days)
    active = sum(1 for row in days if row["listens"])
    cards = [
        Headline(
            "Listening time",
            duration(ms),
            f"{duration(ms / max(active, 1))} per day with music",
            "listening-time",
            least,
        ),
        Headline(
            "Listens", f"{sum(row['listens'] for row in days):,}", "plays of at least 30 seconds", "listen", least
        ),
        Headline("Days with music", f"{active:,}", f"of {count(len(days), 'day', 'days')}", "day", least),
    ]
    if figures.period.kind == "all":
        totals = figures.totals
        songs = count(totals["recordings"], "song", "songs")
        cards.append(Headline("Artists", f"{totals['artists']:,}", f"and {songs}", "artist", least))
    else:
        found = sum(row["artist_discoveries"] for row in days)
        months = [row for row in figures["discovery_vs_returning"] if row["subject"] == "artist"]
        censored = sum(row["censored_discoveries"] for row in months)
        note = f"{censored:,} of them in the first 90 days" if censored else "heard for the first time"
        cards.append(Headline("New artists", f"{found:,}", note, "discovery", least))
    sessions = figures["sessions"][0]
    if sessions["sessions"]:
        mean = duration(sessions["ms_played"] / sessions["sessions"])
        cards.append(Headline("Sessions", f"{sessions['sessions']:,}", f"of {mean} on average", "session", least))
    if judged := sum(row["skippable_plays"] for row in days):
        skips = sum(row["skips"] for row in days)
        cards.append(
            Headline("Skipped", percent(skips / judged), f"{skips:,} of {judged:,} plays that can be judged", "skip")
        )
    if streak := longest_streak(figures):
        note = f"from {day(streak['first_date'])}"
        cards.append(Headline("Longest streak", f"{streak['days']:,} days", note, "streak", at_least([streak])))
    if estimated := sum((row["estimated_share"] or 0) * row["ms_played"] for row in days):
        cards.append(Headline("Estimated", percent(estimated / ms), "of the listening time", "estimate"))
    return cards


def lists(figures: Figures) -> list[RankedList]:
    """The lists of the period, then those of all time; empty ones are left out."""
    tops = [
        RankedList(f"top-{kind}", title, "ranking", _top(figures, kind))
        for kind, title in (("artist", "Artists"), ("recording", "Songs"), ("album", "Albums"))
    ]
    milestones = RankedList("milestones", "Milestones", "milestone", _milestones(figures), is_ranked=False)
    loyal = RankedList(
        "loyal",
        "Loyalty",
        "loyalty",
        _loyal(figures),
        words="Artists heard in most of the months since their discovery.",
        is_all_time=True,
    )
    forgotten = RankedList(
        "forgotten",
        "Forgotten favourites",
        "forgotten",
        _forgotten(figures),
        words="Once played to the end again and again, and not for half a year.",
        is_all_time=True,
    )
    spotify = [
        RankedList(
            f"spotify-{kind}",
            f"Spotify's top {title}",
            "spotify-top",
            _spotify_top(figures, kind),
            words="Of the last 4 weeks, as Spotify ranks them.",
            is_all_time=True,
        )
        for kind, title in (("artist", "artists"), ("track", "songs"))
    ]
    playlists = RankedList(
        "playlists",
        "Playlists",
        "playlist",
        _playlists(figures),
        words=playlist_words(figures),
        is_all_time=True,
        is_ranked=False,
    )
    return [shown for shown in (*tops, *spotify, playlists, loyal, forgotten, milestones) if shown.entries]


def _top(figures: Figures, kind: str) -> list[Entry]:
    rows = sorted((row for row in figures["top_by_period"] if row["entity_kind"] == kind), key=lambda row: row["rank"])
    return [
        Entry(
            row["name"] or "unknown",
            f"{row['listens']:,}",
            by=(row["artist_name"] or "") if kind != "artist" else "",
            share=row["listens"] / rows[0]["listens"],
            change=row["rank_change"] or 0,
        )
        for row in rows
    ]


def _spotify_top(figures: Figures, kind: str) -> list[Entry]:
    rows = [row for row in figures["spotify_rank_movement"] if row["entity_kind"] == kind]
    return [
        Entry(
            row["name"] or "unknown",
            "new" if row["movement"] == "entered" else "",
            by=(row["artist_name"] or "") if kind == "track" else "",
            change=row["rank_change"] or 0,
        )
        for row in sorted(rows, key=lambda row: row["rank"])
    ]


def _playlists(figures: Figures) -> list[Entry]:
    return [
        Entry(
            row["playlist_name"] or "unknown",
            f"{row['heard_tracks']:,} of {row['tracks']:,} heard",
            by=count(row["listens"], "listen from it", "listens from it") if row["listens"] else "",
            share=row["heard_share"] or 0.0,
        )
        for row in known_playlists(figures)[:_PLAYLISTS]
    ]


def _loyal(figures: Figures) -> list[Entry]:
    return [
        Entry(row["artist_name"], f"{row['active_months']} of {row['months']} months", share=row["loyalty"])
        for row in sorted(figures["artist_loyalty"], key=lambda row: row["loyalty_rank"])
    ]


def _forgotten(figures: Figures) -> list[Entry]:
    return [
        Entry(row["track_name"] or "unknown", f"{row['listens']:,} listens", by=row["artist_name"] or "")
        for row in sorted(figures["forgotten_favourites"], key=lambda row: row["favourite_rank"])
    ]


def _milestones(figures: Figures) -> list[Entry]:
    """The latest milestones in their order; a new most-played artist is one from 100 listens on."""
    told = [
        Entry(name, day(row["local_date"]))
        for row in sorted(figures["milestones"], key=lambda row: row["play_number"])
        if (name := _milestone(row))
    ]
    return told[-_MILESTONES:]


def _milestone(row: Row) -> str:
    threshold = f"{row['threshold']:,}"
    if row["kind"] == "top_artist":
        is_told = row["threshold"] >= _LEADING_LISTENS and row["artist_name"]
        return f"Most-played artist: {row['artist_name']}" if is_told else ""
    return {
        "listens": f"{threshold} listens",
        "hours": f"{threshold} hours of listening",
        "streak_days": f"{threshold} days in a row",
    }[row["kind"]]
