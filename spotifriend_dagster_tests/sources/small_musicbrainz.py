"""A small MusicBrainz: a real HTTP server that knows a few artists, and notes who asked what, and when."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class SmallMusicBrainz:
    """`genres` are votes by artist; `isrcs` says whom a recording credits; `failures` are statuses to give first."""

    def __init__(self, genres: dict[str, dict[str, int]], isrcs: dict[str, str]) -> None:
        self.genres = genres
        self.isrcs = isrcs
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.asked: list[str] = []
        self.at: list[float] = []
        self.agents: set[str] = set()
        self.url = ""

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        kind, _, id_ = unquote(path).removeprefix("/ws/2/").partition("/")
        assert query.pop("fmt") == "json"
        if kind == "isrc":
            if id_ not in self.isrcs:
                return 404, {"error": "Not Found", "help": "https://musicbrainz.org/development/mmd"}
            name = self.isrcs[id_]
            credit = {"name": name, "joinphrase": "", "artist": {"id": f"mbid-{name}", "name": name}}
            return 200, {"isrc": id_, "recordings": [{"id": "r", "title": "Song", "artist-credit": [credit]}]}
        if id_:
            votes = self.genres[id_.removeprefix("mbid-")]
            said = [{"id": genre, "name": genre, "count": count} for genre, count in votes.items()]
            return 200, {"id": id_, "name": id_.removeprefix("mbid-"), "genres": said}
        found = [name for name in self.genres if f'artist:"{name}"' in query["query"]]
        listed = [{"id": f"mbid-{name}", "name": name, "score": 100} for name in found]
        return 200, {"created": "", "count": len(listed), "offset": 0, "artists": listed}


@contextmanager
def serving(service: SmallMusicBrainz) -> Iterator[SmallMusicBrainz]:
    """Serve it on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path.removeprefix("/ws/2/"))
            service.at.append(time.monotonic())
            service.agents.add(self.headers["User-Agent"])
            parts = urlsplit(self.path)
            headers: dict[str, str] = {}
            if service.failures:
                status, headers = service.failures.pop(0)
                body: Any = {"error": "Your requests are exceeding the allowable rate limit."}
            else:
                status, body = service.answer(parts.path, {k: v[-1] for k, v in parse_qs(parts.query).items()})
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}/ws/2/"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
