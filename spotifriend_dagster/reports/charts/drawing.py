"""What the charts have in common: how rows become a Vega-Lite chart as wide as its card."""

from __future__ import annotations

from datetime import date
from typing import Any

import altair as alt

from spotifriend_dagster.reports.figures import Row

Spec = dict[str, Any]
"""A Vega-Lite chart, as its JSON. Colours and fonts are the page's."""

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


def dates_axis(field: str, *, is_long: bool = True, grid: bool = False) -> alt.X:
    """An axis of dates, labelled by month where it is long and else by day."""
    named = "%b %Y" if is_long else "%-d %b"
    return alt.X(field).axis(title=None, format=named, tickCount=8, labelOverlap=True, labelBound=True, grid=grid)


def blank() -> alt.Chart:
    """A chart without marks yet, over rows to come.

    They are put in at the end, by `spec_of`: Altair would hold each of them against its schema.
    """
    return alt.Chart(alt.NamedData(name="rows"))


def spec_of(chart: alt.Chart | alt.LayerChart | alt.FacetChart, rows: list[Row], height: int) -> Spec:
    """The chart over these rows, as wide as the element that holds it."""
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    values = [{name: _plain(value) for name, value in row.items()} for row in rows]
    return {**spec, "datasets": {"rows": values}}


def hours(ms: float | None) -> float | None:
    """Milliseconds as hours, to a few seconds."""
    return None if ms is None else round(ms / HOUR_MS, 3)


def _plain(value: Any) -> Any:
    # With a time of day: a date alone is midnight in Greenwich to a browser, and the day before in America.
    return f"{value.isoformat()}T00:00:00" if isinstance(value, date) else value
