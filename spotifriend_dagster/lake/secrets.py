"""Secrets of the local home: one file each, for its owner's eyes only. What is in them belongs to their owners."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path


class FolderSecrets:
    """Texts as files (mode 0600) in a folder of their own (mode 0700), each replaced in one step.

    Names are paths of plain segments (`spotify/anna`).
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> str | None:
        """The text; None where there is none.

        Raises:
            OSError: it cannot be read.
            UnicodeDecodeError: it is no text.
        """
        try:
            return self._path(name).read_text("utf-8")
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> None:
        """Put a text in place of whatever has its name, whole or not at all.

        Raises:
            OSError: it cannot be written; what was there is still there.
        """
        path = self._path(name)
        for folder in (*reversed(path.parent.relative_to(self.root).parents), path.parent.relative_to(self.root)):
            (self.root / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            # The mode is given at once: between making a file and changing its mode anybody could open it.
            with os.fdopen(
                os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()

    def delete(self, name: str) -> None:
        """Remove a text, and what killed writers left of it; one that is not there is no error."""
        path = self._path(name)
        path.unlink(missing_ok=True)
        for partial in path.parent.glob(f".{path.name}.*"):
            partial.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        segments = name.split("/")
        if any(not segment or segment.startswith(".") or "\0" in segment for segment in segments):
            raise ValueError(f"Not the name of a secret: {name!r}.")
        return self.root.joinpath(*segments)
