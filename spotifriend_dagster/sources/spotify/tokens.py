"""A listener's token: what is kept of their consent, and for how long it holds. Renewing it belongs to `access.py`.

Where secrets are is the business of whoever hands a `Secrets`; here each token is one text,
`spotify/<listener>`, and what is noted of it stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from spotifriend_dagster.sources.spotify.errors import ConsentEnded, NotSignedIn, SignInError, login_command

_VERSION = 1
_CONSENT_MONTHS = 6
_SOON_DAYS = 30
_MARGIN = timedelta(seconds=60)


class Secrets(Protocol):
    """Small texts that nobody else may read, by name (`spotify/anna`)."""

    def read(self, name: str) -> str | None:
        """The text; None where there is none.

        Raises:
            OSError: it cannot be read.
        """

    def write(self, name: str, text: str) -> None:
        """Put a text in place of whatever has its name, whole or not at all.

        Raises:
            OSError: it cannot be written; what was there is still there.
        """

    def delete(self, name: str) -> None:
        """Remove a text; one that is not there is no error."""


@dataclass(frozen=True)
class Token:
    """What Spotify gave for a listener's consent. Instants are UTC.

    `expires_at` is of the access token, by this machine's clock; `authorized_at` is when the listener consented;
    `scopes` are those granted; `ended_at` is when Spotify said that the consent had ended, None while it has not.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    authorized_at: datetime
    scopes: frozenset[str]
    account_id: str = field(repr=False)
    client_id: str
    ended_at: datetime | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Whether the access token can be used for another minute."""
        return now + _MARGIN < self.expires_at


def read_token(secrets: Secrets, listener: str) -> Token | None:
    """The listener's token; None where they are not signed in.

    Raises:
        NotSignedIn: there is one, but it cannot be read, or another version of this program wrote it.
    """
    try:
        text = secrets.read(_name(listener))
    except (OSError, UnicodeDecodeError) as error:
        why = f"has a sign-in that cannot be read ({getattr(error, 'strerror', None) or 'it is damaged'})"
        raise NotSignedIn(listener, why) from None
    if text is None:
        return None
    try:
        said = json.loads(text)
        if said["version"] != _VERSION:
            raise NotSignedIn(listener, "has a sign-in of another version of SpotiFriend")
        token = _token(said)
    except (ValueError, TypeError, KeyError):
        # The cause holds the text, and the text holds tokens.
        raise NotSignedIn(listener, "has a sign-in that cannot be read (it is damaged)") from None
    return replace(token, ended_at=_ended_at(secrets, listener, token))


def write_token(secrets: Secrets, listener: str, token: Token) -> None:
    """Keep the listener's token.

    Raises:
        SignInError: it cannot be written; what was there is still there.
    """
    said = {
        "version": _VERSION,
        "access_token": token.access_token,
        "refresh_token": token.refresh_token,
        "expires_at": token.expires_at.isoformat(),
        "authorized_at": token.authorized_at.isoformat(),
        "scopes": sorted(token.scopes),
        "account_id": token.account_id,
        "client_id": token.client_id,
    }
    _write(secrets, listener, _name(listener), json.dumps(said, indent=1))
    if token.ended_at is None:
        secrets.delete(_mark_name(listener))
    else:
        mark_ended(secrets, listener, token, token.ended_at)


def mark_ended(secrets: Secrets, listener: str, token: Token, ended_at: datetime) -> None:
    """Note that Spotify calls this token's consent ended, beside the token, which stays as it is.

    So a process that knows less than another one, which has just stored a newer token, does no harm.

    Raises:
        SignInError: it cannot be noted.
    """
    said = {"ended_at": ended_at.isoformat(), "refresh_token_sha256": _digest(token)}
    _write(secrets, listener, _mark_name(listener), json.dumps(said))


def _write(secrets: Secrets, listener: str, name: str, text: str) -> None:
    try:
        secrets.write(name, text)
    except OSError as error:
        raise SignInError(
            f"The sign-in of {listener} cannot be kept ({error.strerror}): free some space, or allow writing there, "
            "and try again."
        ) from None


def forget_token(secrets: Secrets, listener: str) -> None:
    """Remove the listener's token, readable or not; none is no error.

    Raises:
        SignInError: it cannot be removed.
    """
    try:
        secrets.delete(_name(listener))
        secrets.delete(_mark_name(listener))
    except OSError as error:
        raise SignInError(f"The sign-in of {listener} cannot be removed ({error.strerror}).") from None


def consent_ends_at(token: Token) -> datetime:
    """When Spotify stops renewing the token: six calendar months after the listener's consent, or when it did."""
    import pandas as pd  # noqa: PLC0415 - where it is used

    if token.ended_at is not None:
        return token.ended_at
    ends_at: datetime = (pd.Timestamp(token.authorized_at) + pd.DateOffset(months=_CONSENT_MONTHS)).to_pydatetime()
    return ends_at


def consent_days_left(token: Token, now: datetime) -> int:
    """Whole days until the consent ends; 0 on its last day and after it."""
    return max((consent_ends_at(token) - now).days, 0)


def consent_sentence(secrets: Secrets, listener: str, now: datetime) -> str:
    """How it stands with a listener's consent, for people."""
    try:
        token = read_token(secrets, listener)
    except NotSignedIn as error:
        return str(error)
    if token is None:
        return str(NotSignedIn(listener))
    days = consent_days_left(token, now)
    if not days:
        return str(ConsentEnded(listener))
    sentence = (
        f"{listener} is signed in to Spotify: {days} days of consent left, until {consent_ends_at(token):%Y-%m-%d}"
    )
    return sentence if days > _SOON_DAYS else f"{sentence}; sign in again before: {login_command(listener)}"


def _name(listener: str) -> str:
    return f"spotify/{listener}"


def _mark_name(listener: str) -> str:
    return f"spotify/{listener}.ended"


def _digest(token: Token) -> str:
    return sha256(token.refresh_token.encode()).hexdigest()


def _ended_at(secrets: Secrets, listener: str, token: Token) -> datetime | None:
    """When the consent was noted as ended; None where it was not, or where the note is of an older token."""
    try:
        said = json.loads(secrets.read(_mark_name(listener)) or "{}")
        return _instant(said["ended_at"]) if said.get("refresh_token_sha256") == _digest(token) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _token(said: Mapping[str, Any]) -> Token:
    texts = {name: said[name] for name in ("access_token", "refresh_token", "account_id", "client_id")}
    scopes = said["scopes"]
    if not all(isinstance(text, str) and text for text in (*texts.values(), *scopes)):
        raise ValueError("Not the shape of a token.")
    return Token(
        **texts,
        expires_at=_instant(said["expires_at"]),
        authorized_at=_instant(said["authorized_at"]),
        scopes=frozenset(scopes),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
