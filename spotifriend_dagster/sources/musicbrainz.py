"""MusicBrainz's web service, asked as it wants to be: named, slowly, and stopping when it says so. Imports requests.

What to ask, and what an answer means, belongs to `cleaning/musicbrainz.py`; keeping answers, to the assets.
"""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from spotifriend_dagster.sources.errors import PermanentError
from spotifriend_dagster.sources.spotify.errors import Unavailable
from spotifriend_dagster.sources.spotify.patience import Patience, TryAgain, patiently

if TYPE_CHECKING:
    import requests

WEB_SERVICE = "https://musicbrainz.org/ws/2/"
_WHAT = "MusicBrainz"
_SECONDS_BETWEEN = 1.0  # musicbrainz.org/doc/MusicBrainz_API/Rate_Limiting: more, and the address is blocked
_NOT_KNOWN = (400, 404)


class MusicBrainz:
    """The web service for one contact. One request a second at most, counted from answer to request.

    Args:
        contact: an e-mail address or web page under which MusicBrainz can reach whoever runs this; sent, never stored.
        url: where the service is, with a slash at its end.
        patience: how often to try, and how long to wait.
    """

    def __init__(self, contact: str, url: str = WEB_SERVICE, patience: Patience | None = None) -> None:
        self.requests = 0
        self._contact = contact
        self._url = url
        self._patience = patience = patience or Patience()
        self._next_at = patience.monotonic()

    def ask(self, question: str) -> Any:
        """The answer to a path with query below /ws/2/, as parsed JSON. That something is not known is an answer, too.

        Raises:
            TransientError: it does not answer, or is busy, also after some tries.
            PermanentError: it refuses to answer this contact.
        """
        return patiently(lambda: self._asked(question), self._patience, self._patience.deadline())

    def _asked(self, question: str) -> Any:
        from spotifriend_dagster.sources.spotify.responses import (  # noqa: PLC0415 - imports requests
            json_object,
            network_errors_named,
            said,
        )

        self._patience.sleep(max(self._next_at - self._patience.monotonic(), 0))
        self.requests += 1
        try:
            with network_errors_named(_WHAT):
                response = self._session.get(
                    self._url + question, timeout=(self._patience.connect, self._patience.read), allow_redirects=False
                )
        finally:
            self._next_at = self._patience.monotonic() + _SECONDS_BETWEEN
        if response.status_code == 429 or response.status_code >= 500:
            wait = response.headers.get("Retry-After", "")
            seconds = min(float(wait), self._patience.longest_wait) if wait.isdecimal() else None
            raise TryAgain(Unavailable(f"{_WHAT} is busy (status {response.status_code})"), seconds)
        if response.status_code in _NOT_KNOWN:
            return {"error": said(response)}
        if response.status_code != 200:
            raise PermanentError(
                f"MusicBrainz refused to answer (status {response.status_code}, {said(response)}): check that "
                "SPOTIFRIEND_MUSICBRAINZ_CONTACT is your own e-mail address or web page, or unset it."
            )
        return json_object(response, _WHAT)

    @cached_property
    def _session(self) -> requests.Session:
        import requests  # noqa: PLC0415 - where it is used

        session = requests.Session()
        name = f"SpotiFriend/{version('spotifriend_dagster')} ( {self._contact} )"
        session.headers.update({"User-Agent": name, "Accept": "application/json"})
        return session
