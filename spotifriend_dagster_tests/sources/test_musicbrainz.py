"""MusicBrainz over HTTP: as slowly and by name as it wants to be asked, and stopping when it says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotifriend_dagster.sources.errors import PermanentError, TransientError
from spotifriend_dagster.sources.musicbrainz import MusicBrainz
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster_tests.sources.small_musicbrainz import SmallMusicBrainz, serving

QUESTION = "isrc/GB1?inc=artist-credits&fmt=json"


@pytest.fixture
def service() -> Iterator[SmallMusicBrainz]:
    with serving(SmallMusicBrainz({"Björk": {"pop": 3}}, {"GB1": "Björk"})) as small:
        yield small


class Clock:
    """A clock that moves by what is slept alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def client(self, url: str) -> MusicBrainz:
        return MusicBrainz("robin@example.org", url, Patience(sleep=self.sleep, monotonic=lambda: self.seconds))


def test_requests_are_a_second_apart_and_say_who_asks(service: SmallMusicBrainz) -> None:
    """Faster, or without a name, and MusicBrainz blocks the address of the whole household."""
    client = MusicBrainz("robin@example.org", service.url)
    for _ in range(3):
        assert client.ask(QUESTION)["recordings"][0]["artist-credit"][0]["name"] == "Björk"
    assert all(later - earlier >= 0.99 for earlier, later in zip(service.at, service.at[1:], strict=False))
    (agent,) = service.agents
    assert agent.startswith("SpotiFriend/") and agent.endswith("( robin@example.org )")
    assert client.requests == 3


def test_that_something_is_not_known_is_an_answer(service: SmallMusicBrainz) -> None:
    """It is kept, so that nobody asks for it every night."""
    assert "error" in Clock().client(service.url).ask("isrc/XX?inc=artist-credits&fmt=json")


def test_a_busy_service_is_waited_for(service: SmallMusicBrainz) -> None:
    """It says 503 when it is asked too much, with or without how long to wait; never longer than a minute is."""
    service.failures = [(503, {"Retry-After": "7"}), (503, {}), (503, {"Retry-After": "86400"})]
    clock = Clock()
    assert "recordings" in clock.client(service.url).ask(QUESTION)
    assert len(service.asked) == 4
    assert any(7 <= slept < 9 for slept in clock.slept)
    assert max(clock.slept) <= 61


def test_a_service_that_stays_busy_ends_the_asking(service: SmallMusicBrainz) -> None:
    """After a few tries the run goes on without it; the sentence says that nothing is lost."""
    service.failures = [(503, {})] * 9
    with pytest.raises(TransientError, match=r"MusicBrainz is busy \(status 503\): nothing is lost"):
        Clock().client(service.url).ask(QUESTION)
    assert len(service.asked) == 4


def test_a_refusal_names_the_setting(service: SmallMusicBrainz) -> None:
    """Whoever is blocked learns which setting to look at; asking again would make it worse."""
    service.failures = [(403, {})]
    with pytest.raises(PermanentError, match="SPOTIFRIEND_MUSICBRAINZ_CONTACT"):
        Clock().client(service.url).ask(QUESTION)
    assert len(service.asked) == 1


def test_a_service_that_is_not_there_is_no_traceback() -> None:
    """The address of a machine that is off."""
    with pytest.raises(TransientError, match="MusicBrainz cannot be reached"):
        Clock().client("http://127.0.0.1:9/ws/2/").ask(QUESTION)
