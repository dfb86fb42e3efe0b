"""What is said beside charts and lists, and of what is missing. "In plain words" is in `words.py`."""

from __future__ import annotations

from collections import Counter

from spotifriend_dagster.reports.figures import Figures, Row
from spotifriend_dagster.reports.selections import (
    CALENDAR_YEARS,
    DAYPARTS,
    SOUNDS,
    TIME_RANGES,
    agreements,
    leaning_artists,
    leaning_genres,
    retained,
    shows_single_days,
    taste_artists,
    top_genres,
    top_genres_of_months,
)
from spotifriend_dagster.reports.words import (
    TIMES,
    Sentence,
    at_least,
    busiest_hour,
    capital,
    count,
    day,
    greatest_obsession,
    month,
    name,
    percent,
)


def chart_words(figures: Figures) -> dict[str, str]:
    """What each chart shows, in a sentence or two: for those who cannot see it, and those who would rather read."""
    return {
        "calendar": _calendar_words(figures),
        "daily_listening": "Listening time of each day."
        if shows_single_days(figures)
        else "Listening time a day: the area is the mean of 7 days, the line that of 28.",
        "listening_clock": _text(busiest_hour(figures)),
        "daypart_divergence": _daypart_words(figures),
        "taste_by_daypart": _taste_words(figures),
        "taste_by_hour": _genre_words(
            figures["taste_by_hour"],
            f"The {len(top_genres(figures))} most heard genres: their share of the listens in each hour, against their "
            "share overall.",
        ),
        "weekday_weekend": _leaning_words(figures),
        "weekday_weekend_genres": _genre_words(figures["weekday_weekend_genres"], _genre_leaning_words(figures)),
        "discovery_vs_returning": _novelty_words(figures),
        "artist_retention": _retention_words(figures),
        "repeat_obsessions": _text(greatest_obsession(figures)),
        "skip_behaviour": _skip_words(figures),
        "diversity_by_month": "How many artists, heard equally, would be as diverse as each month was.",
        "genre_evolution": _genre_words(
            figures["genre_evolution"],
            f"The {len(top_genres_of_months(figures))} most heard genres: their share of each month's listens.",
        ),
        "spotify_top_agreement": _agreement_words(figures),
        "library_growth": _library_words(figures),
        "audio_features_by_hour": _sound_words(figures),
        "seasonality": "Listening time a day by month of the year, against the average month.",
    }


def _calendar_words(figures: Figures) -> str:
    days = figures["daily_listening"]
    years = {row["local_date"].year for row in days}
    shown = f" The last {CALENDAR_YEARS} years are shown." if len(years) > CALENDAR_YEARS else ""
    active = sum(1 for row in days if row["listens"])
    return f"Listens on {at_least(days)}{active:,} of {count(len(days), 'day', 'days')}.{shown}"


def _daypart_words(figures: Figures) -> str:
    shares = {row["daypart"]: row["ms_played_share"] for row in figures["daypart_divergence"]}
    said = [f"{TIMES[part]} {percent(shares[part])}" for part in DAYPARTS if shares.get(part) is not None]
    return f"Of the listening time for music: {', '.join(said)}."


def _taste_words(figures: Figures) -> str:
    few = any(row["is_small_sample"] for row in figures["taste_by_daypart"])
    return (
        f"The {len(taste_artists(figures))} most heard artists: their share of the listens in each part of the day, "
        "against their share overall; blank where there is none."
        + (" Pale: parts with fewer than 50 listens." if few else "")
    )


def _leaning_words(figures: Figures) -> str:
    leaning = leaning_artists(figures)
    if not leaning:
        return ""
    ends = []
    if leaning[0]["weekend_lift_log2"] < 0:
        ends.append(f"{name(leaning[0]['value'])} leans most to weekdays")
    if leaning[-1]["weekend_lift_log2"] > 0:
        ends.append(f"{name(leaning[-1]['value'])} leans most to weekends")
    return capital(f"{', '.join(ends)}.")


def _genre_leaning_words(figures: Figures) -> str:
    leaning = leaning_genres(figures)
    if not leaning:
        return ""
    ends = []
    if leaning[0]["weekend_lift_log2"] < 0:
        ends.append(f"weekdays have more {name(leaning[0]['genre'])}")
    if leaning[-1]["weekend_lift_log2"] > 0:
        ends.append(f"weekends have more {name(leaning[-1]['genre'])}")
    return capital(f"{', '.join(ends)}.")


def _genre_words(rows: list[Row], said: str) -> str:
    """The words of a chart of genres, with what its pale places, or all of it, mean."""
    low = [row["is_low_coverage"] for row in rows]
    if low and all(low):
        return f"{said} Genres are known for less than half of the listening time: too little to trust."
    few = any(low) or any(row.get("is_small_sample") for row in rows)
    return f"{said} Pale: too few listens with a genre to trust." if few else said


def _agreement_words(figures: Figures) -> str:
    rows = agreements(figures)
    if not rows:
        return ""
    first = rows[0]
    depth = min(first["spotify_entities"], first["own_entities"])
    kind = "songs" if first["entity_kind"] == "track" else "artists"
    pale = " Pale: plays of these days may be missing." if any(row["is_minimum"] for row in rows) else ""
    return (
        f"Of the {min(depth, 10)} {kind} that Spotify puts first for the last {TIME_RANGES[first['time_range']]}, "
        f"{first['common_10']} are among one's own {min(depth, 10)} most heard; of its {depth}, {first['common_50']}."
        f"{pale}"
    )


def _library_words(figures: Figures) -> str:
    months = figures["library_growth"]
    if not months:
        return ""
    songs, until = count(months[-1]["library_tracks"], "song", "songs"), month(months[-1]["month"])
    liked = sum(row["added_tracks"] - row["removed_tracks"] for row in months)
    new = "" if figures.period.kind == "all" else f", {liked:,} of them liked in {figures.period.title}"
    missing = "" if months[-1]["is_whole_library"] else " Older ones are not collected yet."
    return f"{songs} by {until}{new}. The stronger part was ever listened to.{missing}"


def _sound_words(figures: Figures) -> str:
    rows = figures["audio_features_by_hour"]
    pale = any(row["is_small_sample"] or row["is_low_coverage"] for row in rows)
    return f"{capital(SOUNDS[0])}, {SOUNDS[1]} and {SOUNDS[2]} of what is heard in each hour: means of its listens." + (
        " Pale points: too few listens of which they are known." if pale else ""
    )


def playlist_words(figures: Figures) -> str:
    """What of playlists was heard, and what changed in them in the period."""
    changes = figures["playlist_changes"][0]
    said = "How many of their songs were ever listened to, from wherever."
    if not (changes["added"] or changes["removed"]):
        return said
    when = "While they were collected" if figures.period.kind == "all" else f"In {figures.period.title}"
    added, removed = changes["added"] or 0, changes["removed"] or 0
    return f"{said} {when}, {count(added, 'song was', 'songs were')} added to playlists and {removed:,} removed."


def missing_words(figures: Figures) -> list[Sentence]:
    """What is not told, as nobody says it, and what would bring it."""
    tables = ("spotify_rank_movement", "playlist_listening", "library_growth")
    if not any(figures[table] for table in tables):
        return [
            Sentence(
                "Signing in to Spotify (spotifriend login) would add its own tops, playlists, liked songs, and what is "
                "listened to from now on.",
                "spotify-top",
            )
        ]
    said = []
    coverage = figures["genre_coverage"]
    if coverage and coverage[0]["is_low_coverage"]:
        known = percent(coverage[0]["ms_played_share"] or 0)
        said.append(
            Sentence(
                f"Genres are known for {known} of the listening time for music, as Spotify tells those of few artists "
                "any more; MusicBrainz or a file of one's own can add more.",
                "genre",
            )
        )
    if not figures["audio_features_by_hour"]:
        said.append(
            Sentence(
                "How music sounds is not told: Spotify closed audio features to new apps in November 2024; a file of "
                "one's own can bring them.",
                "audio-feature",
            )
        )
    return said


def _novelty_words(figures: Figures) -> str:
    pale = any(row["is_censored"] for row in figures["discovery_vs_returning"])
    return (
        "Listens that were new for their artist, or to one that came back after half a year; the rest are returning."
        + (" Pale: the first 90 days, where what is new may be new only to the data." if pale else "")
    )


def _retention_words(figures: Figures) -> str:
    rows = retained(figures)
    if not rows:
        return ""
    first, last = rows[0], rows[-1]
    return (
        f"{percent(first['share'])} of the discovered artists are heard again {_later(first['months'])}, "
        f"{percent(last['share'])} of them {_later(last['months'])}."
    )


def _later(months: int) -> str:
    return "in the month after" if months == 1 else f"{months} months later"


def _skip_words(figures: Figures) -> str:
    overall = figures.one("skip_behaviour", dimension="all")
    if overall is None:
        return ""
    return (
        f"{overall['skips']:,} of {overall['plays']:,} plays that can be judged were skipped "
        f"({percent(overall['skip_rate'])}). The bars are the 95 % interval of each hour."
    )


def coverage_words(rows: list[Row]) -> str:
    """How much of the period is known, and how much of that from polls of Spotify alone."""
    counts = Counter(row["status"] for row in rows)
    said = [f"{counts['complete']:,} of {count(len(rows), 'day', 'days')} completely known"]
    if counts["minimum"]:
        last = max(row["local_date"] for row in rows if row["status"] == "minimum")
        said.append(f"{counts['minimum']:,} may have had more listening (the last on {day(last)})")
    if counts["unknown"]:
        said.append(f"{counts['unknown']:,} unknown")
    polled = sum(row["source"] == "recent" for row in rows)
    told = f" {count(polled, 'day is', 'days are')} told by polls of Spotify alone." if polled else ""
    return f"{', '.join(said)}.{told}"


def _text(sentence: Sentence | None) -> str:
    return sentence.text if sentence else ""
