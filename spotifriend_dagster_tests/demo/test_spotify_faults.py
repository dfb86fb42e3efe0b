"""What goes wrong on request with the simulated Spotify, as a client over HTTP meets it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
import requests

from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.spotify import Fault, SimulatedSpotify
from spotifriend_dagster_tests.demo.apps import App


@pytest.fixture(scope="module")
def dialect() -> str:
    """Faults are the same in both."""
    return "development"


@pytest.mark.parametrize(
    ("fault", "status", "retry_after", "shown"),
    [
        (Fault.rate_limited(3), 429, "3", '{"error":{"status":429,"message":"Too many requests"}}'),
        (Fault.rate_limited(None), 429, None, '"status":429'),
        (Fault.quota_exceeded(13.6), 429, "48960", '"reason":"QUOTA_EXCEEDED"'),
        (Fault.server_error(500), 500, None, '"status":500'),
        (Fault.server_error(502), 502, None, '"status":502'),
        (Fault.server_error(), 503, None, '"status":503'),
        (Fault.refused("The user is not registered for this application"), 403, None, "The user is not registered"),
        (Fault.sent({"items": None}), 200, None, '{"items":null}'),
    ],
)
def test_a_fault_is_answered_once_in_spotifys_words(
    app: App, *, fault: Fault, status: int, retry_after: str | None, shown: str
):
    """And then all is well."""
    app.spotify.faults.add("/v1/me$", fault)
    answer = app.ask("me")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    assert shown in answer.text
    assert app.ask("me").json()["account_id"]
    assert [call.status for call in app.spotify.requests] == [status, 200]


def test_an_answer_may_be_cut_in_half(app: App, spotify: SimulatedSpotify):
    """JSON that is none, with a status that says all is well."""
    spotify.faults.add("recently-played", Fault.broken_json())
    answer = app.ask("me/player/recently-played")
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_a_connection_may_be_dropped(app: App, spotify: SimulatedSpotify):
    """Without an answer; the next request is served on a new one."""
    spotify.faults.add("/v1/me$", Fault.dropped(), times=2)
    for _ in range(2):
        with pytest.raises(requests.exceptions.ConnectionError):
            app.ask("me")
    assert app.ask("me").status_code == 200
    assert [call.status for call in spotify.requests] == [0, 0, 200]


def test_an_answer_may_come_too_late_for_a_client(app: App, spotify: SimulatedSpotify):
    """A client that gave up does not disturb the server."""
    spotify.faults.add("/v1/me$", Fault.slow(0.4))
    token = app.token["access_token"]
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{spotify.api_url}me", headers={"Authorization": f"Bearer {token}"}, timeout=0.1)
    assert app.ask("me").status_code == 200


def test_closing_waits_for_nobody(season: Truth):
    """Neither for a slow answer nor for a connection that a client keeps open."""
    with SimulatedSpotify({"robin": season}) as serving, closing(App(serving)) as app, ThreadPoolExecutor() as aside:
        app.ask("me")
        serving.faults.add("/me/tracks", Fault.slow(60))
        slow = aside.submit(app.ask, "me/tracks")
        time.sleep(0.1)
        begun = time.monotonic()
        serving.close()
        assert time.monotonic() - begun < 4
        with suppress(requests.ConnectionError):
            slow.result(5)


def test_rules_say_which_requests_how_often_and_whose(season: Truth):
    """The third page, one listener of two, always: and clearing ends them all."""
    with SimulatedSpotify({"robin": season, "ben": season}) as serving:
        robin, ben = App(serving), App(serving, "ben")
        serving.faults.add(r"/me/tracks\?.*offset=20\b", Fault.server_error())
        serving.faults.add("/me/playlists", Fault.quota_exceeded(), times=None, listener="ben")
        serving.faults.add("/me/top/", Fault.rate_limited(), skip=2)
        tracks = [robin.ask(f"me/tracks?limit=20&offset={offset}").status_code for offset in (0, 20, 40, 20)]
        assert tracks == [200, 503, 200, 200]
        assert [app.ask("me/playlists").status_code for app in (robin, ben, ben, robin)] == [200, 429, 429, 200]
        assert [robin.ask("me/top/artists").status_code for _ in range(4)] == [200, 200, 429, 200]
        serving.faults.clear()
        assert ben.ask("me/playlists").status_code == 200
        robin.close()
        ben.close()


def test_the_accounts_server_fails_too_and_uses_nothing_up(season: Truth):
    """Spotify once said invalid_grant to everybody, wrongly: the refresh token was good again after that."""
    with SimulatedSpotify({"robin": season}, refresh_tokens="rotated") as serving:
        token = serving.consent("robin", [])["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": serving.client_id}
        serving.faults.add("/api/token", Fault.server_error())
        wrong = {"error": "invalid_grant", "error_description": "Refresh token revoked"}
        serving.faults.add("/api/token", Fault.sent(wrong, 400))
        answers = [requests.post(f"{serving.accounts_url}/api/token", data=form, timeout=5) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 400, 200]
