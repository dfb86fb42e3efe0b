"""The figures of a summary: rows of insight tables about one listener and period. How they look belongs elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spotifriend_dagster.reports.period import NothingYet, Period, ReportError
from spotifriend_dagster.tables.insight import load_insights

if TYPE_CHECKING:
    import pyarrow

    from spotifriend_dagster.lake.reading import Reader
    from spotifriend_dagster.tables.declaration import Table

Row = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """Rows by insight table, in the order of its grain, of one listener: of the period, or of all time (`ALL_TIME`)."""

    listener: str
    name: str
    period: Period
    rows: dict[str, list[Row]]

    def __getitem__(self, table: str) -> list[Row]:
        """The rows of a table."""
        return self.rows[table]

    def one(self, table: str, **where: Any) -> Row | None:
        """The first row of a table whose columns have these values; null where there is none."""
        return next((row for row in self[table] if all(row[name] == value for name, value in where.items())), None)

    @property
    def totals(self) -> Row:
        """The listener's row of listening_totals."""
        return self["listening_totals"][0]


_OF_PERIOD: dict[str, Callable[[Period], str]] = {
    "artist_conversion": lambda period: period.within("discovered_month"),
    "daily_listening": lambda period: period.within("local_date"),
    "data_quality_daily": lambda period: period.within("day"),
    "discovery_vs_returning": lambda period: period.within("month"),
    "diversity_by_month": lambda period: f"period_kind = 'all' OR {period.within('period_start')}",
    "genre_evolution": lambda period: f"share >= 0.002 AND {period.within('month')}",
    "library_growth": lambda period: period.within("month"),
    "listening_coverage": lambda period: period.within("local_date"),
    "milestones": lambda period: period.within("local_date"),
    "pipeline_cost": lambda period: period.within("month"),
    "playlist_changes": lambda period: period.within("collected_on"),
    "repeat_obsessions": lambda period: period.within("first_date"),
    "repeat_share": lambda period: period.within("week_start"),
    "sessions": lambda period: period.within("local_date"),
    "streaks": lambda period: period.touches("first_date", "last_date"),
    "top_by_period": lambda period: f"period = '{period.name}' AND rank <= 10",
}
_OF_ALL_TIME = {
    "artist_loyalty": "loyalty_rank <= 10",
    "artist_retention": "months_later <= 12",
    "audio_features_by_hour": "TRUE",
    "daypart_divergence": "TRUE",
    "forgotten_favourites": "favourite_rank <= 10",
    "genre_coverage": "dimension = 'all' AND genre_source = 'all'",
    "listening_clock": "TRUE",
    "listening_totals": "TRUE",
    "playlist_listening": "dimension = 'playlist'",
    "row_accounting": "TRUE",
    "seasonality": "TRUE",
    "skip_behaviour": "dimension IN ('all', 'hour', 'session_position') "
    "OR (dimension IN ('artist', 'track') AND skip_rank <= 10)",
    "spotify_rank_movement": "is_latest AND time_range = 'short_term' AND rank <= 10",
    "spotify_top_agreement": "TRUE",
    "taste_by_daypart": "artist_rank <= 50 OR overall_share >= 0.002",
    "taste_by_hour": "genre_rank <= 50 OR overall_share >= 0.002",
    "weekday_weekend": "dimension = 'all' OR weekend_lift_log2 IS NOT NULL",
    "weekday_weekend_genres": "weekend_lift_log2 IS NOT NULL",
}
_TOTALLED = {  # there are tens of thousands
    "playlist_changes": "COUNT_IF(change = 'added') AS added, COUNT_IF(change = 'removed') AS removed",
    "sessions": "COUNT(*) AS sessions, SUM(ms_played) AS ms_played",
}
ALL_TIME = frozenset(_OF_ALL_TIME)
"""The tables whose rows are about all time, whatever the period."""
READS = tuple(sorted([*_OF_PERIOD, *_OF_ALL_TIME]))
"""The insight tables that a summary reads."""


def read_figures(reader: Reader, name: str, period: Period) -> Figures:
    """The figures of the reader's listener in one period.

    Raises:
        NothingYet: the lake has nothing of this listener.
        ReportError: it has nothing in this period.
    """
    insights = load_insights()
    totals = read_rows(reader.query, insights["listening_totals"].table, period)
    if not totals or not totals[0]["plays"]:
        raise NothingYet(f"The lake has no listening of {reader.listener} yet: spotifriend import brings an export in.")
    rows = {table: read_rows(reader.query, insights[table].table, period) for table in READS}
    if not any(day["plays"] for day in rows["daily_listening"]):
        raise ReportError(
            f"{name} listened to nothing in {period.title}: choose a period between {totals[0]['first_date']} and "
            f"{totals[0]['last_date']}."
        )
    return Figures(reader.listener, name, period, rows)


def read_rows(ask: Callable[[str], pyarrow.Table], table: Table, period: Period) -> list[Row]:
    """The rows of one of `READS` that a summary of the period is made of, in the order of the table's grain.

    Args:
        ask: the rows of a query over tables that hold one listener's rows alone.
        table: the table.
        period: the period.
    """
    condition = _OF_ALL_TIME.get(table.name) or _OF_PERIOD[table.name](period)
    query = f"SELECT {_TOTALLED.get(table.name, '*')} FROM {table.name} WHERE {condition}"
    if table.name not in _TOTALLED:
        query += f" ORDER BY {', '.join(table.grain)}"
    rows: list[Row] = ask(query).to_pylist()
    return rows
