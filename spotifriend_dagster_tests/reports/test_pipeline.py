"""What the page says of how it was collected."""

from __future__ import annotations

from datetime import date

from spotifriend_dagster.reports.pipeline import pipeline
from spotifriend_dagster_tests.reports.made_figures import made_figures, row


def test_runs_failures_polls_and_cost_are_told() -> None:
    """By month, the latest first. Days between the first poll and the last count, also where nobody asked or ran."""
    quality = [
        row("data_quality_daily", day=date(2025, 3, 31), runs=26, failed_runs=1, poll_hours=23, api_calls=1_200),
        row("data_quality_daily", day=date(2025, 4, 1), runs=1_000, poll_hours=24, checks_warned=2, checks_failed=1),
        row("data_quality_daily", day=date(2025, 4, 3), poll_hours=1, polled_rows=50),
    ]
    cost = [
        row("pipeline_cost", month=date(2025, 3, 1), job="poll", usd=0.25),
        row("pipeline_cost", month=date(2025, 3, 1), job="rebuild", usd=0.5),
    ]
    said = pipeline(made_figures(data_quality_daily=quality, pipeline_cost=cost))
    assert said is not None
    assert said.words == (
        "1,026 runs on 2 days, 1 failed; polls in 50% of the hours of the 4 days from the first poll to the last; "
        "1,200 calls of Spotify's Web API; 0.75 USD on AWS by list prices."
    )
    assert said.rows == [
        ("2025-04", "1,000", "0", "25", "0", "0", "3", "0.0000"),
        ("2025-03", "26", "1", "23", "1,200", "0", "0", "0.7500"),
    ]
    assert len(said.columns) == len(said.rows[0])
    at_home = pipeline(made_figures(data_quality_daily=quality))
    assert at_home is not None
    assert [len(one) for one in (at_home.columns, *at_home.rows)] == [7, 7, 7]
    assert "USD" not in at_home.words


def test_a_lake_without_runs_says_nothing() -> None:
    """One that was made by an export alone, on its first day."""
    assert pipeline(made_figures()) is None
