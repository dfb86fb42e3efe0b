"""The figures of a summary: rows of insight tables about one listener and period. How they look belongs elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spotifriend_dagster.reports.period import Period, ReportError

if TYPE_CHECKING:
    from spotifriend_dagster.lake.engine import Engine

Row = dict[str, Any]

@dataclass(frozen=True)
class Figures:
    """Rows by insight table, of one listener: of the period where the table has dates, else of all time."""

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


_CONDITIONS = {
    "listening_totals": "TRUE",
    "listening_coverage": "{local_date}",
    "daily_listening": "{local_date}",
    "listening_clock": "TRUE",
    "daypart_divergence": "TRUE",
    "taste_by_daypart": "artist_rank <= 50",
    "weekday_weekend": "dimension = 'all' OR weekend_lift_log2 IS NOT NULL",
    "discovery_vs_returning": "{month}",
    "artist_conversion": "{discovered_month}",
    "artist_retention": "months_later <= 12",
    "artist_loyalty": "loyalty_rank <= 15",
    "repeat_share": "{week_start}",
    "repeat_obsessions": "{first_date}",
    "skip_behaviour": "dimension IN ('all', 'hour', 'session_position') OR dimension = 'month' "
    "OR (dimension IN ('artist', 'track') AND skip_rank <= 10)",
    "sessions": "{local_date}",
    "session_patterns": "TRUE",
    "diversity_by_month": "period_kind = 'all' OR {period_start}",
    "seasonality": "TRUE",
    "streaks": "{last_date}",
    "milestones": "{local_date}",
    "forgotten_favourites": "favourite_rank <= 10",
    "top_by_period": "period = '{period}' AND rank <= 15",
    "row_accounting": "TRUE",
}
_COLUMNS = {"sessions": "local_date, ms_played"}  # there are tens of thousands
READS = tuple(sorted(_CONDITIONS))
"""The insight tables that a summary reads."""


def read_figures(engine: Engine, listener: str, name: str, period: Period) -> Figures:
    """The figures of one listener and period.

    Raises:
        ReportError: the lake has nothing of this listener, or nothing in this period.
    """
    rows = {table: _read(engine, table, listener, period) for table in READS}
    figures = Figures(listener, name, period, rows)
    if not rows["listening_totals"] or not figures.totals["plays"]:
        raise ReportError(f"The lake has no listening of {listener} yet: spotifriend import brings an export in.")
    if not any(day["plays"] for day in rows["daily_listening"]):
        totals = figures.totals
        raise ReportError(
            f"{name} listened to nothing in {period.title}: choose a period between {totals['first_date']} and "
            f"{totals['last_date']}."
        )
    return figures


def _read(engine: Engine, table: str, listener: str, period: Period) -> list[Row]:
    condition = _CONDITIONS[table]
    for column in ("local_date", "month", "discovered_month", "week_start", "first_date", "last_date", "period_start"):
        condition = condition.replace("{" + column + "}", period.within(column))
    condition = condition.replace("{period}", period.name)
    quoted = listener.replace("'", "''")
    query = f"SELECT {_COLUMNS.get(table, '*')} FROM {table} WHERE listener = '{quoted}' AND ({condition})"
    rows: list[Row] = engine.query(query).to_pylist()
    return rows
