"""Every fault ends in the lake that there would be without it, and whoever has to know of it is told once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from botocore.retries.standard import ExponentialBackoff

from spotifriend_dagster.lake import athena
from spotifriend_dagster_tests.aws.conftest import aws  # noqa: F401 - a fixture
from spotifriend_dagster_tests.collected_home import simulated
from spotifriend_dagster_tests.reliability.faults import FAULTS, KILLED, Named
from spotifriend_dagster_tests.reliability.scene import BEGUN, COMPARED, LISTENER, Scene, begun, copied, in_cloud, truth
from spotifriend_dagster_tests.reliability.table import DOCUMENT, written


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A home in which all is well, to be copied."""
    with simulated({LISTENER: truth()}, BEGUN) as spotify:
        scene = begun(tmp_path_factory.mktemp("faults") / "base", spotify)
        assert scene.told() == []
        yield scene


@pytest.fixture(scope="module")
def twin(base: Scene) -> dict[str, pd.DataFrame]:
    """The tables of the same home after the same hours without a fault."""
    scene = copied(base, base.path.parent / "twin")
    for _ in range(2):
        assert scene.poll().success and scene.rebuild().success
        scene.hours_later()
    assert scene.told() == []
    return {name: scene.content(name) for name in COMPARED}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs are noted that are killed."""
    return tmp_path_factory.mktemp("notes")


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, fault: Named, base: Scene, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """A home of the fault's own, some hours later."""
    path = base.path.parent / fault.name
    if fault.is_of_aws:
        scene = in_cloud(base, path, request.getfixturevalue("aws"))
        monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        monkeypatch.setattr(athena, "_FIRST_WAIT_SECONDS", 0.02)
    else:
        scene = copied(base, path)
    if fault in KILLED:
        scene.keep_notes(request.getfixturevalue("notes"))
    scene.patches = monkeypatch
    yield scene


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_told_once_and_the_next_run_ends_right(
    fault: Named, scene: Scene, twin: dict[str, pd.DataFrame]
) -> None:
    """A line of docs/reliability.md."""
    fault.happen(scene)
    scene.hours_later()
    assert scene.told() == ([f"SpotiFriend: {fault.alert}"] if fault.alert else [])
    if fault.mend:
        fault.mend(scene)
    outcomes = [scene.poll(), scene.rebuild()]
    assert [outcome.failures for outcome in outcomes] == [{}, {}]
    assert {check for outcome in outcomes for _, check, _ in outcome.failed_checks} <= {fault.still_warns}
    told = scene.told()
    assert len(told) == bool(fault.alert and fault.is_over_told)
    assert all("Over since" in said and said.endswith(fault.alert.removeprefix(f"{LISTENER}: ")) for said in told)
    for name, rows in twin.items():
        pd.testing.assert_frame_equal(scene.content(name), rows, rtol=1e-12, obj=f"{name} after {fault.name}")
    assert not scene.content("listening_gaps")["is_open"].any()


def test_the_table_in_the_docs_is_current() -> None:
    """After a change of the faults: `make docs`."""
    assert DOCUMENT.read_text("utf-8") == written(FAULTS)
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))
    assert sum(bool(fault.alert) for fault in FAULTS) >= 20
