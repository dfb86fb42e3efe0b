"""The sentences: true to the rows, plain, and silent where there is nothing to say."""

from __future__ import annotations

from datetime import date

import pytest

from spotifriend_dagster.reports.captions import chart_words, coverage_words, missing_words, playlist_words
from spotifriend_dagster.reports.definitions import DEFINITIONS
from spotifriend_dagster.reports.figures import Figures
from spotifriend_dagster.reports.words import count, day, duration, learned, name, percent
from spotifriend_dagster_tests.reports.made_figures import HOSTILE, HOUR, coverage, days, made_figures, row
from spotifriend_dagster_tests.reports.made_figures import day as day_row
from spotifriend_dagster_tests.reports.test_charts import (
    agreement,
    genre_hour,
    genre_lean,
    genre_month,
    liked,
    sounding,
)


def texts(figures: Figures) -> list[str]:
    """The sentences of "in plain words", without the marks that set names apart."""
    return [sentence.text.replace("\u2068", "").replace("\u2069", "") for sentence in learned(figures)]


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0 min"),
        (29_999, "0 min"),
        (59 * 60_000, "59 min"),
        (59.6 * 60_000, "1 h 00 min"),
        (HOUR + 5 * 60_000, "1 h 05 min"),
        (100 * HOUR - 60_000, "99 h 59 min"),
        (100 * HOUR, "100 hours"),
        (2_053.4 * HOUR, "2,053 hours"),
    ],
)
def test_durations_read_as_people_say_them(ms: float, said: str):
    """Rounding must not give 60 minutes beside an hour."""
    assert duration(ms) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "0%"),
        (0.0001, "under 0.1%"),
        (0.0123, "1.2%"),
        (0.0994, "9.9%"),
        (0.0996, "10%"),
        (0.5, "50%"),
        (1, "100%"),
        (2.5, "250%"),
    ],
)
def test_percentages_never_round_something_to_nothing(share: float, said: str):
    """A small share is not 0, and one decimal does not become 10.0."""
    assert percent(share) == said


def test_numbers_take_the_right_noun():
    """One day, two days, thousands with a comma."""
    assert [count(number, "day", "days") for number in (0, 1, 2, 1_234)] == ["0 days", "1 day", "2 days", "1,234 days"]
    assert day(date(2025, 3, 1)) == "1 March 2025"


def test_names_are_cut_and_set_apart():
    """A title in Arabic must not turn the sentence around, nor a very long one fill the page."""
    assert name("سماء") == "\u2068سماء\u2069"
    assert name(None) == name("") == "\u2068unknown\u2069"
    assert len(name("x" * 3_000)) == 82
    assert name("x" * 80) == "\u2068" + "x" * 80 + "\u2069"


def test_nothing_is_said_of_nothing():
    """Without rows there is no sentence, and every chart's words are still a text."""
    assert learned(made_figures()) == []
    assert all(isinstance(said, str) for said in chart_words(made_figures()).values())


def full_figures(period: str = "all", *, is_minimum: bool = False) -> Figures:
    """A row or two for every sentence."""
    return made_figures(
        period,
        listening_clock=[
            row("listening_clock", weekday=2, local_hour=7, ms_played_per_day=22 * 60_000.0),
            row("listening_clock", weekday=3, local_hour=9, ms_played_per_day=22 * 60_000.0),
            row("listening_clock", weekday=4, local_hour=9, ms_played_per_day=None),
        ],
        daypart_divergence=[
            row("daypart_divergence", daypart="night", divergence_bits=0.2, ms_played_share=0.1),
            row("daypart_divergence", daypart="morning", divergence_bits=0.1, ms_played_share=0.9),
            row("daypart_divergence", daypart="evening", divergence_bits=0.9, is_small_sample=True),
        ],
        taste_by_daypart=[
            row("taste_by_daypart", daypart="night", artist_name="Owl", listens=9, lift=4.0, overall_share=0.2),
            row("taste_by_daypart", daypart="night", artist_name="Bat", listens=9, lift=3.0, overall_share=0.1),
            row("taste_by_daypart", daypart="night", artist_name="Rare", listens=1, lift=9.0, overall_share=0.1),
        ],
        discovery_vs_returning=[
            novelty(date(2025, 1, 1), is_censored=True, discovery_listens=90),
            novelty(date(2025, 2, 1), discovery_listens=8, rediscovery_listens=1, lapsed_listens=1),
            novelty(date(2025, 3, 1), discovery_listens=10, is_minimum=is_minimum),
            novelty(date(2025, 3, 1), subject="recording", discovery_listens=99),
        ],
        artist_conversion=[row("artist_conversion", judged_discoveries=20, converted_discoveries=5)],
        weekday_weekend=[
            row(
                "weekday_weekend",
                dimension="all",
                value="all",
                weekday_ms_per_day=1.0 * HOUR,
                weekend_ms_per_day=1.5 * HOUR,
            )
        ],
        repeat_obsessions=[obsession(2, "Other"), obsession(1, "Loop", listens=125, days=1)],
        repeat_share=[row("repeat_share", listens=60, repeats=20), row("repeat_share", listens=40, repeats=10)],
        skip_behaviour=[
            skips("session_position", "1", skip_rate=0.05, is_ranked=True),
            skips("session_position", "11+", skip_rate=0.2, is_ranked=True),
        ],
        diversity_by_month=[
            row(
                "diversity_by_month",
                period_kind="all",
                period="all",
                artists=30,
                effective_artists=12.4,
                top_10_share=0.6,
            )
        ],
        daily_listening=[day_row("2025-03-01", 2), day_row("2025-03-02", 5, is_minimum=is_minimum)],
        streaks=[streak(2, 3), streak(1, 12, is_minimum=is_minimum)],
    )


def novelty(month: date, **values):
    return row("discovery_vs_returning", **({"month": month, "subject": "artist", "listens": 100} | values))


def obsession(rank: int, title: str | None, **values):
    told = {
        "track_name": title,
        "artist_name": "Ann",
        "obsession_rank": rank,
        "first_date": date(2025, 1, 14),
        "days": 9,
    }
    return row("repeat_obsessions", **(told | values))


def skips(dimension: str, value: str, **values):
    return row("skip_behaviour", dimension=dimension, value=value, **values)


def streak(rank: int, length: int, **values):
    dates = {"first_date": date(2025, 1, 1), "last_date": date(2025, 1, length)}
    return row("streaks", streak_rank=rank, days=length, **dates, **values)


def test_the_sentences_say_what_the_rows_say():
    """Word for word: ties go to the earlier hour, small samples are passed over, and the first 90 days are left out."""
    assert texts(full_figures()) == [
        "The busiest hour of the week is Tuesday from 7:00, with 22 min of listening on average.",
        "The nights sound most unlike the whole day: Owl and Bat belong there more than elsewhere.",
        "From February 2025 on, 18 artists were heard for the first time, and 2 listens were to artists that came back "
        "after half a year or more: together 10% of the listens.",
        "Of 20 artists whose discovery can be judged, 5 (25%) stuck: three listens or more, on two days or more, "
        "within 30 days.",
        "A day of the weekend has 50% more music than a weekday: 1 h 00 min on weekdays, 1 h 30 min at weekends.",
        "The greatest obsession was Loop by Ann: 125 listens in 1 day from 14 January 2025. "
        "There were 2 obsessions in all.",
        "30% of the listens were of a song heard within the seven days before.",
        "The first song of a session is skipped in 5.0% of cases, songs after the tenth in 20%.",
        "The ten most heard artists take 60% of the time for music; it is as diverse as 12 artists heard equally.",
        "The longest day was Sunday, 2 March 2025, with 5 h 00 min.",
        "The longest streak of days with music is 12 days, from 1 January 2025 to 12 January 2025.",
    ]


def test_counts_over_gaps_say_at_least():
    """Where plays may be missing, a count is only the least that was."""
    said = " ".join(texts(full_figures(is_minimum=True)))
    for least in ("at least 18 artists", "with at least 5 h 00 min", "is at least 12 days"):
        assert least in said
    assert "at least" not in " ".join(texts(full_figures()))
    assert chart_words(full_figures(is_minimum=True))["calendar"] == "Listens on at least 2 of 2 days."


def test_in_a_year_each_sentence_says_what_it_is_about():
    """A sentence about all time on the page of a month would be read as one about the month."""
    figures = full_figures("2025")
    of_all_time = {sentence.text.split()[2] for sentence in learned(figures) if sentence.is_all_time}
    assert of_all_time == {"hour", "sound", "of", "song"}
    said = " ".join(texts(figures))
    assert "The greatest obsession of those that began in 2025 was Loop by Ann" in said
    assert "There were 2 of them." in said
    assert "30% of the listens in the weeks that began in 2025 were" in said
    assert "The longest streak of days with music that touches 2025 is 12 days" in said


def test_every_sentence_leads_to_a_definition():
    """A figure without its definition is not published."""
    assert {sentence.definition for sentence in learned(full_figures())} <= DEFINITIONS.keys()


@pytest.mark.parametrize(
    ("weekday", "weekend", "said"),
    [
        (1.0, 1.04, "A day of the weekend has about as much music as a weekday: 1 h 00 min on weekdays"),
        (2.0, 1.0, "A weekday has 100% more music than a day of the weekend: 2 h 00 min on weekdays"),
        (0.0, 1.0, None),
        (None, 1.0, None),
    ],
)
def test_weekdays_against_weekends(weekday: float | None, weekend: float, said: str | None):
    """Either side may be the greater; without a day of one kind nothing is compared."""
    of_all = row(
        "weekday_weekend",
        dimension="all",
        value="all",
        weekday_ms_per_day=None if weekday is None else weekday * HOUR,
        weekend_ms_per_day=weekend * HOUR,
    )
    found = texts(made_figures(weekday_weekend=[of_all]))
    assert found == [] if said is None else found[0].startswith(said)


def test_too_little_is_not_made_much_of():
    """Nine discoveries, a few listens, one day, a streak of two: no sentence."""
    figures = made_figures(
        artist_conversion=[row("artist_conversion", judged_discoveries=9, converted_discoveries=9)],
        repeat_share=[row("repeat_share", listens=49, repeats=49)],
        daily_listening=[day_row("2025-03-01", 2)],
        streaks=[streak(1, 2)],
        skip_behaviour=[
            skips("session_position", "1", is_ranked=True),
            skips("session_position", "11+", is_ranked=False),
        ],
        diversity_by_month=[
            row(
                "diversity_by_month",
                period_kind="all",
                period="all",
                artists=10,
                effective_artists=9.0,
                top_10_share=1.0,
            )
        ],
        discovery_vs_returning=[novelty(date(2025, 1, 1), is_censored=True)],
    )
    assert texts(figures) == []


def test_nobody_came_back_where_history_is_short():
    """ "0 listens were to artists that came back" says nothing."""
    figures = made_figures(discovery_vs_returning=[novelty(date(2025, 5, 1), discovery_listens=1)])
    assert texts(figures) == ["1 artist was heard for the first time: 1.0% of the listens."]


def test_titles_that_are_unknown_or_hostile_stay_text():
    """An obsession with a song without a name or artist must not be called None."""
    figures = made_figures(repeat_obsessions=[obsession(1, None, artist_name=None, listens=5)])
    assert texts(figures) == ["The greatest obsession was unknown: 5 listens in 9 days from 14 January 2025."]
    for title in HOSTILE:
        said = texts(made_figures(repeat_obsessions=[obsession(1, title, artist_name=title)]))[0]
        assert title[:60] in said
        assert len(said) < 300


def test_coverage_is_told_with_its_gaps():
    """What is not completely known is said beside what is."""
    first = date(2025, 1, 1)
    assert coverage_words(coverage(first, 1)) == "1 of 1 day completely known."
    mixed = coverage(first, 1_000) + coverage(first, 3, "minimum") + coverage(first, 2, "unknown")
    assert coverage_words(mixed) == (
        "1,000 of 1,005 days completely known, 3 may have had more listening (the last on 3 January 2025), 2 unknown."
    )
    live = coverage(first, 3) + coverage(date(2025, 1, 4), 2, source="recent")
    assert coverage_words(live) == "5 of 5 days completely known. 2 days are told by polls of Spotify alone."


def test_a_chart_with_years_left_out_says_so():
    """The calendar holds six years at most; a history of fifteen must not seem to be six years long."""
    long = made_figures(daily_listening=days(date(2010, 1, 1), 5_479))
    assert chart_words(long)["calendar"] == "Listens on 5,479 of 5,479 days. The last 6 years are shown."
    assert "years" not in chart_words(made_figures(daily_listening=days(date(2010, 1, 1), 300)))["calendar"]


def test_charts_words_follow_what_is_drawn():
    """Means over 28 days are not spoken of where single days are drawn, nor paleness where nothing is pale."""
    days_alone = made_figures("2025-03", daily_listening=days(date(2025, 3, 1), 31))
    assert chart_words(days_alone)["daily_listening"] == "Listening time of each day."
    assert "28" in chart_words(made_figures(daily_listening=days(date(2025, 1, 1), 100)))["daily_listening"]
    assert "Pale" in chart_words(full_figures())["discovery_vs_returning"]
    later = made_figures(discovery_vs_returning=[novelty(date(2025, 5, 1))])
    assert "Pale" not in chart_words(later)["discovery_vs_returning"]
    assert chart_words(full_figures())["daypart_divergence"] == (
        "Of the listening time for music: mornings 90%, nights 10%."
    )


def genre_coverage(share: float):
    """The coverage of genres over all time."""
    return [row("genre_coverage", ms_played_share=share, is_low_coverage=share < 0.5)]


def said_of(chart: str, **tables) -> str:
    """The words of a chart, without the marks that set names apart."""
    return chart_words(made_figures(**tables))[chart].replace("\u2068", "").replace("\u2069", "")


def test_genres_are_told_with_how_many_are_known():
    """The three most heard, and of how much; nothing where less than half is known."""
    hours = [
        genre_hour(genre, 3, overall_share=share) for genre, share in (("a", 0.1), ("b", 0.5), ("c", 0.2), ("d", 0.0))
    ]
    assert texts(made_figures(taste_by_hour=hours, genre_coverage=genre_coverage(0.6))) == [
        "The most heard genres are b (50%), c (20%) and a (10%); genres are known for 60% of the listening time for "
        "music."
    ]
    assert texts(made_figures(taste_by_hour=hours, genre_coverage=genre_coverage(0.4))) == []


def test_charts_of_genres_say_what_is_pale():
    """Nothing where all can be trusted; some hours; or all of it, where most of the listening has no genre."""
    assert said_of("taste_by_hour", taste_by_hour=[genre_hour("a", 3)]).endswith("against their share overall.")
    few = [genre_hour("a", 3), genre_hour("a", 4, is_small_sample=True)]
    assert said_of("taste_by_hour", taste_by_hour=few).endswith("Pale: too few listens with a genre to trust.")
    low = [genre_month("a", date(2025, 1, 1), is_low_coverage=True)]
    assert said_of("genre_evolution", genre_evolution=low).endswith(
        "than half of the listening time: too little to trust."
    )


def test_genres_of_the_week_are_told_from_both_ends():
    """Each end only where a genre leans to it."""
    leaning = [genre_lean("a", -1.0), genre_lean("b", 0.5), genre_lean("c", 1.0)]
    assert (
        said_of("weekday_weekend_genres", weekday_weekend_genres=leaning)
        == "Weekdays have more a, weekends have more c."
    )
    assert said_of("weekday_weekend_genres", weekday_weekend_genres=leaning[1:]) == "Weekends have more c."


def test_agreement_is_told_of_the_shortest_range():
    """In numbers of songs, as far as the shorter of the two tops goes."""
    tops = [agreement("artist", "short_term"), agreement("track", "long_term"), agreement("track", "short_term", 31)]
    assert said_of("spotify_top_agreement", spotify_top_agreement=tops) == (
        "Of the 10 songs that Spotify puts first for the last 4 weeks, 4 are among one's own 10 most heard; of its 50, "
        "31."
    )
    short = agreement("artist", "long_term", 3, common_10=2, own_entities=5, is_minimum=True)
    assert said_of("spotify_top_agreement", spotify_top_agreement=[short]) == (
        "Of the 5 artists that Spotify puts first for the last year, 2 are among one's own 5 most heard; of its 5, 3. "
        "Pale: plays of these days may be missing."
    )


def test_liked_songs_are_told_as_far_as_they_are_known():
    """All of the library, and a part of it; on the page of a month, what that added."""
    months = [liked(date(2025, 1, 1), 10, is_whole_library=True), liked(date(2025, 2, 1), 12, is_whole_library=True)]
    assert texts(made_figures(library_growth=months)) == ["Of 12 liked songs, 75% were ever listened to."]
    part = [month | {"is_whole_library": False, "is_minimum": True} for month in months]
    assert texts(made_figures(library_growth=part)) == [
        "Of at least 12 liked songs, at least 75% were ever listened to."
    ]
    assert chart_words(made_figures("2025-02", library_growth=months[1:]))["library_growth"] == (
        "12 songs by February 2025, 3 of them liked in February 2025. The stronger part was ever listened to."
    )


def test_changes_of_playlists_are_counted():
    """Those of the period, where there are any."""
    always = "How many of their songs were ever listened to, from wherever."
    assert playlist_words(made_figures()) == always
    changed = made_figures("2025-02", playlist_changes=[{"added": 1, "removed": 0}])
    assert playlist_words(changed) == f"{always} In February 2025, 1 song was added to playlists and 0 removed."


def test_what_is_missing_is_said_in_a_line():
    """To who has not signed in, what that would add; to who has, why there are few genres and no sound."""
    (alone,) = missing_words(made_figures(genre_coverage=genre_coverage(0.0)))
    assert "spotifriend login" in alone.text
    signed_in = {"library_growth": [liked(date(2025, 1, 1), 10)]}
    few, silent = missing_words(made_figures(**signed_in, genre_coverage=genre_coverage(0.123)))
    assert "Genres are known for 12% of the listening time" in few.text
    assert "closed audio features" in silent.text
    enough = {"genre_coverage": genre_coverage(0.5), "audio_features_by_hour": [sounding(3)]}
    assert missing_words(made_figures(**signed_in, **enough)) == []
    assert {alone.definition, few.definition, silent.definition} <= DEFINITIONS.keys()
