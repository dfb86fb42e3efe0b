"""ministack: an AWS on this machine that does what CloudFormation asks of it. It runs no function.

It lives in an environment of its own, `.venv/ministack`, which `make test` fills.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import boto3
import pytest

PYTHON = Path(sys.prefix) / "ministack" / "bin" / "python"
REGION = "eu-central-1"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_START_SECONDS = 60.0


class Ministack:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """A client of a service."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def renew(self) -> None:
        """Be empty again."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/_ministack/reset", method="POST")) as answer:
            assert answer.status == 200

    def push_image(self, repository: str, content: str = "1", kind: str = _MANIFEST) -> str:
        """Do as if an image had been pushed as `latest`, and give its digest."""
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1}
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config | {"digest": f"sha256:{content * 64}"}}
        said = self.client("ecr").put_image(
            repositoryName=repository,
            imageTag="latest",
            imageManifest=json.dumps(manifest | {"layers": []}),
            imageManifestMediaType=kind,
        )
        digest: str = said["image"]["imageId"]["imageDigest"]
        return digest

    def status(self, stack: str) -> str | None:
        """The status of a stack; None where there is none."""
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return next((found["StackStatus"] for found in stacks if found["StackName"] == stack), None)

    def delete(self, stack: str) -> None:
        """Delete a stack, and wait until it is gone."""
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=stack)
        deadline = time.monotonic() + _START_SECONDS
        while self.status(stack) not in (None, "DELETE_COMPLETE"):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@contextmanager
def ministack(folder: Path) -> Iterator[Ministack]:
    """A new one, on 127.0.0.1 alone; whoever asks for it is skipped where it is not installed."""
    if not PYTHON.exists():
        pytest.skip(f"NO MINISTACK: {PYTHON} is not there (make test installs it), so nothing is deployed.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "DOCKER_HOST": f"unix://{folder}/none.sock",
        "PATH": os.environ["PATH"],
        "LOG_LEVEL": "ERROR",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [PYTHON, "-m", "ministack.app"], env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        server = Ministack(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + _START_SECONDS
        while not _is_up(server.url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
