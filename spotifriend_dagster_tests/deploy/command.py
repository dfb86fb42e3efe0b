"""`spotifriend deploy` as it is given, in this process or in one of its own, and an AWS that a test stands in for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from spotifriend_dagster.cli import main, stacks
from spotifriend_dagster_tests.deploy.ministack import REGION, Ministack

BUCKET = "lake-of-the-tests"
SETTINGS = {
    "SPOTIFRIEND_REGION": REGION,
    "SPOTIFRIEND_BUCKET": BUCKET,
    "SPOTIFRIEND_PREFIX": "listening",
    "SPOTIFRIEND_SPOTIFY_CLIENT_ID": "0123456789abcdef",
}
NO_BUDGET = ("--set", "MonthlyBudget=0")  # ministack has none


def alone(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the environment name no settings, and nobody who is signed in."""
    for name in os.environ:
        if name.startswith(("SPOTIFRIEND_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SPOTIFRIEND_HOME", str(folder / "home"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@dataclass
class Said:
    """What a command printed, and whether it went well."""

    code: int
    text: str

    @property
    def sentence(self) -> str:
        """Everything on one line."""
        return " ".join(self.text.split())


def deploy(*arguments: str, answer: str = "") -> Said:
    """Give the command in this process."""
    done = CliRunner().invoke(main, ["deploy", *arguments], input=answer, env={"COLUMNS": "160"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Said(done.exit_code, done.output)


def started(*arguments: str) -> subprocess.Popen[str]:
    """Give the command in a process of its own."""
    program = Path(sys.executable).with_name("spotifriend")
    return subprocess.Popen(
        [program, "deploy", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def deployed_by_process(*arguments: str) -> Said:
    """The command as people give it, from its start to its end."""
    process = started(*arguments)
    text, _ = process.communicate(timeout=120)
    return Said(process.returncode, text)


def changes_left(aws: Ministack) -> list[str]:
    """The change sets that wait to be executed."""
    found = aws.client("cloudformation").list_change_sets(StackName="spotifriend-data")["Summaries"]
    return [each["ChangeSetName"] for each in found if each["ExecutionStatus"] == "AVAILABLE"]


def made(known: stacks.Stacks, name: str, resources: dict[str, Any]) -> stacks.Stack:
    """Make or change a stack of these resources."""
    with known.prepared(known.get(name), name, json.dumps({"Resources": resources}), {}) as changes:
        assert changes
        return known.execute(changes, lambda *_: None)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server of those answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
