"""The accounts server's part of the simulated Spotify: consent by PKCE, access tokens and refresh tokens.

It knows no HTTP: pages are in `pages.py`, requests in `server.py`.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import pandas as pd

from spotifriend_dagster.demo.spotify.answers import Answer, Refusal, api_error, text_answer, token_error

RefreshTokens = Literal["kept", "rotated", "blank"]
"""What a refresh brings besides the access token: nothing, a new refresh token (the old one dies), or an empty one."""

CONSENT_MONTHS = 6
ACCESS_TOKEN_SECONDS = 3600
_CODE_LIFETIME = timedelta(minutes=10)
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class AuthorizationRequest:
    """What an app asks of a listener."""

    redirect_uri: str
    scopes: frozenset[str]
    state: str | None
    challenge: str

    def location(self, **said: str) -> str:
        """Where the browser is sent with what was said."""
        parameters = said | ({} if self.state is None else {"state": self.state})
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(parameters)}"


@dataclass(eq=False)
class Consent:
    """What a listener agreed to, and when."""

    listener: str
    scopes: frozenset[str]
    authorized_at: datetime
    is_revoked: bool = False

    @property
    def ends_at(self) -> datetime:
        """When the refresh token dies, however often it was used."""
        return (pd.Timestamp(self.authorized_at) + pd.DateOffset(months=CONSENT_MONTHS)).to_pydatetime()


@dataclass(frozen=True)
class _Code:
    request: AuthorizationRequest
    consent: Consent


class Accounts:
    """Codes and tokens. Everything that fails raises `Refusal` with Spotify's answer."""

    def __init__(
        self,
        client_id: str,
        redirect_uris: Collection[str],
        now: Callable[[], datetime],
        refresh_tokens: RefreshTokens = "kept",
    ) -> None:
        """Serve one app, whose `redirect_uris` are registered.

        A loopback literal without a port (http://127.0.0.1/callback) stands for all ports.
        """
        self.client_id = client_id
        self.redirect_uris = redirect_uris
        self.refresh_tokens = refresh_tokens
        self._now = now
        self._lock = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, tuple[Consent, datetime]] = {}
        self._refresh: dict[str, Consent] = {}
        self._replaced: set[str] = set()

    def request(self, query: Mapping[str, str]) -> AuthorizationRequest:
        """What the query of an address of /authorize asks."""
        if query.get("client_id") != self.client_id:
            raise Refusal(text_answer(400, "INVALID_CLIENT: Invalid client"))
        redirect_uri = query.get("redirect_uri", "")
        if not _is_secure(redirect_uri):
            raise Refusal(text_answer(400, "INVALID_CLIENT: Insecure redirect URI"))
        if redirect_uri not in self.redirect_uris and _without_port(redirect_uri) not in self.redirect_uris:
            raise Refusal(text_answer(400, "INVALID_CLIENT: Invalid redirect URI"))
        if query.get("response_type") != "code":
            raise Refusal(text_answer(400, "response_type must be code"))
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            raise Refusal(text_answer(400, "code_challenge_method must be S256"))
        scopes = frozenset(query.get("scope", "").split())
        return AuthorizationRequest(redirect_uri, scopes, query.get("state"), query["code_challenge"])

    def decide(self, request: AuthorizationRequest, listener: str | None) -> str:
        """Where the browser is sent: with a code, good once and for ten minutes, if a `listener` agreed."""
        if listener is None:
            return request.location(error="access_denied")
        code = f"AQ{secrets.token_urlsafe(60)}"
        with self._lock:
            self._codes[code] = _Code(request, Consent(listener, request.scopes, self._now()))
        return request.location(code=code)

    def consent(self, listener: str, scopes: Collection[str]) -> dict[str, Any]:
        """The answer of the token endpoint to a consent that is given now."""
        return self._issue(Consent(listener, frozenset(scopes), self._now()), first=True)

    def revoke(self, listener: str) -> None:
        """Let a listener take back every consent, as on their account's page of apps."""
        for consent in self._consents():
            if consent.listener == listener:
                consent.is_revoked = True

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token endpoint's answer to a form."""
        if form.get("client_id") != self.client_id:
            raise Refusal(token_error("invalid_client", "Invalid client"))
        grant = form.get("grant_type")
        if grant == "authorization_code":
            return self._exchange(form)
        if grant == "refresh_token":
            return self._refreshed(form.get("refresh_token", ""))
        said = "unsupported_grant_type" if grant else "invalid_request"
        raise Refusal(token_error(said, "grant_type must be authorization_code or refresh_token"))

    def bearer(self, authorization: str | None) -> Consent:
        """The consent behind the Authorization header of a request to the Web API."""
        if not authorization:
            raise Refusal(api_error(401, "No token provided"))
        found = self._access.get(authorization.removeprefix("Bearer "))
        if found is None or not authorization.startswith("Bearer ") or found[0].is_revoked:
            raise Refusal(_unauthorized("Invalid access token"))
        consent, expires_at = found
        if self._now() >= expires_at:
            raise Refusal(_unauthorized("The access token expired"))
        return consent

    def _consents(self) -> list[Consent]:
        with self._lock:
            return [*self._refresh.values(), *(consent for consent, _ in self._access.values())]

    def _exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        verifier = form.get("code_verifier")
        if not verifier:
            raise Refusal(token_error("invalid_request", "code_verifier required"))
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        if code is None:
            raise Refusal(token_error("invalid_grant", "Invalid authorization code"))
        if self._now() >= code.consent.authorized_at + _CODE_LIFETIME:
            raise Refusal(token_error("invalid_grant", "Authorization code expired"))
        if form.get("redirect_uri") != code.request.redirect_uri:
            raise Refusal(token_error("invalid_grant", "Invalid redirect URI"))
        if challenge_of(verifier) != code.request.challenge:
            raise Refusal(token_error("invalid_grant", "code_verifier was incorrect"))
        return self._issue(code.consent, first=True)

    def _refreshed(self, refresh_token: str) -> dict[str, Any]:
        consent = self._refresh.get(refresh_token)
        if consent is None:
            raise Refusal(token_error("invalid_grant", "Invalid refresh token"))
        if consent.is_revoked or refresh_token in self._replaced:
            raise Refusal(token_error("invalid_grant", "Refresh token revoked"))
        if self._now() >= consent.ends_at:
            raise Refusal(token_error("invalid_grant", "Refresh token expired"))
        if self.refresh_tokens == "rotated":
            self._replaced.add(refresh_token)
        return self._issue(consent, first=False)

    def _issue(self, consent: Consent, *, first: bool) -> dict[str, Any]:
        access_token, refresh_token = f"BQ{secrets.token_urlsafe(90)}", f"AQ{secrets.token_urlsafe(90)}"
        issued = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": ACCESS_TOKEN_SECONDS,
            "scope": " ".join(sorted(consent.scopes)),
        }
        with self._lock:
            self._access[access_token] = consent, self._now() + timedelta(seconds=ACCESS_TOKEN_SECONDS)
            if first or self.refresh_tokens == "rotated":
                self._refresh[refresh_token] = consent
                issued["refresh_token"] = refresh_token
            elif self.refresh_tokens == "blank":
                issued["refresh_token"] = ""
        return issued


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _unauthorized(message: str) -> Answer:
    said = f'Bearer realm="spotify", error="invalid_token", error_description="{message}"'
    return api_error(401, message, **{"WWW-Authenticate": said})


def _is_secure(redirect_uri: str) -> bool:
    """HTTPS, or a loopback literal: `localhost` is none."""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _without_port(redirect_uri: str) -> str:
    """The form in which a loopback literal may be registered for every port."""
    parts = urlsplit(redirect_uri)
    if parts.hostname not in _LOOPBACK or parts.port is None:
        return redirect_uri
    return parts._replace(netloc=parts.netloc.removesuffix(f":{parts.port}")).geturl()
