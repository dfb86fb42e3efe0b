"""Spotify's accounts server: what a listener is asked there, and the token endpoint. Keeping tokens is in `access.py`.

Plain requests instead of spotipy's PKCE manager, which logs tokens, has no timeout, loses scopes and refresh tokens
that an answer leaves out, and may begin to ask a person who is not there.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from spotifriend_dagster.sources.spotify.app import SpotifyApp
from spotifriend_dagster.sources.spotify.errors import SignInError, WrongClientId
from spotifriend_dagster.sources.spotify.patience import Patience, patiently

if TYPE_CHECKING:
    import requests

_WHAT = "Spotify's sign-in"
_USUAL_SECONDS = 3600


class InvalidGrant(SignInError):
    """What was handed in (a code, a refresh token) is not good, or no longer."""


@dataclass(frozen=True)
class Grant:
    """The token endpoint's answer. `refresh_token` and `scopes` are None where it says nothing of them."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str] | None


@dataclass(frozen=True)
class Question:
    """What a listener is asked in the browser: whether the app may have these scopes. Each is asked once."""

    app: SpotifyApp
    scopes: frozenset[str]
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    @property
    def address(self) -> str:
        """The page that asks.

        Raises:
            NoApp: no app is configured.
        """
        challenge = urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": self.app.known_client_id(),
            "response_type": "code",
            "redirect_uri": self.app.redirect_uri,
            "scope": " ".join(sorted(self.scopes)),
            "state": self.state,
            "code_challenge_method": "S256",
            "code_challenge": challenge,
            "show_dialog": "true",  # which shows whose account it is, before it is the wrong one
        }
        return f"{self.app.accounts_url}/authorize?{urlencode(query)}"

    def check(self, patience: Patience) -> None:
        """Find out whether Spotify would ask at all: what it shows instead of asking, it never sends back.

        Raises:
            WrongClientId: it knows no such app.
            SignInError: the app is not registered with this redirect address.
            TransientError: it does not answer.
        """
        response = _call("GET", self.address, patience)
        # Whatever else it answers to a program instead of a browser is no reason not to try.
        text = response.text[:500].lower() if response.status_code in (400, 401) else ""
        if "redirect" in text:
            raise SignInError(
                f"The Spotify app is not registered with {self.app.redirect_uri}: add exactly this address to its "
                "Redirect URIs on developer.spotify.com/dashboard (docs/spotify-app.md)."
            )
        if "client" in text:
            raise WrongClientId(self.app.known_client_id())

    def granted(self, code: str, now: Callable[[], datetime], patience: Patience) -> Grant:
        """What Spotify gives for the code that it sent with the listener's agreement.

        Raises:
            InvalidGrant, WrongClientId, SourceError: it gives nothing.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.app.redirect_uri,
            "code_verifier": self.verifier,
        }
        return _grant(self.app, form, now, patience)


def renewed(app: SpotifyApp, refresh_token: str, now: Callable[[], datetime], patience: Patience) -> Grant:
    """What Spotify gives for a refresh token.

    Raises:
        InvalidGrant: nothing, because the consent has ended, or another refresh token took the place of this one.
        WrongClientId: it knows no such app.
        SourceError: it does not answer, or asks to wait.
    """
    return _grant(app, {"grant_type": "refresh_token", "refresh_token": refresh_token}, now, patience)


def _grant(app: SpotifyApp, form: Mapping[str, str], now: Callable[[], datetime], patience: Patience) -> Grant:
    from spotifriend_dagster.sources.spotify import responses  # noqa: PLC0415 - imports requests

    data = {**form, "client_id": app.known_client_id()}

    def read(response: requests.Response) -> dict[str, Any]:
        if response.status_code == 200:
            body = responses.json_object(response, _WHAT)
            if not isinstance(body.get("access_token"), str):
                raise SignInError(f"{_WHAT} gave no access token: sign in again.")
            return body
        responses.wait_or_stop(response, now(), patience.longest_wait, _WHAT)
        code, text = responses.error_code(response), responses.said(response)
        if code in ("invalid_client", "unauthorized_client"):
            raise WrongClientId(app.known_client_id())
        if code == "invalid_grant":
            raise InvalidGrant(f"{_WHAT} refuses ({text}): sign in again.")
        raise SignInError(f"{_WHAT} refuses ({text}): sign in again.")

    asked_at = now()
    body = _call("POST", f"{app.accounts_url}/api/token", patience, data, read)
    seconds = body.get("expires_in")
    lifetime = timedelta(seconds=seconds if isinstance(seconds, int) else _USUAL_SECONDS)
    scope, refresh_token = body.get("scope"), body.get("refresh_token")
    return Grant(
        access_token=body["access_token"],
        refresh_token=refresh_token if isinstance(refresh_token, str) and refresh_token else None,
        expires_at=asked_at + lifetime,
        scopes=frozenset(scope.split()) if isinstance(scope, str) and scope else None,
    )


def _call(
    method: str,
    address: str,
    patience: Patience,
    form: Mapping[str, str] | None = None,
    read: Callable[[requests.Response], Any] = lambda response: response,
) -> Any:
    import requests  # noqa: PLC0415 - where it is used

    from spotifriend_dagster.sources.spotify.responses import network_errors_named  # noqa: PLC0415 - imports requests

    def attempt() -> Any:
        with network_errors_named(_WHAT):
            response = session.request(
                method, address, data=form, allow_redirects=False, timeout=(patience.connect, patience.read)
            )
        return read(response)

    with requests.Session() as session:
        session.auth = lambda request: request  # or a .netrc would add credentials
        return patiently(attempt, patience, patience.deadline())
