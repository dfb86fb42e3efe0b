"""What Glue's job runs: wheels that pip itself picks, of a registry of empty ones, and the project's own as it is."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from spotifriend_dagster.cli import glue_code
from spotifriend_dagster.cli.glue_code import build
from spotifriend_dagster.cli.session import UserError
from spotifriend_dagster_tests.aws_lambda.image import PROJECT, needed
from spotifriend_dagster_tests.deploy.command import BUCKET, NO_BUDGET, deploy
from spotifriend_dagster_tests.deploy.ministack import Ministack

OWN = "spotifriend_dagster"
FOR_GLUE = "cp311-cp311-manylinux_2_28_x86_64"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which pip finds a wheel of all that the image needs, with what each needs in turn, and no more."""
    folder = tmp_path_factory.mktemp("registry")
    for name in needed():
        found = metadata.distribution(name)
        wheel_named(folder, found.metadata["Name"], found.version, found.requires or [])
    return folder


def wheel_named(folder: Path, name: str, version: str, requires: list[str], tag: str = FOR_GLUE) -> None:
    """Make a wheel without content."""
    underscored = name.replace("-", "_").replace(".", "_")
    info = f"{underscored}-{version}.dist-info"
    said = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {each}" for each in requires),
    ]
    with zipfile.ZipFile(folder / f"{underscored}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "\n".join(said) + "\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(autouse=True)
def only_the_registry(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network; the project is built by the setuptools of this environment."""
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(registry), "NO_BUILD_ISOLATION": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)


@pytest.fixture(scope="module")
def zipped(registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is built of this checkout."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        only_the_registry.__wrapped__(registry, monkeypatch)  # type: ignore[attr-defined]
        return build(PROJECT, tmp_path_factory.mktemp("built"))


def test_the_wheels_are_those_that_are_pinned_and_what_they_need_is_among_them(zipped: Path):
    """Glue has no network to look for another, and takes by the list which of them to install."""
    pins = dict(line.split("==") for line in (PROJECT / "constraints.txt").read_text().splitlines() if "==" in line)
    pinned = {name.lower().replace("-", "_").replace(".", "_"): version for name, version in pins.items()}
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
        listed = archive.read("wheels/requirements.txt").decode().splitlines()
    wheels = [parse_wheel_filename(name.removeprefix("wheels/")) for name in names if name.endswith(".whl")]
    versions = {name.replace("-", "_"): str(version) for name, version, _, _ in wheels}
    assert versions.pop(OWN) == metadata.version(OWN)
    assert {"pandas", "pyarrow", "dagster_aws", "dagster_pipes", "boto3"} <= versions.keys()
    assert versions.items() <= pinned.items()
    assert not versions.keys() & {"awslambdaric", "dagster_postgres", "pytest", "moto"}
    assert len(listed) == len(wheels) == len(names) - 1
    assert zipped.name.endswith(".gluewheels.zip")


def test_the_projects_own_wheel_is_whole(zipped: Path, tmp_path: Path):
    """With the files that are no Python: SQL, templates."""
    with zipfile.ZipFile(zipped) as archive:
        (own,) = [name for name in archive.namelist() if name.startswith(f"wheels/{OWN}-")]
        archive.extract(own, tmp_path)
    with zipfile.ZipFile(tmp_path / own) as wheel:
        there = {name for name in wheel.namelist() if name.startswith(f"{OWN}/")}
    source = PROJECT / OWN
    assert there == {
        path.relative_to(PROJECT).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert not (PROJECT / "build").exists()


def test_a_package_without_a_wheel_for_glue_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is found missing here, and not by the first job."""
    made, project = tmp_path / "made", tmp_path / "project"
    for folder in (made, project / OWN):
        folder.mkdir(parents=True)
    said = f'[project]\nname = "{OWN}"\nversion = "1"\ndependencies = ["pyarrow"]\n[tool.setuptools]\npackages = []\n'
    for name, text in {"pyproject.toml": said, "setup.cfg": "", "README.md": "", "constraints.txt": ""}.items():
        (project / name).write_text(text)
    wheel_named(tmp_path, "pyarrow", "25.0.1", [], "cp312-cp312-macosx_11_0_arm64")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UserError, match=r"^The wheels for Glue's job cannot be built: .*pyarrow.*a network"):
        build(project, made)


def test_the_job_gets_its_code_from_the_command_alone(aws: Ministack, monkeypatch: pytest.MonkeyPatch):
    """Built and uploaded once for each version, after the question; what the job names is what is there."""
    deploy("--data-only", "--yes")
    aws.push_image("spotifriend")
    s3, glue = aws.client("s3"), aws.client("glue")

    def uploaded() -> set[str]:
        return {each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix="glue/").get("Contents", [])}

    refused = deploy(*NO_BUDGET, "--set", "UnitesOnGlue=true", answer="n\n")
    assert refused.code == 1 and "PlaysJob" in refused.text and uploaded() == set()
    monkeypatch.setattr(glue_code, "build", lambda _, folder: _written(folder))
    said = deploy("--yes", *NO_BUDGET, "--set", "UnitesOnGlue=true")
    assert said.code == 0, said.text
    job = glue.get_job(JobName="spotifriend-plays")["Job"]
    named = {job["Command"]["ScriptLocation"], job["DefaultArguments"]["--additional-python-modules"]}
    assert {f"s3://{BUCKET}/{key}" for key in uploaded()} == named
    script = s3.get_object(Bucket=BUCKET, Key=next(key for key in uploaded() if key.endswith(".py")))["Body"].read()
    assert script == (PROJECT / OWN / "glue_job.py").read_bytes()

    monkeypatch.setattr(glue_code, "build", lambda *_: pytest.fail("it is there"))
    assert "spotifriend-compute is as it should be" in deploy("--yes").sentence  # it stays set
    monkeypatch.setattr(glue_code, "_PINS", "setup.cfg")  # another version
    monkeypatch.setattr(glue_code, "build", lambda _, folder: _written(folder))
    again = deploy("--yes")
    assert again.code == 0 and "PlaysJob" in again.text
    assert len(uploaded()) == 4  # the one before is there to go back to


def _written(folder: Path) -> Path:
    path = folder / "spotifriend.gluewheels.zip"
    path.write_bytes(b"wheels")
    return path
