"""One truth for all tests of the room: they read it, none changes it."""

from datetime import date

import pytest

from spotifriend_dagster.demo.listener import Truth, simulate


@pytest.fixture(scope="session")
def truth() -> Truth:
    return simulate(seed=11, start=date(2022, 6, 1), years=1.2, plays_per_day=45)
