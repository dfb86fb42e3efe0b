"""The files of a zip, of a folder or of one file: listed by name, read one at a time, never unpacked to disk.

Refuses what no export of Spotify's contains, such as bombs and paths that climb out. What the files hold belongs to
`exports`.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from spotifriend_dagster.sources.errors import ExportError

MAX_FILES = 2_000  # Spotify sends under a hundred; a folder with more is somebody's Downloads
MAX_FILE_BYTES = 256 * 2**20  # Spotify cuts its files at about 12 MB; one file has to fit into memory, parsed
MAX_TOTAL_BYTES = 4 * 2**30  # 200,000 rows, fifteen busy years, are 0.15 GiB
MAX_RATIO = 300  # one song on repeat, printed with indents, shrinks 90-fold; the zeros of a bomb 1,000-fold

_ZIP_SIGNATURE = b"PK\x03\x04"
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a zip of a kind that Python does not know
    RuntimeError,  # encrypted
    OverflowError,
    ValueError,  # an offset outside the file; names in an unknown encoding
)


class UnreadableFileError(Exception):
    """One file cannot be read. Its text goes on from the file's name: "is protected by a password: …"."""


@dataclass(frozen=True)
class ArchivedFile:
    """A file to read. `name` is its path in the archive, for showing only; `size` is in bytes, as declared."""

    name: str
    size: int
    _read: Callable[[int], bytes] = field(repr=False)

    def head(self, size: int = 2**16) -> bytes:
        """Its first `size` bytes.

        Raises:
            UnreadableFileError: why it cannot be read.
        """
        try:
            return self._read(size)
        except _BROKEN_ZIP as error:
            raise UnreadableFileError("is damaged inside the zip: download the export again") from error
        except OSError as error:
            raise UnreadableFileError(f"cannot be read ({error.strerror}): check its permissions") from error

    def content(self) -> bytes:
        """All of it, of at most `MAX_FILE_BYTES`.

        Raises:
            UnreadableFileError: why it cannot be read.
        """
        content = b"" if self.size > MAX_FILE_BYTES else self.head(MAX_FILE_BYTES + 1)
        if max(self.size, len(content)) > MAX_FILE_BYTES:
            raise UnreadableFileError(
                f"is larger than {MAX_FILE_BYTES / 2**20:,.0f} MB (Spotify's files have 12 MB): split it"
            )
        return content


@dataclass
class Archive:
    """What is at a path: files that may be read, names that were left out, and a sentence on each that needs one."""

    files: list[ArchivedFile] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def leave_out(self, name: str, reason: str) -> None:
        """Do without a file, and say why."""
        self.left_out.append(name)
        self.problems.append(f"{name} {reason}.")

    def add(self, name: str, size: int, read: Callable[[int], bytes]) -> None:
        """Take a file in; `read` returns at most as many of its bytes as it is asked for."""
        if name.lower().endswith(".zip"):
            self.leave_out(name, "is a zip of its own and was not opened: import it by itself")
        else:
            self.files.append(ArchivedFile(name, size, read))


def open_archive(path: Path) -> Archive:
    """What is at `path`: a zip (by its first bytes or its name), a folder with all below it, or one file.

    Raises:
        ExportError: nothing is there, it cannot be opened, or it holds more files than an export can.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return _folder(path)
        if not stat.S_ISREG(status.st_mode):
            raise ExportError(f"{shown(path)} is no file and no folder: name the zip that Spotify sent.")
        with path.open("rb") as file:
            is_zip = file.read(2) == _ZIP_SIGNATURE[:2] or path.suffix.lower() == ".zip"
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise ExportError(f"There is nothing at {shown(path)}: check the path.") from error
    except OSError as error:
        raise ExportError(f"{shown(path)} cannot be opened ({error.strerror}): check its permissions.") from error
    if is_zip:
        return _zip(path)
    archive = Archive()
    archive.add(shown(path.name), status.st_size, partial(_read_file, path))
    return archive


def shown(name: str | Path) -> str:
    """A name as it can be printed: no control characters, nothing that is not text."""
    return "".join(character if character.isprintable() else "?" for character in str(name))


def _folder(root: Path) -> Archive:
    archive = Archive()

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == root:
            raise error
        name = shown(os.path.relpath(error.filename, root))
        archive.leave_out(name, f"cannot be opened ({error.strerror}): check its permissions")

    count = 0
    for folder, subfolders, names in os.walk(root, onerror=unreadable):
        subfolders.sort()
        for name in [*sorted(names), *subfolders]:
            path = Path(folder, name)
            relative = shown(path.relative_to(root).as_posix())
            try:
                status = path.lstat()
            except OSError as error:
                unreadable(error)
                continue
            if stat.S_ISLNK(status.st_mode):
                archive.leave_out(relative, "is a link and was not followed: import what it points to")
            elif stat.S_ISREG(status.st_mode):
                archive.add(relative, status.st_size, partial(_read_file, path))
            count += 1
        if count > MAX_FILES:
            raise ExportError(f"{shown(root)} holds more than {MAX_FILES:,} files: name the export's own folder.")
    return archive


def _read_file(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _zip(path: Path) -> Archive:
    name = shown(path.name)
    try:
        with zipfile.ZipFile(path) as archived:
            members = [member for member in archived.infolist() if not member.is_dir()]
    except (*_BROKEN_ZIP, OSError) as error:
        if _read_file(path, 4) == _ZIP_SIGNATURE:
            raise ExportError(f"{name} is not whole; its download was cut off: download it again.") from error
        raise ExportError(f"{name} is not a zip: name the zip that Spotify sent, or its unpacked folder.") from error
    if len(members) > MAX_FILES:
        raise ExportError(f"{name} holds more than {MAX_FILES:,} files: it is not an export of Spotify's.")
    archive = Archive()
    for member in members:
        member_name = member.filename.replace("\\", "/")
        if member_name.startswith("/") or member_name[1:2] == ":" or ".." in member_name.split("/"):
            archive.leave_out(shown(member_name), "has a path that leads out of the zip, so it was left out")
        else:
            archive.add(shown(member_name), member.file_size, partial(_read_member, path, member))
    return archive


def _read_member(path: Path, member: zipfile.ZipInfo, size: int) -> bytes:
    if member.flag_bits & 0x1:
        raise UnreadableFileError("is protected by a password: unpack the zip yourself and import the folder")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others expand without a bound
        raise UnreadableFileError("is packed in a way Spotify does not use: unpack the zip and import the folder")
    if member.file_size > MAX_RATIO * max(member.compress_size, 2**12):
        raise UnreadableFileError("expands more than a history can (a zip bomb does), so it was left out")
    with zipfile.ZipFile(path) as archived, archived.open(member) as file:
        return file.read(size)
