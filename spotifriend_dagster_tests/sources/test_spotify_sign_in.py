"""Signing in: what a person can get wrong ends with one sentence and its cure, and nothing is stored."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from spotifriend_dagster.demo.spotify import Fault
from spotifriend_dagster.sources.errors import SourceError
from spotifriend_dagster.sources.spotify.app import SCOPES, SpotifyApp
from spotifriend_dagster.sources.spotify.errors import (
    NoApp,
    NotAllowListed,
    OtherAccount,
    PremiumNeeded,
    SignInError,
    Unavailable,
    WrongClientId,
)
from spotifriend_dagster.sources.spotify.sign_in import sign_in, through_browser
from spotifriend_dagster.sources.spotify.tokens import forget_token, read_token
from spotifriend_dagster_tests.sources.signed_in import World, truths

Ask = Callable[[str], str]


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def attempt(here: World, ask: Ask, app: SpotifyApp | None = None, listener: str = "robin") -> None:
    """Sign in by `ask`."""
    sign_in(
        app or here.app,
        here.secrets,
        listener,
        truths(),
        ask,
        now=here.spotify.clock,
        patience=here.pauses.patience(attempts=2),
    )


def refusal(here: World, ask: Ask, app: SpotifyApp | None = None) -> SourceError:
    """Why signing in failed: one sentence, and nothing stored."""
    with pytest.raises(SourceError) as refused:
        attempt(here, ask, app)
    assert read_token(here.secrets, "robin") is None
    assert "\n" not in str(refused.value)
    return refused.value


def never(_: str) -> str:
    """What is asked where nobody should be."""
    raise AssertionError("Nobody should have been asked.")


def test_a_sign_in_is_kept_with_what_is_known_of_it(nobody: World):
    """When, whose, for what, by which app; the account's lasting id, and not a name."""
    token = nobody.sign_in()
    assert token == nobody.token()
    assert token.scopes == frozenset(SCOPES)
    assert token.account_id == nobody.spotify.listeners["robin"].account_id
    assert token.client_id == nobody.spotify.client_id
    assert token.authorized_at <= nobody.spotify.clock()


def test_the_page_asks_for_little_and_is_protected(nobody: World):
    """Least scopes, a challenge, a state that is new each time, and never a verifier."""
    asked: list[dict[str, list[str]]] = []

    def ask(address: str) -> str:
        asked.append(parse_qs(urlsplit(address).query))
        return nobody.spotify.authorize(address, "robin")

    attempt(nobody, ask)
    attempt(nobody, ask)
    assert not [scope for scope in asked[0]["scope"][0].split() if "modify" in scope or "email" in scope]
    assert [query["code_challenge_method"] for query in asked] == [["S256"]] * 2
    for parameter in ("state", "code_challenge"):
        assert asked[0][parameter] != asked[1][parameter]
    assert {"code_verifier", "client_secret"}.isdisjoint(asked[0])


def test_without_an_app_the_guide_is_named(nobody: World):
    """The first thing that a stranger meets."""
    said = refusal(nobody, never, replace(nobody.app, client_id=None))
    assert isinstance(said, NoApp)
    assert "docs/spotify-app.md" in str(said)


def test_a_wrong_client_id_is_said_before_anybody_is_asked(nobody: World):
    """Spotify shows an error page and sends the browser nowhere: one would wait for ever."""
    said = refusal(nobody, never, replace(nobody.app, client_id="f" * 32))
    assert isinstance(said, WrongClientId)
    assert "SPOTIFRIEND_SPOTIFY_CLIENT_ID" in str(said)


def test_an_address_that_is_not_registered_is_said_before_anybody_is_asked(nobody: World):
    """The same page, for a redirect address that differs in a letter."""
    said = refusal(nobody, never, replace(nobody.app, redirect_uri="http://127.0.0.1:8888/Callback"))
    assert "add exactly this address" in str(said)
    assert "http://127.0.0.1:8888/Callback" in str(said)


@pytest.mark.parametrize("fault", [Fault.refused("<html>robots?</html>", 403), Fault.refused("slow down", 429)])
def test_what_is_shown_to_programs_alone_does_not_matter(nobody: World, fault: Fault):
    """The check before the page is opened may be kept out by a wall against robots."""
    nobody.spotify.faults.add("/authorize", fault)
    assert nobody.sign_in()


def test_spotify_out_of_reach_is_said_before_anybody_is_asked(nobody: World):
    """No network, no page."""
    app = replace(nobody.app, accounts_url=f"http://127.0.0.1:{free_port()}")
    assert isinstance(refusal(nobody, never, app), Unavailable)


def test_a_refused_consent_is_said(nobody: World):
    """Cancel was pressed."""
    said = refusal(nobody, lambda address: nobody.spotify.authorize(address, "robin", allow=False))
    assert "choose Agree" in str(said)


@pytest.mark.parametrize("state", ["another", "", "ü"])
def test_an_answer_to_another_question_is_not_taken(nobody: World, state: str):
    """A page that sends the browser here with a code of its own would sign in a stranger's account."""

    def forged(address: str) -> str:
        parts = urlsplit(nobody.spotify.authorize(address, "ana"))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return parts._replace(query=urlencode(query | {"state": state})).geturl()

    assert "another attempt" in str(refusal(nobody, forged))


@pytest.mark.parametrize(
    "pasted", ["", "abc", "http://127.0.0.1:8888/callback", "http://[", "https://example.com/?a=b"]
)
def test_what_is_not_the_address_is_said(nobody: World, pasted: str):
    """The wrong line was copied."""
    assert "copy the whole of it" in str(refusal(nobody, lambda _: pasted))


@pytest.mark.parametrize("form", ["  {}\n", "'{}'", "<{}>"])
def test_a_pasted_address_may_have_something_around_it(nobody: World, form: str):
    """Copied from a chat, with a line break in the middle."""

    def paste(address: str) -> str:
        redirect = nobody.spotify.authorize(address, "robin")
        return form.format(f"{redirect[:60]}\r\n{redirect[60:]}")

    attempt(nobody, paste)
    assert nobody.token()


def test_a_code_is_good_once_and_for_this_sign_in_only(nobody: World):
    """A code that was used, or that belongs to another challenge, is refused by Spotify."""
    used: list[str] = []

    def first(address: str) -> str:
        used.append(nobody.spotify.authorize(address, "robin"))
        return used[0]

    attempt(nobody, first)
    forget_token(nobody.secrets, "robin")

    def again(address: str) -> str:
        query = parse_qs(urlsplit(used[0]).query) | parse_qs(urlsplit(address).query)
        return f"http://127.0.0.1:8888/callback?{urlencode({'code': query['code'][0], 'state': query['state'][0]})}"

    assert "Invalid authorization code" in str(refusal(nobody, again))


def test_who_may_not_use_the_app_is_told_while_signing_in(nobody: World):
    """Spotify lets anybody agree, and refuses the calls only."""
    nobody.spotify.listeners["robin"].is_allow_listed = False
    said = refusal(nobody, lambda address: nobody.spotify.authorize(address, "robin"))
    assert isinstance(said, NotAllowListed)
    nobody.spotify.listeners["robin"].is_allow_listed = True
    nobody.spotify.web_api.owner_has_premium = False
    assert isinstance(refusal(nobody, lambda address: nobody.spotify.authorize(address, "robin")), PremiumNeeded)


def test_another_account_is_refused(robin: World):
    """Two people's listening in one would never be told apart again; what is stored stays."""
    before = robin.token()
    with pytest.raises(OtherAccount, match="another Spotify account than robin's"):
        robin.sign_in("robin", account="ana")
    with pytest.raises(OtherAccount, match="signed in to robin's Spotify account"):
        robin.sign_in("ana", account="robin")
    assert robin.token() == before
    assert read_token(robin.secrets, "ana") is None
    forget_token(robin.secrets, "robin")
    robin.sign_in("robin", account="ana")


def test_a_sign_in_replaces_a_damaged_one(robin: World):
    """The cure of a token that cannot be read, one's own or another listener's, is not in its own way."""
    robin.secrets.write("spotify/robin", "{")
    robin.secrets.write("spotify/ana", "{")
    robin.sign_in("robin")
    assert robin.token().account_id == robin.spotify.listeners["robin"].account_id


# --- through a browser on this machine


def browse(here: World, *before: str) -> Callable[[str], object]:
    """A browser that looks at other paths of the server first, and then at where Spotify sends it."""

    def open_page(address: str) -> None:
        redirect = here.spotify.authorize(address, "robin")
        for path in before:
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://{urlsplit(redirect).netloc}{path}", timeout=5)
        with urllib.request.urlopen(redirect, timeout=5) as page:
            assert b"Back to the terminal" in page.read()

    return open_page


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_browser_s_answer_is_received(nobody: World, host: str, capfd: pytest.CaptureFixture[str]):
    """Asked for its icon and anything else, the server waits on; and writes no line, which would hold the code."""
    app = replace(nobody.app, redirect_uri=f"http://{host}:{free_port()}/callback")
    attempt(nobody, through_browser(app.redirect_uri, browse(nobody, "/favicon.ico", "/callback"), 10), app)
    assert nobody.token()
    assert "code=" not in "".join(capfd.readouterr())
    attempt(nobody, through_browser(app.redirect_uri, browse(nobody), 10), app)  # the port is free again


def test_a_browser_that_connects_and_says_nothing_is_not_waited_for(nobody: World):
    """Chromium opens connections on suspicion."""
    app = replace(nobody.app, redirect_uri=f"http://127.0.0.1:{free_port()}/callback")

    def open_page(address: str) -> None:
        parts = urlsplit(app.redirect_uri)
        with socket.create_connection((parts.hostname, parts.port)):
            browse(nobody)(address)

    attempt(nobody, through_browser(app.redirect_uri, open_page, 10), app)
    assert nobody.token()


def test_a_browser_that_is_closed_at_once_has_answered(
    nobody: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """A window that closes before its page is there, or a browser's second look for an icon: no wait, no traceback."""
    app = replace(nobody.app, redirect_uri=f"http://127.0.0.1:{free_port()}/callback")
    end_headers = BaseHTTPRequestHandler.end_headers

    def end_headers_unless_closed(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/callback"):
            raise BrokenPipeError
        end_headers(handler)

    def open_page(address: str) -> None:
        redirect = nobody.spotify.authorize(address, "robin")
        with pytest.raises(http.client.RemoteDisconnected):
            urllib.request.urlopen(redirect, timeout=5)

    monkeypatch.setattr(BaseHTTPRequestHandler, "end_headers", end_headers_unless_closed)
    attempt(nobody, through_browser(app.redirect_uri, open_page, 10), app)
    assert nobody.token()
    assert "".join(capfd.readouterr()) == ""


def test_a_taken_port_is_said_before_a_page_opens(nobody: World):
    """Another program listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        app = replace(nobody.app, redirect_uri=f"http://127.0.0.1:{taken.getsockname()[1]}/callback")
        said = str(refusal(nobody, through_browser(app.redirect_uri, never, 5), app))
    assert said.startswith(f"Port {urlsplit(app.redirect_uri).port} of this machine cannot be used")
    assert "--no-browser" in said


def test_nobody_is_waited_for_for_ever(nobody: World):
    """The page was closed."""
    app = replace(nobody.app, redirect_uri=f"http://127.0.0.1:{free_port()}/callback")
    opened = threading.Event()
    said = refusal(nobody, through_browser(app.redirect_uri, lambda _: opened.set(), 0.2), app)
    assert isinstance(said, SignInError)
    assert "No answer came" in str(said)
    assert opened.is_set()
