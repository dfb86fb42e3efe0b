"""Signing a listener in: a page in a browser, its answer, the token. Needs a person; nothing scheduled comes here.

The answer comes back either to this machine (`through_browser`) or as text that the person pastes.
"""

from __future__ import annotations

import secrets as randomness
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from urllib.parse import parse_qs, urlsplit

from spotifriend_dagster.sources.spotify.accounts import Question
from spotifriend_dagster.sources.spotify.app import SCOPES, SpotifyApp
from spotifriend_dagster.sources.spotify.client import account_of
from spotifriend_dagster.sources.spotify.errors import NotSignedIn, OtherAccount, SignInError
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster.sources.spotify.tokens import Secrets, Token, read_token, write_token

_BROWSER_SECONDS = 300.0
_TERMINAL_BROWSERS = ("www-browser", "links", "elinks", "lynx", "w3m")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>SpotiFriend</title>
<body style="font: 1.1rem system-ui; max-width: 36rem; margin: 20vh auto; padding: 0 1rem">
<h1>Back to the terminal</h1><p>Spotify has answered SpotiFriend, which says there whether you are signed in.
You can close this page.</p>"""


def _now() -> datetime:
    return datetime.now(UTC)


def sign_in(
    app: SpotifyApp,
    secrets: Secrets,
    listener: str,
    others: Iterable[str],
    ask: Callable[[str], str],
    *,
    now: Callable[[], datetime] = _now,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> Token:
    """Get the listener's consent, and keep the token.

    Args:
        app: the app that asks.
        secrets: where tokens are.
        listener: the listener's id.
        others: the ids of the other listeners: an account belongs to one of them only.
        ask: gets the address of the page that asks, and returns the address that Spotify sent the browser to.
        now: the clock (UTC).
        patience: how long to wait for Spotify, and how often to try.

    Returns:
        The token; its `scopes` may be fewer than was asked for.

    Raises:
        NoApp: no app is configured.
        WrongClientId: Spotify knows no such app.
        OtherAccount: the account is not the listener's, or another listener's; nothing is stored.
        SignInError: the address is not registered, the person refused, or what came back does not belong here.
        Denied: the account is not on the app's list, or the app's owner has no Premium.
        TransientError: Spotify does not answer.
    """
    question = Question(app, frozenset(SCOPES))
    question.check(patience)
    code = code_of(ask(question.address), question.state)
    grant = question.granted(code, now, patience)
    if grant.refresh_token is None:
        raise SignInError("Spotify gave no lasting access: sign in again.")
    accounts = account_of(app, _JustIn(listener, grant.access_token), now, patience)
    if not accounts:
        raise SignInError("Spotify does not say whose account this is: sign in again.")
    before = _account(secrets, listener)
    if before is not None and before not in accounts:
        raise OtherAccount(
            f"The browser is signed in to another Spotify account than {listener}'s: log out of spotify.com there and "
            f"sign in again, or choose another --listener for it (after `spotifriend logout --listener {listener}`, "
            "any account will do)."
        )
    for other in others:
        if other != listener and _account(secrets, other) in accounts:
            raise OtherAccount(
                f"The browser is signed in to {other}'s Spotify account: log out of spotify.com there, and sign in as "
                f"{listener}."
            )
    token = Token(
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_at=grant.expires_at,
        authorized_at=now(),
        scopes=question.scopes if grant.scopes is None else grant.scopes,
        account_id=before or accounts[0],
        client_id=app.known_client_id(),
    )
    write_token(secrets, listener, token)
    return token


def code_of(redirect: str, state: str) -> str:
    """The code in the address that Spotify sent a browser to.

    Args:
        redirect: the address, as received or as pasted.
        state: what the question carried, and the answer has to bring back.

    Raises:
        SignInError: the person refused, or it is no answer to this question.
    """
    try:
        said = parse_qs(urlsplit("".join(redirect.split()).strip("'\"<>")).query)
    except ValueError:
        said = {}
    error, code = (said.get(name, [""])[0] for name in ("error", "code"))
    if not error and not code:
        raise SignInError(
            "That is not the address that Spotify sends the browser to after agreeing (it has code=… in it): copy the "
            "whole of it from the browser's address bar, and sign in again."
        )
    if not randomness.compare_digest(said.get("state", [""])[0].encode("utf-8", "replace"), state.encode()):
        raise SignInError(
            "The browser's answer belongs to another attempt to sign in: sign in again, and use the page that opens "
            "then."
        )
    if error == "access_denied":
        raise SignInError("The consent was refused in the browser: sign in again, and choose Agree.")
    if error:
        raise SignInError(f"Spotify did not sign in ({error[:60]}): sign in again in a few minutes.")
    return code


def can_open_browser() -> bool:
    """Whether this machine has a browser with windows: those of terminals cannot sign in to Spotify."""
    import webbrowser  # noqa: PLC0415 - looks for browsers

    try:
        return webbrowser.get().name not in _TERMINAL_BROWSERS
    except webbrowser.Error:
        return False


def through_browser(
    redirect_uri: str, open_page: Callable[[str], object], seconds: float = _BROWSER_SECONDS
) -> Callable[[str], str]:
    """A way to ask: open the page, and wait for the browser at `redirect_uri`, which is on this machine.

    Raises, when asked:
        SignInError: the port is taken, or no answer comes within `seconds`.
    """

    def ask(address: str) -> str:
        answers: Queue[str] = Queue()
        with _listening(redirect_uri, answers):
            threading.Thread(target=open_page, args=(address,), daemon=True).start()  # some return when it is closed
            try:
                return answers.get(timeout=seconds)
            except Empty:
                raise SignInError(
                    f"No answer came from the browser within {seconds / 60:.0f} minutes: sign in again; where the "
                    "browser is on another machine, with --no-browser."
                ) from None

    return ask


@contextmanager
def _listening(redirect_uri: str, answers: Queue[str]) -> Iterator[None]:
    parts = urlsplit(redirect_uri)
    host, port = parts.hostname or "", parts.port or 0

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            is_answer = asked.path == parts.path and asked.query != ""
            content = _PAGE.encode() if is_answer else b""
            try:
                self.send_response(200 if is_answer else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(content)
            finally:  # an answer is one, whether or not the browser still wants its page
                if is_answer:
                    answers.put(self.path)

        def log_message(self, *_: object) -> None:
            """Nothing: the line would hold the code."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Nothing: it is of a browser that was closed early, and its traceback would be a riddle."""

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise SignInError(
            f"Port {port} of this machine cannot be used for the browser's answer ({error.strerror}): end what uses "
            "it, use --no-browser, or register another port with the app in SPOTIFRIEND_SPOTIFY_REDIRECT_URI."
        ) from None
    with server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


@dataclass
class _JustIn:
    """The bearer of a token that was given this moment."""

    listener: str
    token: str = field(repr=False)

    def access_token(self) -> str:
        """The token."""
        return self.token

    def renew(self) -> None:
        """There is no other one."""
        raise NotSignedIn(self.listener, "is refused by Spotify, although just let in")


def _account(secrets: Secrets, listener: str) -> str | None:
    """Whose account the stored token is; None where there is none, or none that can be read."""
    try:
        token = read_token(secrets, listener)
    except NotSignedIn:
        return None
    return None if token is None else token.account_id
