"""The floor plan: which room may know which, what loading the code location may cost, and how long a module may be."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "spotifriend_dagster"
WHOLE = {
    *("sources", "tables", "cleaning", "lake", "collecting", "assets", "checks", "automation", "reports"),
    *("partitions", "settings", "listeners", "quicksight"),
}
MAY_KNOW = {
    # what is outside of Dagster and of storage, and stays testable without either
    "sources": set(),
    "tables": set(),
    "cleaning": {"tables"},
    "insights": set(),
    # what talks to storage, and what makes sense of it
    "lake": {"tables"},
    "collecting": {"sources", "tables", "lake"},
    "reports": {"tables", "lake"},
    "quicksight": {"tables", "lake"},
    "demo": {"tables", "lake"},
    # what Dagster runs
    "partitions": set(),
    "assets": {"sources", "tables", "cleaning", "lake", "collecting", "reports", "quicksight"},
    "checks": {"tables", "lake", "collecting", "assets"},
    "automation": {"tables", "lake", "collecting", "assets", "checks"},
    # where everything meets
    "settings": set(),
    "listeners": {"settings", "cleaning"},  # a time zone in listeners.toml is checked by what will use it
    "definitions": WHOLE,
    "aws_lambda": WHOLE | {"definitions"},
    "glue_job": WHOLE | {"definitions"},
    "cli": WHOLE | {"definitions", "demo"},
}
"""The other rooms that a room may import; its own it always may."""
KNOW_DAGSTER = {
    *("assets", "checks", "automation", "partitions", "definitions", "cli", "aws_lambda", "glue_job"),
    *("lake/io_managers.py", "reports/status.py"),  # Dagster's own shape of reading and writing; its notes of runs
}
HEAVY = (
    *("duckdb", "sqlglot", "altair", "vl_convert", "awswrangler", "dagster_aws", "moto", "spotipy", "rich", "jinja2"),
    *("sqlalchemy", "alembic"),
)
LINES = 450


@dataclass(frozen=True)
class Import:
    """An import of a module: what, and where it stands."""

    path: Path
    line: int
    module: str

    @property
    def room(self) -> str:
        """The room or entry point that the importing module belongs to."""
        return self.path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE)}:{self.line} imports {self.module}"


@lru_cache
def modules() -> dict[Path, ast.Module]:
    """Every module of the package, parsed."""
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def imports() -> Iterator[Import]:
    """Every import of the package, those within functions and for types alone included."""
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (Import(path, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno} imports from beside it; say the whole name"
                yield from (Import(path, node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def loaded_with_definitions(where: Path) -> tuple[list[str], list[str]]:
    """The modules that loading the code location adds to those of Dagster and pandas: the package's own, and others."""
    code = (
        "import json, sys\n"
        "import dagster, pandas\n"
        "before = set(sys.modules)\n"
        "import spotifriend_dagster.definitions\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPOTIFRIEND_")}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment, cwd=where
    )
    added = json.loads(done.stdout)
    own = [name for name in added if name.split(".")[0] == PACKAGE.name]
    return own, [name for name in added if name not in own]


def test_every_room_is_on_the_plan():
    """A new room says whom it may know, before anybody moves in."""
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()} - {"__init__"}
    assert rooms <= MAY_KNOW.keys()
    assert all(known <= MAY_KNOW.keys() for known in MAY_KNOW.values())


def test_nobody_knows_whom_they_may_not():
    """A cleaning rule that reads storage, or an asset that reads settings, cannot be tested or moved alone."""
    strangers = [
        str(found)
        for found in imports()
        if found.module.startswith(f"{PACKAGE.name}.")
        and found.module.split(".")[1] not in MAY_KNOW[found.room] | {found.room}
    ]
    assert strangers == []


def test_the_rooms_know_each_other_one_way():
    """Two rooms that know each other are one."""
    known = {
        (found.room, room)
        for found in imports()
        if found.module.startswith(f"{PACKAGE.name}.") and (room := found.module.split(".")[1]) != found.room
    }
    assert [pair for pair in sorted(known) if pair[::-1] in known] == []


@pytest.mark.parametrize("room", ["demo", "settings", "listeners", "cli", "definitions"])
def test_who_is_known_by_entry_points_alone(room: str):
    """Invented listeners must never get into a real lake by an import; settings reach the rooms as arguments."""
    knowing = {found.room for found in imports() if f"{found.module}.".startswith(f"{PACKAGE.name}.{room}.")}
    of_settings = {"definitions", "listeners"} if room in ("settings", "listeners") else set()
    assert knowing - {room} <= {"cli", "aws_lambda", "glue_job"} | of_settings


def test_only_who_runs_in_dagster_knows_dagster():
    """Sources, tables, cleaning, insights and the lake's ports outlive any orchestrator."""
    knowing = [
        str(found)
        for found in imports()
        if found.module.split(".")[0].startswith("dagster")
        and found.room not in KNOW_DAGSTER
        and found.path.relative_to(PACKAGE).as_posix() not in KNOW_DAGSTER
    ]
    assert knowing == []


def test_the_product_knows_no_test():
    """What is installed is the package alone."""
    assert [
        str(found) for found in imports() if found.module.split(".")[0] in ("spotifriend_dagster_tests", "pytest")
    ] == []


@pytest.mark.parametrize("path", sorted(modules()), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_module_says_what_is_in_it_and_stays_readable(path: Path):
    """A room that grew past comfort is split."""
    said = ast.get_docstring(modules()[path])
    assert said
    assert len(path.read_text("utf-8").splitlines()) <= LINES


def test_loading_the_code_location_loads_nothing_heavy(tmp_path: Path):
    """Dagster loads it for every run, sensor tick and page; DuckDB, Altair and AWS's libraries would cost seconds."""
    own, others = loaded_with_definitions(tmp_path)
    assert "spotifriend_dagster.assets.insights" in own
    assert sorted({name.split(".")[0] for name in others} & set(HEAVY)) == []
    assert not {"pyarrow.parquet", "pyarrow.dataset", "pyarrow.compute"} & set(others)  # pandas does without
    assert not [name for name in own if name.startswith(("spotifriend_dagster.demo", "spotifriend_dagster.cli"))]
    assert list(tmp_path.iterdir()) == []  # looking at the assets makes no home
