"""How much time an invocation has, and an end that comes before Lambda's own, which leaves no time to tell of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from dagster import DagsterExecutionInterruptedError

LAST_SECONDS = 20.0
"""What is kept for telling of the end, before Lambda kills."""


class Context(Protocol):
    """What is used of that which Lambda hands to a handler."""

    aws_request_id: str
    function_name: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """How long until Lambda kills."""


class OutOfTime(Exception):
    """What was running was interrupted, because the invocation's time is nearly over. Nothing is half-written."""

    def __init__(self) -> None:
        super().__init__("The time of this invocation is over before the work is done; nothing is half-written.")


def seconds_left(context: Context) -> float:
    """How long may be worked on, in seconds; never less than none."""
    return max(context.get_remaining_time_in_millis() / 1000 - LAST_SECONDS, 0.0)


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Interrupt what runs within, as Ctrl-C does, where it takes longer. Works in the main thread alone.

    Raises:
        OutOfTime: it was interrupted; also where what ran within took notice, and went on to its end.
    """
    is_over = False

    def interrupt(_signal: int, _frame: Any) -> None:
        nonlocal is_over
        is_over = True
        signal.raise_signal(signal.SIGINT)  # Dagster knows how to end a run of which it hears by this one

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        if not is_over:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if is_over:
        raise OutOfTime
