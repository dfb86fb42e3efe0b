"""What Glue's job runs: the wheels of the project and of all that it needs, pinned, and its script.

Here they are built and uploaded. The job itself is in `deploy/compute.yaml`; when it is wanted, `deploying.py` knows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import botocore.exceptions as errors

from spotifriend_dagster.cli.session import UserError
from spotifriend_dagster.lake.aws import AwsClients, code_of, translated

if TYPE_CHECKING:
    from rich.console import Console

_WHEELS = "spotifriend.gluewheels.zip"  # by the end of its name, Glue knows what it is
_SCRIPT = "glue_job.py"
_PACKAGE = "spotifriend_dagster"
_BUILT_OF = ("pyproject.toml", "setup.cfg", "README.md")
_PINS = "constraints.txt"
_PYTHON = "3.11"  # of Glue 5.0, on Amazon Linux 2023, whose C library is 2.34
_PLATFORMS = ["manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(34, 16, -1))]
_IN_ZIP = "wheels"
"""The folder in which Glue looks for wheels, and for `requirements.txt`, which names them."""


class GlueCode:
    """The code of a checkout, and its place in the lake's bucket."""

    def __init__(self, clients: AwsClients, bucket: str, project: Path, console: Console) -> None:
        self._s3 = clients.client("s3")
        self._bucket = bucket
        self._project = project
        self._console = console

    @cached_property
    def folder(self) -> str:
        """Where in the bucket it belongs: named by all that it is built of, so that other code is elsewhere, and what
        a job runs is what was shown.
        """
        digest = sha256()
        for path in _sources(self._project):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(self._project).as_posix()} {len(content)}\n".encode() + content)
        return f"glue/{digest.hexdigest()[:16]}/"

    def require_uploaded(self) -> None:
        """Build it and bring it to its place, where it is not there yet.

        Raises:
            UserError: it cannot be built, or S3 refuses it.
        """
        with translated(UserError, f"The code of Glue's job cannot be put into the bucket {self._bucket}"):
            if self._is_there():
                return
            self._console.print("Building what Glue's job runs: a minute or more, once for each version.")
            with TemporaryDirectory(prefix="spotifriend-") as made:
                wheels = build(self._project, Path(made))
                for path in (self._project / _PACKAGE / _SCRIPT, wheels):  # the wheels last: then it is there
                    with path.open("rb") as file:
                        self._s3.upload_fileobj(file, self._bucket, self.folder + path.name)
                size = wheels.stat().st_size
        where = f"s3://{self._bucket}/{self.folder}"
        self._console.print(f"[green]✓[/] {where}: {size / 1e6:,.0f} MB", soft_wrap=True)

    def _is_there(self) -> bool:
        try:
            self._s3.head_object(Bucket=self._bucket, Key=self.folder + _WHEELS)
        except errors.ClientError as error:
            if code_of(error) == "404":
                return False
            raise
        return True


def build(project: Path, folder: Path) -> Path:
    """Make the zip of wheels in a folder: the project's own, and of what it needs those that are pinned, for Glue's
    Python and Linux, whatever this machine is.

    Raises:
        UserError: a wheel cannot be had.
    """
    source, wheels, zipped = folder / "source", folder / _IN_ZIP, folder / _WHEELS
    wheels.mkdir()
    for path in _sources(project):  # built elsewhere, as setuptools leaves in its place what a later build takes up
        target = source / path.relative_to(project)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
    (own,) = wheels.iterdir()
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    _pip(
        *("download", "--dest", str(wheels), "--constraint", str(project / _PINS), "--only-binary", ":all:"),
        *("--python-version", _PYTHON, "--implementation", "cp", *platforms, str(own)),
    )
    made = sorted(wheels.glob("*.whl"))
    names = ("==".join(path.name.split("-")[:2]) for path in made)
    with zipfile.ZipFile(zipped, "w") as archive:  # wheels are compressed already
        for path in made:
            archive.write(path, f"{_IN_ZIP}/{path.name}")
        archive.writestr(f"{_IN_ZIP}/requirements.txt", "\n".join(names) + "\n")
    return zipped


def _sources(project: Path) -> Iterator[Path]:
    """All that the code is built of."""
    for name in (*_BUILT_OF, _PINS):
        yield project / name
    for path in sorted((project / _PACKAGE).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _pip(*words: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip, by this Python
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or done.stderr.splitlines()
        why = said[0].removeprefix("ERROR: ").rstrip(".") if said else f"pip ended with {done.returncode}"
        raise UserError(f"The wheels for Glue's job cannot be built: {why}. What pip needs: a network, and free disk.")
