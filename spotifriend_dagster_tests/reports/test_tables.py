"""What is under each chart as a table, and the headline figures and lists."""

from __future__ import annotations

from datetime import date

import pytest

from spotifriend_dagster.reports.charts import CHARTED
from spotifriend_dagster.reports.definitions import DEFINITIONS
from spotifriend_dagster.reports.lists import Entry, headline, lists
from spotifriend_dagster.reports.tables import chart_table
from spotifriend_dagster_tests.reports.made_figures import HOUR, day, days, made_figures, row
from spotifriend_dagster_tests.reports.test_charts import full_figures, genre_month


@pytest.mark.parametrize("name", ["calendar", *CHARTED])
def test_each_table_has_a_cell_for_each_column(name: str):
    """Every chart has its figures as text, with nothing of Python's or SQL's words for nothing."""
    table = chart_table(name, full_figures())
    assert table.rows
    for cells in table.rows:
        assert len(cells) == len(table.columns)
        assert not {"None", "nan", ""} & set(cells)
    assert not any("_" in column for column in table.columns)


@pytest.mark.parametrize("name", ["calendar", *CHARTED])
def test_each_table_may_be_empty(name: str):
    """Only the clock always has its 24 hours."""
    assert len(chart_table(name, made_figures()).rows) == (24 if name == "listening_clock" else 0)


def test_days_are_added_up_by_month_the_latest_first():
    """A reader of the table of a long history sees the last months, and how many rows are not shown."""
    figures = made_figures(daily_listening=[day("2025-01-31", 1), day("2025-02-01", 0), day("2025-02-28", 2.5)])
    long = made_figures(daily_listening=days(date(2015, 1, 1), 100) + figures["daily_listening"])
    assert chart_table("calendar", made_figures("2025", daily_listening=days(date(2025, 1, 1), 61))).rows[0][:3] == [
        "March 2025",
        "2",
        "2",
    ]
    assert chart_table("calendar", long).rows[:2] == [
        ["February 2025", "1", "2", "5", "2 h 30 min"],
        ["January 2025", "1", "1", "2", "1 h 00 min"],
    ]
    assert chart_table("calendar", figures).rows[0] == ["28 February 2025", "1", "1", "5", "2 h 30 min"]


def test_long_tables_say_what_they_leave_out():
    """Sixty rows, and the number of the others."""
    table = chart_table("calendar", made_figures(daily_listening=days(date(2010, 1, 1), 5_479)))
    assert (len(table.rows), table.left_out) == (60, 120)


def test_skips_are_in_the_order_of_what_they_are_told_apart_by():
    """Everything first, then the hours in theirs, then those skipped most."""

    def skip(dimension: str, value: str, rank: int | None = None):
        return row("skip_behaviour", dimension=dimension, value=value, label=value, skip_rank=rank)

    rows = [
        skip("track", "t", 1),
        skip("artist", "b", 1),
        skip("artist", "a", 2),
        skip("hour", "10", 1),
        skip("hour", "02", 2),
    ]
    table = chart_table("skip_behaviour", made_figures(skip_behaviour=[*rows, skip("all", "all")]))
    assert [cells[:2] for cells in table.rows] == [
        ["all", "all"],
        ["hour", "02"],
        ["hour", "10"],
        ["artist", "b"],
        ["artist", "a"],
        ["song", "t"],
    ]


def cards(figures):
    """The headline figures by title, with their "at least" and note."""
    return {card.title: (card.least + card.value, card.note) for card in headline(figures)}


def test_headline_figures_are_sums_of_the_periods_days():
    """A year's figures are the year's, not those of all time."""
    told = [
        day("2025-03-01", 2, artist_discoveries=3, skips=1, skippable_plays=8, estimated_share=0.5),
        day("2025-03-02", 0),
        day("2025-03-03", 4, artist_discoveries=1, skips=1, skippable_plays=12),
    ]
    figures = made_figures("2025", daily_listening=told, sessions=[{"sessions": 3, "ms_played": 6 * HOUR}])
    assert cards(figures) == {
        "Listening time": ("6 h 00 min", "3 h 00 min per day with music"),
        "Listens": ("12", "plays of at least 30 seconds"),
        "Days with music": ("2", "of 3 days"),
        "New artists": ("4", "heard for the first time"),
        "Sessions": ("3", "of 2 h 00 min on average"),
        "Skipped": ("10%", "2 of 20 plays that can be judged"),
        "Estimated": ("17%", "of the listening time"),
    }


def test_headline_figures_over_a_gap_say_at_least():
    """Counts do, shares do not; a streak has its own gaps."""
    whole = row("streaks", days=9, streak_rank=1, first_date=date(2025, 1, 1), last_date=date(2025, 1, 9))
    figures = made_figures(
        daily_listening=[day("2025-03-01", 2, is_minimum=True, skippable_plays=4)],
        streaks=[whole],
        sessions=[{"sessions": 3, "ms_played": 6 * HOUR}],
    )
    told = cards(figures)
    for title in ("Listening time", "Listens", "Days with music", "Artists", "Sessions"):
        assert told[title][0].startswith("at least ")
    assert told["Skipped"][0] == "0%"
    assert told["Longest streak"] == ("9 days", "from 1 January 2025")
    figures = made_figures(daily_listening=[day("2025-03-01")], streaks=[whole | {"is_minimum": True}])
    assert cards(figures)["Longest streak"][0] == "at least 9 days"
    assert cards(figures)["Listens"][0] == "2"


def test_what_is_new_in_the_first_days_may_be_new_to_the_data_alone():
    """In the first 90 days every artist is a discovery."""
    month = row("discovery_vs_returning", subject="artist", month=date(2025, 3, 1), censored_discoveries=2)
    told = made_figures(
        "2025", daily_listening=[day("2025-03-01", artist_discoveries=3)], discovery_vs_returning=[month]
    )
    assert cards(told)["New artists"] == ("3", "2 of them in the first 90 days")


def test_nothing_is_made_up_for_what_is_not_known():
    """Account data knows no skips, and a rate of 0 of 0 is no rate."""
    assert set(cards(made_figures(daily_listening=[day("2025-03-01")]))) == {
        "Listening time",
        "Listens",
        "Days with music",
        "Artists",
    }


def test_lists_are_ranked_and_tell_what_moved():
    """By rank whatever the order of the rows; bars are parts of the first; an unknown name is said to be so."""

    def top(kind: str, rank: int, name: str | None, listens: int, **values):
        told = {"entity_kind": kind, "rank": rank, "name": name, "listens": listens, "artist_name": "Ann"}
        return row("top_by_period", **told, **values)

    rows = [
        top("artist", 2, "B", 5, rank_change=-1),
        top("artist", 1, "A", 10, rank_change=0),
        top("recording", 1, None, 4),
    ]
    artists, songs = lists(made_figures(top_by_period=rows))
    assert artists.entries == [Entry("A", "10", share=1.0), Entry("B", "5", share=0.5, change=-1)]
    assert songs.entries == [Entry("unknown", "4", by="Ann", share=1.0)]


def test_milestones_are_in_order_and_the_first_leaders_are_passed_over():
    """Whoever leads after three listens leads nothing."""

    def milestone(number: int, kind: str, threshold: int, artist: str | None = None):
        told = {"play_number": number, "kind": kind, "threshold": threshold, "artist_name": artist}
        return row("milestones", **told, local_date=date(2025, 1, number))

    rows = [
        milestone(9, "top_artist", 100, "Ann"),
        milestone(1, "top_artist", 3, "Ben"),
        milestone(8, "top_artist", 200),
        milestone(4, "listens", 1_000),
        milestone(3, "streak_days", 7),
        milestone(5, "hours", 100),
    ]
    (shown,) = lists(made_figures(milestones=rows))
    assert [(entry.name, entry.figure) for entry in shown.entries] == [
        ("7 days in a row", "3 January 2025"),
        ("1,000 listens", "4 January 2025"),
        ("100 hours of listening", "5 January 2025"),
        ("Most-played artist: Ann", "9 January 2025"),
    ]


def playlist(name: str | None, **values):
    told = {"dimension": "playlist", "value": name or "?", "playlist_name": name, "is_in_library": True}
    return row("playlist_listening", **(told | {"tracks": 8, "heard_tracks": 2, "heard_share": 0.25} | values))


def test_spotifys_tops_are_in_its_order_with_their_movement():
    """What is new says so, what moved says how far, and the artists of songs are beside them."""
    rows = [
        row("spotify_rank_movement", entity_kind="track", rank=2, name="B", artist_name="Ann", movement="entered"),
        row("spotify_rank_movement", entity_kind="track", rank=1, name=None, artist_name=None, rank_change=-3),
    ]
    (songs,) = lists(made_figures(spotify_rank_movement=rows))
    assert songs.entries == [Entry("unknown", "", change=-3), Entry("B", "new", by="Ann")]


def test_playlists_are_those_of_which_the_content_is_known():
    """Not those that left the library, are another's or are empty; the most played from first, ten at most."""
    rows = [
        playlist("heard", heard_tracks=4, heard_share=0.5),
        playlist("played from", listens=1),
        playlist("left", is_in_library=False),
        playlist("theirs", tracks=None, heard_tracks=None, heard_share=None),
        playlist("empty", tracks=0, heard_tracks=0, heard_share=None),
        *(playlist(None, value=str(number), heard_tracks=0, heard_share=0.0) for number in range(20)),
    ]
    (shown,) = lists(made_figures(playlist_listening=rows))
    assert shown.entries[:3] == [
        Entry("played from", "2 of 8 heard", by="1 listen from it", share=0.25),
        Entry("heard", "4 of 8 heard", share=0.5),
        Entry("unknown", "0 of 8 heard"),
    ]
    assert len(shown.entries) == 10


def test_the_genres_of_a_month_are_in_one_row():
    """The three most heard, the latest month first; a genre that is no longer heard is not among them."""
    rows = [
        genre_month("folk", date(2025, 1, 1), 0.5, genre_rank=4),
        genre_month("gone", date(2025, 2, 1), 0.0, genre_rank=2, listens=0, effective_genres=3.0, genre_coverage=0.4),
        genre_month("pop", date(2025, 2, 1), 0.25, genre_rank=1, effective_genres=3.0, genre_coverage=0.4),
    ]
    table = chart_table("genre_evolution", made_figures(genre_evolution=rows))
    assert table.rows == [
        ["February 2025", "pop 25%", "–", "–", "3.0", "40%"],
        ["January 2025", "–", "–", "–", "5.0", "70%"],
    ]


def test_every_figure_leads_to_a_definition():
    """A figure without its definition is not published."""
    figures = made_figures(
        daily_listening=[day("2025-03-01", 2, skippable_plays=4, estimated_share=0.5)],
        streaks=[row("streaks", days=9, streak_rank=1, first_date=date(2025, 1, 1), last_date=date(2025, 1, 9))],
        sessions=[{"sessions": 3, "ms_played": 6 * HOUR}],
        artist_loyalty=[
            row("artist_loyalty", artist_name="Ann", loyalty=0.5, loyalty_rank=1, months=4, active_months=2)
        ],
        forgotten_favourites=[row("forgotten_favourites", favourite_rank=1, listens=20)],
        spotify_rank_movement=[row("spotify_rank_movement", entity_kind="artist", rank=1, name="Ann")],
        playlist_listening=[playlist("Mix")],
    )
    assert len(headline(figures)) == 8
    assert {card.definition for card in headline(figures)} <= DEFINITIONS.keys()
    assert [(shown.title, shown.is_all_time) for shown in lists(figures)] == [
        ("Spotify's top artists", True),
        ("Playlists", True),
        ("Loyalty", True),
        ("Forgotten favourites", True),
    ]
    assert {shown.definition for shown in lists(figures)} <= DEFINITIONS.keys()
