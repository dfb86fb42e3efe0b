"""Who is told of what, and how often: the same problem is neither passed over nor told at every run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotifriend_dagster.automation.alerts import Finding, Problem, Severity, open_problems, tell
from spotifriend_dagster.automation.channels import Message
from spotifriend_dagster.lake.storage import FolderStorage, StorageFull
from spotifriend_dagster_tests.automation.told import Told

NOON = datetime(2025, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENDING = Problem("consent/anna", Severity.ERROR, "anna", "Consent ends\n7 days are left.", "No plays.", "Sign in.")
FOUND = Finding("consent", (ENDING,))
GONE = Finding("consent")


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    """An empty lake."""
    return FolderStorage(tmp_path)


def told_at(storage: FolderStorage, problem: Problem, hours: range) -> list[int]:
    """The hours at which somebody is told of a problem that each run finds again."""
    channel = Told()
    for hour in hours:
        tell(storage, [Finding("subject", (problem,))], [channel], NOON + hour * HOUR)
    return [int((message.at - NOON) / HOUR) for message in channel.messages]


@pytest.mark.parametrize(
    ("severity", "hours"), [("error", list(range(0, 193, 24))), ("warning", [0, 168]), ("notice", [0])]
)
def test_what_lasts_is_told_again_but_not_at_every_run(storage: FolderStorage, severity: str, hours: list[int]) -> None:
    """Runs every six hours under an error that lasts eight days: a message each day, not thirty."""
    assert told_at(storage, replace(ENDING, severity=Severity(severity)), range(0, 193, 6)) == hours


def test_an_all_clear_is_told_once_to_whoever_was_told(storage: FolderStorage) -> None:
    """Who was told of a problem wants to know that it is over; who was not, does not."""
    told, late = Told("told"), Told("late")
    tell(storage, [FOUND], [told], NOON)
    late.fails = True
    tell(storage, [GONE], [told, late], NOON + HOUR)
    late.fails = False
    tell(storage, [GONE], [told, late], NOON + 2 * HOUR)
    assert [message.text.splitlines()[0] for message in told.messages] == [
        "anna: Consent ends",
        "anna: Over since 2025-04-01 13:00 UTC: Consent ends",
    ]
    assert late.messages == []
    assert open_problems(storage) == []
    tell(storage, [FOUND], [told], NOON + 3 * HOUR)  # and it may begin again
    assert len(told.messages) == 3


def test_nothing_found_of_a_subject_leaves_it_as_it_is(storage: FolderStorage) -> None:
    """A poll knows nothing of a failed rebuild: only who judges a subject can say that it is over."""
    channel = Told()
    tell(storage, [FOUND], [channel], NOON)
    assert tell(storage, [Finding("another")], [channel], NOON + HOUR) == []
    assert [known.problem for known in open_problems(storage)] == [ENDING]


def test_what_grows_graver_is_told_at_once(storage: FolderStorage) -> None:
    """Thirty days of consent are a warning, told weekly; at seven it cannot wait for the week to end."""
    channel = Told()
    warning = Finding("consent", (replace(ENDING, severity=Severity.WARNING),))
    tell(storage, [warning], [channel], NOON)
    tell(storage, [warning], [channel], NOON + HOUR)
    tell(storage, [FOUND], [channel], NOON + 2 * HOUR)
    tell(storage, [warning], [channel], NOON + 3 * HOUR)
    assert [message.at for message in channel.messages] == [NOON, NOON + 2 * HOUR]


def test_two_at_once_tell_once(storage: FolderStorage) -> None:
    """A command's end and the daemon's sensor see the same run at the same moment."""
    channels = [Told() for _ in range(8)]
    together = threading.Barrier(8)

    def run(channel: Told) -> None:
        together.wait()
        tell(storage, [FOUND], [channel], NOON)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, channels))
    assert sum(len(channel.messages) for channel in channels) == 1


def test_what_another_finds_meanwhile_is_told_by_who_is_telling(storage: FolderStorage) -> None:
    """A run that ends while another one's message is on its way loses nothing, and waits for nobody."""
    other = Problem("gap/ben", Severity.WARNING, "ben", "A gap", "Minimums.", "An export.")

    class Slow(Told):
        def send(self, message: Message) -> None:
            if not self.messages:
                assert tell(storage, [Finding("gap", (other,))], [Told()], NOON) == []
            super().send(message)

    channel = Slow()
    assert len(tell(storage, [FOUND], [channel], NOON)) == 2
    assert [[problem["key"] for problem in message.problems] for message in channel.messages] == [
        ["consent/anna"],
        ["gap/ben"],
    ]


def test_a_channel_that_fails_is_told_later_and_the_others_not_twice(storage: FolderStorage) -> None:
    """Slack is down for an hour: its message comes with the next run, and the mail has come once."""
    mail, slack = Told("mail"), Told("slack", fails=True)
    tell(storage, [FOUND], [mail, slack], NOON)
    slack.fails = False
    tell(storage, [FOUND], [mail, slack], NOON + HOUR)
    tell(storage, [FOUND], [mail, slack], NOON + 2 * HOUR)
    assert [message.at for message in mail.messages] == [NOON]
    assert [message.at for message in slack.messages] == [NOON + HOUR]


def test_who_is_killed_while_telling_silences_nobody_for_long(storage: FolderStorage) -> None:
    """Nobody knows whether the message went out: it is sent again, as one too many does less harm than none."""

    class Killed(BaseException):
        pass

    class Deadly(Told):
        def send(self, message: Message) -> None:
            raise Killed

    with pytest.raises(Killed):
        tell(storage, [FOUND], [Deadly()], NOON)
    channel = Told()
    tell(storage, [FOUND], [channel], NOON + timedelta(minutes=9))
    assert channel.messages == []
    tell(storage, [FOUND], [channel], NOON + timedelta(minutes=11))
    assert len(channel.messages) == 1


def test_a_lake_that_cannot_be_written_is_told_of(storage: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk fails the run and keeps no state: the message must go out nevertheless."""

    def full(*_: object) -> bool:
        raise StorageFull("No space is left.")

    monkeypatch.setattr(FolderStorage, "write_new", full)
    channel = Told()
    assert len(tell(storage, [FOUND], [channel], NOON)) == 1
    assert channel.subjects() == ["SpotiFriend: anna: Consent ends"]


def test_one_message_says_all_and_the_same_thing_once(storage: FolderStorage) -> None:
    """Twelve sources stopped by one quota are one sentence; what happened, to whom, what it costs, what to do."""
    stopped = [
        replace(ENDING, key=f"pull/{source}/{listener}", listener=listener, what="Stopped\nUntil noon.")
        for source in ("tops", "library")
        for listener in ("ben", "anna")
    ]
    minor = replace(ENDING, key="fields", severity=Severity.NOTICE, listener=None, what="New fields")
    channel = Told()
    tell(storage, [Finding("fields", (minor,)), *(Finding(one.key, (one,)) for one in stopped)], [channel], NOON)
    (message,) = channel.messages
    assert message.subject == "SpotiFriend: anna, ben: Stopped (and 1 more)"
    assert message.text == (
        "anna, ben: Stopped\nUntil noon.\nWhat it costs: No plays.\nWhat to do: Sign in.\n\n"
        "New fields\nWhat it costs: No plays.\nWhat to do: Sign in."
    )
    assert [problem["key"] for problem in message.problems][-1] == "fields"


def test_what_has_passed_is_told_and_done_with(storage: FolderStorage) -> None:
    """A file that was damaged, and is made anew: nobody waits for its end, and a disk that goes on is told weekly."""
    channel, late = Told("told"), Told("late", fails=True)
    mended = Finding("file", (replace(ENDING, severity=Severity.WARNING, has_passed=True),))
    for hour in (0, 24, 167, 168):
        tell(storage, [mended], [channel], NOON + hour * HOUR)
        tell(storage, [Finding("file")], [channel], NOON + (hour + 1) * HOUR)
    assert [message.at for message in channel.messages] == [NOON, NOON + 168 * HOUR]
    tell(storage, [], [channel, late], NOON + 169 * HOUR)
    late.fails = False
    tell(storage, [], [channel, late], NOON + 170 * HOUR)  # who took nothing is told later, all the same
    tell(storage, [], [channel, Told("new")], NOON + 24 * 30 * HOUR)
    assert (len(channel.messages), len(late.messages)) == (2, 1)
    assert open_problems(storage) == []


def test_what_is_new_is_told_once_and_for_good(storage: FolderStorage) -> None:
    """A field that Spotify has begun to send is found every night, and for years."""
    mood, key = (replace(ENDING, key=f"field/{name}", severity=Severity.NOTICE, has_passed=True) for name in "mk")
    channel = Told()
    for day in (0, 1, 8, 800):
        tell(storage, [Finding(mood.key, (mood,))], [channel], NOON + 24 * day * HOUR)
    tell(storage, [Finding(mood.key, (mood,)), Finding(key.key, (key,))], [channel], NOON + 24 * 801 * HOUR)
    assert [[problem["key"] for problem in message.problems] for message in channel.messages] == [
        ["field/m"],
        ["field/k"],
    ]


def test_what_differs_in_its_details_alone_is_said_once_with_all_of_them(storage: FolderStorage) -> None:
    """Thirty new fields, or thirty edited tables, are one paragraph with one cure."""
    fields = [replace(ENDING, key=name, listener=None, what=f"New fields\n{name}") for name in ("mood", "key")]
    channel = Told()
    tell(storage, [Finding("fields", tuple(fields))], [channel], NOON)
    (message,) = channel.messages
    assert message.text == "New fields\nmood\nkey\nWhat it costs: No plays.\nWhat to do: Sign in."
    assert message.subject == "SpotiFriend: New fields"
