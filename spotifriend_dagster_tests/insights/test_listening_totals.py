"""The headline figures: totals of all media, without private plays, listener by listener."""

from __future__ import annotations

from spotifriend_dagster_tests.insights.made_plays import play, plays_frame


def test_an_empty_lake_has_no_totals(lake):
    """A lake before the first import must not break the insights."""
    assert lake()("listening_totals").empty


def test_totals_of_two_listeners(lake):
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00", artist="A"),
            play("anna", "2024-01-01 10:02", artist=None, ms_played=60_000),
            play("ben", "2024-02-01 10:00"),
        ]
    )
    totals = lake(plays=plays)("listening_totals").set_index("listener")
    assert totals.loc["anna", "wall_ms"] == 180_000
