"""What a run says of problems: each failed step, each pull that was not answered, each check that did not pass.

What is said of each is in `advice.py`; who is told, and when, is decided in `alerts.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.collected import CONSENT_LASTS, NOTHING_WITHHELD
from spotifriend_dagster.assets.specs import EVERY_LISTENER, MISTYPED_VALUES, UNKNOWN_FIELDS
from spotifriend_dagster.automation import advice
from spotifriend_dagster.automation.advice import Advice
from spotifriend_dagster.automation.alerts import Finding, Problem, Severity
from spotifriend_dagster.automation.health import RunFacts
from spotifriend_dagster.checks.days import CLOSED_DAY
from spotifriend_dagster.collecting.pulls import CLOCK_IS_WRONG
from spotifriend_dagster.tables.raw import AUDIO_FEATURES, COLLECTED_TABLES, RECENTLY_PLAYED, STREAMING_HISTORY

_COLLECTED = {table.folder for table in COLLECTED_TABLES}
_TOLD_BY_PULLS = (EVERY_LISTENER, NOTHING_WITHHELD)
_SAID_OF_LISTENERS = (EVERY_LISTENER, CONSENT_LASTS, CLOSED_DAY)
_TOLD_ONCE = (MISTYPED_VALUES,)
_UNKNOWN = Advice("A check did not pass", "Unknown.", "`spotifriend ui` shows why.")


def findings_of(facts: RunFacts) -> list[Finding]:
    """What is so, after a run, of all that the run could judge. Of steps that did not run, nothing is said."""
    return [
        *_of_steps(facts),
        *_of_run(facts),
        *_of_pulls(facts),
        *_of_clock(facts),
        *_of_checks(facts),
        *_of_repairs(facts),
    ]


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
        return
    severity, said = Severity.ERROR, advice.POLL_BROKE_OFF if facts.job == "poll" else advice.RUN_BROKE_OFF
    if facts.outcome == "canceled":
        severity, said = Severity.NOTICE, advice.RUN_STOPPED
    detail = f"It began at {facts.started:%Y-%m-%d %H:%M} UTC, and did not come to its end."
    yield Finding(subject, (_problem(subject, severity, None, said, detail, job=facts.job),))


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


def _of_clock(facts: RunFacts) -> Iterator[Finding]:
    """Of this machine's clock, where Spotify's answers said what time it is."""
    off = [
        pulled["clock_off"]
        for said in facts.said
        if said.asset in _COLLECTED and isinstance(pulls := said.metadata.get("listeners"), dict)
        for pulled in pulls.values()
        if pulled["clock_off"] is not None
    ]
    if not off:
        return
    most = max(off, key=abs)
    if abs(most) < CLOCK_IS_WRONG.total_seconds():
        yield Finding("clock")
        return
    detail = f"It is {_duration(abs(most))} {'ahead of' if most > 0 else 'behind'} Spotify's."
    yield Finding("clock", (_problem("clock", Severity.WARNING, None, advice.CLOCK_IS_WRONG, detail),))


def _of_repairs(facts: RunFacts) -> Iterator[Finding]:
    """Of what a run found other than it had been left, and has put right."""
    for said in facts.said:
        for key in said.metadata.get("damaged") or ():
            yield _passed(f"damaged/{key}", Severity.WARNING, advice.FILE_DAMAGED, f"{key} was found damaged.")
        for key in said.metadata.get("salvaged") or ():
            yield _passed(f"salvaged/{key}", Severity.NOTICE, advice.RECEIVED_DAMAGED, f"{key} was found damaged.")
        if edited := said.metadata.get("edited"):
            table = said.asset.rpartition("/")[2]
            detail = f"{table}: what had been changed is {', '.join(edited)}."
            yield _passed(f"edited/{table}", Severity.WARNING, advice.DEFINITION_EDITED, detail)


def of_overlaps(facts: RunFacts, others: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """What is so of runs of a job at the same time as another of it: nothing is lost, and all is done twice.

    A run that broke off is left out: when that was, nobody knows.

    Args:
        facts: what the run did, which has its record.
        others: records of runs, of any time.
    """
    if facts.outcome != "success" and not facts.failures:
        return
    for other in others:
        began, ended = (datetime.fromisoformat(other[name]) for name in ("started", "ended"))
        is_alike = other["job"] == facts.job and other["run_id"] != facts.run_id
        if is_alike and began < facts.ended and ended > facts.started and _ran_to_its_end(other):
            since, until = max(began, facts.started), min(ended, facts.ended)
            detail = f"Both were at it from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC."
            said = advice.RUNS_OVERLAPPED
            yield _passed(f"overlap/{facts.job}", Severity.WARNING, said, detail, job=facts.job)


def _ran_to_its_end(record: Mapping[str, Any]) -> bool:
    return record["outcome"] == "success" or bool(record["failures"])


def _kind_of_pull(asset: str, pulled: Mapping[str, Any]) -> tuple[Severity, Advice] | None:
    match pulled["outcome"], asset:
        case "denied" | "failed" | "stopped", RECENTLY_PLAYED.folder:
            return Severity.ERROR, advice.POLL_UNANSWERED
        case "denied", AUDIO_FEATURES.folder:
            return None  # Spotify closed them to new apps: that is as it should be, and the report says so
        case "denied", _:
            return Severity.NOTICE, advice.DENIED
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
        if check.check_name == UNKNOWN_FIELDS:
            yield from _of_fields(check, asset)
            continue
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


def _of_fields(check: dg.AssetCheckEvaluation, asset: str) -> Iterator[Finding]:
    """Each new field is told once and for good: that it was told is known by its key."""
    source = asset.rpartition("/")[2]
    for field in _json(check, "fields") or ():
        said = advice.OF_CHECKS[UNKNOWN_FIELDS]
        yield _passed(f"field/{source}/{field}", Severity.NOTICE, said, f"{field} (for {source})")


def _json(check: dg.AssetCheckEvaluation, name: str) -> Any:
    found = check.metadata.get(name)
    return found.value if found is not None else None


def _listeners(check: dg.AssetCheckEvaluation) -> dict[str, str]:
    """By listener what a check says of them: a sentence where it has one."""
    found = _json(check, "listeners")
    if isinstance(found, dict):
        return {listener: str(said) for listener, said in found.items()}
    if check.check_name not in _SAID_OF_LISTENERS:
        return {}
    return {listener: str(said.value) for listener, said in check.metadata.items()}


def _problem(
    key: str, severity: Severity, listener: str | None, said: Advice, detail: str = "", **names: str
) -> Problem:
    what = said.what.format(**names)
    return Problem(key, severity, listener, f"{what}\n{detail}" if detail else what, said.cost, said.cure)


def _passed(key: str, severity: Severity, said: Advice, detail: str, **names: str) -> Finding:
    return Finding(key, (replace(_problem(key, severity, None, said, detail, **names), has_passed=True),))


def _duration(seconds: int) -> str:
    if seconds < 2 * 60 * 60:
        return f"{seconds // 60} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 2 * 24 * 60 * 60 else f"{seconds / 86400:.1f} days"
