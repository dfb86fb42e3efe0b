"""Every setting: the environment's `SPOTIFRIEND_*` variables, and the listeners of listeners.toml.

Read once by the entry points and by definitions.py; no other room knows where a setting comes from.
"""

import json
import os
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spotifriend_dagster.cleaning.time_zones import ZoneHistory

LISTENER_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class SettingsError(Exception):
    """A setting is wrong: one sentence that names the setting, its value and what is allowed."""


class Settings(BaseSettings):
    """The environment's settings."""

    model_config = SettingsConfigDict(env_prefix="SPOTIFRIEND_", extra="forbid", frozen=True)

    deployment: Literal["local"] = "local"
    home: Path = Path(".spotifriend")
    first_day: date = date(2025, 1, 1)
    """The first day of collection that Dagster offers as a partition."""

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        if home.exists() and not home.is_dir():
            raise ValueError("is a file, and must be a folder")
        return home.expanduser().absolute()

    @property
    def lake(self) -> Path:
        """Where the lake is."""
        return self.home / "lake"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own home: the history of runs, never data."""
        return self.home / "dagster"

    @property
    def listeners_file(self) -> Path:
        """Where the listeners are named."""
        return self.home / "listeners.toml"


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: one of them is wrong.
    """
    allowed = {"deployment": "local", "home": "a folder", "first_day": "a date, YYYY-MM-DD"}
    known = {f"SPOTIFRIEND_{name.upper()}" for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith("SPOTIFRIEND_") and variable not in known:
            raise SettingsError(f"{variable} is not a setting; the settings are {', '.join(sorted(known))}.")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(
            f"SPOTIFRIEND_{name.upper()} is {str(first['input'])!r}, but it must be {allowed[name]}."
        ) from None


@dataclass(frozen=True)
class Listener:
    """One person whose listening the lake keeps.

    `zones` says which time zone was valid for them at which instant.
    """

    id: str
    display_name: str
    zones: ZoneHistory
    include_private_sessions: bool = False


@dataclass(frozen=True)
class ListenersFile:
    """listeners.toml: read when a run needs it, so that an edit counts from the next run on."""

    path: Path

    def read(self) -> dict[str, Listener]:
        """The listeners by id; none where there is no file.

        Raises:
            SettingsError: the file cannot be read, or says something that it may not.
        """
        try:
            document = tomllib.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{self.path} cannot be read as TOML ({error}): correct it there.") from None
        listeners = {}
        for id_, said in document.items():
            listeners[id_] = self._listener(id_, said)
        return listeners

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
        """Append a listener to the file.

        Args:
            listener: the id.
            display_name: the name that people read.
            zones: a time zone, or several with the UTC instant from which each is valid.

        Raises:
            SettingsError: the id or a zone is not allowed.
        """
        if isinstance(zones, str):
            said: str | list[dict[str, Any]] = zones
            zone = json.dumps(zones)
        else:
            said = [{"zone": name} | ({"valid_from": since} if since else {}) for since, name in zones]
            entries = (
                f"    {{ zone = {json.dumps(name)} }},\n"
                if since is None
                else f"    {{ zone = {json.dumps(name)}, valid_from = {since.astimezone(UTC).isoformat()} }},\n"
                for since, name in zones
            )
            zone = "[\n" + "".join(entries) + "]"
        self._listener(listener, {"display_name": display_name, "time_zone": said})
        # A JSON text is a TOML text.
        name = json.dumps(display_name, ensure_ascii=False)
        section = f"[{listener}]\ndisplay_name = {name}\ntime_zone = {zone}\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        before = self.path.read_text("utf-8") + "\n" if self.path.exists() else _LISTENERS_HEADER
        partial = self.path.with_suffix(".partial")
        partial.write_text(before + section, "utf-8")
        partial.replace(self.path)

    def _listener(self, id_: str, said: Any) -> Listener:
        where = f"{self.path.name}, [{id_}]"
        if not LISTENER_ID.fullmatch(id_):
            raise SettingsError(
                f"{where}: a listener's id has at most 63 lower-case letters, digits, - and _, and begins with a "
                f"letter or digit."
            )
        allowed = {"display_name", "time_zone", "include_private_sessions"}
        if not isinstance(said, dict) or (unknown := sorted(set(said) - allowed)):
            wrong = ", ".join(unknown) if isinstance(said, dict) else repr(said)
            raise SettingsError(f"{where}: {wrong} is not a setting; allowed are {', '.join(sorted(allowed))}.")
        private = said.get("include_private_sessions", False)
        if not isinstance(private, bool):
            raise SettingsError(f"{where}: include_private_sessions is {private!r}, but it must be true or false.")
        name = said.get("display_name", id_)
        if not isinstance(name, str):
            raise SettingsError(f"{where}: display_name is {name!r}, but it must be a text.")
        try:
            zones = ZoneHistory(_zone_entries(said.get("time_zone")))
        except ValueError as error:
            raise SettingsError(f"{where}: {error}") from None
        return Listener(id_, name, zones, private)


_LISTENERS_HEADER = """\
# The people whose listening this lake keeps, one section each, by id.
#
# time_zone is an IANA name ("Europe/London"), or, for somebody who moved or travelled, a list of zones:
#     time_zone = [
#         { zone = "Europe/London" },
#         { zone = "Asia/Tokyo", valid_from = 2024-05-01T00:00:00 },   # local time there, or with an offset
#     ]
# include_private_sessions = true lets private sessions take part in insights.

"""


def _zone_entries(said: Any) -> list[tuple[datetime | None, str]]:
    if isinstance(said, str):
        return [(None, said)]
    shape = 'time_zone must be an IANA zone such as "Europe/London", or a list of { zone, valid_from }'
    if not isinstance(said, list) or not said:
        raise ValueError(f"{shape}; it is {said!r}.")
    entries: list[tuple[datetime | None, str]] = []
    for entry in said:
        if not isinstance(entry, dict) or set(entry) - {"zone", "valid_from"} or not isinstance(entry.get("zone"), str):
            raise ValueError(f"{shape}; one of its entries is {entry!r}.")
        since = entry.get("valid_from")
        if isinstance(since, date) and not isinstance(since, datetime):
            since = datetime(since.year, since.month, since.day)  # local midnight in that zone
        if since is not None and not isinstance(since, datetime):
            raise ValueError(f"valid_from must be a date and time; it is {since!r}.")
        entries.append((since, entry["zone"]))
    return entries


def system_time_zone() -> str:
    """The IANA name of this machine's time zone; UTC where it names none."""
    zone_file = Path("/etc/localtime").resolve().as_posix()
    named = os.environ.get("TZ", "").lstrip(":") or zone_file.partition("/zoneinfo/")[2]
    return named or "UTC"
