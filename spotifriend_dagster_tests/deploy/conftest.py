"""An AWS that does what CloudFormation asks of it, for the tests of `spotifriend deploy`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotifriend_dagster.cli import stacks
from spotifriend_dagster_tests.deploy.command import SETTINGS, alone
from spotifriend_dagster_tests.deploy.ministack import Ministack, ministack


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """One for all tests of this module."""
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture
def aws(running: Ministack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ministack:
    """An empty AWS, which the environment names, with the settings of a home on it."""
    running.renew()
    alone(monkeypatch, tmp_path)
    for name, value in {**running.environment, **SETTINGS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stacks, "_FIRST_WAIT_SECONDS", 0.02)
    return running
