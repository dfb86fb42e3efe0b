"""One truth for all tests of the room: they read it, none changes it."""

from collections.abc import Iterator
from contextlib import closing
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


@pytest.fixture(params=["development", "extended"], scope="module")
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


def _served(season: Truth, dialect: Dialect) -> SimulatedSpotify:
    return SimulatedSpotify({"robin": season}, dialect, Clock(season.end.to_pydatetime(), pace=0))


@pytest.fixture
def spotify(season: Truth, dialect: Dialect) -> Iterator[SimulatedSpotify]:
    """The two dialects in turn, with a clock that stands still just after everything was told."""
    with _served(season, dialect) as serving:
        yield serving


@pytest.fixture
def app(spotify: SimulatedSpotify) -> Iterator[App]:
    """An app that may ask everything of Robin."""
    with closing(App(spotify)) as asking:
        yield asking


@pytest.fixture(scope="module")
def reading(season: Truth, dialect: Dialect) -> Iterator[App]:
    """The same for tests that change nothing."""
    with _served(season, dialect) as serving, closing(App(serving)) as asking:
        yield asking
