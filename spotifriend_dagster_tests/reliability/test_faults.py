"""Every fault ends in the lake that there would be without it, and whoever has to know of it is told once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from spotifriend_dagster_tests.collected_home import simulated
from spotifriend_dagster_tests.reliability.faults import FAULTS, Named
from spotifriend_dagster_tests.reliability.scene import BEGUN, COMPARED, LISTENER, Scene, begun, copied, truth
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


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_told_once_and_the_next_run_ends_right(
    fault: Named, base: Scene, twin: dict[str, pd.DataFrame], notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of docs/reliability.md."""
    scene = copied(base, base.path.parent / fault.name)
    scene.patches = monkeypatch
    if fault.name.startswith("killed"):
        scene.keep_notes(notes)
    fault.happen(scene)
    scene.hours_later()
    assert scene.told() == ([f"SpotiFriend: {fault.alert}"] if fault.alert else [])
    if fault.mend:
        fault.mend(scene)
    outcomes = [scene.poll(), scene.rebuild()]
    assert [(outcome.failures, outcome.failed_checks) for outcome in outcomes] == [({}, []), ({}, [])]
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
    assert len(names) == len(set(names)) >= 20
