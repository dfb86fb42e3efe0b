"""The faults: what breaks, how it is made to break, what is told of it, and what the lake is after the next run.

docs/reliability.md is written from this list; `test_faults.py` holds every word of it that can be tested.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from spotifriend_dagster.cleaning import recent
from spotifriend_dagster.cleaning.payloads import parse_json
from spotifriend_dagster.collecting import pulls
from spotifriend_dagster.collecting.records import PullLog
from spotifriend_dagster.demo.spotify import Fault as SpotifyFault
from spotifriend_dagster.lake import publishing, storage
from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.sources.spotify.app import SCOPES
from spotifriend_dagster_tests.aws.server import Fault as S3Fault
from spotifriend_dagster_tests.aws.server import Request, every_third
from spotifriend_dagster_tests.reliability.scene import LISTENER, Scene, process, replaced

RECENT = "/me/player/recently-played"


@dataclass(frozen=True)
class Boundary:
    """Where a process dies by SIGKILL: before a function is called, or after it was, where that call is meant.

    `table` is the name of the table that the call is about; any where it is empty.
    """

    owner: Any
    name: str
    table: str = ""
    is_after: bool = False

    def mine(self) -> None:
        """Make it the end of this process."""
        function = getattr(self.owner, self.name)

        def called(*args: Any, **kwargs: Any) -> Any:
            is_meant = not self.table or self.table in {_name(arg) for arg in args}
            if is_meant and not self.is_after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if is_meant:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(self.owner, self.name, called)


@dataclass(frozen=True)
class Named:
    """A fault.

    Attributes:
        name: for good; the test's id.
        what: what breaks.
        made: how the test makes it break.
        happen: a poll and a rebuild, with the fault in one of them.
        next: what the next poll and rebuild do about it.
        alert: what is told of it, as the subject says after the name of the listener; nothing where nobody has to know.
        is_over_told: whether the next runs tell that it is over; not where it has passed, or is mended, when told.
        still_warns: the check that does not pass as long as the fault's day is cleaned.
        lake: how the lake stands after them.
        mend: what somebody does before them; nothing else is done.
        is_of_aws: whether it happens to a lake in AWS.
    """

    name: str
    what: str
    made: str
    happen: Callable[[Scene], None]
    next: str
    alert: str = ""
    is_over_told: bool = True
    still_warns: str = ""
    lake: str = "as the twin's"
    mend: Callable[[Scene], None] | None = None
    is_of_aws: bool = False
    boundary: Boundary = field(default_factory=lambda: Boundary(None, ""), repr=False)


def _undisturbed(scene: Scene) -> None:
    scene.poll()
    scene.rebuild()


def _name(argument: Any) -> Any:
    """The name of a table, by its definition or by the key of one of its files."""
    if isinstance(argument, dict):
        return argument.get("Name")
    return argument.split("/")[1] if isinstance(argument, str) and "/" in argument else None


def _until_killed(scene: Scene, job: str, name: str) -> None:
    next(fault for fault in KILLED if fault.name == name).boundary.mine()
    scene.poll() if job == "poll" else scene.rebuild()


def _killed(  # noqa: PLR0917 - a row of the table
    name: str, what: str, made: str, job: str, next: str, boundary: Boundary
) -> Named:
    def happen(scene: Scene) -> None:
        if job == "rebuild":
            scene.poll()
        child = process(scene, _until_killed, job, name)
        child.start()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL, "It was to be killed on the way."
        scene.follow_up()
        if job == "poll":
            scene.rebuild()

    return Named(name, what, f"SIGKILL {made}", happen, next, f"A run of {job} broke off", boundary=boundary)


KILLED = (
    _killed(
        "killed-before-a-poll-is-kept",
        "A poll is killed when Spotify has answered, and nothing is kept yet",
        "before the raw object is written",
        "poll",
        "Spotify tells the same plays again",
        Boundary(pulls, "write_pull"),
    ),
    _killed(
        "killed-before-a-poll-is-recorded",
        "A poll is killed when its plays are kept, and the record of it is not",
        "between the raw object and the record of the pull",
        "poll",
        "the plays are cleaned as any others; those that the next poll tells again count once",
        Boundary(PullLog, "write"),
    ),
    _killed(
        "killed-while-cleaning",
        "A rebuild is killed while a day is cleaned",
        "when `recent_plays` is written, and `recent_pages` is not",
        "rebuild",
        "the day counts as not cleaned, and is cleaned again",
        Boundary(storage.FolderStorage, "replace", "recent_pages"),
    ),
    _killed(
        "killed-while-uniting",
        "A rebuild is killed while all sources are united",
        "when `plays` is written, and `play_hours` is not",
        "rebuild",
        "everything is united again",
        Boundary(storage.FolderStorage, "write", "play_hours"),
    ),
    _killed(
        "killed-while-writing-a-file",
        "A rebuild is killed while it writes a file",
        "when the bytes are on the disk, before the file has its name",
        "rebuild",
        "what has no name is in nobody's way, and is removed after a day",
        Boundary(os, "replace"),
    ),
    _killed(
        "killed-in-the-catalog",
        "A rebuild is killed while it defines tables",
        "after the definition of `plays`",
        "rebuild",
        "definitions that are not as they should be are written",
        Boundary(FolderCatalog, "put_if_different", "plays", is_after=True),
    ),
    _killed(
        "killed-before-publishing",
        "A rebuild is killed when an insight is written, and not published",
        "before the catalog's table is moved to the new version",
        "rebuild",
        "readers stayed on the version before; a newer one is written and published",
        Boundary(publishing, "_compare_and_set"),
    ),
    _killed(
        "killed-after-publishing",
        "A rebuild is killed when one insight is published, and others are not",
        "after the catalog's table was moved to the new version",
        "rebuild",
        "all are published",
        Boundary(publishing, "_compare_and_set", is_after=True),
    ),
)


def _at_spotify(fault: SpotifyFault, times: int | None = None, at: str = RECENT) -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        scene.server.faults.add(at, fault, times)
        _undisturbed(scene)
        scene.server.faults.clear()

    return happen


def _signed_in_again(scene: Scene) -> None:
    scene.sign_in(LISTENER)


def _consent_ended(scene: Scene) -> None:
    scene.server.revoke(LISTENER)
    _undisturbed(scene)


def _scope_missing(scene: Scene) -> None:
    scene.sign_in(LISTENER, sorted(SCOPES.keys() - {"user-read-recently-played"}))
    _undisturbed(scene)


_SPOTIFY = (
    Named(
        "spotify-fails",
        "Spotify answers with errors, for hours",
        "500 to every request of the plays",
        _at_spotify(SpotifyFault.server_error(500)),
        "the last 50 plays bring what the missed poll would have",
        f"{LISTENER}: Spotify was not polled",
    ),
    Named(
        "spotify-fails-twice",
        "Spotify answers with errors, for a moment",
        "503 twice, then the answer",
        _at_spotify(SpotifyFault.server_error(503), times=2),
        "nothing is left to do: the request was repeated",
    ),
    Named(
        "spotify-quota",
        "The app's quota at Spotify is used up",
        "429 `QUOTA_EXCEEDED`, to come back in an hour",
        _at_spotify(SpotifyFault.quota_exceeded(1), times=1),
        "nothing is asked before the hour is over; then as always",
        f"{LISTENER}: Spotify was not polled",
    ),
    Named(
        "spotify-breaks-json",
        "An answer is cut off",
        "half of the JSON of every answer",
        _at_spotify(SpotifyFault.broken_json()),
        "the last 50 plays bring what the missed poll would have",
        f"{LISTENER}: Spotify was not polled",
    ),
    Named(
        "spotify-hangs-up",
        "The connection breaks",
        "every connection is closed without an answer",
        _at_spotify(SpotifyFault.dropped()),
        "the last 50 plays bring what the missed poll would have",
        f"{LISTENER}: Spotify was not polled",
    ),
    Named(
        "consent-ended",
        "The consent has ended",
        "`invalid_grant`: the listener took it back",
        _consent_ended,
        "after `spotifriend login`, the last 50 plays bring what was missed",
        f"{LISTENER}: Spotify was not polled",
        mend=_signed_in_again,
    ),
    Named(
        "scope-missing",
        "The consent lacks the scope of the plays",
        "a consent without `user-read-recently-played`",
        _scope_missing,
        "after `spotifriend login`, the last 50 plays bring what was missed",
        f"{LISTENER}: Spotify was not polled",
        mend=_signed_in_again,
    ),
)


def _disk_full(scene: Scene) -> None:
    scene.poll()

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with replaced(os, "fsync", full):
        scene.rebuild()


def _two_at_once(scene: Scene) -> None:
    scene.poll()
    children = [process(scene, Scene.rebuild) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]


def _clock_back(scene: Scene) -> None:
    """The machine's: Spotify's goes on."""
    right = scene.server.clock
    object.__setattr__(scene.spotify, "now", lambda: right() - timedelta(hours=12))
    scene.follow("poll", [f"{scene.spotify.now():%Y-%m-%d}"])
    object.__setattr__(scene.spotify, "now", right)
    scene.rebuild()


def _newest_raw(scene: Scene) -> str:
    return max(scene.objects("recently_played"))


def _corrupt_raw(scene: Scene) -> None:
    scene.poll()
    path = scene.file(_newest_raw(scene))
    path.write_bytes(path.read_bytes()[:-20])
    scene.rebuild()


def _truncated(table: str) -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        scene.poll()
        for stored in scene.lake.storage.list(f"cleaned/{table}"):
            path = scene.file(stored.key)
            path.write_bytes(path.read_bytes()[: stored.size // 2])
        scene.rebuild()

    return happen


def _edited_catalog(scene: Scene) -> None:
    scene.poll()
    present = scene.lake.catalog.get("plays")
    assert present
    said = dict(present.table_input)
    said["StorageDescriptor"] = {**said["StorageDescriptor"], "Columns": said["StorageDescriptor"]["Columns"][:3]}
    scene.lake.catalog.put_if_different(said)
    scene.rebuild()


def _changed_answer(change: Callable[[dict[str, Any]], None]) -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        body = deepcopy(scene.server.listeners[LISTENER].recently_played.answer(scene.server.clock(), 50))
        change(body)
        _at_spotify(SpotifyFault.sent(body))(scene)

    return happen


def _more_fields(body: dict[str, Any]) -> None:
    for item in body["items"]:
        item["mood"] = {"valence": 0.5}
        item["track"]["popularity_by_country"] = [1, 2]


def _renamed(body: dict[str, Any]) -> None:
    body["plays"] = body.pop("items")


def _upgraded(scene: Scene) -> None:
    def newer(payload: str) -> Any:
        answer = parse_json(payload)
        return {"items" if name == "plays" else name: value for name, value in answer.items()}

    scene.patches.setattr(recent, "parse_json", newer)


_OTHERS = (
    Named(
        "disk-full",
        "The disk is full",
        "`ENOSPC` at every write into the lake, throughout a rebuild",
        _disk_full,
        "as if the failed run had not been",
        "rebuild failed at recent",
        is_over_told=False,
    ),
    Named(
        "two-runs-at-once",
        "Somebody runs by hand while the schedule does",
        "two processes, a rebuild each, at the same time",
        _two_at_once,
        "nothing is left to do: the lake is as after one of them",
        "Two runs of rebuild overlapped",
        is_over_told=False,
    ),
    Named(
        "clock-stepped-back",
        "The machine's clock is wrong",
        "12 hours late throughout a poll, in the night in which the clocks of Berlin go forward",
        _clock_back,
        "plays have Spotify's instants, and count once; the poll was filed by Spotify's clock",
        "The clock of the machine that polls is wrong",
    ),
    Named(
        "raw-object-damaged",
        "What was received is damaged",
        "the end of the latest raw object cut off",
        _corrupt_raw,
        "it brings the last 50 plays, and so what the object held; what is left of that is in `recent_rejects`",
        "An object of what was received is damaged",
        is_over_told=False,
    ),
    Named(
        "days-damaged",
        "A file of cleaned days is damaged",
        "the second half of `recent_plays` of the year cut off",
        _truncated("recent_plays"),
        "nothing is left to do: the rebuild that met it had made the year anew from raw",
        "A file of the lake was damaged, and is made anew",
        is_over_told=False,
    ),
    Named(
        "table-damaged",
        "A file of a cleaned table is damaged",
        "the second half of `plays` cut off",
        _truncated("plays"),
        "nothing is left to do: the rebuild that met it had replaced it",
        "A file of the lake was damaged, and is made anew",
        is_over_told=False,
    ),
    Named(
        "catalog-edited",
        "Somebody edits a table's definition",
        "columns of `plays` removed in the catalog",
        _edited_catalog,
        "nothing is left to do: the rebuild that met it had put it right",
        "Somebody had changed the definition of a table, and it is put right",
        is_over_told=False,
    ),
    Named(
        "fields-added",
        "Spotify's answers have new fields",
        "two new ones in every play",
        _changed_answer(_more_fields),
        "nothing is left to do: raw keeps them, and no table has them",
        "Spotify sends fields that SpotiFriend does not know",
        is_over_told=False,
        still_warns="no_unknown_fields",
    ),
    Named(
        "fields-renamed",
        "Spotify's answers no longer have what is needed",
        "the list of plays under another name",
        _changed_answer(_renamed),
        "once SpotiFriend is upgraded (here: taught the new name), the poll is read anew from raw",
        f"{LISTENER}: Spotify's answers could not be read",
        mend=_upgraded,
    ),
)


def _at_s3(*faults: S3Fault) -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        assert scene.aws
        scene.aws.faults.extend(replace(fault) for fault in faults)
        _undisturbed(scene)
        assert all(fault.times < _OFTEN for fault in scene.aws.faults)
        scene.aws.faults.clear()

    return happen


def _is_put_of_cleaned(asked: Request) -> bool:
    return asked.operation == "PutObject" and "cleaned/" in asked.key


_OFTEN = 10_000
_S3 = (
    Named(
        "s3-fails-now-and-then",
        "S3 answers with errors now and then",
        "500 and 503 `SlowDown` to every third request that reads, writes or lists",
        _at_s3(
            S3Fault(every_third("GetObject", "PutObject", "ListObjectsV2"), 500, "InternalError", _OFTEN),
            S3Fault(every_third("GetObject", "PutObject", "ListObjectsV2"), 503, "SlowDown", _OFTEN),
        ),
        "nothing is left to do: the requests were repeated",
        is_of_aws=True,
    ),
    Named(
        "s3-conflicts",
        "S3 refuses a write that others do at the same time, or its answer is lost",
        "409 to every third write of a raw object; 500 after every third write of a cleaned one",
        _at_s3(
            S3Fault(every_third("PutObject", key="raw/"), 409, "ConditionalRequestConflict", _OFTEN),
            S3Fault(every_third("PutObject", key="cleaned/"), 500, "InternalError", _OFTEN, is_answer_lost=True),
        ),
        "nothing is left to do: the requests were repeated, and what was written twice is there once",
        is_of_aws=True,
    ),
    Named(
        "s3-fails",
        "S3 takes nothing, for hours",
        "500 to every write of a cleaned table, throughout a rebuild",
        _at_s3(S3Fault(_is_put_of_cleaned, 500, "InternalError", _OFTEN)),
        "as if the failed run had not been",
        "rebuild failed at recent",
        is_of_aws=True,
    ),
)

FAULTS: tuple[Named, ...] = (*KILLED, *_SPOTIFY, *_S3, *_OTHERS)
