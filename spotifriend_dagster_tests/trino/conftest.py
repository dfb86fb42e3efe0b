"""One Trino for all tests of this room; where it cannot be had, they are skipped and say why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotifriend_dagster_tests.insights.conftest import lake  # noqa: F401 - a fixture of this room, too
from spotifriend_dagster_tests.trino.local_trino import LocalTrino, TrinoMissing, local_trino


@pytest.fixture(scope="session")
def trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTrino]:
    """A running Trino with no tables."""
    try:
        with local_trino(tmp_path_factory.mktemp("trino")) as running:
            yield running
    except TrinoMissing as missing:
        pytest.skip(str(missing))
