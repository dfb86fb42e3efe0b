"""Figures that are only the least that was: every insight whose window crosses an open gap says so."""

from __future__ import annotations

import pytest

from spotifriend_dagster.tables.cleaned import LISTENING_GAPS, RECENT_PAGES
from spotifriend_dagster_tests.insights.conftest import INSIGHTS
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import frame_of

LISTENER = "anna"
WITHOUT_WINDOW = {
    "row_accounting",  # counts what was received
    "playlist_changes",  # tell Spotify's own snapshots, not plays
    "spotify_rank_movement",
    "data_quality_daily",  # tell how the pipeline ran
    "pipeline_cost",
}
ABOUT_PLAYS = sorted(
    name for name, insight in INSIGHTS.items() if name not in WITHOUT_WINDOW and name != "listening_coverage"
)
DAY = ["sessions", "skip_runs", "daily_listening"]


@pytest.fixture(scope="module")
def gapped(lake):
    """Polls over all of a made-up history, of whose middle a gap takes a third: open, or closed."""

    def with_gap(*, is_open: bool):
        plays = made_history(1)
        plays = plays[plays["listener"] == LISTENER]
        from_, until = (plays["started_at"].iloc[len(plays) * part // 3] for part in (1, 2))
        first, last = plays["started_at"].min(), plays["closed_at"].max()
        page = {"listener": LISTENER, "year": 2022, "collected_on": last.date(), "rows": 50, "new_rows": 50}
        page |= {
            "page": "p",
            "rejected_rows": 0,
            "oldest_played_at": first,
            "newest_played_at": last,
            "pulled_at": last,
        }
        gap = {"listener": LISTENER, "page": "p", "kind": "pages_apart", "is_open": is_open}
        gap |= dict.fromkeys(("starts_at", "pulled_before", "open_from"), from_)
        gap |= dict.fromkeys(("ends_at", "pulled_at", "open_until"), until)
        return lake(
            plays=plays, recent_pages=frame_of(RECENT_PAGES, [page]), listening_gaps=frame_of(LISTENING_GAPS, [gap])
        )

    return {is_open: with_gap(is_open=is_open) for is_open in (True, False)}


def test_every_insight_about_plays_says_whether_it_is_a_minimum() -> None:
    """A figure with missing plays must not look like a whole one."""
    assert [name for name in ABOUT_PLAYS if "is_minimum" not in INSIGHTS[name].table.column_names] == []


@pytest.mark.parametrize("name", ABOUT_PLAYS)
def test_a_window_that_crosses_an_open_gap_is_a_minimum(gapped, name) -> None:
    """Over the whole history every row is; by day, week or month, that of the gap is; a closed gap makes none."""
    rows = gapped[True](name)
    if rows.empty:
        pytest.skip("the made-up history has no row of it")
    assert rows["is_minimum"].any()
    if name in DAY:
        assert not rows["is_minimum"].all()
    assert not gapped[False](name)["is_minimum"].any()
