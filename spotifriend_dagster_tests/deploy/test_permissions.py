"""What the functions really ask of AWS is what their roles allow. The whole graph is held to it in `aws/`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spotifriend_dagster import aws_lambda
from spotifriend_dagster.aws_lambda.work import Project
from spotifriend_dagster.definitions import build_definitions, build_home
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.homes import HOUR, LISTENER, AwsHome, truth
from spotifriend_dagster_tests.aws.server import BUCKET, AwsServer, Request, aws_server
from spotifriend_dagster_tests.aws_lambda.test_handler import Given
from spotifriend_dagster_tests.deploy.rights import missing, needed, rights

NOT_EVERY_TIME = {
    "sns:Publish",  # when something is wrong
    *("sqs:SendMessage", "logs:CreateLogStream", "logs:PutLogEvents"),  # Lambda itself, in the role's name
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[AwsHome, AwsServer]]:
    """A listener who is signed in, whose token has to be renewed; the functions work on it."""
    with (
        aws_server() as server,
        SimulatedSpotify({LISTENER: truth()}, clock=Clock(datetime.now(UTC) - 3 * HOUR)) as spotify,
    ):
        use(server, monkeypatch)
        home = AwsHome(tmp_path, spotify)
        home.sign_in(LISTENER)
        spotify.clock.advance(2 * HOUR)
        built = build_home(home.settings)
        definitions = build_definitions(home.settings, aws_lambda.work._LOGGERS, home.spotify, built)
        project = Project(home.settings, built, home.spotify, definitions)
        monkeypatch.setattr(aws_lambda, "project", lambda: project)
        yield home, server


def asked_by(event: dict[str, Any], server: AwsServer) -> list[Request]:
    """What an invocation that goes well asks of AWS."""
    since = len(server.requests)
    answer = aws_lambda.handler(event, Given(aws_request_id=str(since)))
    assert answer["outcome"] == "done", answer
    return server.requests[since:]


def test_the_poll_asks_for_all_that_it_may_and_what_is_set_aside_is_allowed(home: tuple[AwsHome, AwsServer]):
    """A right that is missing is found here, and not at night; one that nothing uses is gone."""
    cloud, server = home
    polled = asked_by({"job": "poll"}, server)
    assert missing(polled, "poll") == set()
    unused = {action for action, _ in rights("poll")} - {action for action, _ in needed(polled)}
    assert unused == NOT_EVERY_TIME

    key = f"inbox/listener={LISTENER}/holiday.zip"
    cloud.lake.storage.write(key, b"no zip")
    event = {"source": "aws.s3", "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}}
    assert missing(asked_by(event, server), "inbox") == set()
    assert cloud.lake.storage.list("inbox/failed")
    assert missing(polled, "inbox") != set()  # the inbox may not touch tokens
