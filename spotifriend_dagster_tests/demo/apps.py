"""An app that asks the simulated Spotify as any client would: over HTTP, with a token."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlencode

import requests

from spotifriend_dagster.demo.spotify import SimulatedSpotify

SCOPES = (
    *("user-read-recently-played", "user-top-read", "user-library-read", "user-follow-read"),
    *("playlist-read-private", "playlist-read-collaborative", "user-read-private", "user-read-email"),
)
CALLBACK = "http://127.0.0.1:8888/callback"


class App:
    """An app with a listener's consent."""

    def __init__(self, spotify: SimulatedSpotify, listener: str = "robin", scopes: Collection[str] = SCOPES) -> None:
        self.spotify = spotify
        self.token = spotify.consent(listener, scopes)
        self._session = requests.Session()

    def ask(self, path: str) -> requests.Response:
        """Ask for a path below /v1, or for an address that Spotify gave."""
        url = path if path.startswith("http") else f"{self.spotify.api_url}{path}"
        return self._session.get(url, headers={"Authorization": f"Bearer {self.token['access_token']}"}, timeout=5)

    def get(self, path: str) -> Any:
        """The body of an answer that is to be good."""
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str, within: str | None = None) -> list[Any]:
        """The items of all pages."""
        return [item for page in self.pages(path, within) for item in page["items"]]

    def pages(self, path: str, within: str | None = None) -> Iterator[Any]:
        """The pages from a path on; `within` is the field that holds them."""
        next_: str | None = path
        while next_ is not None:
            body = self.get(next_)
            page = body if within is None else body[within]
            yield page
            next_ = page["next"]

    def close(self) -> None:
        """Hang up."""
        self._session.close()


def authorize_url(spotify: SimulatedSpotify, challenge: str, **changed: str) -> str:
    """The address to which an app sends a listener's browser."""
    query = {
        "client_id": spotify.client_id,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "user-read-recently-played user-top-read",
        "state": "a state & more",
        "code_challenge_method": "S256",
        "code_challenge": challenge,
    }
    return f"{spotify.accounts_url}/authorize?{urlencode(query | changed)}"
