"""Alerts: which problems there are, who was told of them and when, and what a message says.

What a run says of problems is read in `findings.py`; where messages go is in `channels.py`. All state is in the lake.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from spotifriend_dagster.automation.channels import Channel, Message, delivered
from spotifriend_dagster.lake.storage import ObjectMissing, Storage, StorageError, update

ALERTS = "health/alerts.json"
"""The object that says what is open, and who was told of it."""


class Severity(StrEnum):
    """How grave a problem is."""

    ERROR = "error"
    """Something is being lost, or figures grow old: told every day."""
    WARNING = "warning"
    """Something will be lost, or is and takes time to mend: told every week."""
    NOTICE = "notice"
    """Worth knowing: told once."""

    @property
    def gravity(self) -> int:
        """The graver, the more."""
        return (Severity.NOTICE, Severity.WARNING, Severity.ERROR).index(self)


_REPEATED_AFTER = {
    Severity.NOTICE: timedelta.max,
    Severity.WARNING: timedelta(days=7),
    Severity.ERROR: timedelta(days=1),
}
_LONGEST_TELLING = timedelta(minutes=10)
_NEWS = timedelta(days=7)
"""How long a channel that takes nothing is owed what has passed; one that is new is not told of what was before."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """Something that its owner has to know of: what happened, to whom, what it costs, and what to do.

    `key` is the same as long as it lasts; `listener` is an id, None where it concerns everybody. The first line of
    `what` says it for good, those below as it is now. `has_passed` where it was over, or mended, when it was found: its
    end is told to nobody, and finding it again is told after the time that its severity says.
    """

    key: str
    severity: Severity
    listener: str | None
    what: str
    cost: str
    cure: str
    has_passed: bool = False


@dataclass(frozen=True)
class Finding:
    """What is so of one subject now: its problems, of which those that are not named any more are over."""

    subject: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class OpenProblem:
    """A problem since `since`. `told` says by channel when it was told last; `over` is when it was found to be over."""

    problem: Problem
    subject: str
    since: datetime
    told: Mapping[str, datetime] = field(default_factory=dict)
    over: datetime | None = None

    def is_due(self, channel: str, now: datetime) -> bool:
        """Whether the channel is to be told of it now, or that it is over."""
        told = self.told.get(channel)
        if self.problem.has_passed:
            return told is None and now - self.since < _NEWS
        if self.over:
            return told is not None
        return told is None or now - told >= _REPEATED_AFTER[self.problem.severity]

    def is_forgotten(self, now: datetime) -> bool:
        """Whether it is of the past, and so long ago that it would be told if it were found again."""
        return self.problem.has_passed and now - self.since >= _REPEATED_AFTER[self.problem.severity]


@dataclass(frozen=True)
class Board:
    """All problems there are, by key, and who is telling of them at this moment, since when."""

    problems: Mapping[str, OpenProblem] = field(default_factory=dict)
    teller: str | None = None
    telling_since: datetime | None = None

    def judged(self, findings: Iterable[Finding], now: datetime) -> Board:
        """The board after some findings: what is new, what still lasts, and what is over."""
        problems = {key: known for key, known in self.problems.items() if not known.is_forgotten(now)}
        for finding in findings:
            present = {problem.key: problem for problem in finding.problems}
            for key, known in self.problems.items():
                if known.subject == finding.subject and key not in present and not known.problem.has_passed:
                    problems[key] = replace(known, over=known.over or now)
            for key, problem in present.items():
                problems[key] = _lasting(problems.get(key), problem, finding.subject, now)
        return replace(self, problems={key: known for key, known in problems.items() if known.told or not known.over})

    def due(self, channel: str, now: datetime) -> list[OpenProblem]:
        """What a channel is to be told now."""
        return [known for known in self.problems.values() if known.is_due(channel, now)]

    def claimed(self, teller: str, channels: Iterable[str], now: datetime) -> Board:
        """The board with its teller: `teller`, where there is something to tell and nobody else is at it."""
        is_taken = self.telling_since is not None and now - self.telling_since < _LONGEST_TELLING
        if (self.teller != teller and is_taken) or not any(self.due(channel, now) for channel in channels):
            return self if is_taken and self.teller != teller else replace(self, teller=None, telling_since=None)
        return replace(self, teller=teller, telling_since=now)

    def after_telling(self, told: Mapping[str, Collection[str]], now: datetime) -> Board:
        """The board after channels were told of the problems with these keys."""
        problems = {}
        for key, known in self.problems.items():
            channels = {channel for channel, keys in told.items() if key in keys}
            others = {channel: at for channel, at in known.told.items() if channel not in channels}
            problems[key] = replace(known, told=others if known.over else others | dict.fromkeys(channels, now))
        return replace(self, problems={key: known for key, known in problems.items() if known.told or not known.over})


def _after_telling(
    board: Board, told: Mapping[str, Collection[str]], teller: str, channels: Sequence[str], now: datetime
) -> Board:
    return board.after_telling(told, now).claimed(teller, channels, now)


def _lasting(known: OpenProblem | None, problem: Problem, subject: str, now: datetime) -> OpenProblem:
    if known is None:
        return OpenProblem(problem, subject, now)
    if problem.has_passed:
        return known
    is_graver = problem.severity.gravity > known.problem.severity.gravity
    since = now if known.over else known.since
    return OpenProblem(problem, subject, since, {} if is_graver else known.told)


def open_problems(storage: Storage) -> list[OpenProblem]:
    """The problems that are open, the gravest first, those of long standing before others.

    Raises:
        StorageError: the lake cannot be read.
    """
    try:
        board = _board(storage.read(ALERTS))
    except ObjectMissing:
        return []
    found = [known for known in board.problems.values() if not known.over]
    return sorted(found, key=lambda known: (-known.problem.severity.gravity, known.since, known.problem.key))


def tell(storage: Storage, findings: Sequence[Finding], channels: Sequence[Channel], now: datetime) -> list[Message]:
    """Keep what was found, and tell each channel what it is to know now, in one message.

    Of several that do so at once, one tells for all: a problem is told once. What a channel does not take is told by
    the next who comes here. Where the lake cannot keep what was told, problems are told nevertheless.

    Args:
        storage: where the state is kept.
        findings: what is so now.
        channels: who is told.
        now: UTC-aware.
    """
    teller, names = uuid.uuid4().hex, [channel.name for channel in channels]
    sent: dict[str, Message] = {}
    try:
        board = _changed(storage, lambda before: before.judged(findings, now).claimed(teller, names, now))
        failed: set[str] = set()
        while board.teller == teller:
            told = {}
            for channel in channels:
                due = board.due(channel.name, now) if channel.name not in failed else []
                if not due:
                    continue
                message = compose(due, now)
                sent[message.text] = message
                if delivered(channel, message):
                    told[channel.name] = [known.problem.key for known in due]
                else:
                    failed.add(channel.name)
            left = [name for name in names if name not in failed]
            after = partial(_after_telling, told=told, teller=teller, channels=left, now=now)
            board = _changed(storage, after)
    except StorageError as error:
        log.warning("What alerts were sent cannot be kept: %s", error)
        problems = [OpenProblem(problem, "", now) for finding in findings for problem in finding.problems]
        if problems and not sent:
            message = compose(problems, now)
            sent[message.text] = message
            for channel in channels:
                delivered(channel, message)
    return list(sent.values())


def compose(due: Sequence[OpenProblem], now: datetime) -> Message:
    """One message of all that is due: the gravest first, what is over last.

    The same thing of several people is said once, and so is what differs in its details only, with all of them.
    """
    ordered = sorted(due, key=lambda known: (known.over is not None, -known.problem.severity.gravity, known.since))
    people: dict[_Said, list[str]] = {}
    for known in ordered:
        concerned = people.setdefault(_said(known), [])
        if known.problem.listener and known.problem.listener not in concerned:
            concerned.append(known.problem.listener)
    blocks: dict[_Said, list[str]] = {}
    for said, concerned in people.items():
        first = f"{', '.join(sorted(concerned))}: {said.first}" if concerned else said.first
        blocks.setdefault(said._replace(first=first, detail=""), []).append(said.detail)
    texts = ["\n".join(filter(None, (said.first, *details, said.advice))) for said, details in blocks.items()]
    first = texts[0].splitlines()[0].removesuffix(".")
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    problems = tuple(asdict(known.problem) | {"is_over": known.over is not None} for known in ordered)
    return Message(f"SpotiFriend: {first}{more}", "\n\n".join(texts), problems, now)


class _Said(NamedTuple):
    first: str
    detail: str
    advice: str


def _said(known: OpenProblem) -> _Said:
    problem = known.problem
    first, _, detail = problem.what.partition("\n")
    if known.over:
        return _Said(f"Over since {known.over:%Y-%m-%d %H:%M} UTC: {first}", "", "")
    return _Said(first, detail, f"What it costs: {problem.cost}\nWhat to do: {problem.cure}")


def _changed(storage: Storage, change: Callable[[Board], Board]) -> Board:
    board = Board()

    def changed(content: bytes | None) -> bytes:
        nonlocal board
        board = change(_board(content))
        return _as_json(board)

    update(storage, ALERTS, changed)
    return board


def _as_json(board: Board) -> bytes:
    return json.dumps(asdict(board), default=datetime.isoformat, indent=1, ensure_ascii=False).encode()


def _board(content: bytes | None) -> Board:
    if content is None:
        return Board()
    said: dict[str, Any] = json.loads(content)
    problems = {
        key: OpenProblem(
            problem=Problem(**known["problem"] | {"severity": Severity(known["problem"]["severity"])}),
            subject=known["subject"],
            since=datetime.fromisoformat(known["since"]),
            told={channel: datetime.fromisoformat(at) for channel, at in known["told"].items()},
            over=_instant(known["over"]),
        )
        for key, known in said["problems"].items()
    }
    return Board(problems, said["teller"], _instant(said["telling_since"]))


def _instant(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)
