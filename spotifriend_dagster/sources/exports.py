"""Spotify's data exports: which files of a zip or folder hold listening, and their rows, safe to store.

How an archive is opened belongs to `archives`, how a file is read to `rows` and `encoding`, what is dropped to
`privacy`. What a row means belongs to `cleaning`: rows come out as Spotify wrote them, good or absurd.
"""

import os
import re
from codecs import BOM_UTF8
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from queue import SimpleQueue

from spotifriend_dagster.sources.archives import (
    MAX_TOTAL_BYTES,
    ArchivedFile,
    UnreadableFileError,
    open_archive,
    shown,
)
from spotifriend_dagster.sources.encoding import Encoded, EncodedFile, another_encoder, encode
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
_AT_ONCE = 3  # files: each process reads one, and the next is unpacked
_MUCH = 30_000_000  # bytes of history; a second process is worth its start
_SEVERAL_USERS = (
    "The export holds the listening of more than one Spotify user: if they are not one person, import each one's files "
    "under a listener id of their own."
)
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
        """Every file as it is stored, in their order; those that come next are worked on meanwhile.

        Raises:
            ExportError: a file changed or went away since the export was opened.
        """
        user_names: set[str] = set()
        with ExitStack() as stack:
            encoders = SimpleQueue[Callable[[str, bytes], Encoded]]()
            encoders.put(encode)
            if len(self.files) > 1 and sum(file.size for file in self.files) > _MUCH and (os.cpu_count() or 1) > 1:
                encoders.put(stack.enter_context(another_encoder()))

            def encoded(file: HistoryFile) -> Encoded:
                content = _content(file)
                encoder = encoders.get()
                try:
                    return encoder(file.name, content)
                finally:
                    encoders.put(encoder)

            beside = stack.enter_context(ThreadPoolExecutor(max_workers=_AT_ONCE))
            for file, names in _in_turn(encoded, self.files, beside):
                several = len(user_names) < 2 <= len(user_names | names)
                user_names |= names
                yield replace(file, problems=(*file.problems, _SEVERAL_USERS)) if several else file


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


def _in_turn(
    work: Callable[[HistoryFile], Encoded], files: Sequence[HistoryFile], beside: Executor
) -> Iterator[Encoded]:
    """What is made of each file, in their order; a few are held at once, for they are large."""
    begun: deque[Future[Encoded]] = deque()
    try:
        for file in files:
            if len(begun) > _AT_ONCE:
                yield begun.popleft().result()
            begun.append(beside.submit(work, file))
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


def _content(file: HistoryFile) -> bytes:
    try:
        content = file.source.content()
    except UnreadableFileError as error:
        raise ExportError(f"{file.source.name} {error}.") from error
    if sha256(content).hexdigest() != file.sha256:
        raise ExportError(f"{file.source.name} changed while it was being imported: import it again.")
    return content
