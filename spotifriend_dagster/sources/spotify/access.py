"""A listener's access to the Web API: the stored token, renewed in time and kept. It never asks a person anything.

Several processes may do this at once, and a person may sign in or out meanwhile: what is stored is read again before
anything is decided, and only replaced where it is still what was worked with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from spotifriend_dagster.sources.spotify.accounts import InvalidGrant, renewed
from spotifriend_dagster.sources.spotify.app import SpotifyApp
from spotifriend_dagster.sources.spotify.errors import ConsentEnded, NotSignedIn
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster.sources.spotify.tokens import Secrets, Token, mark_ended, read_token, write_token

_ASKED_AGAIN_AFTER = timedelta(days=1)
_OTHERS_SECONDS = 2.0


class Access:
    """The access of one listener."""

    def __init__(
        self, app: SpotifyApp, secrets: Secrets, listener: str, now: Callable[[], datetime], patience: Patience
    ) -> None:
        """Read the stored token.

        Raises:
            NoApp: no app is configured.
            NotSignedIn: there is no token, or none that can be read, or it is another app's.
            ConsentEnded: Spotify ended the consent.
        """
        app.known_client_id()
        self._app, self._secrets, self.listener, self._now, self._patience = app, secrets, listener, now, patience
        self.token = self._stored()

    def access_token(self) -> str:
        """An access token that is good for another minute, by this machine's clock.

        Raises:
            SourceError: it had to be renewed, and that failed; see `renew`.
        """
        if not self.token.is_fresh(self._now()):
            self.renew()
        return self.token.access_token

    def renew(self) -> None:
        """Get another access token than the present one, from Spotify or from whoever renewed it meanwhile.

        A consent that Spotify calls ended is marked so, not thrown away: Spotify has been wrong about that before. It
        is tried again a day later.

        Raises:
            NotSignedIn: the listener signed out meanwhile.
            ConsentEnded: Spotify ended the consent.
            SourceError: Spotify does not answer, asks to wait, or does not know the app.
        """
        before = self._stored()
        if before.access_token != self.token.access_token and before.is_fresh(self._now()):
            self.token = before
            return
        try:
            grant = renewed(self._app, before.refresh_token, self._now, self._patience)
        except InvalidGrant:
            self.token = self._renewed_by_others(before)
            return
        after = replace(
            before,
            access_token=grant.access_token,
            refresh_token=grant.refresh_token or before.refresh_token,
            expires_at=grant.expires_at,
            scopes=before.scopes if grant.scopes is None else grant.scopes,
            ended_at=None,
        )
        # Whatever is stored by now: even a mark that the consent has ended was set by somebody who knew less.
        stored = read_token(self._secrets, self.listener)
        if stored is None:
            raise NotSignedIn(self.listener)
        if stored.refresh_token == before.refresh_token:
            write_token(self._secrets, self.listener, after)
        self.token = after

    def _renewed_by_others(self, before: Token) -> Token:
        """The token that another process, for which Spotify replaced the refresh token, stores about now."""
        for pause in (0.0, _OTHERS_SECONDS):
            self._patience.sleep(pause)
            stored = self._stored()
            if stored.refresh_token != before.refresh_token:
                return stored
        mark_ended(self._secrets, self.listener, before, self._now())
        raise ConsentEnded(self.listener) from None

    def _stored(self) -> Token:
        token = read_token(self._secrets, self.listener)
        if token is None:
            raise NotSignedIn(self.listener)
        if token.client_id != self._app.known_client_id():
            raise NotSignedIn(self.listener, "is signed in to another Spotify app than SPOTIFRIEND_SPOTIFY_CLIENT_ID")
        if token.ended_at is not None and self._now() - token.ended_at < _ASKED_AGAIN_AFTER:
            raise ConsentEnded(self.listener)
        return token
