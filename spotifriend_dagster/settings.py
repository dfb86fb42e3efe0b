"""Every setting of the environment: the `SPOTIFRIEND_*` variables.

Read once by the entry points and by definitions.py; no other room knows where a setting comes from. The people whose
listening the lake keeps are in `listeners.py`.
"""

import os
import re
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

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
    "quicksight_account": r"[0-9]{12}",
    "quicksight_principal": r"arn:aws[a-z-]*:quicksight:[a-z0-9-]+:[0-9]{12}:(user|group)/[A-Za-z0-9._-]+/[^,\s']+",
    "glue_job": r"[A-Za-z0-9._-]{1,255}",
    "alert_topic": r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
}


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

    glue_job: str | None = None
    """The job of Glue that unites the plays of many listeners; without one, runs do it in their own process."""

    quicksight_account: str | None = None
    """The AWS account of which QuickSight shows the lake; without one (and an owner) none does."""
    quicksight_principal: str | None = None
    """The ARN of the user or group of QuickSight that owns the dashboard, and sees everybody's rows."""

    alert_topic: str | None = None
    """A topic of SNS, by its ARN, that is told of problems: the aws home only."""
    alert_webhook: str | None = None
    """A web address that is told of problems, Slack's for example. Whoever knows it may write there."""

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

    @field_validator("alert_webhook", mode="after")
    @classmethod
    def _a_web_address(cls, said: str | None) -> str | None:
        parts = urlsplit(said.strip()) if said is not None else None
        if parts and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("not a web address")
        if parts and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("its secret would be overheard")
        return said and said.strip()

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
    def quicksight(self) -> tuple[str, str] | None:
        """The account and the owner of the dashboard; None where QuickSight is not turned on.

        Raises:
            SettingsError: one of the two is missing, or they contradict each other.
        """
        account, owner = self.quicksight_account, self.quicksight_principal
        if account and owner and owner.split(":")[4] == account:
            return account, owner
        if account and owner:
            raise SettingsError(
                f"SPOTIFRIEND_QUICKSIGHT_PRINCIPAL is {owner!r}, which is of another account than "
                f"SPOTIFRIEND_QUICKSIGHT_ACCOUNT, {account}: correct the one or the other."
            )
        if account or owner:
            name = "principal" if account else "account"
            raise SettingsError(
                f"SPOTIFRIEND_QUICKSIGHT_{name.upper()} is not set, and QuickSight needs both: it must be "
                f"{_ALLOWED[f'quicksight_{name}']}."
            )
        return None

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


_SECRET = {"alert_webhook"}
_ALLOWED = {
    "deployment": "local or aws",
    "home": "a folder, or where one can be made",
    "first_day": f"a date, YYYY-MM-DD, from {_EARLIEST_DAY} to today",
    "spotify_client_id": "the letters and digits that the app's page on developer.spotify.com/dashboard shows",
    "spotify_redirect_uri": "http://127.0.0.1:<port>/<path>, as it is registered with the app",
    "spotify_api_url": "an https address (http on this machine only)",
    "spotify_accounts_url": "an https address (http on this machine only)",
    "api_budget": "a number of calls, 1 or more",
    "quicksight_account": "the 12 digits of the AWS account that is signed up for QuickSight",
    "quicksight_principal": "the ARN of a user or group of QuickSight: arn:aws:quicksight:<region>:<account>:user/…",
    "glue_job": "the name of a job of Glue: letters, digits, dots, - and _",
    "alert_topic": "the ARN of a topic of SNS: arn:aws:sns:<region>:<account>:<name>",
    "alert_webhook": "an https address (http on this machine only)",
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
        said = "not allowed" if name in _SECRET else repr(str(first["input"]))
        raise SettingsError(f"SPOTIFRIEND_{name.upper()} is {said}, but it must be {_ALLOWED[name]}.") from None
    _ = settings.quicksight
    if settings.deployment == "aws":
        _ = settings.aws  # what is missing is said before anything begins
    return settings
