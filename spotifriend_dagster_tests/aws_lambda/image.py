"""The image without an engine that builds images: by the same steps, with what this environment has installed."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
_SCRIPT = PROJECT / "deploy" / "build_root.sh"


def step(*arguments: str) -> str:
    """Run a step of the image's; gives what it says."""
    done = subprocess.run(["sh", str(_SCRIPT), *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def needed() -> set[str]:
    """The names of the distributions that the image's first step asks for, and of all that these need."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in step("needed").splitlines()]
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        name = canonicalize_name(requirement.name)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        if name in found and extras == {""}:
            continue
        found.add(name)
        for line in metadata.distribution(name).requires or []:
            below = Requirement(line)
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in extras):
                below.marker = None
                waiting.append(below)
    return found


def made_root(folder: Path) -> Path:
    """What the image's steps make in a new folder; instead of being downloaded, distributions are linked."""
    step("project", str(folder))
    for name in needed():
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            if not top.endswith(".pth") and not (folder / top).exists():
                (folder / top).symlink_to(str(distribution.locate_file(top)))
    return folder
