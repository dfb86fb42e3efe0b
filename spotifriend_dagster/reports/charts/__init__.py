"""The charts of a summary, as Vega-Lite: along the calendar in `over_time.py`, of habits in `habits.py`, of
Spotify's own tops in `tops.py`.

Colours and fonts are the page's (`summary.js` sets them for light and dark); what a chart says in words is in
`words.py`.
"""

from base64 import b64encode
from typing import Any

from spotifriend_dagster.reports.bundle import VEGA_LITE_VERSION
from spotifriend_dagster.reports.figures import Figures

CHARTED = (
    "daily_listening",
    "listening_clock",
    "daypart_divergence",
    "taste_by_daypart",
    "taste_by_hour",
    "weekday_weekend",
    "weekday_weekend_genres",
    "discovery_vs_returning",
    "artist_retention",
    "repeat_obsessions",
    "skip_behaviour",
    "diversity_by_month",
    "genre_evolution",
    "seasonality",
    "spotify_top_agreement",
    "library_growth",
    "audio_features_by_hour",
)
"""The insights that have a chart, on the page and in the asset's metadata."""


def draw(name: str, figures: Figures) -> dict[str, Any] | None:
    """The chart of an insight of `CHARTED`, or `calendar`, as Vega-Lite; None where there is nothing to draw."""
    from spotifriend_dagster.reports.charts import habits, over_time, tops  # noqa: PLC0415 - Altair is heavy

    charts = {
        "calendar": over_time.calendar,
        "daily_listening": over_time.trend,
        "listening_clock": habits.clock,
        "daypart_divergence": habits.dayparts,
        "taste_by_daypart": habits.taste,
        "taste_by_hour": habits.genres,
        "weekday_weekend": habits.weekends,
        "weekday_weekend_genres": habits.genre_weekends,
        "discovery_vs_returning": over_time.novelty,
        "artist_retention": over_time.retention,
        "repeat_obsessions": habits.obsessions,
        "skip_behaviour": habits.skips,
        "diversity_by_month": over_time.diversity,
        "genre_evolution": over_time.genres,
        "seasonality": over_time.seasonality,
        "spotify_top_agreement": tops.agreement,
        "library_growth": over_time.library,
        "audio_features_by_hour": habits.sound,
    }
    return charts[name](figures)


def picture(spec: dict[str, Any]) -> str:
    """A chart as a picture, in a data URI that any viewer of Markdown shows."""
    import vl_convert  # noqa: PLC0415 - heavy

    sized = {**spec, "width": 640, "background": "white"}
    svg: str = vl_convert.vegalite_to_svg(sized, vl_version=VEGA_LITE_VERSION)
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
