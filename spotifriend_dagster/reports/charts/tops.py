"""The charts of Spotify's own tops: each takes figures and gives a chart, or nothing where there is nothing to draw."""

from __future__ import annotations

import altair as alt

from spotifriend_dagster.reports.charts.drawing import Spec, blank, spec_of
from spotifriend_dagster.reports.figures import Figures
from spotifriend_dagster.reports.selections import TIME_RANGES, agreements

_KINDS = {"track": "songs", "artist": "artists"}


def agreement(figures: Figures) -> Spec | None:
    """How much of each of Spotify's tops is also in the listener's own."""
    rows = [
        {
            "range": TIME_RANGES[row["time_range"]],
            "kind": _KINDS[row["entity_kind"]],
            "overlap": row["overlap_50"],
            "common": row["common_50"],
            "top ten": row["common_10"],
            "order": row["rank_biased_overlap"],
            "pale": row["is_minimum"],
        }
        for row in agreements(figures)
    ]
    if not rows:
        return None
    chart = (
        blank()
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("overlap:Q")
            .scale(domain=[0, 1])
            .axis(title="part of Spotify's 50 that is in one's own 50", format="%", tickCount=5),
            y=alt.Y("range:N").sort(list(TIME_RANGES.values())).axis(title=None, domain=False, ticks=False),
            yOffset=alt.YOffset("kind:N").sort(list(_KINDS.values())),
            color=alt.Color("kind:N").scale(domain=list(_KINDS.values())).legend(title=None, orient="bottom"),
            opacity=alt.condition("datum.pale", alt.value(0.5), alt.value(1)),
            tooltip=[
                alt.Tooltip("range:N", title="the last"),
                alt.Tooltip("kind:N"),
                alt.Tooltip("common:Q", title="in both first 50"),
                alt.Tooltip("top ten:Q", title="in both first 10"),
                alt.Tooltip("order:Q", title="rank-biased overlap", format=".2f"),
            ],
        )
    )
    return spec_of(chart, rows, 54 * len({row["range"] for row in rows}))
