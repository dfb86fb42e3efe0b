"""The charts along the calendar: each takes figures and gives a chart, or nothing where there is nothing to draw."""

from __future__ import annotations

from datetime import date
from itertools import dropwhile

import altair as alt

from spotifriend_dagster.reports.charts.drawing import Spec, blank, dates_axis, hours, spec_of
from spotifriend_dagster.reports.figures import Figures, Row
from spotifriend_dagster.reports.selections import (
    CALENDAR_YEARS,
    retained,
    shows_single_days,
    top_genres_of_months,
)

_CALENDAR_WEEKS = 54
_ROWS_OF_YEAR = 8  # the seven weekdays, and a gap
_MANY_DAYS = 750
_SUNDAY = 7
_NOVELTIES = ("discovery", "rediscovery", "lapsed")


def calendar(figures: Figures) -> Spec | None:
    """Listening hours of every day: a row for each weekday of each year, a column for each week."""
    days = figures["daily_listening"]
    years = sorted({day["local_date"].year for day in days})[-CALENDAR_YEARS:]
    if not years or figures.period.kind == "month":
        return None
    rows = [
        {
            "date": day["local_date"],
            "week": _week(day["local_date"]),
            "row": years.index(day["local_date"].year) * _ROWS_OF_YEAR + day["weekday"] - 1,
            "hours": hours(day["ms_played"]),
            "listens": day["listens"],
            "coverage": day["status"],
        }
        for day in days
        if day["local_date"].year in years
    ]
    months = {_week(date(years[-1], month, 1)): f"{date(2000, month, 1):%b}" for month in range(1, 13, 2)}
    middles = {number * _ROWS_OF_YEAR + 3: str(year) for number, year in enumerate(years)}
    chart = (
        blank()
        .mark_rect(cornerRadius=1)
        .encode(
            x=alt.X("week:O")
            .axis(title=None, labelExpr=_named(months), values=list(months), ticks=False, domain=False, labelAngle=0)
            .scale(domain=list(range(_CALENDAR_WEEKS)), paddingInner=0.1),
            y=alt.Y("row:O")
            .axis(title=None, labelExpr=_named(middles), values=list(middles), ticks=False, domain=False)
            .scale(domain=list(range(len(years) * _ROWS_OF_YEAR - 1)), paddingInner=0.1),
            color=alt.Color("hours:Q").scale(domainMin=0).legend(title="hours a day", orient="bottom"),
            tooltip=[
                alt.Tooltip("date:T", title="day", format="%a %-d %b %Y"),
                alt.Tooltip("hours:Q", format=".1f"),
                alt.Tooltip("listens:Q", format=","),
                alt.Tooltip("coverage:N"),
            ],
        )
    )
    return spec_of(chart, rows, len(years) * _ROWS_OF_YEAR * 12)


def trend(figures: Figures) -> Spec | None:
    """Hours a day: the mean of 28 days over that of 7, or the days themselves where they are few."""
    days = figures["daily_listening"]
    if shows_single_days(figures):
        rows: list[Row] = [
            {"date": day["local_date"], "hours": hours(day["ms_played"]), "listens": day["listens"]} for day in days
        ]
        bars = (
            blank()
            .mark_bar()
            .encode(
                x=dates_axis("yearmonthdate(date):T", is_long=False),
                y=alt.Y("hours:Q").title("hours"),
                tooltip=[
                    alt.Tooltip("date:T", title="day", format="%a %-d %b %Y"),
                    alt.Tooltip("hours:Q", format=".1f"),
                    alt.Tooltip("listens:Q", format=","),
                ],
            )
        )
        return spec_of(bars, rows, 220) if len(rows) > 1 else None
    # Strays before the history, whose means are not known, would squeeze all the rest to the right.
    days = list(dropwhile(lambda day: day["mean_ms_played_7_days"] is None, days))
    if len(days) > _MANY_DAYS:  # the mean of 7 days on a Sunday is that of its week; where it is null there is a gap
        days = [day for day in days if day["weekday"] == _SUNDAY or day["mean_ms_played_7_days"] is None]
    if len(days) < 2:
        return None
    rows = [
        {
            "date": day["local_date"],
            "week": hours(day["mean_ms_played_7_days"]),
            "month": hours(day["mean_ms_played_28_days"]),
        }
        for day in days
    ]
    hover = alt.selection_point(
        name="hover", on="pointerover", clear="pointerout", nearest=True, encodings=["x"], empty=False
    )
    base = blank().encode(x=dates_axis("date:T"))
    area = base.mark_area(opacity=0.35).encode(y=alt.Y("week:Q").title("hours a day"))
    line = base.mark_line(strokeWidth=2).encode(y="month:Q")
    pointer = (
        base.mark_rule()
        .encode(
            opacity=alt.condition(hover, alt.value(0.6), alt.value(0)),
            tooltip=[
                alt.Tooltip("date:T", title="until", format="%-d %b %Y"),
                alt.Tooltip("week:Q", title="mean of 7 days, hours", format=".1f"),
                alt.Tooltip("month:Q", title="mean of 28 days, hours", format=".1f"),
            ],
        )
        .add_params(hover)
    )
    return spec_of(alt.layer(area, line, pointer), rows, 220)


def novelty(figures: Figures) -> Spec | None:
    """The share of each month's listens that were not returning: new for their artist, or back after half a year."""
    months = [month for month in figures["discovery_vs_returning"] if month["subject"] == "artist"]
    if len(months) < 2:
        return None
    rows = [
        {
            "month": month["month"],
            "class": name,
            "share": month[f"{name}_share"],
            "listens": month[f"{name}_listens"],
            "of": month["listens"],
            "censored": month["is_censored"],
            "order": number,
        }
        for month in months
        for number, name in enumerate(_NOVELTIES)
    ]
    chosen = alt.selection_point(name="chosen", fields=["class"], bind="legend")
    chart = (
        blank()
        .mark_bar()
        .encode(
            x=dates_axis("yearmonth(month):T"),
            y=alt.Y("share:Q").axis(title="share of listens", format="%", tickCount=6),
            color=alt.Color("class:N").scale(domain=list(_NOVELTIES)).legend(title=None, orient="bottom"),
            order=alt.Order("order:Q"),
            fillOpacity=alt.condition("datum.censored", alt.value(0.4), alt.value(1)),
            opacity=alt.condition(chosen, alt.value(1), alt.value(0.15)),
            tooltip=[
                alt.Tooltip("month:T", format="%B %Y"),
                alt.Tooltip("class:N", title="listens that are"),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("listens:Q", format=","),
                alt.Tooltip("of:Q", title="of listens", format=","),
            ],
        )
        .add_params(chosen)
    )
    return spec_of(chart, rows, 220)


def retention(figures: Figures) -> Spec | None:
    """How many of the discovered artists are heard again k months later."""
    rows = retained(figures)
    if len(rows) < 2:
        return None
    chart = (
        blank()
        .mark_line(point={"size": 40})
        .encode(
            x=alt.X("months:Q").axis(title="months after the discovery", tickMinStep=1, grid=False),
            y=alt.Y("share:Q").axis(title="heard again", format="%").scale(domainMin=0),
            tooltip=[
                alt.Tooltip("months:Q", title="months later"),
                alt.Tooltip("share:Q", title="heard again", format=".1%"),
                alt.Tooltip("artists:Q", title="of artists", format=","),
            ],
        )
    )
    return spec_of(chart, rows, 240)


def diversity(figures: Figures) -> Spec | None:
    """How many equally heard artists would make each month as diverse as it was."""
    rows = [
        {"month": row["period_start"], "artists": row["artists"], "effective": row["effective_artists"]}
        for row in figures["diversity_by_month"]
        if row["period_kind"] == "month"
    ]
    if sum(row["effective"] is not None for row in rows) < 2:
        return None
    chart = (
        blank()
        .mark_line(point={"size": 40})
        .encode(
            x=dates_axis("month:T"),
            y=alt.Y("effective:Q").axis(title="effective artists").scale(domainMin=0),
            tooltip=[
                alt.Tooltip("month:T", format="%B %Y"),
                alt.Tooltip("effective:Q", title="effective artists", format=".1f"),
                alt.Tooltip("artists:Q", title="artists in all", format=","),
            ],
        )
    )
    return spec_of(chart, rows, 220)


def genres(figures: Figures) -> Spec | None:
    """The share of the most heard genres in each month."""
    shown = top_genres_of_months(figures)
    rows = [
        {
            "month": row["month"],
            "genre": row["genre"],
            "share": row["share"],
            "change": row["share_change"],
            "listens": row["listens"],
            "of": row["genre_listens"],
            "pale": row["is_low_coverage"],
        }
        for row in figures["genre_evolution"]
        if row["genre"] in shown
    ]
    if len({row["month"] for row in rows}) < 2:
        return None
    chart = (
        blank()
        .mark_rect()
        .encode(
            x=dates_axis("yearmonth(month):T"),
            y=alt.Y("genre:N").sort(shown).axis(title=None, domain=False, ticks=False).scale(paddingInner=0.06),
            color=alt.Color("share:Q")
            .scale(domainMin=0)
            .legend(title="share of the month's listens with a genre", orient="bottom", format="%", tickCount=3),
            opacity=alt.condition("datum.pale", alt.value(0.4), alt.value(1)),
            tooltip=[
                alt.Tooltip("month:T", format="%B %Y"),
                alt.Tooltip("genre:N"),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("change:Q", title="since the month before", format="+.1%"),
                alt.Tooltip("listens:Q", format=","),
                alt.Tooltip("of:Q", title="of listens with a genre", format=","),
            ],
        )
    )
    return spec_of(chart, rows, 26 * len(shown))


def library(figures: Figures) -> Spec | None:
    """How many songs are liked by the end of each month, and how many of these were ever listened to."""
    rows = [
        {
            "month": row["month"],
            "songs": row["library_tracks"],
            "heard": round(row["library_tracks"] * (row["library_heard_share"] or 0)),
            "added": row["added_tracks"],
        }
        for row in figures["library_growth"]
    ]
    if len(rows) < 2 or not any(row["songs"] for row in rows):
        return None
    hover = alt.selection_point(
        name="hover", on="pointerover", clear="pointerout", nearest=True, encodings=["x"], empty=False
    )
    base = blank().encode(x=dates_axis("month:T"))
    songs = base.mark_area(opacity=0.3).encode(y=alt.Y("songs:Q").axis(title="liked songs", format="~s"))
    heard = base.mark_area(opacity=0.75).encode(y="heard:Q")
    pointer = (
        base.mark_rule()
        .encode(
            opacity=alt.condition(hover, alt.value(0.6), alt.value(0)),
            tooltip=[
                alt.Tooltip("month:T", title="by the end of", format="%B %Y"),
                alt.Tooltip("songs:Q", title="liked songs", format=","),
                alt.Tooltip("heard:Q", title="ever listened to", format=","),
                alt.Tooltip("added:Q", title="added in the month", format=","),
            ],
        )
        .add_params(hover)
    )
    return spec_of(alt.layer(songs, heard, pointer), rows, 220)


def seasonality(figures: Figures) -> Spec | None:
    """Each month of the year against the average month."""
    rows = [
        {"month": f"{date(2000, row['month'], 1):%b}", "index": row["seasonal_index"], "years": row["years"]}
        for row in sorted(figures["seasonality"], key=lambda row: row["month"])
        if row["seasonal_index"] is not None
    ]
    if not rows:
        return None
    bars = (
        blank()
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("month:O").sort([row["month"] for row in rows]).axis(title=None, labelAngle=0, labelOverlap=True),
            y=alt.Y("index:Q").axis(title="average month = 1", format=".1f"),
            tooltip=[
                alt.Tooltip("month:O"),
                alt.Tooltip("index:Q", title="of the average month", format=".2f"),
                alt.Tooltip("years:Q", title="complete months"),
            ],
        )
    )
    average = blank().mark_rule(strokeDash=[4, 3]).encode(y=alt.datum(1))
    return spec_of(alt.layer(bars, average), rows, 220)


def _week(on: date) -> int:
    first = date(on.year, 1, 1)
    return ((on - first).days + first.weekday()) // 7


def _named(names: dict[int, str]) -> str:
    """The axis label of each value, as a Vega expression; the names are the project's own."""
    return "".join(f"datum.value == {value} ? '{name}' : " for value, name in names.items()) + "''"
