"""What `spotifriend status` says of alerts: the problems that are open now."""

from __future__ import annotations

from spotifriend_dagster.cli.session import Session


def print_alerts(session: Session) -> None:
    """The problems that are open, the gravest first, with their cure, and the warnings of a week of what was mended."""
    from rich.markup import escape

    from spotifriend_dagster.automation.alerts import Severity, open_problems

    console, marks = session.console, {Severity.ERROR: "[red]✗[/]", Severity.WARNING: "[yellow]![/]"}
    found = [known for known in open_problems(session.lake.storage) if known.problem.severity in marks]
    if not found:
        console.print("No alert is open.")
    for known in found:
        problem = known.problem
        who = f"{problem.listener}: " if problem.listener else ""
        what = " – ".join(problem.what.splitlines())
        when = f"{'found' if problem.has_passed else 'since'} {known.since:%Y-%m-%d %H:%M} UTC"
        said = f"{who}{what} ({when}). {problem.cure}"
        console.print(f"{marks[problem.severity]} {escape(said)}", soft_wrap=True)
