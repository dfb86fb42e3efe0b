"""A new AWS for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotifriend_dagster_tests.aws.server import AwsServer, aws_server


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    """An AWS, which the environment names."""
    with aws_server() as server:
        use(server, monkeypatch)
        yield server


def use(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 and awswrangler in this process talk to it, and to nothing else."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
