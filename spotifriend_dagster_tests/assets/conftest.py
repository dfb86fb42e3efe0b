"""A home that is signed in to a simulated Spotify, over one truth that nobody changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.objects import Dialect
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster_tests.collected_home import CollectedHome, simulated

MORNING = datetime(2025, 3, 20, 2, 41, tzinfo=UTC)


@pytest.fixture(scope="session")
def truth() -> Truth:
    return simulate(seed=21, start=date(2025, 2, 1), years=0.2, plays_per_day=40)


@pytest.fixture(params=["development", "extended"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def server(truth: Truth) -> Iterator[SimulatedSpotify]:
    with simulated({"robin": truth, "kim": truth}, MORNING) as serving:
        yield serving


@pytest.fixture
def home(server: SimulatedSpotify, tmp_path: Path) -> CollectedHome:
    """Robin is signed in; the night has begun."""
    home = CollectedHome(tmp_path / "home", server)
    home.sign_in("robin")
    return home
