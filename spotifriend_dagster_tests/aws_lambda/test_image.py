"""What is in the image of the Lambda functions: pinned, compiled, complete, and nothing of development."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spotifriend_dagster_tests.aws_lambda.image import PROJECT, made_root, needed, step

DOCKERFILE = PROJECT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_root(tmp_path_factory.mktemp("image") / "root")


def test_everything_that_is_installed_is_pinned() -> None:
    """An image that is built again is the same one; nothing comes in that was not tested."""
    pinned = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in (PROJECT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert len(needed()) > 50
    assert needed() - pinned == set()


def test_no_tool_of_development_is_in_it() -> None:
    """What the function does not need cannot be attacked, and need not be loaded."""
    assert needed() & {"pytest", "moto", "mypy", "ruff", "hypothesis", "playwright", "cfn-lint"} == set()
    assert {"awslambdaric", "awswrangler", "dagster", "duckdb"} <= needed()


def test_the_project_is_in_it_whole_and_compiled(root: Path) -> None:
    """What is not compiled in a read-only file system is compiled at each cold start; one of a file is enough."""
    package = root / "spotifriend_dagster"
    source = PROJECT / "spotifriend_dagster"
    there = {path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert there == {path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    tag = sys.implementation.cache_tag
    for module in (path for path in there if path.suffix == ".py"):
        compiled = package / module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"
        assert compiled.read_bytes()[4:8] == b"\x01\0\0\0", f"{compiled} is held to the time of its source"


def test_the_handler_is_imported_from_it_alone(root: Path) -> None:
    """Without the tests' environment: a dependency that only development has would be missed in the cloud."""
    code = (
        "import sys, spotifriend_dagster.aws_lambda as it; "
        "print(it.__file__, *sorted({'moto', 'pytest', 'spotifriend_dagster_tests'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys._base_executable, "-S", "-c", code],  # type: ignore[attr-defined]
        env={"PYTHONPATH": str(root), "PATH": ""},
        cwd=root.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (str(root / "spotifriend_dagster" / "aws_lambda" / "__init__.py"), "")


def test_the_dockerfile_runs_these_steps_and_copies_what_they_need() -> None:
    """Nothing reaches the builder that is not named: not tests, no lake, no secret of this folder."""
    said = DOCKERFILE.read_text()
    assert re.findall(r"RUN sh deploy/build_root.sh (\w+)", said) == ["dependencies", "project"]
    assert re.findall(r'"(spotifriend_dagster\.[\w.]+)"', said) == ["spotifriend_dagster.aws_lambda.handler"]
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+)$", said, re.MULTILINE) for source in line.split()[:-1]
    }
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((PROJECT / source).exists() for source in copied)


def test_a_step_that_is_none_is_named() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        step("everything", "/nowhere")
    assert "There is no step everything" in failed.value.stderr
