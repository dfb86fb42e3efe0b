"""The charts of habits: each takes figures and gives a chart, or nothing where there is nothing to draw."""

from __future__ import annotations

from datetime import timedelta
from math import log2

import altair as alt

from spotifriend_dagster.reports.charts.drawing import MINUTE_MS, Spec, blank, dates_axis, spec_of
from spotifriend_dagster.reports.figures import Figures, Row
from spotifriend_dagster.reports.selections import (
    DAYPARTS,
    SOUNDS,
    WEEKDAYS,
    leaning_artists,
    leaning_genres,
    taste_artists,
    top_genres,
)

_OBSESSIONS = 10
_LONG_SPAN = timedelta(days=150)


def clock(figures: Figures) -> Spec | None:
    """Minutes in each hour of the week, on an average day of that name."""
    rows = [
        {
            "weekday": WEEKDAYS[cell["weekday"] - 1],
            "hour": cell["local_hour"],
            "minutes": round((cell["ms_played_per_day"] or 0) / MINUTE_MS, 2),
            "listens": cell["listens"],
        }
        for cell in figures["listening_clock"]
    ]
    if not any(row["minutes"] for row in rows):
        return None
    chart = (
        blank()
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("hour:O")
            .axis(title="hour of the day", labelAngle=0, values=list(range(0, 24, 3)), domain=False, ticks=False)
            .scale(paddingInner=0.06),
            y=alt.Y("weekday:O")
            .sort(list(WEEKDAYS))
            .axis(title=None, domain=False, ticks=False)
            .scale(paddingInner=0.06),
            color=alt.Color("minutes:Q").scale(domainMin=0).legend(title="minutes", orient="bottom"),
            tooltip=[
                alt.Tooltip("weekday:N"),
                alt.Tooltip("hour:O"),
                alt.Tooltip("minutes:Q", title="minutes, on average", format=".1f"),
                alt.Tooltip("listens:Q", title="listens in all", format=","),
            ],
        )
    )
    return spec_of(chart, rows, 200)


def dayparts(figures: Figures) -> Spec | None:
    """Share of the listening time by part of the day."""
    rows = [
        {
            "part": part["daypart"],
            "share": part["ms_played_share"],
            "divergence": part["divergence_bits"],
            "listens": part["listens"],
            "artists": part["artists"],
        }
        for part in figures["daypart_divergence"]
        if part["ms_played_share"] is not None
    ]
    if not rows:
        return None
    chart = (
        blank()
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("share:Q").axis(title="share of the listening time for music", format="%", tickCount=5),
            y=alt.Y("part:N").sort(list(DAYPARTS)).axis(title=None, domain=False, ticks=False),
            tooltip=[
                alt.Tooltip("part:N"),
                alt.Tooltip("share:Q", title="share of the time", format=".1%"),
                alt.Tooltip("divergence:Q", title="its artists differ from the whole, bits", format=".3f"),
                alt.Tooltip("listens:Q", format=","),
                alt.Tooltip("artists:Q", format=","),
            ],
        )
    )
    return spec_of(chart, rows, 61 * len(rows))


def taste(figures: Figures) -> Spec | None:
    """How much more or less than at other times the most heard artists are heard in each part of the day."""
    artists = taste_artists(figures)
    rows = [
        _lift(row, "artist", row["artist_name"], "part", row["daypart"], is_pale=row["is_small_sample"])
        for row in figures["taste_by_daypart"]
        if row["artist_name"] in artists and row["lift"] > 0
    ]
    parts = alt.X("part:N").sort(list(DAYPARTS)).axis(title=None, orient="top", labelAngle=0, domain=False, ticks=False)
    parts = parts.scale(paddingInner=0.04)
    return _lifts(rows, "artist", artists, "part", parts)


def genres(figures: Figures) -> Spec | None:
    """How much more or less than at other times the most heard genres are heard in each hour."""
    shown = top_genres(figures)
    rows = [
        _lift(
            row,
            "genre",
            row["genre"],
            "hour",
            row["local_hour"],
            is_pale=row["is_small_sample"] or row["is_low_coverage"],
        )
        for row in figures["taste_by_hour"]
        if row["genre"] in shown
    ]
    hours = (
        alt.X("hour:O")
        .axis(title="hour of the day", labelAngle=0, values=list(range(0, 24, 3)), domain=False, ticks=False)
        .scale(domain=list(range(24)), paddingInner=0.06)
    )
    return _lifts(rows, "genre", shown, "hour", hours)


def _lift(row: Row, about: str, name: str, when: str, at: str | int, *, is_pale: bool) -> Row:
    lift = {"lift": row["lift"], "lean": log2(row["lift"]), "listens": row["listens"], "pale": is_pale}
    return {about: name, when: at, **lift}


def _lifts(rows: list[Row], about: str, order: list[str], when: str, x: alt.X) -> Spec | None:
    """A map of lifts: who or what down, `x` across; nothing where there is but one time to show."""
    if len({row[when] for row in rows}) < 2:
        return None
    chart = (
        blank()
        .mark_rect(cornerRadius=2)
        .encode(
            x=x,
            y=alt.Y(f"{about}:N").sort(order).axis(title=None, domain=False, ticks=False).scale(paddingInner=0.06),
            color=alt.Color("lean:Q")
            .scale(domain=[-1, 1], domainMid=0, clamp=True, interpolate="rgb")
            .legend(
                title=f"share in this {when} ÷ share overall",
                orient="bottom",
                values=[-1, 0, 1],
                labelExpr="'×' + format(pow(2, datum.value), '.1~f')",
            ),
            opacity=alt.condition("datum.pale", alt.value(0.4), alt.value(1)),
            tooltip=[
                alt.Tooltip(f"{about}:N"),
                alt.Tooltip(f"{when}:N"),
                alt.Tooltip("lift:Q", title="share here ÷ overall", format=".2f"),
                alt.Tooltip("listens:Q", format=","),
            ],
        )
    )
    return spec_of(chart, rows, 26 * len(order))


def weekends(figures: Figures) -> Spec | None:
    """The artists that lean most to weekdays and to weekends."""
    return _leans(leaning_artists(figures), "artist", "value", step=1)


def genre_weekends(figures: Figures) -> Spec | None:
    """The genres that lean most to weekdays and to weekends."""
    return _leans(leaning_genres(figures), "genre", "genre", step=0.25)


def _leans(leaning: list[Row], about: str, column: str, step: float) -> Spec | None:
    rows = [
        {
            about: row[column],
            "lift": row["weekend_lift_log2"],
            "times": 2 ** abs(row["weekend_lift_log2"]),
            "leans": "weekends" if row["weekend_lift_log2"] > 0 else "weekdays",
            "weekdays": row["weekday_listens"],
            "weekends": row["weekend_listens"],
        }
        for row in leaning
    ]
    if len(rows) < 2:
        return None
    chart = (
        blank()
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("lift:Q").axis(
                title="weekdays  ←  times more  →  weekends",
                labelExpr="'×' + format(pow(2, abs(datum.value)), '.1~f')",
                labelOverlap=True,
                labelFlush=False,
                tickMinStep=step,
            ),
            y=alt.Y(f"{about}:N").sort([row[about] for row in rows]).axis(title=None, domain=False, ticks=False),
            color=alt.Color("leans:N").scale(domain=["weekdays", "weekends"]).legend(None),
            tooltip=[
                alt.Tooltip(f"{about}:N"),
                alt.Tooltip("leans:N", title="leans to"),
                alt.Tooltip("times:Q", title="times", format=".1f"),
                alt.Tooltip("weekdays:Q", title="listens on weekdays", format=","),
                alt.Tooltip("weekends:Q", title="listens at weekends", format=","),
            ],
        )
    )
    return spec_of(chart, rows, 29 * len(rows))


def sound(figures: Figures) -> Spec | None:
    """The mean energy, danceability and valence of each hour."""
    rows = [
        {
            "hour": row["local_hour"],
            "feature": feature,
            "mean": row[feature],
            "listens": row["feature_listens"],
            "of": row["listens"],
            "pale": row["is_small_sample"] or row["is_low_coverage"],
        }
        for row in figures["audio_features_by_hour"]
        for feature in SOUNDS
        if row[feature] is not None
    ]
    if len({row["hour"] for row in rows}) < 2:
        return None
    base = blank().encode(
        x=alt.X("hour:Q")
        .scale(domain=[0, 23], nice=False)
        .axis(title="hour of the day", values=list(range(0, 24, 3)), grid=False),
        y=alt.Y("mean:Q").axis(title="mean of the listens, 0 to 1", tickCount=5).scale(zero=False, nice=True),
        color=alt.Color("feature:N").scale(domain=list(SOUNDS)).legend(title=None, orient="bottom"),
        tooltip=[
            alt.Tooltip("hour:Q"),
            alt.Tooltip("feature:N"),
            alt.Tooltip("mean:Q", format=".2f"),
            alt.Tooltip("listens:Q", title="listens with features", format=","),
            alt.Tooltip("of:Q", title="of listens", format=","),
        ],
    )
    line = base.mark_line(strokeWidth=2)
    point = base.mark_point(filled=True, size=45).encode(
        opacity=alt.condition("datum.pale", alt.value(0.3), alt.value(1))
    )
    return spec_of(alt.layer(line, point), rows, 240)


def obsessions(figures: Figures) -> Spec | None:
    """When the most intense obsessions lasted."""
    ranked = sorted(figures["repeat_obsessions"], key=lambda row: row["obsession_rank"])[:_OBSESSIONS]
    if not ranked:
        return None
    rows = [
        {
            "song": song,
            "artist": row["artist_name"] or "unknown",
            "from": row["first_date"],
            "to": row["last_date"] + timedelta(days=1),
            "last": row["last_date"],
            "listens": row["listens"],
            "days": row["days"],
            "peak": row["peak_date"],
        }
        for row, song in zip(ranked, _told_apart(ranked), strict=True)
    ]
    span = max(row["to"] for row in rows) - min(row["from"] for row in rows)
    chart = (
        blank()
        .mark_bar(cornerRadius=3, height=11)
        .encode(
            x=dates_axis("from:T", is_long=span > _LONG_SPAN, grid=True),
            x2="to:T",
            y=alt.Y("song:N").sort(field="from", op="min").axis(title=None, domain=False, ticks=False),
            color=alt.Color("listens:Q").scale(domainMin=0).legend(orient="bottom", tickCount=3),
            tooltip=[
                alt.Tooltip("song:N"),
                alt.Tooltip("artist:N"),
                alt.Tooltip("listens:Q", format=","),
                alt.Tooltip("days:Q", format=","),
                alt.Tooltip("from:T", format="%-d %b %Y"),
                alt.Tooltip("last:T", title="to", format="%-d %b %Y"),
                alt.Tooltip("peak:T", title="peak day", format="%-d %b %Y"),
            ],
        )
    )
    return spec_of(chart, rows, 22 * len({row["song"] for row in rows}) + 10)


def skips(figures: Figures) -> Spec | None:
    """The skip rate by local hour, with its interval."""
    rows = [
        {
            "hour": int(row["value"]),
            "rate": row["skip_rate"],
            "low": row["skip_rate_low"],
            "high": row["skip_rate_high"],
            "plays": row["plays"],
        }
        for row in figures["skip_behaviour"]
        if row["dimension"] == "hour" and row["is_ranked"]
    ]
    if not rows:
        return None
    base = blank().encode(
        x=alt.X("hour:Q")
        .scale(domain=[-0.5, 23.5], nice=False)
        .axis(title="hour of the day", values=list(range(0, 24, 3)), grid=False),
        tooltip=[
            alt.Tooltip("hour:Q"),
            alt.Tooltip("rate:Q", title="skip rate", format=".1%"),
            alt.Tooltip("low:Q", title="95 % from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            alt.Tooltip("plays:Q", title="of plays", format=","),
        ],
    )
    interval = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        y=alt.Y("low:Q").axis(title="skips ÷ plays", format="%", tickCount=6).scale(domainMin=0), y2="high:Q"
    )
    point = base.mark_point(filled=True, size=70, opacity=1).encode(y="rate:Q")
    return spec_of(alt.layer(interval, point), rows, 255)


def _told_apart(rows: list[Row]) -> list[str]:
    """The songs' titles, with the artist where recordings share one."""
    recordings: dict[str, set[str]] = {}
    titles = [row["track_name"] or "unknown" for row in rows]
    for row, title in zip(rows, titles, strict=True):
        recordings.setdefault(title, set()).add(row["recording_id"])
    return [
        title if len(recordings[title]) == 1 else f"{title} – {row['artist_name'] or 'unknown'}"
        for row, title in zip(rows, titles, strict=True)
    ]
