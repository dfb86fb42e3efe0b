"""What the terminal says of an import: the files, what became of every row, and what could not be read.

What the listening says is in `terminal.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from spotifriend_dagster.reports.words import count

if TYPE_CHECKING:
    from rich.console import Console

    from spotifriend_dagster.lake.reading import Reader

_BECAME = {
    "kept": ("play", "plays"),
    "duplicate": ("repeat", "repeats"),
    "superseded": ("told better by another source",) * 2,
    "rejected": ("set aside",) * 2,
}
_NAMED = 5


def print_import(console: Console, reader: Reader, said: Mapping[str, Any]) -> None:
    """Every row of an export accounted for, each bad file and reason named.

    Args:
        console: where to print.
        reader: of the listener whose export it is.
        said: what the raw asset was materialized with.
    """
    mine = f"SELECT outcome, reason, rows FROM row_outcomes WHERE origin = '{said['export']}'"
    became: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for row in reader.query(mine).to_pylist():
        became[row["outcome"]] += row["rows"]
        if row["outcome"] == "rejected":
            rejected[row["reason"]] += row["rows"]
    files, all_rows = count(len(said["files_imported"]), "file", "files"), count(became.total(), "row", "rows")
    parts = [count(became[outcome], *words) for outcome, words in _BECAME.items() if became[outcome]]
    ends = f": {', '.join(parts)}" if parts else ""
    console.print(f"Imported {files} with {all_rows}{ends}.", soft_wrap=True)
    _print_warnings(console, said["problems"])
    told = " ".join(said["problems"])
    reasons = [(reason.rstrip("."), number) for reason, number in rejected.most_common()]
    if untold := [f"{number:,} × {reason}" for reason, number in reasons if reason not in told]:
        _print_warnings(console, [f"Set aside in history_rejects: {_some(untold)}."])
    if ignored := said["files_ignored"]:
        console.print(f"[dim]Left alone, for they hold no listening: {escape(_some(ignored))}.[/]", soft_wrap=True)


def _print_warnings(console: Console, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        console.print(f"[yellow]![/] {escape(sentence)}", soft_wrap=True)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
