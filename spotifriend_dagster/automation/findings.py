"""What a run says of problems: each failed step, each pull that was not answered, each check that did not pass.

What is said of each is in `advice.py`; who is told, and when, is decided in `alerts.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.collected import CONSENT_LASTS, NOTHING_WITHHELD
from spotifriend_dagster.assets.specs import EVERY_LISTENER, MISTYPED_VALUES, UNKNOWN_FIELDS
from spotifriend_dagster.automation import advice
from spotifriend_dagster.automation.advice import Advice
from spotifriend_dagster.automation.alerts import Finding, Problem, Severity
from spotifriend_dagster.automation.health import RunFacts
from spotifriend_dagster.checks.days import CLOSED_DAY
from spotifriend_dagster.tables.raw import COLLECTED_TABLES, RECENTLY_PLAYED, STREAMING_HISTORY

_COLLECTED = {table.folder for table in COLLECTED_TABLES}
_TOLD_BY_PULLS = (EVERY_LISTENER, NOTHING_WITHHELD)
_SAID_OF_LISTENERS = (EVERY_LISTENER, CONSENT_LASTS, CLOSED_DAY)
_TOLD_ONCE = (UNKNOWN_FIELDS, MISTYPED_VALUES)
_UNKNOWN = Advice("A check did not pass", "Unknown.", "`spotifriend ui` shows why.")


def findings_of(facts: RunFacts) -> list[Finding]:
    """What is so, after a run, of all that the run could judge. Of steps that did not run, nothing is said."""
    return [*_of_steps(facts), *_of_run(facts), *_of_pulls(facts), *_of_checks(facts)]


def _of_steps(facts: RunFacts) -> Iterator[Finding]:
    for step in facts.ran_through:
        yield Finding(f"step/{step}")
    for step, sentence in facts.failures.items():
        subject, severity, said = f"step/{step}", Severity.ERROR, advice.STEP_FAILED
        if step == STREAMING_HISTORY.folder:
            severity, said = Severity.NOTICE, advice.IMPORT_FAILED  # whoever imports is there to read it
        elif facts.job == "poll":
            said = advice.POLL_FAILED
        yield Finding(subject, (_problem(subject, severity, None, said, sentence, job=facts.job, step=step),))


def _of_run(facts: RunFacts) -> Iterator[Finding]:
    """Of a run that ended in none of its steps: killed, out of time or memory, or stopped by somebody."""
    subject = f"run/{facts.job}"
    if facts.outcome == "success" or facts.failures:
        yield Finding(subject)
    elif facts.outcome == "canceled":
        yield Finding(subject, (_problem(subject, Severity.NOTICE, None, advice.RUN_STOPPED, job=facts.job),))
    else:
        yield Finding(subject, (_problem(subject, Severity.ERROR, None, advice.RUN_BROKE_OFF, job=facts.job),))


def _of_pulls(facts: RunFacts) -> Iterator[Finding]:
    for said in facts.said:
        pulls = said.metadata.get("listeners")
        if said.asset not in _COLLECTED or not isinstance(pulls, dict):
            continue
        for listener, pulled in pulls.items():
            subject = f"pull/{said.asset.removeprefix('raw/')}/{listener}"
            kind = _kind_of_pull(said.asset, pulled)
            if kind is None:
                yield Finding(subject)
            else:
                yield Finding(subject, (_problem(subject, kind[0], listener, kind[1], pulled["message"] or ""),))


def _kind_of_pull(asset: str, pulled: Mapping[str, Any]) -> tuple[Severity, Advice] | None:
    match pulled["outcome"], asset:
        case "denied", _:
            return Severity.NOTICE, advice.DENIED
        case "failed" | "stopped", RECENTLY_PLAYED.folder:
            return Severity.ERROR, advice.POLL_UNANSWERED
        case "failed", _:
            return Severity.ERROR, advice.COLLECTION_UNANSWERED
        case "stopped", _:
            return Severity.WARNING, advice.COLLECTION_UNANSWERED
    return None


def _of_checks(facts: RunFacts) -> Iterator[Finding]:
    for check in facts.checks:
        asset = "/".join(check.asset_key.path)
        if asset in _COLLECTED and check.check_name in _TOLD_BY_PULLS:
            continue
        subject = f"check/{asset}/{check.check_name}"
        yield Finding(subject, () if check.passed else tuple(_of_failed_check(check, subject, asset)))


def _of_failed_check(check: dg.AssetCheckEvaluation, subject: str, asset: str) -> Iterator[Problem]:
    severity = Severity.WARNING if check.severity == dg.AssetCheckSeverity.WARN else Severity.ERROR
    if check.check_name in _TOLD_ONCE:
        severity = Severity.NOTICE
    said = advice.OF_CHECKS.get(check.check_name, _UNKNOWN)
    where = f"{asset}: the check {check.check_name} did not pass."
    listeners = _listeners(check)
    for listener, detail in listeners.items():
        yield _problem(f"{subject}/{listener}", severity, listener, said, detail or where)
    if not listeners:
        message = check.metadata.get("message")
        yield _problem(subject, severity, None, said, str(message.value) if message else where)


def _listeners(check: dg.AssetCheckEvaluation) -> dict[str, str]:
    """By listener what a check says of them: a sentence where it has one."""
    found = check.metadata.get("listeners")
    if found is not None and isinstance(found.value, dict):
        return {listener: str(said) for listener, said in found.value.items()}
    if check.check_name not in _SAID_OF_LISTENERS:
        return {}
    return {listener: str(said.value) for listener, said in check.metadata.items()}


def _problem(
    key: str, severity: Severity, listener: str | None, said: Advice, detail: str = "", **names: str
) -> Problem:
    what = said.what.format(**names)
    return Problem(key, severity, listener, f"{what}\n{detail}" if detail else what, said.cost, said.cure)
