"""AWS on this machine, for the tests of the aws home's ports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.retries.standard import ExponentialBackoff

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster_tests.aws.server import REGION, AwsServer, aws_server


@pytest.fixture(scope="session")
def kept_aws() -> Iterator[AwsServer]:
    """An AWS that is kept from test to test."""
    with aws_server() as server:
        yield server


@pytest.fixture(scope="session")
def kept_clients(kept_aws: AwsServer) -> AwsClients:
    """Its clients, made once: making one takes a quarter of a second."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in kept_aws.environment().items():
            patched.setenv(name, value)
        patched.delenv("AWS_PROFILE", raising=False)
        clients = AwsClients(REGION)
        for service in ("s3", "glue", "athena", "ssm", "sts"):
            clients.client(service)
    return clients


@pytest.fixture
def clients(kept_aws: AwsServer, kept_clients: AwsClients, monkeypatch: pytest.MonkeyPatch) -> AwsClients:
    """The clients of an AWS that is new and empty. Nobody waits between attempts."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    kept_aws.renew()
    return kept_clients
