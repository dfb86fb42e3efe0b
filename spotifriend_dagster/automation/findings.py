"""What a run says of problems: each failed step, each pull that was not answered, each check that did not pass.

A check's words for people are in `words.py`; who is told of a problem, and when, is decided in `alerts.py`.
"""

from collections.abc import Iterator

import dagster as dg

from spotifriend_dagster.assets.collected import CONSENT_LASTS, NOTHING_WITHHELD
from spotifriend_dagster.assets.specs import EVERY_LISTENER
from spotifriend_dagster.automation.alerts import Finding, Problem, Severity
from spotifriend_dagster.automation.health import RunFacts

_PULLED = ("failed", "stopped", "denied")
_TOLD_BY_PULLS = (EVERY_LISTENER, NOTHING_WITHHELD)
_BY_LISTENER = (EVERY_LISTENER, CONSENT_LASTS)


def findings_of(facts: RunFacts) -> list[Finding]:
    """What is so after a run of all that the run could judge. Of steps that did not run, nothing is said."""
    return [*_of_run(facts), *_of_pulls(facts), *_of_checks(facts)]


def _of_run(facts: RunFacts) -> Iterator[Finding]:
    for step in facts.ran_through:
        yield Finding(f"step/{step}")
    for step, sentence in facts.failures.items():
        yield _finding(f"step/{step}", "error", None, f"{facts.job} failed at {step}: {sentence}")
    subject = f"run/{facts.job}"
    if facts.outcome == "success" or facts.failures:
        yield Finding(subject)
    elif facts.outcome == "canceled":
        yield _finding(subject, "notice", None, f"A run of {facts.job} was stopped before its end.")
    else:
        yield _finding(subject, "error", None, f"A run of {facts.job} ended in the middle ({facts.outcome}).")


def _of_pulls(facts: RunFacts) -> Iterator[Finding]:
    for said in facts.said:
        pulls = said.metadata.get("listeners")
        if not said.asset.startswith("raw/") or not isinstance(pulls, dict):
            continue
        for listener, pulled in pulls.items():
            subject = f"pull/{said.asset.removeprefix('raw/')}/{listener}"
            if pulled["outcome"] in _PULLED:
                severity: Severity = "notice" if pulled["outcome"] == "denied" else "error"
                yield _finding(subject, severity, listener, pulled["message"] or "A pull was not answered.")
            else:
                yield Finding(subject)


def _of_checks(facts: RunFacts) -> Iterator[Finding]:
    for check in facts.checks:
        asset = "/".join(check.asset_key.path)
        if asset.startswith("raw/") and check.check_name in _TOLD_BY_PULLS:
            continue
        subject = f"check/{asset}/{check.check_name}"
        severity: Severity = "warning" if check.severity == dg.AssetCheckSeverity.WARN else "error"
        if check.passed:
            yield Finding(subject)
        elif check.check_name in _BY_LISTENER:
            yield Finding(
                subject,
                tuple(
                    _problem(f"{subject}/{listener}", severity, listener, f"{asset}: {said.value}")
                    for listener, said in check.metadata.items()
                ),
            )
        else:
            yield _finding(subject, severity, None, f"{asset}: the check {check.check_name} did not pass.")


def _finding(subject: str, severity: Severity, listener: str | None, what: str) -> Finding:
    return Finding(subject, (_problem(subject, severity, listener, what),))


def _problem(key: str, severity: Severity, listener: str | None, what: str) -> Problem:
    cost = "Figures may grow old until it is mended; nothing that was published is lost."
    return Problem(key, severity, listener, what, cost, "See `spotifriend status`, and docs/operations.md.")
