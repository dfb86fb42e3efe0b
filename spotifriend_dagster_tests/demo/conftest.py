"""One truth for all tests of the room: they read it, none changes it."""

from collections.abc import Iterator
from datetime import date

import pytest

from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.objects import Dialect
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster_tests.demo.apps import App


@pytest.fixture(scope="session")
def truth() -> Truth:
    return simulate(seed=11, start=date(2022, 6, 1), years=1.2, plays_per_day=45)


@pytest.fixture(scope="session")
def season() -> Truth:
    """A shorter truth, for what is asked over HTTP."""
    return simulate(seed=21, start=date(2025, 2, 1), years=0.3, plays_per_day=40)


@pytest.fixture(params=["development", "extended"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def spotify(season: Truth, dialect: Dialect) -> Iterator[SimulatedSpotify]:
    """The two dialects in turn, with a clock that stands still just after everything was told."""
    with SimulatedSpotify({"robin": season}, dialect, Clock(season.end.to_pydatetime(), pace=0)) as serving:
        yield serving


@pytest.fixture
def app(spotify: SimulatedSpotify) -> Iterator[App]:
    """An app that may ask everything of Robin."""
    asking = App(spotify)
    yield asking
    asking.close()
