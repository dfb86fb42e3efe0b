"""AWS Lambda's way in: `handler`, which polls, runs the day, and imports what is dropped into the inbox.

An event is read in `events.py`; what is done is in `work.py` and `inbox.py`; how time is kept in `deadline.py`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import dagster as dg

from spotifriend_dagster.automation.alerts import Finding, Problem, Severity, tell
from spotifriend_dagster.aws_lambda.deadline import LAST_SECONDS, Context, OutOfTime, seconds_left
from spotifriend_dagster.aws_lambda.events import MalformedEvent, Scheduled, read_event
from spotifriend_dagster.aws_lambda.inbox import take_in
from spotifriend_dagster.aws_lambda.work import Work, is_own, log, project
from spotifriend_dagster.lake.lease import IMPORTING, Held, lease
from spotifriend_dagster.settings import SettingsError

_JOBS: Mapping[str, Callable[[Work], None]] = {"poll": Work.poll, "daily": Work.daily, "rebuild": Work.rebuild}
_LEASES = {"poll": "poll", "daily": "rebuild", "rebuild": "rebuild"}


class InvocationFailed(Exception):
    """What was to be done was not, and trying again may help: Lambda tries twice more, then keeps the event."""


def handler(event: Any, context: Context) -> dict[str, Any]:
    """What Lambda calls.

    Args:
        event: `{"job": "poll"}`, `{"job": "daily"}`, `{"job": "rebuild"}`, or what S3 sends of an object that was
            created in the inbox.
        context: Lambda's.

    Returns:
        `outcome`: `done`, or `failed` where trying again would not cure it; `said`: sentences.

    Raises:
        InvocationFailed: trying again may cure it. As after every failure, an alert was sent before.
        SettingsError: a setting of the function is wrong, and nobody can be told.
    """
    logging.getLogger("spotifriend").setLevel(logging.INFO)
    with dg.DagsterInstance.ephemeral() as instance:
        work = Work(project(), context, instance)
        _do(event, work)
        answer = {"outcome": "failed" if work.failures else "done", "said": [*work.said, *work.failures]}
    log.info("%s", json.dumps(answer, ensure_ascii=False))
    if not all(work.failures.values()):
        raise InvocationFailed(" ".join(work.failures)) from None
    if work.goes_on:
        _go_on(work)
    return answer


def _do(event: Any, work: Work) -> None:
    """Do what the event asks for. Nothing is raised: what failed is among the work's failures, and was told."""
    settings, trouble = work.project.settings, ""
    try:
        asked = read_event(event, settings.bucket or "", settings.prefix)
    except MalformedEvent as error:
        work.failures[str(error)] = True
        _tell(work, str(error), "Nothing was done, and it is not tried again.", "Correct what sends the event.")
        return
    if isinstance(asked, Scheduled):
        trouble += _alone(work, _LEASES[asked.job], partial(_JOBS[asked.job], work))
    else:
        for dropped in asked:
            name = sha256(dropped.key.encode()).hexdigest()[:16]
            trouble += _alone(work, f"{IMPORTING}{name}", partial(take_in, work, dropped))
        if not asked:
            work.said.append("There is nothing to do: no export was dropped into the inbox.")
    _tell(
        work,
        trouble.strip(),
        "What this was to do is not done. Nothing that was collected or dropped is lost, and Lambda tries again twice.",
        "See the function's log, and `spotifriend doctor`; then invoke the function again.",
    )


def _alone(work: Work, name: str, do: Callable[[], None]) -> str:
    """Do something that is done once at a time; the sentence of what kept it from being done, beside runs that failed.

    Lambda tries an event again under the id of its first attempt: so an attempt that died is followed by the next one.
    """
    storage, context = work.project.home.lake.storage, work.context
    try:
        seconds = seconds_left(context) + LAST_SECONDS
        with lease(storage, name, holder=context.aws_request_id, seconds=seconds, now=datetime.now(UTC)):
            do()
    except Held as held:
        work.said.append(str(held))
    except OutOfTime as error:  # its run was told of
        if not work.goes_on:
            work.failures[str(error)] = False
    except Exception as error:
        sentence = str(error) if is_own(error) else f"{type(error).__name__}: {error}"
        if not is_own(error):
            log.exception("%s", sentence)
        work.failures[sentence] = isinstance(error, SettingsError)
        return f"{sentence} "
    return ""


def _tell(work: Work, what: str, cost: str, cure: str) -> None:
    """Tell of what this invocation met, once a day while it lasts; without `what`, that it is over."""
    name, home = f"invocation/{work.context.function_name}", work.project.home
    problem = Problem(name, Severity.ERROR, None, f"{work.context.function_name}: {what}", cost, cure)
    tell(home.lake.storage, [Finding(name, (problem,) if what else ())], home.channels, datetime.now(UTC))


def _go_on(work: Work) -> None:
    """Ask Lambda for another invocation, which goes on with the rebuild.

    Raises:
        InvocationFailed: it does not take it; raised, it makes Lambda try this event again, which goes on as well.
    """
    from spotifriend_dagster.lake.aws import AwsClients, translated  # noqa: PLC0415 - heavy

    with translated(InvocationFailed, "The invocation that would go on with the rebuild cannot be started"):
        AwsClients(work.project.settings.aws.region).client("lambda").invoke(
            FunctionName=work.context.invoked_function_arn, InvocationType="Event", Payload=b'{"job": "rebuild"}'
        )
