"""Spotify's data exports: which files of a zip or folder hold listening, and their rows, safe to store.

How an archive is opened belongs to `archives`, how a file is read to `rows`, what is dropped to `privacy`. What a row
means belongs to `cleaning`: rows come out as Spotify wrote them, good or absurd.
"""

import gzip
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath

import orjson

from spotifriend_dagster.sources.archives import (
    MAX_TOTAL_BYTES,
    ArchivedFile,
    UnreadableFileError,
    open_archive,
    shown,
)
from spotifriend_dagster.sources.errors import ExportError
from spotifriend_dagster.sources.rows import Kind, RawRow, first_row_kind, read_rows

HOW_TO_ASK = (
    "ask for the Extended streaming history at https://www.spotify.com/account/privacy and import the zip that comes"
)

_NAMES: dict[Kind, re.Pattern[str]] = {
    "extended": re.compile(r"(endsong(_.*)?|streaming_history_.*)\.json", re.IGNORECASE),
    "account": re.compile(r"streaminghistory.*\.json", re.IGNORECASE),
}
_UNSAFE_IN_KEYS = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 100
_GZIP_LEVEL = 1
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class HistoryFile:
    """A file that holds listening. `name` is unique within its export (in any case) and safe in a storage key."""

    name: str
    kind: Kind
    is_video: bool
    size: int
    sha256: str
    source: ArchivedFile = field(repr=False)

    def rows(self) -> list[RawRow]:
        """Its rows, in order, less private fields.

        Raises:
            ExportError: the file changed or went away since the export was opened.
        """
        return read_rows(_content(self), self.name).rows


@dataclass(frozen=True)
class EncodedFile:
    """A history file as it is stored: gzipped JSON Lines of `RawRow`, the same bytes for the same content.

    `rows` counts all lines, `unreadable_rows` those with a problem instead of a payload; `problems` are sentences.
    """

    name: str
    content: bytes = field(repr=False)
    rows: int
    unreadable_rows: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Export:
    """An export that is listed and identified; its rows are read on demand.

    `sha256` depends on the contents of the history files alone, so a zip and its unpacked folder are the same export.
    `ignored` names the files that hold no listening. `problems` are sentences on what cannot be imported, as far as
    that shows before rows are read.
    """

    sha256: str
    files: tuple[HistoryFile, ...]
    ignored: tuple[str, ...]
    problems: tuple[str, ...]

    def encoded_files(self) -> Iterator[EncodedFile]:
        """Every file as it is stored, one at a time. While it is read, the next is unpacked, the one before packed.

        Raises:
            ExportError: a file changed or went away since the export was opened.
        """
        user_names: set[str] = set()
        with ThreadPoolExecutor(max_workers=2) as beside:
            pending: Future[EncodedFile] | None = None
            for file, content in zip(self.files, _contents(self.files, beside), strict=True):
                read = read_rows(content, file.name)
                problems = _row_problems(file.name, read.rows)
                if len(user_names) < 2 <= len(user_names | read.user_names):
                    problems.append(
                        "The export holds the listening of more than one Spotify user: if they are not one person, "
                        "import each one's files under a listener id of their own."
                    )
                user_names |= read.user_names
                following = beside.submit(_compressed, file.name, read.rows, problems)
                if pending:
                    yield pending.result()
                pending = following
            if pending:
                yield pending.result()


def read_export(path: Path) -> Export:
    """The export at `path`: a zip, a folder or a single file, of extended history, account data or both.

    History files are known by their names or, renamed, by the fields of their first row. Every one is read once, to
    identify the export; files of equal content count once.

    Raises:
        ExportError: there is nothing to import at `path`.
    """
    archive = open_archive(path)
    kinds = {file: kind for file in sorted(archive.files, key=_precedence) if (kind := _kind(file))}
    if sum(file.size for file in kinds) > MAX_TOTAL_BYTES:
        raise ExportError(
            f"{shown(path.name)} claims to hold more than {MAX_TOTAL_BYTES / 2**30:.0f} GB of history, more than a "
            "lifetime of listening: it is not an export of Spotify's."
        )
    files: dict[str, ArchivedFile] = {}
    with ThreadPoolExecutor(max_workers=2) as readers:
        for file, answer in {file: readers.submit(_digest, file) for file in kinds}.items():
            try:
                if digest := answer.result():
                    files.setdefault(digest, file)
            except UnreadableFileError as error:
                archive.leave_out(file.name, str(error))
    ignored = {file.name for file in archive.files if file not in files.values()} | {*archive.left_out}
    if not files:
        raise ExportError(_nothing_found(path, ignored, archive.problems))
    return Export(
        sha256=sha256("".join(sorted(files)).encode()).hexdigest(),
        files=tuple(
            HistoryFile(
                name=name,
                kind=kinds[file],
                is_video="video" in name.lower(),
                size=file.size,
                sha256=digest,
                source=file,
            )
            for name, (digest, file) in zip(_unique_names(files), files.items(), strict=True)
        ),
        ignored=tuple(sorted(ignored)),
        problems=tuple(archive.problems),
    )


def _base_name(file: ArchivedFile) -> str:
    return PurePosixPath(file.name).name


def _kind_by_name(file: ArchivedFile) -> Kind | None:
    return next((kind for kind, name in _NAMES.items() if name.fullmatch(_base_name(file))), None)


def _kind(file: ArchivedFile) -> Kind | None:
    if kind := _kind_by_name(file):
        return kind
    try:
        return first_row_kind(file.head())
    except UnreadableFileError:
        return None


def _precedence(file: ArchivedFile) -> tuple[bool, int, str, str]:
    """Of files of equal content the first is kept: one that Spotify named, because names tell videos, and the shortest
    name, because copies are called `endsong_0 (1).json`.
    """
    name = _base_name(file)
    return _kind_by_name(file) is None, len(name), name, file.name


def _digest(file: ArchivedFile) -> str | None:
    """SHA-256 of the content; None for an empty list.

    Raises:
        UnreadableFileError: why it cannot be read, or that it is empty.
    """
    content = file.content()
    text = b"".join(content.removeprefix(BOM_UTF8).split()) if len(content) < 100 else content
    if not text:
        raise UnreadableFileError("is empty: download the export again")
    return None if text == b"[]" else sha256(content).hexdigest()


def _unique_names(files: dict[str, ArchivedFile]) -> list[str]:
    """A storage-safe name for each file; those that would be equal carry the start of their SHA-256.

    Query engines take names that start with `_` or `.` for hidden, and some file systems ignore case.
    """
    safe = [
        PurePosixPath(_UNSAFE_IN_KEYS.sub("_", _base_name(file)).lstrip("._-") or "history") for file in files.values()
    ]
    names = [f"{name.stem[:_LONGEST_NAME]}{name.suffix[:_LONGEST_NAME]}" for name in safe]
    uses = Counter(name.lower() for name in names)
    return [
        name if uses[name.lower()] == 1 else f"{PurePosixPath(name).stem}-{digest[:12]}{PurePosixPath(name).suffix}"
        for name, digest in zip(names, files, strict=True)
    ]


def _nothing_found(path: Path, ignored: set[str], problems: list[str]) -> str:
    name = shown(path.name) or shown(path)
    if problems:
        more = f" {len(problems) - 1} more of its files cannot be read either." if len(problems) > 1 else ""
        return f"Nothing in {name} can be imported: {problems[0]}{more}"
    others = sorted(ignored - {name})
    found = f" (only {', '.join(others[:_NAMES_SHOWN])}{', …' if len(others) > _NAMES_SHOWN else ''})" if others else ""
    return f"{name} holds no streaming history{found}: {HOW_TO_ASK}."


def _contents(files: Sequence[HistoryFile], beside: Executor) -> Iterator[bytes]:
    """The content of each file; while one is used, the next is unpacked."""
    following = [beside.submit(_content, file) for file in files[:1]]
    for number in range(1, len(files) + 1):
        content = following.pop().result()
        following += [beside.submit(_content, file) for file in files[number : number + 1]]
        yield content


def _content(file: HistoryFile) -> bytes:
    try:
        content = file.source.content()
    except UnreadableFileError as error:
        raise ExportError(f"{file.source.name} {error}.") from error
    if sha256(content).hexdigest() != file.sha256:
        raise ExportError(f"{file.source.name} changed while it was being imported: import it again.")
    return content


def _row_problems(name: str, rows: list[RawRow]) -> list[str]:
    unreadable = [(row["row"], row["problem"]) for row in rows if row["problem"]]
    if not unreadable:
        return []
    number, problem = unreadable[0]
    return [
        f"{name}: {len(unreadable):,} of {len(rows):,} rows cannot be read and are set aside, the first at position "
        f"{number:,} ({problem.removesuffix('.')}): download the export again to get them."
    ]


def _compressed(name: str, rows: list[RawRow], problems: list[str]) -> EncodedFile:
    # A list is written four times as fast as its items one by one. Inside a text, quotes follow a backslash, so what
    # separates two rows is found nowhere else.
    lines = orjson.dumps(rows)[1:-1].replace(b'},{"file":', b'}\n{"file":') + b"\n"
    return EncodedFile(
        name=name,
        content=gzip.compress(lines, compresslevel=_GZIP_LEVEL, mtime=0),
        rows=len(rows),
        unreadable_rows=sum(row["problem"] is not None for row in rows),
        problems=tuple(problems),
    )
