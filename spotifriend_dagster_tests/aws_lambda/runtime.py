"""A Lambda on this machine: AWS's own runtime client runs the handler, and asks here what to do, as it asks in Lambda.

The function's process sees what a container of Lambda shows it: a file system that only `/tmp` can be written in.
"""

from __future__ import annotations

import functools
import json
import os
import queue
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

FUNCTION = "spotifriend-tests"
ARN = f"arn:aws:lambda:eu-central-1:123456789012:function:{FUNCTION}"
_RUNTIME = "/2018-06-01/runtime"
_INVOKED = f"/2015-03-31/functions/{FUNCTION}/invocations"
_LONGEST_SECONDS = 240
_AS_IN_A_CONTAINER = """
mount --bind "$1" /srv; shift
mount --bind "$1" /media
mount -t tmpfs tmpfs /tmp
case "$1" in /tmp/*) mkdir -p "$1"; mount --bind /media "$1" ;; esac
shift
while read -r _ where _ options _; do
    case "$where" in /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /tmp) continue ;; esac
    kept=$(echo "$options" | tr , '\\n' | grep -E '^(nosuid|nodev|noexec|noatime|nodiratime|relatime)$' | paste -sd,)
    mount -o "remount,bind,ro${kept:+,$kept}" "$where"
done < /proc/self/mounts
exec "$@"
"""
_CONTAINER = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", _AS_IN_A_CONTAINER, "sh")
_INSTALLED = sysconfig.get_path("purelib")
"""What the root links to, which a tests' environment in /tmp would lose there."""


def contained(root: Path, *command: str) -> list[str]:
    """A command that runs where nothing but an empty /tmp can be written, and where `root` is what Python imports."""
    # Python itself, not that of the tests' environment: what that has is not there.
    return [*_CONTAINER, str(root), _INSTALLED, "env", "PYTHONPATH=/srv", sys._base_executable, "-S", *command]  # type: ignore[attr-defined]


@functools.cache
def why_no_container() -> str:
    """Why no file system can be made read-only here; nothing where it can."""
    if not shutil.which("unshare"):
        return "there is no unshare"
    probe = "touch /tmp/there && ! touch /there 2>/dev/null"
    done = subprocess.run(
        [*_CONTAINER, str(Path(__file__).parent), _INSTALLED, "sh", "-c", probe],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"mount namespaces are not permitted here: {done.stderr.strip()}"


@dataclass(frozen=True)
class Ended:
    """How an invocation ended: what the handler returned, or the error that it raised; in so many seconds."""

    returned: Any
    error: Mapping[str, Any] | None
    seconds: float


@dataclass
class LambdaFunction:
    """The function, from its start (the first invocation is cold) until the context ends.

    Attributes:
        root: what it imports, as `image.py` makes it.
        environment: its settings, and where AWS is.
        log: what it wrote to its log.
        invoked: the events by which the function asked for invocations of itself.
        init_seconds: how long it took until it asked what to do for the first time.
    """

    root: Path
    environment: Mapping[str, str]
    log: Path
    invoked: list[Any] = field(default_factory=list)
    init_seconds: float | None = None

    def __enter__(self) -> Self:
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue()
        self._ended: queue.Queue[tuple[Any, Mapping[str, Any] | None]] = queue.Queue()
        function = self

        class Api(_Api):
            serves = function

        self._server = _Server(("127.0.0.1", 0), Api)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._process: subprocess.Popen[bytes] | None = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, event: Any, seconds: float = 900.0, request_id: str | None = None) -> Ended:
        """Invoke it with an event, and wait for its end; it has so many seconds."""
        began = time.monotonic()
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        until = int((time.time() + seconds) * 1000)
        self._waiting.put({"body": body, "until": until, "id": request_id or str(uuid.uuid4())})
        if self._process is None:
            self._start()
        while True:
            try:
                returned, error = self._ended.get(timeout=0.2)
            except queue.Empty:
                is_dead = self._process is not None and self._process.poll() is not None
                assert not is_dead and time.monotonic() - began < _LONGEST_SECONDS, self.log.read_text()[-5000:]
            else:
                return Ended(returned, error, time.monotonic() - began)

    @property
    def cpu_seconds(self) -> float:
        """How long its process was at work, until now."""
        assert self._process is not None
        said = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_megabytes(self) -> float:
        """The most memory that its process had, until now."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def _start(self) -> None:
        of_lambda = {
            "AWS_LAMBDA_RUNTIME_API": self.address,
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
            "AWS_ENDPOINT_URL_LAMBDA": f"http://{self.address}",
            "PATH": os.environ["PATH"],
            "HOME": "/nowhere",
            "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
            "SPOTIFRIEND_HOME": "/tmp/spotifriend",
        }
        command = contained(self.root, "-m", "awslambdaric", "spotifriend_dagster.aws_lambda.handler")
        self._began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**of_lambda, **self.environment}, stdout=log, stderr=log, cwd="/"
            )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A function that is ended leaves a question open; nothing is to be said of it."""


class _Api(BaseHTTPRequestHandler):
    """Lambda's Runtime API, and of Lambda's own API the invocation that nobody waits for."""

    protocol_version = "HTTP/1.1"
    serves: LambdaFunction

    def do_GET(self) -> None:
        if self.serves.init_seconds is None:
            self.serves.init_seconds = time.monotonic() - self.serves._began
        asked = self.serves._waiting.get()
        self._answer(
            200,
            asked["body"],
            {
                "Lambda-Runtime-Aws-Request-Id": asked["id"],
                "Lambda-Runtime-Deadline-Ms": str(asked["until"]),
                "Lambda-Runtime-Invoked-Function-Arn": ARN,
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = json.loads(body or b"null")
        if self.path.endswith("/response"):
            self.serves._ended.put((said, None))
        elif self.path.startswith(_RUNTIME):
            self.serves._ended.put((None, said))
        else:
            self.serves.invoked.append(said)
        self._answer(202, b"")

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
