"""Which Spotify app asks, and where Spotify is. How a person makes one is in docs/spotify-app.md."""

from dataclasses import dataclass

from spotifriend_dagster.sources.spotify.errors import NoApp

SCOPES = {
    "user-read-recently-played": "plays are not collected",
    "user-top-read": "top tracks and top artists are not collected",
    "playlist-read-private": "playlists are not collected",
    "playlist-read-collaborative": "playlists made with others are not collected",
    "user-library-read": "saved tracks are not collected",
    "user-follow-read": "followed artists are not collected",
}
"""The least that is asked for, each scope with what it costs to be without it."""


@dataclass(frozen=True)
class SpotifyApp:
    """A Spotify app, as its owner's dashboard shows it, and the addresses of Spotify (both without a query).

    `redirect_uri` is on this machine's loopback address, with a port; `api_url` ends with a slash, `accounts_url` does
    not. There is no client secret: PKCE needs none.
    """

    client_id: str | None
    redirect_uri: str = "http://127.0.0.1:8888/callback"
    api_url: str = "https://api.spotify.com/v1/"
    accounts_url: str = "https://accounts.spotify.com"

    def known_client_id(self) -> str:
        """The client id.

        Raises:
            NoApp: it is not set.
        """
        if self.client_id is None:
            raise NoApp
        return self.client_id
