"""AWS on this machine, for the tests of the aws home's ports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.retries.standard import ExponentialBackoff

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster_tests.lake import on_moto


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of a moto server."""
    with on_moto.moto_server() as address:
        yield address


@pytest.fixture(scope="session")
def made_clients(moto: str) -> AwsClients:
    """Clients of the server, made once: making one takes a quarter of a second."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (on_moto.ENVIRONMENT | {"AWS_ENDPOINT_URL": moto}).items():
            patched.setenv(name, value)
        patched.delenv("AWS_PROFILE", raising=False)
        clients = AwsClients(on_moto.REGION)
        for service in ("s3", "glue", "athena", "ssm", "sts"):
            clients.client(service)
    return clients


@pytest.fixture
def clients(moto: str, made_clients: AwsClients, monkeypatch: pytest.MonkeyPatch) -> AwsClients:
    """The clients of a new account. Nobody waits between attempts."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    on_moto.new_account(moto, made_clients)
    return made_clients
