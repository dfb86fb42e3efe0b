"""Which failures nobody repeats: a run that met one says so by a tag, which Dagster's daemon and Lambda obey.

How often a request is repeated is decided where it is sent: `sources/spotify/patience.py`, `lake/aws.py`. How often a
run is, by what runs it. In between nothing is: an asset's own retries would multiply both.
"""

from collections.abc import Iterator

import dagster as dg

MAX_RETRIES = "dagster/max_retries"
"""The tag by which the daemon that repeats failed runs counts; `0` for a run that nothing but a person repeats."""


def no_retry_of(permanent: tuple[type[Exception], ...]) -> dg.HookDefinition:
    """A hook of assets: where one fails for a reason that stays, the run is not repeated.

    It takes effect before the run has ended, which is when Dagster decides whether to repeat it.

    Args:
        permanent: the errors that are raised again however often it is tried.
    """

    @dg.failure_hook(name="no_retry_of_what_is_permanent")
    def mark(context: dg.HookContext) -> None:
        if any(_is_permanent(error, permanent) for error in _causes(context.op_exception)):
            context.instance.add_run_tags(context.run_id, {MAX_RETRIES: "0"})

    return mark


def is_permanent(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run met a failure that repeating it would meet again."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.tags.get(MAX_RETRIES) == "0"


def _is_permanent(error: BaseException, permanent: tuple[type[Exception], ...]) -> bool:
    return isinstance(error, permanent) or (isinstance(error, dg.Failure) and not error.allow_retries)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from, in turn: Dagster wraps some."""
    while error is not None:
        yield error
        error = error.__cause__
