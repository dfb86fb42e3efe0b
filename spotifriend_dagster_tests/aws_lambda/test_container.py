"""The handler as Lambda runs it: by AWS's own runtime client, in a root that only /tmp can be written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster.sources.spotify.tokens import read_token
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.homes import LISTENER, AwsHome
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, AwsServer, aws_server
from spotifriend_dagster_tests.aws_lambda.image import made_root
from spotifriend_dagster_tests.aws_lambda.runtime import LambdaFunction, why_no_container

pytestmark = pytest.mark.timeout(400)


@dataclass
class Cloud:
    """The function, the home that it works on, and the AWS of both."""

    function: LambdaFunction
    home: AwsHome
    server: AwsServer

    def keys(self, folder: str) -> list[str]:
        return [stored.key for stored in self.home.lake.storage.list(folder)]

    def drop(self, file: str, content: bytes, listener: str = LISTENER) -> Any:
        """Put a file into the inbox; gives what S3 then sends."""
        key = f"inbox/listener={listener}/{file}"
        self.home.lake.storage.write(key, content)
        return {"source": "aws.s3", "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A listener who is signed in, on the function's own clock. Its first invocation is cold."""
    if reason := why_no_container():
        pytest.skip(f"NO CONTAINER: {reason}; the handler is not run as in Lambda.")
    folder = tmp_path_factory.mktemp("lambda")
    with aws_server() as server, pytest.MonkeyPatch.context() as patched:
        use(server, patched)
        truth = simulate(21, start=date(2025, 2, 1), years=14 / 365.25, plays_per_day=30)
        with SimulatedSpotify({LISTENER: truth}, clock=Clock(datetime.now(UTC))) as spotify:
            home = AwsHome(folder / "home", spotify)
            home.sign_in(LISTENER)
            settings = {
                "SPOTIFRIEND_DEPLOYMENT": "aws",
                "SPOTIFRIEND_REGION": REGION,
                "SPOTIFRIEND_BUCKET": BUCKET,
                "SPOTIFRIEND_SPOTIFY_CLIENT_ID": spotify.client_id,
                "SPOTIFRIEND_SPOTIFY_API_URL": spotify.api_url,
                "SPOTIFRIEND_SPOTIFY_ACCOUNTS_URL": spotify.accounts_url,
            }
            with LambdaFunction(
                made_root(folder / "root"), {**server.environment(), **settings}, folder / "log.txt"
            ) as function:
                yield Cloud(function, home, server)


def test_it_polls_cold_and_warm(cloud: Cloud) -> None:
    """Each poll is kept as received, with the record of its run; nothing else of the machine is needed than /tmp."""
    for number in (1, 2):
        ended = cloud.function.invoke({"job": "poll"})
        assert ended.error is None, (ended.error, cloud.function.log.read_text())
        assert ended.returned["outcome"] == "done"
        assert len(cloud.keys(f"raw/recently_played/listener={LISTENER}")) == number
        assert len(cloud.keys(f"health/dt={datetime.now(UTC):%Y-%m-%d}")) == number


def test_what_is_no_export_is_set_aside(cloud: Cloud) -> None:
    """Through EventBridge, the inbox and S3, in a process that has nothing but /tmp to unpack in."""
    ended = cloud.function.invoke(cloud.drop("holiday.zip", b"PK nonsense"))
    assert (ended.error, ended.returned["outcome"]) == (None, "done")
    moved, reason = cloud.keys("inbox")
    assert moved.startswith(f"inbox/failed/listener={LISTENER}/")
    assert cloud.home.lake.storage.read(reason).startswith(b"holiday.zip")


def test_a_malformed_event_ends_in_a_sentence(cloud: Cloud) -> None:
    """No traceback, and no second try."""
    ended = cloud.function.invoke(["poll"])
    assert (ended.error, ended.returned["outcome"]) == (None, "failed")
    assert "Traceback" not in cloud.function.log.read_text()


def test_a_failure_that_may_pass_is_raised_with_one_sentence(cloud: Cloud) -> None:
    """What Lambda tries again, and puts into the queue of the dead, names what went wrong."""
    fault = cloud.server.fail("GetObject", status=403, code="AccessDenied", times=100, key="config/listeners.toml")
    ended = cloud.function.invoke({"job": "poll"})
    fault.times = 0
    assert ended.error is not None
    assert ended.error["errorType"] == "InvocationFailed"
    assert "AWS denies s3:GetObject" in ended.error["errorMessage"]
    assert "\n" not in ended.error["errorMessage"]
    assert cloud.function.invoke({"job": "poll"}).error is None


def test_no_secret_is_in_the_log(cloud: Cloud) -> None:
    """Logs are read by more people, and kept for longer, than tokens are good for."""
    said = cloud.function.log.read_text()
    token = read_token(cloud.home.spotify.secrets, LISTENER)
    assert token is not None and "poll of " in said
    for secret in (token.access_token, token.refresh_token, "testing"):
        assert secret not in said
