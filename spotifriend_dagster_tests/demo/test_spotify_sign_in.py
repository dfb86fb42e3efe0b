"""Signing in to the simulated Spotify: PKCE checked for real, and tokens that end as Spotify's do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster.demo.spotify.accounts import challenge_of
from spotifriend_dagster.demo.spotify.answers import Refusal
from spotifriend_dagster_tests.demo.apps import CALLBACK, authorize_url

NOW = datetime(2025, 8, 31, 12, tzinfo=UTC)


@pytest.fixture
def spotify(season: Truth) -> Iterator[SimulatedSpotify]:
    with SimulatedSpotify({"robin": season, "ben": season}, clock=Clock(NOW, pace=0)) as serving:
        yield serving


@dataclass
class SignIn:
    """An app's side of signing in."""

    spotify: SimulatedSpotify
    verifier: str

    def agreed(self, listener: str = "robin", **changed: str) -> dict[str, str]:
        """What the redirect says after the listener agreed."""
        address = authorize_url(self.spotify, challenge_of(self.verifier), **changed)
        return said(self.spotify.authorize(address, listener))

    def token(self, **form: str) -> requests.Response:
        """The token endpoint's answer."""
        return requests.post(f"{self.spotify.accounts_url}/api/token", data=form, timeout=5)

    def exchange(self, code: str, **changed: str) -> requests.Response:
        """The answer to a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return self.token(**form | {"client_id": self.spotify.client_id, "code_verifier": self.verifier} | changed)

    def refresh(self, refresh_token: str) -> requests.Response:
        """The answer to a refresh token."""
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, client_id=self.spotify.client_id)

    def me(self, access_token: str) -> requests.Response:
        """The answer of /me to an access token."""
        return requests.get(f"{self.spotify.api_url}me", headers={"Authorization": f"Bearer {access_token}"}, timeout=5)


@pytest.fixture
def sign_in(spotify: SimulatedSpotify) -> SignIn:
    return SignIn(spotify, secrets.token_urlsafe(64))


def said(location: str) -> dict[str, str]:
    """The parameters of a redirect."""
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


def error(answer: requests.Response) -> tuple[int, str, str]:
    """What the token endpoint complains of."""
    body: dict[str, Any] = answer.json()
    return answer.status_code, body["error"], body["error_description"]


def test_a_listener_who_agrees_gives_a_token_for_what_was_asked(sign_in: SignIn):
    """The whole way, as Spotify documents it for apps without a secret."""
    redirected = sign_in.agreed()
    assert redirected["state"] == "a state & more"
    token = sign_in.exchange(redirected["code"]).json()
    assert token.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    assert token["scope"] == "user-read-recently-played user-top-read"
    me = sign_in.me(token["access_token"]).json()
    assert me["account_id"] == sign_in.spotify.listeners["robin"].account_id
    assert me["account_id"] != sign_in.spotify.listeners["ben"].account_id


def test_the_challenge_is_that_of_the_standard():
    """RFC 7636, appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_code_is_good_once(sign_in: SignIn):
    """A code that was seen in a browser's history is worth nothing."""
    code = sign_in.agreed()["code"]
    assert sign_in.exchange(code).status_code == 200
    assert error(sign_in.exchange(code)) == (400, "invalid_grant", "Invalid authorization code")


def test_a_code_is_worth_nothing_to_others(sign_in: SignIn):
    """Without the verifier, for another app, elsewhere, or too late."""
    cases = {
        "code_verifier was incorrect": {"code_verifier": secrets.token_urlsafe(64)},
        "Invalid redirect URI": {"redirect_uri": "http://127.0.0.1:8889/callback"},
    }
    for description, changed in cases.items():
        assert error(sign_in.exchange(sign_in.agreed()["code"], **changed)) == (400, "invalid_grant", description)
    assert error(sign_in.exchange(sign_in.agreed()["code"], client_id="f" * 32))[:2] == (400, "invalid_client")
    assert error(sign_in.exchange(sign_in.agreed()["code"], code_verifier=""))[:2] == (400, "invalid_request")
    code = sign_in.agreed()["code"]
    sign_in.spotify.clock.advance(timedelta(minutes=11))
    assert error(sign_in.exchange(code)) == (400, "invalid_grant", "Authorization code expired")


def test_a_listener_who_refuses_says_so(sign_in: SignIn):
    """With the state, so that the app knows whose refusal it is."""
    address = authorize_url(sign_in.spotify, challenge_of(sign_in.verifier))
    location = sign_in.spotify.authorize(address, "robin", allow=False)
    assert location.startswith(f"{CALLBACK}?")
    assert said(location) == {"error": "access_denied", "state": "a state & more"}


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"client_id": "f" * 32}, "INVALID_CLIENT: Invalid client"),
        ({"redirect_uri": "http://localhost:8888/callback"}, "INVALID_CLIENT: Insecure redirect URI"),
        ({"redirect_uri": "http://example.com/callback"}, "INVALID_CLIENT: Insecure redirect URI"),
        ({"redirect_uri": "http://127.0.0.1:8888/callback/"}, "INVALID_CLIENT: Invalid redirect URI"),
        ({"redirect_uri": "http://127.0.0.1:8888/Callback"}, "INVALID_CLIENT: Invalid redirect URI"),
        ({"code_challenge_method": "plain"}, "code_challenge_method must be S256"),
        ({"code_challenge": ""}, "code_challenge_method must be S256"),
        ({"response_type": "token"}, "response_type must be code"),
    ],
)
def test_what_spotify_does_not_ask_a_listener(sign_in: SignIn, changed: dict[str, str], shown: str):
    """It shows a page and redirects nowhere: an address that is not the app's gets nothing, not even an error."""
    address = authorize_url(sign_in.spotify, challenge_of(sign_in.verifier), **changed)
    page = requests.get(address, allow_redirects=False, timeout=5)
    assert (page.status_code, page.text) == (400, shown)
    with pytest.raises(Refusal):
        sign_in.spotify.authorize(address, "robin")


def test_a_loopback_address_with_a_port_is_registered_for_that_port(season: Truth):
    """Without a port it stands for all of them; another path or host it never stands for."""
    registered = ("http://127.0.0.1:8888/callback", "https://example.com/callback")
    with SimulatedSpotify({"robin": season}, redirect_uris=registered) as serving:
        for redirect_uri in registered:
            address = authorize_url(serving, "x", redirect_uri=redirect_uri)
            assert serving.authorize(address, "robin").startswith(f"{redirect_uri}?code=")
        for redirect_uri in ("http://127.0.0.1:9999/callback", "http://[::1]:8888/callback"):
            with pytest.raises(Refusal, match="Invalid redirect URI"):
                serving.authorize(authorize_url(serving, "x", redirect_uri=redirect_uri), "robin")


def test_an_access_token_is_good_for_an_hour(sign_in: SignIn):
    """And the refresh token brings another, which is not a new consent."""
    token = sign_in.exchange(sign_in.agreed()["code"]).json()
    sign_in.spotify.clock.advance(timedelta(seconds=3599))
    assert sign_in.me(token["access_token"]).status_code == 200
    sign_in.spotify.clock.advance(timedelta(seconds=1))
    expired = sign_in.me(token["access_token"])
    assert expired.status_code == 401
    assert expired.json() == {"error": {"status": 401, "message": "The access token expired"}}
    assert 'error_description="The access token expired"' in expired.headers["WWW-Authenticate"]
    refreshed = sign_in.refresh(token["refresh_token"]).json()
    assert refreshed.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert sign_in.me(refreshed["access_token"]).status_code == 200
    assert sign_in.me("nonsense").json()["error"]["message"] == "Invalid access token"


def test_a_refresh_token_dies_six_months_after_the_consent_however_often_it_is_used(sign_in: SignIn):
    """Counted in the calendar: a consent of 31 August ends on 28 February. A new consent starts anew."""
    token = sign_in.exchange(sign_in.agreed()["code"]).json()
    for day in (datetime(2025, 11, 1, tzinfo=UTC), datetime(2026, 2, 28, 11, 59, tzinfo=UTC)):
        sign_in.spotify.clock.set(day)
        assert sign_in.refresh(token["refresh_token"]).status_code == 200
    sign_in.spotify.clock.set(datetime(2026, 2, 28, 12, tzinfo=UTC))
    assert error(sign_in.refresh(token["refresh_token"])) == (400, "invalid_grant", "Refresh token expired")
    again = sign_in.exchange(sign_in.agreed()["code"]).json()
    assert sign_in.refresh(again["refresh_token"]).status_code == 200


def test_a_consent_that_is_taken_back_ends_every_token_of_that_listener_alone(sign_in: SignIn):
    """The access tokens too, and at once."""
    tokens = {name: sign_in.exchange(sign_in.agreed(name)["code"]).json() for name in ("robin", "ben")}
    sign_in.spotify.revoke("robin")
    assert error(sign_in.refresh(tokens["robin"]["refresh_token"])) == (400, "invalid_grant", "Refresh token revoked")
    assert sign_in.me(tokens["robin"]["access_token"]).status_code == 401
    assert sign_in.refresh(tokens["ben"]["refresh_token"]).status_code == 200
    assert error(sign_in.refresh("nonsense")) == (400, "invalid_grant", "Invalid refresh token")


def test_a_refresh_token_that_rotates_dies_with_its_first_use(season: Truth):
    """As until June 2026: a client that does not keep the new one is locked out."""
    with SimulatedSpotify({"robin": season}, clock=Clock(NOW, pace=0), refresh_tokens="rotated") as serving:
        app = SignIn(serving, "v" * 43)
        first = serving.consent("robin", ["user-top-read"])["refresh_token"]
        second = app.refresh(first).json()["refresh_token"]
        assert error(app.refresh(first)) == (400, "invalid_grant", "Refresh token revoked")
        serving.clock.set(datetime(2026, 3, 1, tzinfo=UTC))
        assert error(app.refresh(second)) == (400, "invalid_grant", "Refresh token expired")


def test_an_empty_refresh_token_leaves_the_old_one_good(season: Truth):
    """A client that stores the empty one loses its consent."""
    with SimulatedSpotify({"robin": season}, refresh_tokens="blank") as serving:
        app = SignIn(serving, "v" * 43)
        first = serving.consent("robin", [])["refresh_token"]
        assert [app.refresh(first).json()["refresh_token"] for _ in range(2)] == ["", ""]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("button", "sent"), [("Agree", {"code", "state"}), ("Cancel", {"error", "state"})], ids=["agree", "cancel"]
)
def test_a_listener_clicks_in_a_browser(sign_in: SignIn, browser: Any, button: str, sent: set[str]):
    """The page says what is asked for; its buttons lead to the app's own address."""
    page = browser.new_page()
    arrived: list[str] = []

    def arrive(route: Any) -> None:
        arrived.append(route.request.url)
        route.fulfill(body="done")

    page.route(f"{CALLBACK}*", arrive)
    page.goto(authorize_url(sign_in.spotify, challenge_of(sign_in.verifier)))
    assert page.locator("li").all_text_contents() == ["user-read-recently-played", "user-top-read"]
    page.get_by_label("Signed in as").select_option("ben")
    page.get_by_role("button", name=button).click()
    page.wait_for_url(f"{CALLBACK}*")
    page.close()
    (location,) = arrived
    assert said(location).keys() == sent
    assert said(location)["state"] == "a state & more"
    if button == "Agree":
        token = sign_in.exchange(said(location)["code"]).json()
        assert sign_in.me(token["access_token"]).json()["display_name"] == "Ben"
