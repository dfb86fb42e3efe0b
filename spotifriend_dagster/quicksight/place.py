"""Where in QuickSight everything of a lake is: its account, ids and ARNs, and who may see what.

What is there is declared in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """The part of an account's QuickSight that belongs to one lake.

    `owner` is the ARN of the user or group that owns everything; `database` (of Glue) and `workgroup` (of Athena) are
    what is asked; `viewers` says by listener which users (`user/anna`) and groups (`group/family`) see their rows.
    """

    account: str
    region: str
    owner: str
    database: str
    workgroup: str
    viewers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """What every id begins with. A database's name has no hyphen, so no other lake's begins with it, too."""
        return f"{self.database}-"

    def id(self, name: str) -> str:
        """The id of what is called `name` within the lake."""
        return self.prefix + name

    def arn(self, kind: str, name: str) -> str:
        """The ARN of what is called `name` within the lake; `kind` is the ARN's own word (`dataset`)."""
        partition = self.owner.split(":")[1]
        return f"arn:{partition}:quicksight:{self.region}:{self.account}:{kind}/{self.id(name)}"

    def principal(self, viewer: str) -> str:
        """The ARN of a user or group of the owner's namespace, `user/anna` or `group/family`."""
        kind, _, name = viewer.partition("/")
        of_owner, namespace, _ = self.owner.split("/", 2)  # arn:aws:quicksight:<region>:<account>:user/<namespace>/…
        return f"{of_owner.rpartition(':')[0]}:{kind}/{namespace}/{name}"

    @property
    def readers(self) -> tuple[str, ...]:
        """The ARNs of all who see anybody's rows, but for the owner."""
        named = {self.principal(viewer) for viewers in self.viewers.values() for viewer in viewers}
        return tuple(sorted(named - {self.owner}))


def is_group(principal: str) -> bool:
    """Whether an ARN names a group."""
    return principal.split(":", 5)[5].startswith("group/")
