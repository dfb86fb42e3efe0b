"""The HTTP server of the simulated Spotify: the accounts server and the Web API at one address of this machine."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.objects import Dialect, Objects
from spotifriend_dagster.demo.spotify.accounts import Accounts, Consent, RefreshTokens
from spotifriend_dagster.demo.spotify.answers import HTML, Answer, Refusal, api_error, json_answer
from spotifriend_dagster.demo.spotify.clock import Clock
from spotifriend_dagster.demo.spotify.endpoints import ENDPOINTS
from spotifriend_dagster.demo.spotify.faults import Fault, Faults
from spotifriend_dagster.demo.spotify.pages import authorize_page
from spotifriend_dagster.demo.spotify.people import Listener
from spotifriend_dagster.demo.spotify.web_api import WebApi

CLIENT_ID = "5f1e0c0ffee0000000000000000c0de5"
_API = "/v1/"
REDIRECT_URIS = ("http://127.0.0.1/callback", "http://[::1]/callback")


@dataclass(frozen=True)
class Request:
    """A request that was answered (status 0: its connection was dropped); `listener` is whose token it bore."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    listener: str | None
    at: datetime


class SimulatedSpotify:
    """A Spotify for one app and some simulated listeners; serves while it is open as a context.

    Attributes:
        client_id: of the app.
        clock: what Spotify takes for now. It starts when every listener's last play is told, and runs.
        accounts: consents and tokens.
        listeners: the accounts, by the names that they were given.
        web_api: of which `owner_has_premium` may be set.
        faults: what is to go wrong.
        requests: what was asked, in order.
    """

    def __init__(
        self,
        listeners: Mapping[str, Truth],
        dialect: Dialect = "development",
        clock: Clock | None = None,
        *,
        client_id: str = CLIENT_ID,
        redirect_uris: Collection[str] = REDIRECT_URIS,
        refresh_tokens: RefreshTokens = "kept",
        port: int = 0,
    ) -> None:
        self.client_id = client_id
        self.clock = clock or Clock(max(truth.end for truth in listeners.values()).to_pydatetime())
        self.accounts = Accounts(client_id, redirect_uris, self.clock, refresh_tokens)
        self.faults = Faults()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        # A catalogue that listeners share is written once.
        objects = {id(truth.catalogue): Objects(truth.catalogue, dialect, self.api_url) for truth in listeners.values()}
        self.listeners = {
            name: Listener(name, truth, objects[id(truth.catalogue)]) for name, truth in listeners.items()
        }
        self.web_api = WebApi(ENDPOINTS, dialect, self.api_url, objects.values())

    @property
    def accounts_url(self) -> str:
        """Where /authorize and /api/token are."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def api_url(self) -> str:
        """Where the Web API begins."""
        return f"{self.accounts_url}{_API}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="spotify", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Serve no longer, whoever waits for an answer."""
        self.closing.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()

    def authorize(self, authorize_url: str, listener: str, *, allow: bool = True) -> str:
        """What a listener's browser would do: the address that it is sent to, after agreeing or refusing.

        Raises:
            Refusal: with the page that Spotify shows instead of asking.
        """
        request = self.accounts.request(dict(parse_qsl(urlsplit(authorize_url).query)))
        return self.accounts.decide(request, self.listeners[listener].name if allow else None)

    def consent(self, listener: str, scopes: Collection[str]) -> dict[str, Any]:
        """The token endpoint's answer to a consent given now, for tests that are not about signing in."""
        return self.accounts.consent(self.listeners[listener].name, scopes)

    def revoke(self, listener: str) -> None:
        """Let a listener take every consent back."""
        self.accounts.revoke(listener)


class _Server(ThreadingHTTPServer):
    """Threads that are joined at the end, so that no connection outlives the server."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], spotify: SimulatedSpotify) -> None:
        super().__init__(address, _Handler)
        self.spotify = spotify
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that did not wait for its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End what clients keep open."""
        for connection in list(self._connections):
            _shut(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave as one
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._serve(dict(parse_qsl(body.decode(), keep_blank_values=True)))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `requests` has it all."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The header Date, by the simulated clock."""
        return super().date_time_string(
            int(self.server.spotify.clock().timestamp()) if timestamp is None else timestamp
        )

    def _serve(self, form: dict[str, str]) -> None:
        spotify = self.server.spotify
        at = spotify.clock()
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        consent, answer = self._bearer(url.path)
        listener = None if consent is None else consent.listener
        fault = spotify.faults.take(self.path, listener) or Fault()
        if fault.seconds:
            spotify.closing.wait(fault.seconds)
        answer = fault.answer or answer or self._answer(url.path, query, form, consent)
        if fault.is_cut:
            answer = replace(answer, body=answer.body[: len(answer.body) // 2])
        status = 0 if fault.is_dropped else answer.status
        spotify.requests.append(Request(self.command, url.path, query, status, listener, at))
        if fault.is_dropped:
            self.close_connection = True
            _shut(self.connection)
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def _bearer(self, path: str) -> tuple[Consent | None, Answer | None]:
        """Whose token a request to the Web API bears, or what is answered where it bears none that is good."""
        if not path.startswith(_API):
            return None, None
        try:
            return self.server.spotify.accounts.bearer(self.headers.get("Authorization")), None
        except Refusal as refusal:
            return None, refusal.answer

    def _answer(self, path: str, query: dict[str, str], form: dict[str, str], consent: Consent | None) -> Answer:
        """The true answer."""
        try:
            return self._sign_in(path, query, form) if consent is None else self._read(path, query, consent)
        except Refusal as refusal:
            return refusal.answer

    def _read(self, path: str, query: dict[str, str], consent: Consent) -> Answer:
        if self.command != "GET":
            return api_error(405, "Method not allowed")
        spotify = self.server.spotify
        listener = spotify.listeners[consent.listener]
        return spotify.web_api.answer(path.removeprefix(_API), query, listener, consent.scopes, spotify.clock())

    def _sign_in(self, path: str, query: dict[str, str], form: dict[str, str]) -> Answer:
        spotify = self.server.spotify
        match self.command, path:
            case "GET", "/authorize":
                names = {name: listener.display_name for name, listener in spotify.listeners.items()}
                page = authorize_page(spotify.accounts.request(query), query, names)
                return Answer(200, page.encode(), HTML)
            case "POST", "/authorize":
                request = spotify.accounts.request(form)
                is_allowed = form.get("decision") == "allow" and form.get("listener") in spotify.listeners
                location = spotify.accounts.decide(request, form["listener"] if is_allowed else None)
                return Answer(303, headers={"Location": location})
            case "POST", "/api/token":
                return json_answer(spotify.accounts.token(form))
        return api_error(404, "Not found")


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster
