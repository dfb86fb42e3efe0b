"""How what is to become of a stack, and how far it is, is shown in the terminal; what it is, `stacks.py` knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from spotifriend_dagster.cli.stacks import Change, ChangeSet

_WORDS = {
    ("Remove", "False"): ("goes", "red"),
    ("Modify", "True"): ("is replaced", "red"),
    ("Modify", "Conditional"): ("changes, or is replaced", "yellow"),
    ("Modify", "False"): ("changes", "yellow"),
    ("Import", "False"): ("is taken over", "green"),
    ("Add", "False"): ("new", "green"),
}
"""What happens, the gravest first."""


def show(console: Console, changes: ChangeSet) -> None:
    """The changes as a table, the gravest first."""
    from rich.table import Table

    table = Table("What", "Kind", "What happens", box=None, pad_edge=False, header_style="bold")
    order = list(_WORDS.values())
    for change in sorted(changes.changes, key=lambda change: (order.index(_words(change)), change.resource)):
        words, style = _words(change)
        of_data = "; what it holds stays where it is" if change.is_kept else ", with what it holds"
        note = f"[bold red]{of_data}[/]" if change.is_of_data else ""
        table.add_row(change.resource, change.kind.removeprefix("AWS::"), f"[{style}]{words}[/]{note}")
    console.print(f"\nThe stack {changes.stack}:")
    console.print(table)


def _words(change: Change) -> tuple[str, str]:
    return _WORDS.get((change.action, change.replacement)) or _WORDS.get(
        (change.action, "False"), _WORDS["Modify", "False"]
    )


def spoken(status: str) -> str:
    """A status of CloudFormation's, in words."""
    return status.replace("_", " ").lower()
