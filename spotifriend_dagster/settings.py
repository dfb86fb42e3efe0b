"""Every setting: the environment's `SPOTIFRIEND_*` variables, and the listeners of listeners.toml.

Read once by the entry points and by definitions.py; no other room knows where a setting comes from.
"""

import json
import os
import re
import shutil
import tomllib
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spotifriend_dagster.cleaning.time_zones import UnknownTimeZone, ZoneHistory

LISTENER_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_EARLIEST_DAY = date(2006, 1, 1)
_CLIENT_ID = re.compile(r"[0-9A-Za-z_-]{8,64}")
_CONTACT = re.compile(r"[!-~]+@[!-~]+|https?://[!-~]+")
_LOOPBACK = ("127.0.0.1", "::1")
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_OF_AWS = {
    "bucket": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "prefix": rf"({_SEGMENT}(/{_SEGMENT})*)?",
    "region": r"[a-z]{2,4}(-[a-z]+)+-[0-9]+",
    "glue_database": r"[a-z0-9_]{1,255}",
    "workgroup": r"[A-Za-z0-9._-]{1,128}",
    "kms_key": r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key/|(?=alias/)))?(alias/[\w/-]+|(mrk-)?[0-9a-f-]{32,36})",
    "parameter_prefix": rf"(/(?!aws|ssm){_SEGMENT})(/{_SEGMENT}){{0,9}}",
}
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class SettingsError(Exception):
    """A setting is wrong: one sentence that names the setting, its value and what is allowed."""


@dataclass(frozen=True)
class Aws:
    """Where the aws home is. Credentials are found by boto3's own chain: AWS_PROFILE, `aws sso login`, a role.

    `bucket` and `prefix` are where the lake's objects are; `parameter_prefix` is where tokens are, in SSM; `kms_key`
    encrypts both, instead of AWS's own keys.
    """

    region: str
    bucket: str
    prefix: str
    glue_database: str
    workgroup: str
    parameter_prefix: str
    kms_key: str | None


class Settings(BaseSettings):
    """The environment's settings."""

    model_config = SettingsConfigDict(env_prefix="SPOTIFRIEND_", extra="forbid", frozen=True, env_ignore_empty=True)

    deployment: Literal["local", "aws"] = "local"
    home: Path = Path(".spotifriend")
    first_day: date = date(2025, 1, 1)
    """The first day of collection that Dagster offers as a partition."""
    spotify_client_id: str | None = None
    """The client id of the user's own Spotify app; docs/spotify-app.md shows how to make one."""
    spotify_redirect_uri: str = "http://127.0.0.1:8888/callback"
    spotify_api_url: str = "https://api.spotify.com/v1"
    spotify_accounts_url: str = "https://accounts.spotify.com"
    api_budget: int = 300
    """How many calls of the Web API are made for a listener on a UTC day, at most."""

    region: str | None = None
    bucket: str | None = None
    prefix: str = ""
    glue_database: str = "spotifriend"
    workgroup: str = "spotifriend"
    """Athena's workgroup, which says where results of queries go, and may limit what a query reads."""
    parameter_prefix: str = "/spotifriend"
    kms_key: str | None = None
    """What encrypts objects and tokens; by default keys of AWS, which cost nothing."""

    musicbrainz_contact: str | None = None
    """An e-mail address or web page, which MusicBrainz wants to know of whoever asks; without one it is not asked."""

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        try:
            home = home.expanduser().absolute()
        except RuntimeError as error:  # ~somebody who is not there
            raise ValueError(str(error)) from None
        there = next(folder for folder in (home, *home.parents) if folder.exists())
        if not there.is_dir():
            raise ValueError(f"{there} is a file")
        return home

    @field_validator("first_day", mode="before")
    @classmethod
    def _a_day(cls, said: object) -> object:
        # Left to itself, pydantic takes 86400 for a date.
        day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC).date() if isinstance(said, str) else said
        if isinstance(day, date) and not _EARLIEST_DAY <= day <= datetime.now(UTC).date():
            raise ValueError(f"{day} is too early, or to come")
        return day

    @field_validator("spotify_client_id", mode="after")
    @classmethod
    def _an_id(cls, said: str | None) -> str | None:
        if said is not None and not _CLIENT_ID.fullmatch(said := said.strip()):
            raise ValueError("not of the shape of a client id")
        return said

    @field_validator("spotify_redirect_uri", mode="after")
    @classmethod
    def _on_this_machine(cls, said: str) -> str:
        parts = urlsplit(said)
        is_plain = parts.scheme == "http" and parts.path.startswith("/") and not (parts.query or parts.fragment)
        if not is_plain or parts.hostname not in _LOOPBACK or not parts.port:  # port raises ValueError itself
            raise ValueError("not a loopback address with a port and a path")
        return said

    @field_validator("spotify_api_url", "spotify_accounts_url", mode="after")
    @classmethod
    def _not_overheard(cls, said: str) -> str:
        parts = urlsplit(said)
        is_overheard = parts.scheme == "http" and parts.hostname not in _LOOPBACK
        if parts.scheme not in ("http", "https") or not parts.hostname or is_overheard or parts.query or parts.fragment:
            raise ValueError("not an address that tokens may be sent to")
        return said.rstrip("/")

    @field_validator("musicbrainz_contact", mode="after")
    @classmethod
    def _a_contact(cls, said: str | None) -> str | None:
        if said is not None and not _CONTACT.fullmatch(said := said.strip()):
            raise ValueError("nobody could be reached there")
        return said

    @field_validator(*_OF_AWS, mode="after")
    @classmethod
    def _as_aws_names_it(cls, said: str | None, info: ValidationInfo) -> str | None:
        if said is not None and not re.fullmatch(_OF_AWS[str(info.field_name)], said := said.strip()):
            raise ValueError("AWS would not take it")
        return said

    @field_validator("api_budget", mode="after")
    @classmethod
    def _some(cls, said: int) -> int:
        if said < 1:
            raise ValueError("nothing could be collected")
        return said

    @property
    def aws(self) -> Aws:
        """Where the aws home is.

        Raises:
            SettingsError: a setting is missing that has no default.
        """
        for name in ("region", "bucket"):
            if getattr(self, name) is None:
                raise SettingsError(
                    f"SPOTIFRIEND_{name.upper()} is not set, and the aws home needs it: it must be {_ALLOWED[name]}."
                )
        return Aws(**{field.name: getattr(self, field.name) for field in fields(Aws)})

    @property
    def place(self) -> str:
        """Where the home of this deployment is, for people."""
        if self.deployment == "local":
            return str(self.home)
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def lake(self) -> Path:
        """Where the local lake is."""
        return self.home / "lake"

    @property
    def secrets(self) -> Path:
        """Where the listeners' tokens are."""
        return self.home / "secrets"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own home: the history of runs, never data."""
        return self.home / "dagster"

    @property
    def listeners_file(self) -> Path:
        """Where the listeners are named."""
        return self.home / "listeners.toml"


_ALLOWED = {
    "deployment": "local or aws",
    "home": "a folder, or where one can be made",
    "first_day": f"a date, YYYY-MM-DD, from {_EARLIEST_DAY} to today",
    "spotify_client_id": "the letters and digits that the app's page on developer.spotify.com/dashboard shows",
    "spotify_redirect_uri": "http://127.0.0.1:<port>/<path>, as it is registered with the app",
    "spotify_api_url": "an https address (http on this machine only)",
    "spotify_accounts_url": "an https address (http on this machine only)",
    "api_budget": "a number of calls, 1 or more",
    "musicbrainz_contact": "an e-mail address or the address of a web page",
    "region": "the region of AWS in which the bucket is, such as eu-central-1",
    "bucket": "the name of the S3 bucket that holds the lake",
    "prefix": "where in the bucket the lake is: names between slashes, or nothing",
    "glue_database": "the name of a database of Glue: lower-case letters, digits and _",
    "workgroup": "the name of a workgroup of Athena",
    "parameter_prefix": "where in SSM's parameters tokens are: /names/between/slashes, not of aws or ssm",
    "kms_key": "a key of KMS: its id, its ARN, or alias/<name>",
}
"""What each setting may be, for people."""


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: one of them is wrong.
    """
    known = {f"SPOTIFRIEND_{name.upper()}" for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith("SPOTIFRIEND_") and variable not in known:
            raise SettingsError(f"{variable} is not a setting; the settings are {', '.join(sorted(known))}.")
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(
            f"SPOTIFRIEND_{name.upper()} is {str(first['input'])!r}, but it must be {_ALLOWED[name]}."
        ) from None
    if settings.deployment == "aws":
        _ = settings.aws  # what is missing is said before anything begins
    return settings


@dataclass(frozen=True)
class Listener:
    """One person whose listening the lake keeps.

    `zones` says which time zone was valid for them at which instant.
    """

    id: str
    display_name: str
    zones: ZoneHistory
    include_private_sessions: bool = False


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
        allowed = ("display_name", "include_private_sessions", "time_zone")
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
