"""The charts, each drawn by Vega from small rows made by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
import vl_convert

from spotifriend_dagster.reports.bundle import VEGA_LITE_VERSION
from spotifriend_dagster.reports.charts import CHARTED, draw, picture
from spotifriend_dagster.reports.figures import READS, Figures
from spotifriend_dagster.reports.selections import TIME_RANGES
from spotifriend_dagster_tests.reports.made_figures import HOSTILE, HOUR, day, days, made_figures, row

NAMES = ("calendar", *CHARTED)
FIRST = date(2025, 1, 1)


def lean(artist: str, lift: float | None):
    return row("weekday_weekend", dimension="artist", value=artist, weekend_lift_log2=lift)


def discovery(month: date, **values):
    told = {"month": month, "subject": "artist", "discovery_share": 0.1, "discovery_listens": 5, "listens": 50}
    return row("discovery_vs_returning", **(told | values))


def cohort(months_later: int, discovered: int, retained: int, **values):
    told = {"discovered_month": FIRST, "months_later": months_later, "discovered_artists": discovered}
    return row("artist_retention", **told, retained_artists=retained, **values)


def obsession(rank: int, title: str | None, **values):
    first = FIRST + timedelta(days=rank)
    dates = {"first_date": first, "last_date": first + timedelta(days=3), "peak_date": first, "started_at": first}
    told = {"track_name": title, "artist_name": "Ann", "recording_id": f"r{rank}", "obsession_rank": rank, "listens": 9}
    return row("repeat_obsessions", **(dates | told | values))


def diverse(month: int, effective: float | None):
    start = date(2025, month, 1)
    told = {"period_kind": "month", "period": f"{start:%Y-%m}", "period_start": start, "artists": 20}
    return row("diversity_by_month", **told, effective_artists=effective)


def hourly(hour: int, rate: float, **values):
    told = {
        "dimension": "hour",
        "value": f"{hour:02d}",
        "label": f"{hour:02d}",
        "skip_rate": rate,
        "skip_rate_low": rate / 2,
        "is_ranked": True,
    }
    return row("skip_behaviour", **(told | {"skip_rate_high": rate * 2, "plays": 50} | values))


def taste(artist: str, part: str, lift: float, overall: float = 0.1, **values):
    told = {"artist_name": artist, "daypart": part, "lift": lift, "overall_share": overall, "listens": 60}
    return row("taste_by_daypart", **told, **values)


def genre_hour(genre: str, hour: int, lift: float = 1.0, **values):
    told = {"genre": genre, "local_hour": hour, "lift": lift, "overall_share": 0.1, "listens": 60}
    return row("taste_by_hour", **(told | values))


def genre_lean(genre: str, lift: float | None):
    return row("weekday_weekend_genres", genre=genre, weekend_lift_log2=lift)


def genre_month(genre: str, month: date, share: float = 0.1, **values):
    told = {"genre": genre, "month": month, "share": share, "weight": share * 50, "listens": 9, "genre_rank": 1}
    return row("genre_evolution", **(told | {"effective_genres": 5.0, "genre_coverage": 0.7} | values))


def agreement(kind: str, time_range: str, common: int = 20, **values):
    told = {"entity_kind": kind, "time_range": time_range, "common_50": common, "overlap_50": common / 50}
    about = {"common_10": 4, "rank_biased_overlap": 0.5, "spotify_entities": 50, "own_entities": 50}
    return row("spotify_top_agreement", **(told | about | values))


def liked(month: date, songs: int, **values):
    told = {"month": month, "library_tracks": songs, "added_tracks": 3, "library_heard_share": 0.75}
    return row("library_growth", **(told | values))


def sounding(hour: int, energy: float | None = 0.5, **values):
    told = {"local_hour": hour, "energy": energy, "danceability": 0.6, "valence": 0.4, "tempo": 120.0}
    return row("audio_features_by_hour", **(told | {"listens": 90, "feature_listens": 80} | values))


def full_figures(name: Callable[[int], str] = "Name {}".format) -> Figures:
    """Rows for every chart; `name` gives the artists' and songs' names."""
    parts = ("night", "morning", "afternoon", "evening")
    return made_figures(
        daily_listening=days(FIRST, 100),
        listening_clock=[
            row("listening_clock", weekday=weekday, local_hour=hour, ms_played_per_day=hour * 60_000.0)
            for weekday in range(1, 8)
            for hour in range(24)
        ],
        daypart_divergence=[
            row("daypart_divergence", daypart=part, ms_played_share=0.25, divergence_bits=0.1) for part in parts
        ],
        taste_by_daypart=[
            taste(name(number), part, 0.5 + number, 0.1 / (number + 1)) for number in range(6) for part in parts
        ],
        weekday_weekend=[lean(name(number), number - 2.5) for number in range(6)],
        discovery_vs_returning=[discovery(date(2025, month, 1), is_censored=month < 4) for month in range(1, 7)],
        artist_retention=[cohort(months, 10, 10 - months) for months in range(1, 6)],
        repeat_obsessions=[obsession(number + 1, name(number)) for number in range(6)],
        skip_behaviour=[hourly(hour, hour / 100) for hour in range(1, 24)],
        diversity_by_month=[diverse(month, 10.0 + month) for month in range(1, 7)],
        seasonality=[row("seasonality", month=month, seasonal_index=month / 6, years=2) for month in range(1, 13)],
        taste_by_hour=[genre_hour(name(number), hour, 0.5 + number) for number in range(6) for hour in range(24)],
        weekday_weekend_genres=[genre_lean(name(number), number - 2.5) for number in range(6)],
        genre_evolution=[
            genre_month(name(number), date(2025, month, 1), 0.1 / month, genre_rank=number + 1)
            for month in range(1, 7)
            for number in range(6)
        ],
        spotify_top_agreement=[
            agreement(kind, time_range) for kind in ("artist", "track") for time_range in TIME_RANGES
        ],
        library_growth=[liked(date(2025, month, 1), month * 10) for month in range(1, 13)],
        audio_features_by_hour=[sounding(hour) for hour in range(24)],
    )


def values(spec) -> list[dict]:
    """The rows that a chart holds."""
    return spec["datasets"]["rows"]


def svg(spec) -> str:
    """The chart as Vega draws it, 400 pixels wide."""
    return vl_convert.vegalite_to_svg(spec | {"width": 400}, vl_version=VEGA_LITE_VERSION)


def marks(drawing: str) -> int:
    """How many marks a drawing has that are data's, not axes' or legends'."""
    groups = re.findall(r'<g class="mark-\w+ role-mark[^"]*"[^>]*>(.*?)</g>', drawing, re.DOTALL)
    return sum(group.count("<path") for group in groups)


@pytest.mark.parametrize("name", NAMES)
def test_each_chart_is_drawn_from_its_rows_alone(name: str):
    """The asset's picture has only the insight's own rows; a chart that reads another table would fail there."""
    table = "daily_listening" if name == "calendar" else name
    full = full_figures()
    spec = draw(name, Figures("robin", "robin", full.period, {table: full[table]}))
    assert spec is not None
    assert marks(svg(spec)) >= 4
    assert json.dumps(spec) == json.dumps(draw(name, full))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_draw_is_no_chart(name: str):
    """An empty frame with axes looks like a fault."""
    assert draw(name, made_figures()) is None


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("calendar", made_figures("2025-03", daily_listening=days(FIRST, 31))),
        ("daily_listening", made_figures(daily_listening=days(FIRST, 1))),
        ("listening_clock", made_figures(listening_clock=[row("listening_clock", weekday=1, ms_played_per_day=None)])),
        ("daypart_divergence", made_figures(daypart_divergence=[row("daypart_divergence", daypart="night")])),
        ("taste_by_daypart", made_figures(taste_by_daypart=[taste("A", "night", 1.0), taste("B", "night", 1.0)])),
        ("weekday_weekend", made_figures(weekday_weekend=[lean("A", 1.0), lean("B", None), lean("C", 0.0)])),
        ("discovery_vs_returning", made_figures(discovery_vs_returning=[discovery(FIRST)])),
        (
            "artist_retention",
            made_figures(artist_retention=[cohort(1, 10, 5), cohort(2, 10, 5, is_censored=True), cohort(3, 0, 0)]),
        ),
        ("skip_behaviour", made_figures(skip_behaviour=[hourly(3, 0.1, is_ranked=False)])),
        ("diversity_by_month", made_figures(diversity_by_month=[diverse(1, 9.0), diverse(2, None)])),
        ("taste_by_hour", made_figures(taste_by_hour=[genre_hour("pop", 3), genre_hour("rock", 3)])),
        ("weekday_weekend_genres", made_figures(weekday_weekend_genres=[genre_lean("a", 1.0), genre_lean("b", None)])),
        ("genre_evolution", made_figures(genre_evolution=[genre_month("pop", FIRST)])),
        (
            "spotify_top_agreement",
            made_figures(spotify_top_agreement=[agreement("track", "long_term", 0, overlap_50=None)]),
        ),
        ("library_growth", made_figures(library_growth=[liked(FIRST, 0), liked(date(2025, 2, 1), 0)])),
        ("audio_features_by_hour", made_figures(audio_features_by_hour=[sounding(3)])),
        ("seasonality", made_figures(seasonality=[row("seasonality", month=1)])),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_too_little_is_no_chart(name: str, figures: Figures):
    """A line of one point, a comparison of one side, an index of nulls."""
    assert draw(name, figures) is None


@pytest.mark.parametrize("name", ["taste_by_daypart", "weekday_weekend", "repeat_obsessions"])
def test_hostile_names_are_drawn_as_text(name: str):
    """Names are the world's: they end no element, run no expression, and turn no layout around."""
    spec = draw(name, full_figures(lambda number: HOSTILE[number]))
    drawing = svg(spec)
    assert "<b>" not in drawing
    assert "<img" not in drawing
    assert marks(drawing) >= 4


def test_dates_are_the_readers_days():
    """A browser takes a date alone for midnight in Greenwich: in America every day was the day before."""
    for name in ("calendar", "daily_listening", "discovery_vs_returning", "repeat_obsessions", "diversity_by_month"):
        told = [
            said for row in values(draw(name, full_figures())) for said in row.values() if str(said).startswith("2025-")
        ]
        assert told
        assert all(said.endswith("T00:00:00") for said in told)


def test_calendar_puts_each_day_in_its_week_and_year():
    """2024-12-30 is a Monday in the last week of its year, 2025-01-01 a Wednesday in the first of the next."""
    spec = draw("calendar", made_figures(daily_listening=[day("2024-01-01"), day("2024-12-30"), day("2025-01-01", 0)]))
    assert [(cell["row"], cell["week"]) for cell in values(spec)] == [(0, 0), (0, 52), (8 + 2, 0)]
    assert [cell["hours"] for cell in values(spec)] == [1, 1, 0]


def test_calendar_shows_the_last_six_years():
    """Fifteen years of calendar would be two metres long."""
    spec = draw("calendar", made_figures(daily_listening=days(date(2010, 1, 1), 5_479)))
    assert min(cell["date"] for cell in values(spec)) == "2019-01-01T00:00:00"
    assert max(cell["row"] for cell in values(spec)) == 6 * 8 - 2


def test_trend_shows_days_where_they_are_few_and_weeks_where_they_are_many():
    """Means of 28 days of a history of 20 are all null; 5,000 points on 300 pixels are too many."""
    few = draw("daily_listening", made_figures(daily_listening=days(FIRST, 20)))
    assert [cell["hours"] for cell in values(few)][:3] == [1, 1.1, 1.2]
    some = draw("daily_listening", made_figures(daily_listening=days(FIRST, 365)))
    assert len(values(some)) == 365
    many = draw("daily_listening", made_figures(daily_listening=days(date(2010, 1, 1), 5_479)))
    assert {date.fromisoformat(cell["date"][:10]).isoweekday() for cell in values(many)} == {7}
    assert len(values(many)) == 783


def unknown_days(first: date, count: int):
    """Days after a gap, whose means are not known."""
    nothing = {"mean_ms_played_7_days": None, "mean_ms_played_28_days": None}
    return [day(first + timedelta(days=number), **nothing) for number in range(count)]


@pytest.mark.parametrize("years", [1, 5])
def test_trend_leaves_a_gap_where_no_mean_is(years: int):
    """Days without a mean are null, never 0, and no line leads over the gap before them, on whatever day it ends."""
    for first in days(date(2025, 6, 1), 7):
        monday = first["local_date"]
        before = days(date(2025 - years, 1, 1), 365 * years)
        rows = [*before, *unknown_days(monday, 6), *days(monday + timedelta(days=6), 100)]
        told = values(draw("daily_listening", made_figures(daily_listening=rows)))
        gap = [point for point in told if point["date"] >= f"{monday}"][:2]
        assert gap[0]["week"] is gap[0]["month"] is None
        assert 0 not in {point["week"] for point in told}


def test_trend_begins_where_its_means_do():
    """A stray play years before the history pressed all the rest against the right edge."""
    stray = unknown_days(date(2020, 12, 18), 1) + unknown_days(date(2023, 5, 13), 6)
    told = values(draw("daily_listening", made_figures(daily_listening=stray + days(date(2023, 5, 19), 100))))
    assert told[0]["date"] == "2023-05-19T00:00:00"
    assert draw("daily_listening", made_figures(daily_listening=unknown_days(FIRST, 70))) is None


def test_retention_takes_all_months_of_discovery_together():
    """A share of shares would weigh a month with one discovery like one with a hundred; censored ones are left out."""
    rows = [cohort(1, 1, 1), cohort(1, 99, 49), cohort(1, 50, 50, is_censored=True), cohort(2, 10, 1)]
    told = values(draw("artist_retention", made_figures(artist_retention=rows)))
    assert [(point["months"], point["artists"], point["share"]) for point in told] == [(1, 100, 0.5), (2, 10, 0.1)]


def test_weekends_show_the_furthest_of_either_side():
    """Six that lean to weekdays, six to weekends, the strongest at the ends; who leans nowhere is not shown."""
    rows = [lean(f"{number:+d}", number / 10) for number in range(-20, 21)]
    told = values(draw("weekday_weekend", made_figures(weekday_weekend=rows)))
    assert [bar["artist"] for bar in told] == [f"{n:+d}" for n in (*range(-20, -14), *range(15, 21))]
    assert told[0]["times"] == told[-1]["times"] == 4
    only = values(draw("weekday_weekend", made_figures(weekday_weekend=[lean("A", 1.0), lean("B", 2.0)])))
    assert {bar["leans"] for bar in only} == {"weekends"}


def test_songs_of_one_title_are_told_apart():
    """Two songs called Home are two rows; one song's two obsessions are one row."""
    rows = [
        obsession(1, "Home", artist_name="Ann"),
        obsession(2, "Home", artist_name="Ben"),
        obsession(3, "Loop"),
        obsession(4, "Loop", recording_id="r3"),
        obsession(5, None, artist_name=None),
    ]
    told = values(draw("repeat_obsessions", made_figures(repeat_obsessions=rows)))
    assert [bar["song"] for bar in told] == ["Home – Ann", "Home – Ben", "Loop", "Loop", "unknown"]
    assert told[0]["to"] == "2025-01-06T00:00:00"  # a bar of whole days ends when its last day does


def test_an_obsession_of_one_day_is_still_seen():
    """From a day to the same day is no length."""
    spec = draw("repeat_obsessions", made_figures(repeat_obsessions=[obsession(1, "Loop", last_date=FIRST)]))
    assert marks(svg(spec)) == 1


def test_clock_counts_hours_without_listening_as_nothing():
    """An hour of the week that is not covered is 0 minutes, beside those that have some."""
    cells = [
        row("listening_clock", weekday=1, local_hour=0, ms_played_per_day=None),
        row("listening_clock", weekday=7, local_hour=23, ms_played_per_day=HOUR / 2),
    ]
    told = values(draw("listening_clock", made_figures(listening_clock=cells)))
    assert [(cell["weekday"], cell["hour"], cell["minutes"]) for cell in told] == [("Mon", 0, 0), ("Sun", 23, 30)]


def test_a_picture_stands_alone():
    """What Dagster's pages show of an insight is an SVG in a data URI."""
    shown = picture(draw("seasonality", full_figures()))
    assert shown.startswith("data:image/svg+xml;base64,")


def test_every_chart_is_of_an_insight_that_is_read():
    """The asset draws what `read_rows` reads."""
    assert set(CHARTED) <= set(READS)
