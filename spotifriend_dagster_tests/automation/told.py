"""Channels of tests: one that keeps what it was told, and can fail."""

from __future__ import annotations

from dataclasses import dataclass, field

from spotifriend_dagster.automation.channels import ChannelError, Message


@dataclass
class Told:
    """Keeps its messages; while `fails` is set, it takes none."""

    name: str = "told"
    messages: list[Message] = field(default_factory=list)
    fails: bool = False

    def send(self, message: Message) -> None:
        """See Channel."""
        if self.fails:
            raise ChannelError("Nobody is there.")
        self.messages.append(message)

    def subjects(self) -> list[str]:
        """The subjects since the last time that this was asked."""
        found = [message.subject for message in self.messages]
        self.messages.clear()
        return found
