"""Where messages go: a log, a file, a topic of SNS, a web address. What is said, and when, is in `alerts.py`.

A channel that fails never fails a run. A web address may hold a secret, so no error and no log names one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

_TIMEOUT_SECONDS = 10
_LONGEST_SUBJECT = 100  # as SNS has it

log = logging.getLogger("spotifriend.alerts")


class ChannelError(Exception):
    """A message could not be sent; the sentence names no secret."""


@dataclass(frozen=True)
class Message:
    """What is told at once: a line, and all of it as text. `problems` says the same for programs; `at` is UTC."""

    subject: str
    text: str
    problems: tuple[Mapping[str, Any], ...]
    at: datetime


class Channel(Protocol):
    """Somewhere to tell things. `name` is the same for good: by it the lake knows who was told."""

    @property
    def name(self) -> str:
        """What the channel is called."""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            ChannelError: it could not be sent.
        """


def delivered(channel: Channel, message: Message) -> bool:
    """Send a message; whether that went well. Nothing is raised: what is told of must not fail because of telling."""
    try:
        channel.send(message)
    except ChannelError as error:
        log.warning("%s", error)
    except Exception as error:  # its text may hold an address
        log.warning("The channel %s failed (%s).", channel.name, type(error).__name__)
    else:
        return True
    return False


@dataclass(frozen=True)
class LogChannel:
    """This process's log."""

    name: str = "log"

    def send(self, message: Message) -> None:
        """See Channel."""
        log.warning("%s", message.text)  # its first line is the subject


@dataclass(frozen=True)
class FileChannel:
    """A file of JSON Lines, one for each message, the newest last."""

    path: Path
    name: str = "file"

    def send(self, message: Message) -> None:
        """See Channel."""
        line = json.dumps(_plain(message), ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:  # one write at the end: two at once do not mix
                file.write(line.encode())
        except OSError as error:
            raise ChannelError(f"{self.path} cannot be written: {error.strerror}.") from error


@dataclass(frozen=True)
class TopicChannel:
    """A topic of SNS, by its ARN; `clients` are AWS's, as `lake/aws.py` makes them."""

    clients: Any
    topic: str
    name: str = "topic"

    def send(self, message: Message) -> None:
        """See Channel."""
        from spotifriend_dagster.lake.aws import translated  # noqa: PLC0415 - boto3 is heavy

        plain = message.subject.encode("ascii", "replace").decode()
        subject = plain if len(plain) <= _LONGEST_SUBJECT else plain[: _LONGEST_SUBJECT - 3] + "..."
        with translated(ChannelError, f"No alert could be sent to {self.topic}"):
            self.clients.client("sns").publish(TopicArn=self.topic, Subject=subject, Message=message.text)


@dataclass(frozen=True)
class WebhookChannel:
    """A web address that takes JSON: Slack's incoming webhooks (which read `text`), and any other."""

    address: str = field(repr=False)
    name: str = "webhook"

    def send(self, message: Message) -> None:
        """See Channel."""
        import requests  # noqa: PLC0415 - heavy

        said = _plain(message) | {"text": f"*SpotiFriend:* {message.text}"}
        try:
            answer = requests.post(self.address, json=said, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        except requests.RequestException as error:  # its text names the address
            raise ChannelError(f"SPOTIFRIEND_ALERT_WEBHOOK could not be reached ({type(error).__name__}).") from None
        if not 200 <= answer.status_code < 300:
            raise ChannelError(
                f"SPOTIFRIEND_ALERT_WEBHOOK answered {answer.status_code}: check that the address is still valid."
            )


def _plain(message: Message) -> dict[str, Any]:
    return asdict(message) | {"at": message.at.isoformat(timespec="seconds")}
