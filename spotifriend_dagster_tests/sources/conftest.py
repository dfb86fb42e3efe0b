"""What the tests of Spotify share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotifriend_dagster_tests.sources.signed_in import World, world


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[World]:
    """A simulated Spotify to which nobody is signed in."""
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def robin(nobody: World) -> World:
    """A simulated Spotify to which Robin is signed in; nothing was asked yet."""
    nobody.sign_in("robin")
    nobody.spotify.requests.clear()
    return nobody
