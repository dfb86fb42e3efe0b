"""The charts of a summary: each takes figures and gives a Vega-Lite chart, or nothing where there is nothing to draw.

Colours and fonts are the page's (`summary.js` sets them for light and dark); what a chart says in words is in `words.py`.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from spotifriend_dagster.reports.bundle import VEGA_LITE_VERSION
from spotifriend_dagster.reports.figures import Figures, Row

if TYPE_CHECKING:
    import altair as alt

HOUR_MS = 3_600_000
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAYPARTS = ("morning", "afternoon", "evening", "night")
NOVELTIES = ("rediscovery", "lapsed", "discovery")
_CALENDAR_YEARS = 6
_CLASS_COLOURS = ["#2a9d8f", "#e9a23b", "#d1495b"]


def _chart(rows: list[Row]) -> alt.Chart:
    import altair as alt

    return alt.Chart(alt.Data(values=[{name: _plain(value) for name, value in row.items()} for row in rows]))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _wide(chart: alt.Chart | alt.LayerChart, height: int) -> dict[str, Any]:
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict()
    return spec


def calendar(figures: Figures) -> dict[str, Any] | None:
    """Listening hours of every day: a row for each weekday of each year, a column for each week."""
    import altair as alt

    days = figures["daily_listening"]
    years = sorted({day["local_date"].year for day in days})[-_CALENDAR_YEARS:]
    rows = []
    for day in days:
        on = day["local_date"]
        if on.year not in years:
            continue
        first = date(on.year, 1, 1)
        rows.append(
            {
                "date": on,
                "week": ((on - first).days + first.weekday()) // 7,
                "row": years.index(on.year) * 8 + on.weekday(),
                "hours": round(day["ms_played"] / HOUR_MS, 2),
                "listens": day["listens"],
                "status": day["status"],
            }
        )
    if not rows:
        return None
    labels = " : ".join(f"datum.value == {8 * number + 3} ? '{year}'" for number, year in enumerate(years))
    months = [(date(2023, month, 1) - date(2023, 1, 1)).days // 7 for month in range(1, 13, 2)]
    names = " : ".join(
        f"datum.value == {week} ? '{date(2023, month, 1):%b}'"
        for week, month in zip(months, range(1, 13, 2), strict=True)
    )
    chart = (
        _chart(rows)
        .mark_rect(cornerRadius=1)
        .encode(
            x=alt.X("week:O").axis(
                title=None, labelExpr=f"{names} : ''", values=months, ticks=False, domain=False, labelAngle=0
            ),
            y=alt.Y("row:O")
            .axis(title=None, labelExpr=f"{labels} : ''", ticks=False, domain=False)
            .scale(domain=list(range(len(years) * 8 - 1)), paddingInner=0.15),
            color=alt.Color("hours:Q").scale(scheme="teals").legend(title="hours a day", orient="bottom"),
            tooltip=[
                alt.Tooltip("date:T", title="day", format="%a %d %b %Y"),
                alt.Tooltip("hours:Q", format=".1f"),
                alt.Tooltip("listens:Q"),
                alt.Tooltip("status:N", title="coverage"),
            ],
        )
    )
    return _wide(chart, len(years) * 8 * 11)


def trend(figures: Figures) -> dict[str, Any] | None:
    """Hours a day: the mean of 28 days over that of 7, or the days themselves within a month."""
    import altair as alt

    is_month = figures.period.kind == "month"
    column = "ms_played" if is_month else "mean_ms_played_7_days"
    rows = [
        {
            "date": day["local_date"],
            "hours": None if day[column] is None else round(day[column] / HOUR_MS, 3),
            "smooth": None if day["mean_ms_played_28_days"] is None else round(day["mean_ms_played_28_days"] / HOUR_MS, 3),
        }
        for day in figures["daily_listening"]
    ]
    if len(rows) < 2:
        return None
    base = _chart(rows).encode(x=alt.X("date:T").axis(title=None, labelOverlap=True))
    tooltip = [alt.Tooltip("date:T", format="%d %b %Y"), alt.Tooltip("hours:Q", format=".1f")]
    if is_month:
        chart = base.mark_bar().encode(y=alt.Y("hours:Q").title("hours"), tooltip=tooltip)
        return _wide(chart, 200)
    area = base.mark_area(opacity=0.35).encode(y=alt.Y("hours:Q").title("hours a day"), tooltip=tooltip)
    line = base.mark_line(strokeWidth=2).encode(y="smooth:Q", tooltip=tooltip)
    zoom = alt.selection_interval(bind="scales", encodings=["x"])
    return _wide(alt.layer(area.add_params(zoom), line), 220)


def clock(figures: Figures) -> dict[str, Any] | None:
    """Minutes in each hour of the week, on an average day of that name."""
    import altair as alt

    rows = [
        {
            "weekday": WEEKDAYS[cell["weekday"] - 1],
            "hour": cell["local_hour"],
            "minutes": round((cell["ms_played_per_day"] or 0) / 60_000, 2),
            "listens": cell["listens"],
        }
        for cell in figures["listening_clock"]
    ]
    if not rows:
        return None
    chart = (
        _chart(rows)
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("hour:O").axis(title="hour of the day", labelAngle=0, values=list(range(0, 24, 3)), domain=False),
            y=alt.Y("weekday:O").sort(list(WEEKDAYS)).axis(title=None, domain=False, ticks=False),
            color=alt.Color("minutes:Q").scale(scheme="teals").legend(title="minutes", orient="bottom"),
            tooltip=["weekday:N", "hour:O", alt.Tooltip("minutes:Q", format=".1f"), "listens:Q"],
        )
    )
    return _wide(chart, 190)


def novelty(figures: Figures) -> dict[str, Any] | None:
    """The share of each month's listens that were not returning: new for their artist, or back after half a year."""
    import altair as alt

    rows = [
        {"month": month["month"], "class": name, "share": month[f"{name}_share"], "listens": month[f"{name}_listens"]}
        for month in figures["discovery_vs_returning"]
        if month["subject"] == "artist"
        for name in NOVELTIES
    ]
    if not rows:
        return None
    chosen = alt.selection_point(fields=["class"], bind="legend")
    chart = (
        _chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("yearmonth(month):T").axis(title=None, labelOverlap=True),
            y=alt.Y("sum(share):Q").axis(title="share of listens", format="%"),
            color=alt.Color("class:N")
            .scale(domain=list(NOVELTIES), range=_CLASS_COLOURS)
            .legend(title=None, orient="bottom"),
            order=alt.Order("class:N").sort("descending"),
            opacity=alt.condition(chosen, alt.value(1), alt.value(0.15)),
            tooltip=[
                alt.Tooltip("month:T", format="%B %Y"),
                alt.Tooltip("class:N", title="listens that are"),
                alt.Tooltip("share:Q", format=".1%"),
                "listens:Q",
            ],
        )
        .add_params(chosen)
    )
    return _wide(chart, 220)


def dayparts(figures: Figures) -> dict[str, Any] | None:
    """Share of listening time by part of the day, and how far its artists are from the whole."""
    import altair as alt

    rows = [
        {
            "part": part["daypart"],
            "share": part["ms_played_share"],
            "divergence": part["divergence_bits"],
            "artists": part["artists"],
        }
        for part in figures["daypart_divergence"]
    ]
    if not rows:
        return None
    chart = (
        _chart(rows)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("share:Q").axis(title="share of listening time", format="%"),
            y=alt.Y("part:N").sort(list(DAYPARTS)).axis(title=None),
            color=alt.Color("divergence:Q")
            .scale(scheme="goldorange", domainMin=0)
            .legend(title="differs from the whole, bits", orient="bottom"),
            tooltip=[
                "part:N",
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("divergence:Q", title="divergence, bits", format=".3f"),
                "artists:Q",
            ],
        )
    )
    return _wide(chart, 150)


def weekends(figures: Figures) -> dict[str, Any] | None:
    """The artists that lean most to weekdays and to weekends."""
    import altair as alt

    leaning = sorted(
        (row for row in figures["weekday_weekend"] if row["weekend_lift_log2"] is not None),
        key=lambda row: (row["weekend_lift_log2"], row["value"]),
    )
    if len(leaning) < 2:
        return None
    shown = leaning if len(leaning) <= 12 else leaning[:6] + leaning[-6:]
    rows = [
        {
            "artist": row["value"],
            "lift": row["weekend_lift_log2"],
            "leans": "weekend" if row["weekend_lift_log2"] > 0 else "weekdays",
            "listens on weekdays": row["weekday_listens"],
            "listens at weekends": row["weekend_listens"],
        }
        for row in shown
    ]
    chart = (
        _chart(rows)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("lift:Q").axis(
                title="× on weekdays  ←  →  × at weekends", labelExpr="'×' + format(pow(2, abs(datum.value)), '.1~f')"
            ),
            y=alt.Y("artist:N").sort(field="lift").axis(title=None, labelLimit=130),
            color=alt.Color("leans:N")
            .scale(domain=["weekdays", "weekend"], range=["#5c7cfa", "#e9a23b"])
            .legend(None),
            tooltip=["artist:N", alt.Tooltip("lift:Q", title="log2 lift", format=".2f"), "listens on weekdays:Q", "listens at weekends:Q"],
        )
    )
    return _wide(chart, 26 * len(rows))


def obsessions(figures: Figures) -> dict[str, Any] | None:
    """When the most intense obsessions lasted."""
    import altair as alt

    ranked = sorted(figures["repeat_obsessions"], key=lambda row: row["obsession_rank"])[:15]
    if not ranked:
        return None
    rows = [
        {
            "song": f"{row['track_name'] or 'unknown'} – {row['artist_name'] or 'unknown'}",
            "from": row["first_date"],
            "to": row["last_date"] + timedelta(days=1),
            "listens": row["listens"],
            "days": row["days"],
            "peak": row["peak_date"],
        }
        for row in ranked
    ]
    chart = (
        _chart(rows)
        .mark_bar(cornerRadius=3, height=10)
        .encode(
            x=alt.X("from:T").axis(title=None, labelOverlap=True),
            x2="to:T",
            y=alt.Y("song:N").sort(field="from", op="min").axis(title=None, labelLimit=150),
            color=alt.Color("listens:Q").scale(scheme="goldred").legend(orient="bottom"),
            tooltip=["song:N", "listens:Q", "days:Q", alt.Tooltip("from:T"), alt.Tooltip("peak:T", title="peak day")],
        )
    )
    return _wide(chart, 22 * len({row["song"] for row in rows}) + 10)


def skips(figures: Figures) -> dict[str, Any] | None:
    """The skip rate by local hour, with its interval."""
    import altair as alt

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
    base = _chart(rows).encode(x=alt.X("hour:Q").scale(domain=[-0.5, 23.5]).axis(title="hour of the day", tickCount=8))
    tooltip = [
        alt.Tooltip("hour:Q"),
        alt.Tooltip("rate:Q", format=".1%"),
        alt.Tooltip("low:Q", title="95 % from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("plays:Q"),
    ]
    interval = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        y=alt.Y("low:Q").axis(title="skips ÷ plays", format="%"), y2="high:Q"
    )
    point = base.mark_point(filled=True, size=60).encode(y="rate:Q", tooltip=tooltip)
    return _wide(alt.layer(interval, point), 200)


def retention(figures: Figures) -> dict[str, Any] | None:
    """How many of the discovered artists are heard again k months later, over all months of discovery together."""
    import altair as alt

    discovered: dict[int, int] = defaultdict(int)
    retained: dict[int, int] = defaultdict(int)
    for row in figures["artist_retention"]:
        if not row["is_censored"]:
            discovered[row["months_later"]] += row["discovered_artists"]
            retained[row["months_later"]] += row["retained_artists"]
    rows = [
        {"months": months, "share": retained[months] / count, "artists": count}
        for months, count in sorted(discovered.items())
        if count
    ]
    if len(rows) < 2:
        return None
    chart = (
        _chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("months:Q").axis(title="months after the discovery", tickMinStep=1),
            y=alt.Y("share:Q").axis(title="heard again", format="%").scale(domainMin=0),
            tooltip=["months:Q", alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("artists:Q", title="of artists")],
        )
    )
    return _wide(chart, 190)


def diversity(figures: Figures) -> dict[str, Any] | None:
    """How many equally heard artists would make each month as diverse as it was."""
    import altair as alt

    rows = [
        {"month": row["period_start"], "artists": row["artists"], "effective": row["effective_artists"]}
        for row in figures["diversity_by_month"]
        if row["period_kind"] == "month" and row["effective_artists"] is not None
    ]
    if len(rows) < 2:
        return None
    chart = (
        _chart(rows)
        .mark_line(point={"size": 25})
        .encode(
            x=alt.X("month:T").axis(title=None, labelOverlap=True),
            y=alt.Y("effective:Q").title("effective artists"),
            tooltip=[
                alt.Tooltip("month:T", format="%B %Y"),
                alt.Tooltip("effective:Q", format=".1f"),
                alt.Tooltip("artists:Q", title="artists in all"),
            ],
        )
    )
    return _wide(chart, 190)


def seasonality(figures: Figures) -> dict[str, Any] | None:
    """Each month of the year against the average month."""
    import altair as alt

    rows = [
        {"month": f"{date(2000, row['month'], 1):%b}", "index": row["seasonal_index"], "years": row["years"]}
        for row in sorted(figures["seasonality"], key=lambda row: row["month"])
        if row["seasonal_index"] is not None
    ]
    if not rows:
        return None
    bars = (
        _chart(rows)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("month:O").sort([row["month"] for row in rows]).axis(title=None, labelAngle=0),
            y=alt.Y("index:Q").title("1 = average month"),
            tooltip=["month:O", alt.Tooltip("index:Q", format=".2f"), "years:Q"],
        )
    )
    return _wide(bars, 170)


def picture(spec: dict[str, Any]) -> str:
    """A chart as a picture, in a data URI that any viewer of Markdown shows."""
    from base64 import b64encode

    import vl_convert

    sized = {**spec, "width": 640, "background": "white"}
    svg: str = vl_convert.vegalite_to_svg(sized, vl_version=VEGA_LITE_VERSION)
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


CHARTS = {
    "daily_listening": trend,
    "listening_clock": clock,
    "discovery_vs_returning": novelty,
    "daypart_divergence": dayparts,
    "weekday_weekend": weekends,
    "repeat_obsessions": obsessions,
    "skip_behaviour": skips,
    "artist_retention": retention,
    "diversity_by_month": diversity,
    "seasonality": seasonality,
}
"""The chart of each insight that has one, by table: for the page and for the asset's metadata."""
