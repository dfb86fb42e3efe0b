"""The dashboard's content: its sheets, and what is on each. Its form as QuickSight wants it is in `dashboard.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spotifriend_dagster.quicksight.fields import Calculation, Source
from spotifriend_dagster.quicksight.visuals import Visual, bars, figure, heat_map, lines, table
from spotifriend_dagster.tables.insight import Insight

_HOURS = Calculation("{ms_played} / 3600000")


@dataclass(frozen=True)
class Choice:
    """A control by which a reader chooses one value of a column, for the visuals of the sheet that show it."""

    data_set: str
    column: str
    title: str
    first: str


@dataclass(frozen=True)
class Sheet:
    """One page of the dashboard: visuals from left to right, from above."""

    id: str
    name: str
    visuals: tuple[Visual, ...]
    sources: tuple[Source, ...]
    choices: tuple[Choice, ...] = ()


def sheets(insights: Mapping[str, Insight]) -> tuple[Sheet, ...]:
    """The sheets, drawn from these insight tables. Sums and shares are right for one listener and for several.

    Raises:
        KeyError: a table or column that is drawn is not declared.
    """
    return (
        _listening(insights),
        _clock(insights),
        _discovery(insights),
        _genres(insights),
        _skips(insights),
        _quality(insights),
    )


def _listening(insights: Mapping[str, Insight]) -> Sheet:
    days = Source(
        insights["daily_listening"].table,
        {
            "hours": _HOURS,
            "hours a day, mean of 28 days": Calculation("{mean_ms_played_28_days} / 3600000"),
            "known days": Calculation("ifelse({status} = 'unknown', 0, 1)", "INTEGER"),
        },
    )
    month, day = days.dimension("local_date", "MONTH"), days.dimension("local_date", "DAY")
    return Sheet(
        "listening",
        "Listening",
        (
            figure("hours", "Hours listened to", days.measure("hours")),
            figure("listens", "Listens", days.measure("listens")),
            figure("artists-discovered", "Artists discovered", days.measure("artist_discoveries")),
            figure("known-days", "Known days", days.measure("known days")),
            bars("hours-by-month", "Hours by month", month, [days.measure("hours")]).sized(36, 12),
            lines(
                "hours-a-day",
                "Hours a day",
                day,
                [days.measure("hours a day, mean of 28 days")],
                subtitle="Mean of the 28 days that end with it; a gap where one of them is not known",
            ).sized(36, 12),
        ),
        (days,),
    )


def _clock(insights: Mapping[str, Insight]) -> Sheet:
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
    cases = ", ".join(f"{{weekday}} = {number}, '{number} {name}'" for number, name in enumerate(names, 1))
    clock = Source(
        insights["listening_clock"].table,
        {"hours on the clock": _HOURS, "day of the week": Calculation(f"ifelse({cases}, '7 Sun')", "STRING")},
    )
    weekday, hour, hours = (
        clock.dimension("day of the week"),
        clock.dimension("local_hour"),
        clock.measure("hours on the clock"),
    )
    return Sheet(
        "clock",
        "Clock",
        (
            heat_map(
                "clock-map",
                "Hours listened to by weekday and hour",
                weekday,
                hour,
                hours,
                subtitle="On the local clock",
            ).sized(36, 14),
            bars("by-hour", "By hour", hour, [hours]),
            bars("by-weekday", "By weekday", weekday, [hours]),
        ),
        (clock,),
    )


def _discovery(insights: Mapping[str, Insight]) -> Sheet:
    kinds = ("discovery", "returning", "rediscovery", "lapsed")
    months = Source(
        insights["discovery_vs_returning"].table,
        {
            f"share of {kind} listens": Calculation(f"sum({{{kind}_listens}}) / sum({{listens}})", aggregates=True)
            for kind in kinds
        },
    )
    month = months.dimension("month", "MONTH")
    return Sheet(
        "discovery",
        "Discovery",
        (
            bars(
                "new-and-known",
                "New against known",
                month,
                [months.measure(f"{kind}_listens") for kind in kinds],
                subtitle="Each listen as what it was: first ever, after a short or a long time",
                arrangement="STACKED_PERCENT",
            ).sized(36, 12),
            lines(
                "share-of-discoveries",
                "Share of discoveries",
                month,
                [months.measure("share of discovery listens", is_share=True)],
                subtitle="The first months of a history are all discovery: what came before it is not known",
            ),
            bars("discovered", "Discovered", month, [months.measure("discovery_listens")]),
        ),
        (months,),
        (Choice("discovery_vs_returning", "subject", "Of artists or recordings", "artist"),),
    )


def _genres(insights: Mapping[str, Insight]) -> Sheet:
    genres = Source(insights["genre_evolution"].table)
    month, genre = genres.dimension("month", "MONTH"), genres.dimension("genre")
    return Sheet(
        "genres",
        "Genres",
        (
            lines(
                "genres-by-month",
                "Genres by month",
                month,
                [genres.measure("weight")],
                subtitle="Listens, each shared out over the genres of its artists",
                colour=genre,
            ).sized(36, 14),
            table(
                "genres-in-all",
                "Genres in all",
                [genre],
                [genres.measure("weight"), genres.measure("listens")],
                subtitle="Weight and listens",
            ),
            lines(
                "genre-coverage",
                "How far genres reach",
                month,
                [genres.measure("genre_coverage", "AVERAGE", is_share=True)],
                subtitle="Share of the listening time whose artist has a genre; below a half, trust no share",
            ),
        ),
        (genres,),
    )


def _skips(insights: Mapping[str, Insight]) -> Sheet:
    skips = Source(
        insights["skip_behaviour"].table,
        {"share skipped": Calculation("sum({skips}) / sum({plays})", aggregates=True)},
    )
    rate, value, label = (
        skips.measure("share skipped", is_share=True),
        skips.dimension("value"),
        skips.dimension("label"),
    )
    decidable = "Of the plays for which it can be decided"
    return Sheet(
        "skips",
        "Skips",
        (
            bars("skips-by-month", "Share skipped by month", value, [rate], subtitle=decidable)
            .showing(dimension="month")
            .sized(36, 12),
            bars("skips-by-hour", "By hour", value, [rate], subtitle="On the local clock").showing(dimension="hour"),
            bars("skips-by-start", "By what started the track", value, [rate]).showing(dimension="reason_start"),
            bars(
                "skips-by-artist",
                "Most skipped artists",
                label,
                [skips.measure("shrunk_skip_rate", "AVERAGE", is_share=True)],
                subtitle="Shrunk towards the listener's own share, so that few plays do not lead",
                longest=15,
            ).showing(dimension="artist"),
            table(
                "skips-by-track",
                "Skips by track",
                [label],
                [skips.measure("skips"), skips.measure("plays"), rate],
            ).showing(dimension="track"),
        ),
        (skips,),
    )


def _quality(insights: Mapping[str, Insight]) -> Sheet:
    days = Source(
        insights["daily_listening"].table, {"days": Calculation("ifelse(isNull({local_date}), 0, 1)", "INTEGER")}
    )
    rows = Source(insights["row_accounting"].table)
    work = Source(insights["data_quality_daily"].table)
    costs = Source(insights["pipeline_cost"].table)
    month, status, day = days.dimension("local_date", "MONTH"), days.dimension("status"), work.dimension("day")
    outcomes = [rows.measure(f"{outcome}_rows") for outcome in ("kept", "duplicate", "superseded", "rejected")]
    return Sheet(
        "quality",
        "Data quality",
        (
            figure("rows-received", "Rows received", rows.measure("input_rows")),
            figure("rows-rejected", "Rows rejected", rows.measure("rejected_rows")),
            figure("rows-unaccounted", "Rows unaccounted for", rows.measure("unaccounted_rows")),
            figure("checks-failed", "Checks failed", work.measure("checks_failed")),
            bars(
                "coverage-by-month",
                "Days by how far they are known",
                month,
                [days.measure("days")],
                subtitle="Complete, at least so much (minimum), or unknown",
                colour=status,
                arrangement="STACKED",
            ).sized(36, 12),
            bars(
                "rows-by-source",
                "What became of the rows",
                rows.dimension("source"),
                outcomes,
                subtitle="By source; every row is in one of them",
                arrangement="STACKED",
            ),
            bars(
                "polled-hours",
                "Hours in which Spotify was asked",
                day,
                [work.measure("poll_hours")],
                subtitle="Of 24 for each listener; Spotify tells the last 50 plays only",
            ),
            bars(
                "checks-and-failures",
                "Failed runs and checks",
                day,
                [work.measure(name) for name in ("failed_runs", "checks_failed", "checks_warned")],
                arrangement="STACKED",
            ),
            bars(
                "cost-by-month",
                "Cost by month, in USD",
                costs.dimension("month", "MONTH"),
                [costs.measure("usd")],
                subtitle="What AWS bills for runs, by list prices; storage is left out",
                colour=costs.dimension("job"),
                arrangement="STACKED",
            ),
        ),
        (days, rows, work, costs),
    )
