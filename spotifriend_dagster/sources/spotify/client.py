"""Asking the Web API in one listener's name: one method for each thing that is collected, one answer for each page.

How a call is made, repeated and refused is in `transport.py`; what of a body is kept, in `redaction.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from spotifriend_dagster.sources.spotify.access import Access
from spotifriend_dagster.sources.spotify.app import SCOPES, SpotifyApp
from spotifriend_dagster.sources.spotify.errors import MissingScope, NotFound, OtherAccount
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster.sources.spotify.redaction import redacted, redacted_profile
from spotifriend_dagster.sources.spotify.tokens import Secrets

if TYPE_CHECKING:
    import spotipy

    from spotifriend_dagster.sources.spotify.transport import Bearer, PatientSession

PAGE = 50
_TIME_RANGES = ("short_term", "medium_term", "long_term")
_FEATURES_AT_ONCE = 100
_ID = re.compile(r"[0-9A-Za-z]+")
_PATIENCE = Patience()


@dataclass(frozen=True)
class Answer:
    """One page. `endpoint` is the path with the query that was asked, without its host; `body` is as received, less
    private fields, and with other people as hashes.
    """

    endpoint: str
    body: Any


def _now() -> datetime:
    return datetime.now(UTC)


def open_client(
    app: SpotifyApp,
    secrets: Secrets,
    listener: str,
    *,
    budget: int,
    now: Callable[[], datetime] = _now,
    patience: Patience = _PATIENCE,
) -> SpotifyClient:
    """A client that asks in the listener's name. Opening it makes no call.

    Args:
        app: which app asks.
        secrets: where the listener's token is, and where a renewed one goes.
        listener: the listener's id.
        budget: how many calls of the Web API this client may make, repeated ones included.
        now: the clock (UTC).
        patience: how long to wait, and how often to try.

    Raises:
        NoApp: no app is configured.
        NotSignedIn: there is no token, or none that can be read, or it is another app's.
        ConsentEnded: Spotify ended the consent.
    """
    return SpotifyClient(app, Access(app, secrets, listener, now, patience), budget, now, patience)


def account_of(
    app: SpotifyApp, bearer: Bearer, now: Callable[[], datetime] = _now, patience: Patience = _PATIENCE
) -> tuple[str, ...]:
    """The ids of the account behind an access token, the lasting one first.

    Raises:
        SourceError: Spotify does not say; see `errors.py`.
    """
    session = _session(bearer, patience.attempts, now, patience, lambda body: body)
    body = _spotipy(app, session).me()
    return tuple(text for text in (body.get("account_id"), body.get("id")) if isinstance(text, str) and text)


class SpotifyClient:
    """The Web API in one listener's name.

    Every method yields one `Answer` per page, lazily, so that what came before an error is the caller's to keep. They
    raise `SignInError`, `PullStopped`, `Denied`, `NotFound` or `TransientError` (see `errors.py`).
    """

    def __init__(
        self, app: SpotifyApp, access: Access, budget: int, now: Callable[[], datetime], patience: Patience
    ) -> None:
        self._access, self._patience = access, patience
        self._session = _session(access, budget, now, patience, self._kept)
        self._spotify = _spotipy(app, self._session)

    @property
    def calls(self) -> int:
        """How many calls of the Web API were made, repeated ones included; renewing a token is none of them."""
        return self._session.calls

    @property
    def retries(self) -> int:
        """How many of the calls repeated one that had failed."""
        return self._session.retries

    @property
    def clock_off(self) -> timedelta | None:
        """By how much this machine's clock is ahead of Spotify's, as the last answer says; None where none did."""
        return self._session.clock_off

    @property
    def scopes(self) -> frozenset[str]:
        """What the listener consented to."""
        return self._access.token.scopes

    def recently_played(self) -> Iterator[Answer]:
        """The last 50 plays, newest first: one page, all that Spotify tells."""
        asked = partial(self._spotify.current_user_recently_played, limit=PAGE)
        yield from self._asked("user-read-recently-played", asked)

    def top_tracks(self) -> Iterator[Answer]:
        """The 50 top tracks of four weeks, of six months and of a year: three answers."""
        tops = self._spotify.current_user_top_tracks
        yield from self._asked("user-top-read", *(partial(tops, limit=PAGE, time_range=span) for span in _TIME_RANGES))

    def top_artists(self) -> Iterator[Answer]:
        """The 50 top artists of four weeks, of six months and of a year: three answers."""
        tops = self._spotify.current_user_top_artists
        yield from self._asked("user-top-read", *(partial(tops, limit=PAGE, time_range=span) for span in _TIME_RANGES))

    def playlists(self) -> Iterator[Answer]:
        """The listener's playlists, own and followed."""
        yield from self._pages("playlist-read-private", self._spotify.current_user_playlists)

    def playlist_items(self, playlist_id: str) -> Iterator[Answer]:
        """What is in a playlist. `Forbidden` for those of others, in development mode."""
        asked = partial(self._spotify.playlist_items, _known("playlists", playlist_id))
        yield from self._pages("playlist-read-private", asked)

    def saved_tracks(self) -> Iterator[Answer]:
        """The saved tracks, newest first: whoever has enough stops asking for more."""
        yield from self._pages("user-library-read", self._spotify.current_user_saved_tracks)

    def followed_artists(self) -> Iterator[Answer]:
        """The artists that the listener follows."""
        yield from self._pages("user-follow-read", self._spotify.current_user_followed_artists, "artists", "after")

    def profile(self) -> Iterator[Answer]:
        """The listener's account: `account` and `id` as hashes, and country, product and followers where sent.

        Raises:
            OtherAccount: the token belongs to another account than the one that signed in.
        """
        yield from self._asked(None, self._spotify.me)

    def artist(self, artist_id: str) -> Iterator[Answer]:
        """One artist."""
        yield from self._asked(None, partial(self._spotify.artist, _known("artists", artist_id)))

    def track(self, track_id: str) -> Iterator[Answer]:
        """One track."""
        yield from self._asked(None, partial(self._spotify.track, _known("tracks", track_id)))

    def album(self, album_id: str) -> Iterator[Answer]:
        """One album, with the first page of its tracks."""
        yield from self._asked(None, partial(self._spotify.album, _known("albums", album_id)))

    def audio_features(self, track_ids: Iterable[str]) -> Iterator[Answer]:
        """Audio features of tracks, 100 for each answer. `Forbidden` for apps younger than November 2024."""
        # spotipy's own method warns at each call that it is gone for most, and unwraps the body.
        ids = iter([_known("tracks", track_id) for track_id in track_ids])
        batches = iter(lambda: ",".join(islice(ids, _FEATURES_AT_ONCE)), "")
        yield from self._asked(None, *(partial(self._spotify._get, "audio-features", ids=batch) for batch in batches))

    def _asked(self, scope: str | None, *questions: Callable[[], Any]) -> Iterator[Answer]:
        deadline = self._patience.deadline()
        for question in questions:
            yield self._answer(scope, question, deadline)

    def _pages(
        self, scope: str, question: Callable[..., Any], container: str | None = None, cursor: str = "offset"
    ) -> Iterator[Answer]:
        """Every page. The next one is asked for by its place, because Spotify's address of it may name a removed
        endpoint, and would get the token whatever its host.
        """
        deadline = self._patience.deadline()
        places: set[str | None] = {None}
        place = None
        while True:
            asked = partial(question, limit=PAGE, **({} if place is None else {cursor: place}))
            answer = self._answer(scope, asked, deadline)
            yield answer
            page = answer.body.get(container) if container else answer.body
            place = _next_place(page, cursor)
            if place in places:  # the last page has none; one that was asked for leads nowhere
                return
            places.add(place)

    def _answer(self, scope: str | None, question: Callable[[], Any], deadline: float) -> Answer:
        if scope is not None and scope not in self.scopes:
            raise MissingScope(self._access.listener, scope, SCOPES[scope])
        self._session.scope, self._session.deadline = scope, deadline
        body = question()
        return Answer(self._session.endpoint, body)

    def _kept(self, body: dict[str, Any]) -> Any:
        account_id = self._access.token.account_id
        if urlsplit(self._session.endpoint).path.rstrip("/").endswith("/me"):
            if account_id not in (body.get("account_id"), body.get("id")):
                raise OtherAccount(
                    f"{self._access.listener}'s token is of another Spotify account than the one that signed in: "
                    f"spotifriend login --listener {self._access.listener}"
                )
            return redacted_profile(body, account_id)
        return redacted(body, account_id)


def _known(kind: str, id_: str) -> str:
    """The id, where it can be one: those of local files are not."""
    if not _ID.fullmatch(id_):
        raise NotFound(f"{kind}/{id_}")
    return id_


def _next_place(page: Any, cursor: str) -> str | None:
    address = page.get("next") if isinstance(page, dict) and page.get("items") else None
    return parse_qs(urlsplit(address).query).get(cursor, [None])[0] if isinstance(address, str) else None


def _session(
    bearer: Bearer, budget: int, now: Callable[[], datetime], patience: Patience, kept: Callable[[dict[str, Any]], Any]
) -> PatientSession:
    from spotifriend_dagster.sources.spotify.transport import PatientSession  # noqa: PLC0415 - imports requests

    return PatientSession(bearer, budget, now, patience, kept)


def _spotipy(app: SpotifyApp, session: PatientSession) -> spotipy.Spotify:
    """spotipy over our session. It is given no token: the session has it."""
    import spotipy  # noqa: PLC0415 - heavy

    spotify = spotipy.Spotify(requests_session=session)
    spotify.prefix = app.api_url
    return spotify
