"""The people whose listening the lake keeps: listeners.toml, which people write themselves.

Settings of the environment are in `settings.py`; what a time zone's history means is in `cleaning/time_zones.py`.
"""

import json
import os
import re
import shutil
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from spotifriend_dagster.cleaning.time_zones import UnknownTimeZone, ZoneHistory
from spotifriend_dagster.settings import SettingsError

_VIEWER = re.compile(r"(user|group)/[^,\s']+")  # QuickSight takes a comma for the end of a value
LISTENER_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HEADER = re.compile(r"""\s*\[\[?\s*["']?(?P<id>[^"'\].\s]+)["']?\s*[\].]""")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Listener:
    """One person whose listening the lake keeps.

    `zones` says which time zone was valid for them at which instant; `quicksight` which users and groups of QuickSight
    see their rows.
    """

    id: str
    display_name: str
    zones: ZoneHistory
    include_private_sessions: bool = False
    quicksight: tuple[str, ...] = ()


class Document(Protocol):
    """A text that is kept elsewhere than in a file: in the lake itself. Its `str` is what people call it."""

    def read(self) -> bytes | None:
        """Its content; None where there is none."""

    def write(self, content: bytes) -> None:
        """Replace it in one step."""


@dataclass(frozen=True)
class ListenersFile:
    """listeners.toml: read when a run needs it, so that an edit counts from the next run on."""

    path: Path | Document

    def read(self) -> dict[str, Listener]:
        """The listeners by id; none where there is no file.

        Raises:
            SettingsError: the file cannot be read, or says something that it may not.
        """
        try:
            document = tomllib.loads((self._content() or b"").decode("utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{self.path} cannot be read as TOML ({error}): correct it there.") from None
        return {id_: self._listener(id_, said) for id_, said in document.items()}

    def get(self, listener: str) -> Listener:
        """The listener of that id.

        Raises:
            SettingsError: there is none.
        """
        listeners = self.read()
        if listener not in listeners:
            known = ", ".join(sorted(listeners)) or "none yet"
            raise SettingsError(
                f"{self.path} names no listener {listener!r} (it names: {known}): add a section [{listener}] with a "
                f"time_zone, or import with --zone."
            )
        return listeners[listener]

    def add(self, listener: str, display_name: str, zones: str | list[tuple[datetime | None, str]]) -> None:
        """Append a listener to the file; what is in it stays as it is.

        Args:
            listener: the id.
            display_name: the name that people read.
            zones: a time zone, or several with the instant from which each is valid (a naive one is on its clock).

        Raises:
            SettingsError: the id, the name or a zone is not allowed, the file names the listener already, or it cannot
                be read or written.
        """
        if listener in self.read():
            raise SettingsError(f"{self.path} names the listener {listener!r} already: change the section there.")
        said: Any = zones
        if not isinstance(zones, str):
            said = [{"zone": name} | ({} if since is None else {"valid_from": since}) for since, name in zones]
        self._listener(listener, {"display_name": display_name, "time_zone": said})
        name = json.dumps(display_name, ensure_ascii=False)  # a text of JSON is one of TOML
        section = f"[{listener}]\ndisplay_name = {name}\ntime_zone = {_time_zone_toml(zones)}\n"
        try:
            before = self._content()
            self._replace((_LISTENERS_HEADER.encode() if before is None else before + b"\n") + section.encode())
        except OSError as error:
            raise SettingsError(
                f"{self.path} cannot be written ({error.strerror}): make it writable, or choose another "
                "SPOTIFRIEND_HOME."
            ) from None

    def without(self, listener: str) -> bytes | None:
        """The file without a listener's section, and without the comment directly above it; None where there is none.

        Raises:
            SettingsError: the file cannot be read, or the section is written in a way that only people can take apart.
        """
        content, before = self._content(), self.read()
        if content is None or listener not in before:
            return content
        kept: list[str] = []
        is_theirs = False
        for line in content.decode("utf-8-sig").splitlines(keepends=True):
            if header := _HEADER.match(line):
                is_theirs = header["id"] == listener
                while is_theirs and kept and kept[-1].startswith("#"):
                    kept.pop()
            if not is_theirs:
                kept.append(line)
        left = "".join(kept)
        try:
            is_right = tomllib.loads(left) == {
                id_: said for id_, said in tomllib.loads(content.decode("utf-8-sig")).items() if id_ != listener
            }
        except tomllib.TOMLDecodeError:
            is_right = False
        if not is_right:
            raise SettingsError(f"{self.path} says {listener} in a way of its own: remove the section there by hand.")
        return left.encode()

    def remove(self, listener: str) -> None:
        """Remove a listener's section from the file; all else in it stays as it is.

        Raises:
            SettingsError: the section cannot be removed.
        """
        content = self.without(listener)
        if content is None:
            return
        try:
            self._replace(content)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be written ({error.strerror}): make it writable.") from None

    def _content(self) -> bytes | None:
        if not isinstance(self.path, Path):
            return self.path.read()
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def _replace(self, content: bytes) -> None:
        if not isinstance(self.path, Path):
            self.path.write(content)
            return
        target = self.path.resolve()  # a link stays one
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.write_bytes(content)
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)

    def _listener(self, id_: str, said: Any) -> Listener:
        file = str(self.path).rpartition("/")[2]
        where = f"{file}, [{id_}]"
        if not isinstance(said, dict):
            raise SettingsError(
                f"{file}: {id_} = {said!r} stands outside of a listener's section: write it below a line such as [me]."
            )
        if not LISTENER_ID.fullmatch(id_):
            raise SettingsError(
                f"{where}: a listener's id has at most 63 lower-case letters, digits, - and _, and begins with a "
                f"letter or digit."
            )
        allowed = ("display_name", "include_private_sessions", "quicksight", "time_zone")
        if unknown := sorted(said.keys() - set(allowed)):
            raise SettingsError(f"{where}: {', '.join(unknown)} is not a setting; allowed are {', '.join(allowed)}.")
        private = said.get("include_private_sessions", False)
        if not isinstance(private, bool):
            raise SettingsError(f"{where}: include_private_sessions is {private!r}, but it must be true or false.")
        name = said.get("display_name", id_)
        if not isinstance(name, str) or not name.strip() or _NOT_TEXT.search(name):
            raise SettingsError(f"{where}: display_name is {name!r}, but it must be a text of one line.")
        try:
            zones = ZoneHistory(_zone_entries(said.get("time_zone")))
        except ValueError as error:
            raise SettingsError(f"{where}: {error}") from None
        viewers = said.get("quicksight", [])
        if not isinstance(viewers, list) or not all(isinstance(one, str) and _VIEWER.fullmatch(one) for one in viewers):
            raise SettingsError(
                f"{where}: quicksight is {viewers!r}, but it must be a list of users and groups of QuickSight, such as "
                '["user/anna", "group/family"].'
            )
        return Listener(id_, name, zones, private, tuple(viewers))


_LISTENERS_HEADER = """\
# The people whose listening this lake keeps, one section each, by id.
#
# time_zone is an IANA name ("Europe/London"), or, for somebody who moved or travelled, a list of zones:
#     time_zone = [
#         { zone = "Europe/London" },
#         { zone = "Asia/Tokyo", valid_from = 2024-05-01T00:00:00 },   # local time there, or with an offset
#     ]
# include_private_sessions = true lets private sessions take part in insights.
# quicksight = ["user/anna", "group/family"] names who sees their rows in QuickSight, where it is turned on.

"""


def _zone_entries(said: Any) -> list[tuple[datetime | date | None, str]]:
    if isinstance(said, str):
        return [(None, said)]
    shape = 'time_zone must be an IANA zone such as "Europe/London", or a list of { zone, valid_from }'
    if not isinstance(said, list) or not said:
        raise ValueError(f"{shape}; it is {'missing' if said is None else repr(said)}.")
    entries: list[tuple[datetime | date | None, str]] = []
    for entry in said:
        is_entry = isinstance(entry, dict) and entry.keys() <= {"zone", "valid_from"}
        if not is_entry or not isinstance(entry.get("zone"), str):
            raise ValueError(f"{shape}; one of its entries is {entry!r}.")
        since = entry.get("valid_from")
        if since is not None and not isinstance(since, date):  # a datetime is a date, too
            raise ValueError(
                f"valid_from must be a date, or a date and time, without quotes, such as 2024-05-01T18:30:00; it is "
                f"{since!r}."
            )
        entries.append((since, entry["zone"]))
    return entries


def _time_zone_toml(zones: str | list[tuple[datetime | None, str]]) -> str:
    if isinstance(zones, str):
        return json.dumps(zones)
    lines = ""
    for since, name in zones:
        valid_from = "" if since is None else f", valid_from = {since.isoformat()}"
        lines += f"    {{ zone = {json.dumps(name)}{valid_from} }},\n"
    return f"[\n{lines}]"


def system_time_zone() -> str:
    """The IANA name of this machine's time zone; UTC where it names none."""
    linked = Path("/etc/localtime").resolve().as_posix()
    for named in (os.environ.get("TZ", "").lstrip(":"), linked):
        name = named.rpartition("/zoneinfo/")[2]
        try:
            ZoneHistory.always(name)
        except UnknownTimeZone:
            continue
        return name
    return "UTC"
