"""What the handler makes of its time, of failures, and of what is dropped: on a lake in a folder, with few assets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import dagster as dg
import pytest

from spotifriend_dagster import aws_lambda
from spotifriend_dagster.assets.cleaned import recent_asset
from spotifriend_dagster.assets.collected import collected_assets
from spotifriend_dagster.assets.raw import streaming_history
from spotifriend_dagster.assets.specs import accepted_beta
from spotifriend_dagster.automation.channels import Message
from spotifriend_dagster.automation.failures import no_retry_of
from spotifriend_dagster.automation.staleness import stale_days
from spotifriend_dagster.aws_lambda import InvocationFailed, handler, inbox, work
from spotifriend_dagster.aws_lambda.deadline import LAST_SECONDS
from spotifriend_dagster.aws_lambda.events import read_event
from spotifriend_dagster.aws_lambda.work import ANSWERING_SECONDS, Project, portions
from spotifriend_dagster.definitions import build_home, build_spotify
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.lease import FORGETTING, IMPORTING, holder_of, lease
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.lake.storage import StorageError
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.sources.errors import PermanentError
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster_tests.aws.server import REGION
from spotifriend_dagster_tests.aws_lambda.runtime import ARN, LambdaFunction

FIRST = date(2025, 1, 1)
DAYS = days_from(FIRST)
PLAYS = [{"played_at": "2025-01-01T00:00:00.000Z", "track": {"id": "x", "uri": "spotify:track:x", "name": "X"}}]


@dataclass
class Given:
    """What Lambda hands over. `left` is how many seconds there are for work, each time that it is asked."""

    left: Callable[[], float] = lambda: 800.0
    aws_request_id: str = "first"
    function_name: str = "spotifriend-daily"
    invoked_function_arn: str = ARN

    def get_remaining_time_in_millis(self) -> int:
        return int((self.left() + LAST_SECONDS) * 1000)


@dataclass
class Told:
    """A channel that remembers."""

    name: str = "told"
    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.messages.append(message)


@dataclass
class Function:
    """The function's project, with a step that follows the import and the rebuild, and does what a test wants."""

    project: Project
    told: Told
    then: Callable[[], None] = lambda: None
    times_answered: int = 0

    @property
    def storage(self) -> Any:
        return self.project.home.lake.storage

    def drop(self, file: str, content: bytes = b"", listener: str = "robin") -> dict[str, Any]:
        """Put a file into the inbox; gives what S3 then sends."""
        key = f"inbox/listener={listener}/{file}"
        self.storage.write(key, content)
        return {"source": "aws.s3", "detail": {"bucket": {"name": "lake"}, "object": {"key": key}}}

    def keys(self, folder: str) -> list[str]:
        return [stored.key for stored in self.storage.list(folder)]

    def texts(self) -> list[str]:
        return [message.text for message in self.told.messages]


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """A function on a new lake of one listener; its address is one of Lambda's on this machine."""
    settings = Settings(home=tmp_path / "home", bucket="lake", region=REGION, first_day=FIRST)
    home, told = build_home(settings), Told()
    object.__setattr__(home, "channels", (told,))
    home.listeners.add("robin", "Robin", "Europe/London")

    @dg.asset(key=["insights", "answer"])
    def answer() -> None:
        made.times_answered += 1
        made.then()

    with accepted_beta("backfill_policy"):
        assets = [streaming_history, collected_assets(DAYS)[0], recent_asset(DAYS), answer]
    hook = no_retry_of((PermanentError,))
    daily, history = dg.AssetSelection.groups("cleaned"), dg.AssetSelection.assets(streaming_history)
    answers = dg.AssetSelection.assets(answer)
    definitions = dg.Definitions(
        assets=[asset.with_hooks({hook}) for asset in assets],
        jobs=[
            dg.define_asset_job("clean", daily),
            dg.define_asset_job("rebuild", daily | answers),
            dg.define_asset_job("answer", answers),
            dg.define_asset_job("import_export", history | answers),
        ],
        resources={
            "lake": home.lake,
            "listeners": home.listeners,
            "spotify": build_spotify(settings, home),
            "table_io_manager": TableIOManager(home.lake.storage),
        },
        executor=dg.in_process_executor,
        loggers=work._LOGGERS,
    )
    made = Function(Project(settings, home, build_spotify(settings, home), definitions), told)
    monkeypatch.setattr(aws_lambda, "project", lambda: made.project)
    yield made


def receive(function: Function, days: list[date]) -> None:
    """A poll of each day."""
    for day in days:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        write_pull(function.storage, RECENTLY_PLAYED, "robin", at, [("/v1/me/player/recently-played", {"items": []})])


def test_portions_span_few_days_of_the_calendar() -> None:
    """A run cleans all days between its first and its last: two stale ones years apart are two runs."""
    assert portions([]) == []
    assert portions(["2025-01-01", "2025-03-01", "2025-03-02"]) == [["2025-01-01", "2025-03-01"], ["2025-03-02"]]
    assert portions(["2020-05-01", "2025-01-01"]) == [["2020-05-01"], ["2025-01-01"]]


def test_a_long_rebuild_stops_while_there_is_time_and_goes_on_in_the_next_invocation(
    function: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda's 15 minutes must not be the longest outage after which anybody catches up; answers come with the last."""
    days = [FIRST + timedelta(60 * number) for number in range(4)]
    receive(function, days)
    times = iter([800.0] * 6 + [0.0])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with LambdaFunction(tmp_path, {}, tmp_path / "log.txt") as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://{service.address}")
        said = handler({"job": "rebuild"}, Given(lambda: next(times, 0.0) or 1.0))["said"]
        left = stale_days(function.storage)
        assert 0 < len(left) < len(days)
        assert said[-1] == f"{len(days) - len(left)} of 4 days are clean, the others are left."
        assert (function.times_answered, service.invoked) == (0, [{"job": "rebuild"}])
        handler(service.invoked[0], Given(aws_request_id="second"))
        assert stale_days(function.storage) == []
        assert (function.times_answered, len(service.invoked)) == (1, 1)
    assert function.told.messages == []


def test_with_too_little_time_to_answer_the_last_portion_is_left_as_well(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days that are stale are how the lake says that answers are due: the last one stays so until they come."""
    receive(function, [FIRST, FIRST + timedelta(60)])
    went_on: list[str] = []
    monkeypatch.setattr(aws_lambda, "_go_on", lambda _work: went_on.append("on"))
    handler({"job": "rebuild"}, Given(lambda: ANSWERING_SECONDS - 1))
    assert (stale_days(function.storage), function.times_answered) == (["2025-03-02"], 0)
    assert went_on == ["on"]


def test_a_day_that_asked_for_long_leaves_the_rebuild_to_the_next_invocation(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted, the whole day would be tried again: asking again would take as long again."""
    went_on: list[str] = []
    monkeypatch.setattr(aws_lambda, "_go_on", lambda _work: went_on.append("on"))
    handler({"job": "daily"}, Given(lambda: ANSWERING_SECONDS - 1))
    assert (function.times_answered, went_on) == (0, ["on"])
    handler({"job": "daily"}, Given())
    assert (function.times_answered, went_on) == (1, ["on"])


def test_where_nothing_gets_done_no_invocation_follows(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that invokes itself without getting further would do so for ever, and cost."""
    monkeypatch.setattr(aws_lambda, "_go_on", lambda _work: pytest.fail("It goes on, and gets nowhere."))
    receive(function, [FIRST, FIRST + timedelta(60)])
    monkeypatch.setattr(work, "run_job", lambda *_, **__: time.sleep(5))
    with pytest.raises(InvocationFailed, match="The time of this invocation is over before the work is done"):
        handler({"job": "rebuild"}, Given(lambda: 0.2))
    assert len(stale_days(function.storage)) == 2


def test_a_run_is_interrupted_before_lambda_kills_it(function: Function) -> None:
    """Killed, it could neither let go of its lease, nor tell; and the next attempt would meet its own lease."""
    function.then = lambda: time.sleep(30)
    began = time.monotonic()
    with pytest.raises(InvocationFailed, match="The time of this invocation is over"):
        handler({"job": "rebuild"}, Given(lambda: 0.5))
    assert time.monotonic() - began < 10
    (told,) = function.texts()
    assert "was interrupted; nothing is half-written" in told
    function.then = lambda: None
    assert handler({"job": "rebuild"}, Given(aws_request_id="second"))["outcome"] == "done"
    assert [problem["is_over"] for problem in function.told.messages[-1].problems] == [True]


def test_a_schedule_that_fires_twice_says_so_and_succeeds(function: Function) -> None:
    """Raised, it would be tried again, and be in the queue of the dead in the end."""
    with lease(function.storage, "rebuild", holder="another", seconds=60, now=datetime.now(UTC)):
        answer = handler({"job": "rebuild"}, Given())
    assert answer["outcome"] == "done"
    assert answer["said"][0].startswith("rebuild is at work already, as another, until ")
    assert (function.times_answered, function.told.messages) == (0, [])


@pytest.mark.parametrize("is_permanent", [True, False], ids=["permanent", "transient"])
def test_what_fails_is_told_and_raised_only_where_trying_again_may_help(function: Function, is_permanent: bool) -> None:
    """Lambda tries again what raises: of a consent that has ended it would be in vain, and tell twice."""
    error = PermanentError("The consent has ended: sign in.") if is_permanent else StorageError("The lake is away.")

    def fail() -> None:
        raise error

    function.then = fail
    if is_permanent:
        answer = handler({"job": "rebuild"}, Given())
        assert answer["outcome"] == "failed"
        assert answer["said"][-1] == f"insights/answer: {error}"
    else:
        for _ in range(3):  # as often as Lambda tries
            with pytest.raises(InvocationFailed, match=r"^insights/answer: The lake is away\.$") as raised:
                handler({"job": "rebuild"}, Given())
            assert raised.value.__suppress_context__
    (told,) = function.texts()
    assert str(error) in told
    records = function.keys("health/dt=" + f"{datetime.now(UTC):%Y-%m-%d}")
    assert len(records) == (1 if is_permanent else 3)


def test_what_goes_wrong_outside_of_runs_is_told_before_it_is_raised(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run has a record of it, and no event."""

    def fail(*_: Any) -> list[str]:
        raise StorageError("The lake cannot be listed.")

    monkeypatch.setattr(work, "stale_days", fail)
    with pytest.raises(InvocationFailed, match=r"^The lake cannot be listed\.$"):
        handler({"job": "rebuild"}, Given())
    (told,) = function.texts()
    assert told.startswith("spotifriend-daily: The lake cannot be listed.")


def test_a_malformed_event_is_told_once_and_not_tried_again(function: Function) -> None:
    """One sentence, no traceback; once a day, as long as it comes; and an all-clear after the next good one."""
    for _ in range(2):
        answer = handler({"jbo": "poll"}, Given())
        assert answer["outcome"] == "failed"
    (told,) = function.texts()
    assert "The event names neither a job nor a created object of S3" in told
    assert "Correct what sends the event." in told
    assert handler({"job": "poll"}, Given())["said"] == [
        "Nobody is signed in to Spotify, so nothing is collected: spotifriend login"
    ]
    assert [problem["is_over"] for problem in function.told.messages[-1].problems] == [True]


EXPORT = json.dumps(
    [{"ts": "2024-05-01T10:00:00Z", "ms_played": 60000, "spotify_track_uri": "spotify:track:x", "ip_addr": "1.2.3.4"}]
).encode()


def test_a_dropped_export_imports_itself_says_so_and_is_removed(function: Function) -> None:
    """Its rows are in the lake; the rest of it, addresses and all, must not stay."""
    event = function.drop("endsong_0.json", EXPORT)
    answer = handler(event, Given())
    assert answer["outcome"] == "done"
    assert function.texts() == ["1 rows of endsong_0.json are imported for robin."]
    assert function.keys("inbox") == []
    assert len(function.keys("raw/streaming_history/listener=robin")) == 1
    assert handler(event, Given())["said"] == [
        "inbox/listener=robin/endsong_0.json is not there any more: it was dealt with already, or taken away."
    ]
    assert len(function.told.messages) == 1


@pytest.mark.parametrize(
    ("file", "content", "listener", "reason"),
    [
        ("holiday.zip", b"PK nonsense", "robin", "holiday.zip"),
        ("notes.json", b"{}", "robin", "holds no streaming history"),
        ("endsong_0.json", EXPORT, "nobody", "names no listener 'nobody'"),
        ("endsong_0.json", EXPORT, "Kim Ä", "names no listener 'Kim Ä'"),
        ("endsong_0.json", b"", "robin", "is empty"),
    ],
    ids=["no-zip", "no-history", "no-listener", "no-id", "nothing"],
)
def test_what_is_no_export_is_set_aside_with_the_reason_beside_it(
    function: Function, file: str, content: bytes, listener: str, reason: str
) -> None:
    """Nothing is lost, and nothing is tried again: it would fail again."""
    answer = handler(function.drop(file, content, listener), Given())
    assert answer["outcome"] == "done"
    moved, beside = function.keys("inbox")
    assert moved.startswith(f"inbox/failed/listener={listener}/") and moved.endswith(f"-{file}")
    assert beside == f"{moved}.reason.txt"
    assert function.storage.read(moved) == content
    assert reason in function.storage.read(beside).decode()
    assert reason in function.texts()[-1]
    assert function.keys("raw") == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("my+data (1) ä&=%.json", "my+data (1) ä&=%.json"),
        ("Streaming History\nof a year.json", "Streaming History_of a year.json"),
        ("ä" * 300 + ".json", "ä" * 55 + ".json"),
    ],
    ids=["letters-of-forms", "line", "long"],
)
def test_a_file_may_be_called_as_its_owner_likes(key: str, said: str) -> None:
    """S3 takes names that neither a file system nor the subject of a message does, and quotes them as forms do."""
    whole = f"inbox/listener=robin/{key}"
    record = {"s3": {"bucket": {"name": "lake"}, "object": {"key": quote_plus(whole)}}}
    (dropped,) = read_event({"Records": [record]}, "lake", "")  # type: ignore[misc]
    assert (dropped.key, dropped.file) == (whole, said)
    assert len(dropped.file.encode()) <= 255


def test_a_name_with_letters_of_forms_is_imported_and_removed(function: Function) -> None:
    """Read wrongly, it would be looked for under another key, and stay for good."""
    event = function.drop("my+data (1) ä&=%.json", EXPORT)
    said = handler(event, Given())["said"]
    assert said[-1] == "1 rows of my+data (1) ä&=%.json are imported for robin."
    assert function.keys("inbox") == []


def test_the_same_export_dropped_twice_is_there_once(function: Function) -> None:
    """Under another name, by somebody who was not sure: its rows are united by what they are."""
    for file in ("endsong_0.json", "endsong_0 (1).json"):
        assert handler(function.drop(file, EXPORT), Given())["outcome"] == "done"
    assert len(function.keys("raw/streaming_history/listener=robin")) == 1
    assert (function.keys("inbox"), len(function.told.messages)) == ([], 2)


def test_a_file_that_is_dropped_anew_while_it_is_imported_is_not_lost(function: Function) -> None:
    """The event of the new one finds the old one's lease, and ends; removed with the old one, nobody would have it."""
    event = function.drop("endsong_0.json", EXPORT)
    newer = EXPORT.replace(b"2024-05-01", b"2024-05-02")

    def drop_anew() -> None:
        if function.times_answered == 1:
            again = handler(function.drop("endsong_0.json", newer), Given(aws_request_id="second"))
            assert "is at work already, as first" in again["said"][0]

    function.then = drop_anew
    said = handler(event, Given())["said"]
    assert "endsong_0.json was dropped anew while it was being imported, so it is imported again." in said
    assert len(function.keys("raw/streaming_history/listener=robin")) == 2
    assert (function.keys("inbox"), len(function.told.messages)) == ([], 1)


def test_an_export_that_vanishes_before_it_is_read_is_said_and_no_failure(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken away by its owner: trying again would tell of a failure where there is none."""
    event = function.drop("endsong_0.json", EXPORT)
    look = inbox._stored

    def vanished(*asked: Any) -> Any:
        found = look(*asked)
        function.storage.delete(function.keys("inbox"))
        return found

    monkeypatch.setattr(inbox, "_stored", vanished)
    answer = handler(event, Given())
    assert answer["outcome"] == "done"
    assert answer["said"] == [
        "inbox/listener=robin/endsong_0.json is not there any more: it was dealt with already, or taken away."
    ]
    assert function.told.messages == []


def test_an_export_that_the_disk_cannot_hold_stays_is_told_and_tried_again(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier invocation left on it may be gone by then; half a zip must not pass for a broken one."""
    event = function.drop("endsong_0.json", EXPORT)
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "disk_usage", lambda _folder: SimpleNamespace(free=len(EXPORT) - 1))
        with pytest.raises(InvocationFailed, match=r"the disk of .* has 0 MB left"):
            handler(event, Given())
    assert function.keys("inbox") == ["inbox/listener=robin/endsong_0.json"]
    assert "endsong_0.json is not imported yet" in function.texts()[0]
    assert handler(event, Given())["outcome"] == "done"
    assert function.keys("inbox") == []


def test_an_export_of_which_a_file_cannot_be_read_is_imported_and_set_aside(function: Function) -> None:
    """Removed, what could not be read would be lost."""
    broken = EXPORT[:-1] + b', "no row"]'
    handler(function.drop("endsong_0.json", broken), Given())
    assert len(function.keys("raw/streaming_history/listener=robin")) == 1
    _, reason = function.keys("inbox/failed/listener=robin")
    said = function.storage.read(reason).decode()
    assert said.startswith("2 rows of endsong_0.json are imported for robin. But: ")


def test_an_export_stays_in_the_inbox_while_trying_again_may_help(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda tries again; what comes after the import fails without it."""
    event = function.drop("endsong_0.json", EXPORT)

    def fail(*_: Any) -> None:
        raise StorageError("The lake is away.")

    with monkeypatch.context() as patched:
        patched.setattr("spotifriend_dagster.assets.raw.history_key", fail)
        with pytest.raises(InvocationFailed, match="The lake is away"):
            handler(event, Given())
    assert function.keys("inbox") == ["inbox/listener=robin/endsong_0.json"]
    function.then = fail
    with pytest.raises(InvocationFailed, match="The lake is away"):
        handler(event, Given())
    assert function.keys("inbox") == []
    assert "is made by the next run, because a step after the import failed" in function.texts()[-1]


def test_nothing_is_imported_while_somebody_is_forgotten(function: Function) -> None:
    """What is answered then would have the rows of whoever has just gone. It waits in the inbox, and is tried again."""
    event = function.drop("endsong_0.json", EXPORT)
    with lease(function.storage, FORGETTING, holder="forget on a machine", seconds=60, now=datetime.now(UTC)):
        with pytest.raises(InvocationFailed, match=r"endsong_0\.json is not imported yet, because forget on a machine"):
            handler(event, Given())
        assert (function.keys("inbox"), function.keys("raw")) == (["inbox/listener=robin/endsong_0.json"], [])
    assert handler(event, Given())["outcome"] == "done"
    assert function.keys("inbox") == [] and len(function.keys("raw/streaming_history/listener=robin")) == 1


def test_whoever_forgets_sees_an_export_that_is_being_imported(function: Function) -> None:
    """Both take their lease before they look for the other's: one sees the other, whoever began first."""
    seen: list[str | None] = []
    function.then = lambda: seen.append(holder_of(function.storage, IMPORTING, datetime.now(UTC)))
    handler(function.drop("endsong_0.json", EXPORT), Given())
    (holder,) = seen
    assert holder and holder.startswith("first is at work until ")
    assert holder_of(function.storage, IMPORTING, datetime.now(UTC)) is None


def test_one_export_that_fails_keeps_no_other_from_being_imported(function: Function) -> None:
    """S3 may tell of several at once."""
    good, bad = function.drop("endsong_0.json", EXPORT), function.drop("bad.zip", b"PK")
    records = [{"s3": {"bucket": {"name": "lake"}, "object": event["detail"]["object"]}} for event in (bad, good)]
    assert handler({"Records": records}, Given())["outcome"] == "done"
    assert len(function.keys("raw/streaming_history/listener=robin")) == 1
    assert len(function.keys("inbox/failed/listener=robin")) == 2


def test_what_is_too_large_to_be_an_export_stays_and_is_told(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither memory nor /tmp would hold it: so it is not even moved away, for whomever it is."""
    monkeypatch.setattr(inbox, "LARGEST_BYTES", 10)
    handler(function.drop("film.mkv", b"0" * 11, "nobody"), Given())
    assert function.keys("inbox") == ["inbox/listener=nobody/film.mkv"]
    (told,) = function.texts()
    assert "more than any export of Spotify's: it stays where it is" in told
