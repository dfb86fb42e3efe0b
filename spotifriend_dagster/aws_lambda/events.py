"""What an invocation is asked to do: events of schedules, of people, and of S3. Doing it is in the modules beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from spotifriend_dagster.lake.storage import path_values, segments

INBOX = "inbox"
"""The folder of the lake into which people drop exports: `inbox/listener=<id>/<file>`."""

JOBS = ("poll", "daily", "rebuild")
_LONGEST_NAME = 60  # of letters of four bytes a file system takes 63, and S3 a key of it wherever it is moved
_EXAMPLE = '{"job": "poll"}, {"job": "daily"} or {"job": "rebuild"}'


class MalformedEvent(Exception):
    """Nobody can say what is wanted: one sentence."""


@dataclass(frozen=True)
class Scheduled:
    """A job is due."""

    job: str


@dataclass(frozen=True)
class Dropped:
    """Somebody put an object into the inbox."""

    key: str
    listener: str

    @property
    def file(self) -> str:
        """Its name, as its owner knows it: the end of it, where no file can be called so, or no message name it."""
        name = self.key.rpartition("/")[2][-_LONGEST_NAME:]
        return "".join(letter if letter.isprintable() else "_" for letter in name)


def read_event(event: Any, bucket: str, prefix: str) -> Scheduled | list[Dropped]:
    """What an event asks for; objects that are not dropped exports (S3's test, a folder, `inbox/failed/`) for nothing.

    Args:
        event: `{"job": …}`, or what S3 sends of created objects, itself or through EventBridge.
        bucket: that of the lake.
        prefix: where in the bucket the lake is.

    Raises:
        MalformedEvent: it is none of these.
    """
    if not isinstance(event, Mapping):
        raise MalformedEvent(f"The event is a {type(event).__name__}, and should be an object such as {_EXAMPLE}.")
    if "job" in event:
        if event["job"] not in JOBS:
            raise MalformedEvent(f"There is no job {_shown(event['job'])} here: the event should be {_EXAMPLE}.")
        return Scheduled(event["job"])
    if event.get("Event") == "s3:TestEvent":
        return []
    return [dropped for key in _created(event, bucket) if (dropped := _dropped(key, prefix))]


def _created(event: Mapping[str, Any], bucket: str) -> list[str]:
    """The keys of the objects that S3 says were created. Only S3's own notifications quote keys, as in a form."""
    try:
        if "Records" in event:
            found = [
                (record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"]))
                for record in event["Records"]
            ]
        else:
            found = [(event["detail"]["bucket"]["name"], str(event["detail"]["object"]["key"]))]
    except (KeyError, TypeError):
        names = ", ".join(sorted(map(_shown, event))[:5]) or "nothing"
        raise MalformedEvent(
            f"The event names neither a job nor a created object of S3 (it has {names}): it should be {_EXAMPLE}, or "
            "what S3 sends."
        ) from None
    for other, _ in found:
        if other != bucket:
            raise MalformedEvent(f"The event is of the bucket {_shown(other)}, and the lake is in {bucket}.")
    return [key for _, key in found]


def _dropped(key: str, prefix: str) -> Dropped | None:
    folder = f"{prefix}/{INBOX}/" if prefix else f"{INBOX}/"
    if not key.startswith(f"{folder}listener=") or key.endswith("/"):
        return None
    own = key.removeprefix(f"{prefix}/") if prefix else key
    try:
        within = segments(own)
    except ValueError:
        raise MalformedEvent(
            f"{_shown(own)} cannot be read: rename the file, without a dot at its beginning."
        ) from None
    if len(within) != 3:
        raise MalformedEvent(f"{_shown(own)} should be {INBOX}/listener=<id>/<file>: a file, not a folder.")
    return Dropped(own, path_values(within[1])["listener"])


def _shown(said: object) -> str:
    text = repr(said)
    return text if len(text) <= 60 else f"{text[:57]}…"
