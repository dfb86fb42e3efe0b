"""docs/reliability.md, written from the list of faults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spotifriend_dagster.tables.rendering import markdown_table
from spotifriend_dagster_tests.reliability.faults import Named
from spotifriend_dagster_tests.reliability.scene import LISTENER

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
_HEAD = """\
# Reliability

What goes wrong, what is told, and what the lake is afterwards. Every line is a test of
`spotifriend_dagster_tests/reliability/`, which makes the fault happen to a poll or to the rebuild that follows, in the
night in which the clocks go forward. Then the next poll and rebuild run, and plays, hours and insights are compared
row by row with those of a twin to which nothing happened. `make docs` writes the table.

Each of these faults ends in exactly one alert, which is one message. Where it lasts until it is mended, the next run
that goes well sends one that says so; what had passed, or was put right, when it was found is told and done with.

"""
_MENDED = """
## Mended within the run, told to nobody

The request is repeated, the run goes well, and nobody is woken.

"""
_FOOT = """
Who is killed says nothing. At home, the next command tells it, or the daemon of `spotifriend ui` within ten minutes,
once nothing was heard of the run for half an hour; on ECS Dagster's run monitoring does. On Lambda the event is tried
again: a second attempt that goes well is told to nobody.

Where the disk is full, the lake cannot keep what was told either: the alert is sent, and its end is not.

What Spotify does not tell any more cannot come back by itself. If polls are missing for so long that more than 50 plays
lie between, that is told as a gap, figures across it say “at least”, and the next export closes it.
"""


def written(faults: Sequence[Named]) -> str:
    """The whole document."""
    told = [
        (fault.what, fault.made, fault.next, f"“{fault.alert.removeprefix(f'{LISTENER}: ')}”", fault.lake)
        for fault in faults
        if fault.alert
    ]
    mended = [(fault.what, fault.made, fault.next, fault.lake) for fault in faults if not fault.alert]
    head = ("fault", "how it is made", "what the next run does", "alert", "lake after")
    tables = markdown_table(head, told), markdown_table([name for name in head if name != "alert"], mended)
    return f"{_HEAD}{tables[0]}\n{_MENDED}{tables[1]}\n{_FOOT}"
