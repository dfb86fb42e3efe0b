"""Where messages go, each at its real other end: a web server, SNS, a file."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from spotifriend_dagster.automation.channels import FileChannel, Message, TopicChannel, WebhookChannel, delivered
from spotifriend_dagster.definitions import build_home
from spotifriend_dagster.settings import Settings, SettingsError, load_settings
from spotifriend_dagster_tests.aws.asked import client
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.server import BUCKET, REGION, aws_server

SECRET = "T0SECRET"
MESSAGE = Message(
    "SpotiFriend: Consent ends",
    "Consent ends\n… for “anna”",
    ({"key": "consent/anna"},),
    datetime(2025, 4, 1, tzinfo=UTC),
)


class Hook(BaseHTTPRequestHandler):
    """Takes JSON, or answers as it is told to."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))  # type: ignore[attr-defined]
        status = self.server.status  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def hook() -> Iterator[ThreadingHTTPServer]:
    """A web server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        server.bodies, server.status = [], 200  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/services/{SECRET}"


def test_a_webhook_gets_what_slack_reads(hook: Any) -> None:
    """Slack shows `text`; whoever else listens finds the problems beside it."""
    assert delivered(WebhookChannel(address(hook)), MESSAGE)
    (body,) = hook.bodies
    assert body["text"] == "*SpotiFriend:* Consent ends\n… for “anna”"
    assert body["problems"] == [{"key": "consent/anna"}]
    assert body["at"] == "2025-04-01T00:00:00+00:00"


@pytest.mark.parametrize("status", [500, 404, 302])
def test_the_address_of_a_webhook_is_told_to_nobody(
    hook: Any, status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who knows a Slack address may write there; a refusal, a redirect or a dead server must not put it into a log."""
    channel = WebhookChannel(address(hook))
    hook.status = status
    monkeypatch.setattr(logging.getLogger("spotifriend.alerts"), "propagate", True)  # the command line turns it off
    with caplog.at_level(logging.DEBUG):
        assert not delivered(channel, MESSAGE)
        hook.shutdown()
        hook.server_close()
        assert not delivered(channel, MESSAGE)
    assert len(hook.bodies) == 1
    # once each: another test may have left a handler that hands them on as well
    said = list(dict.fromkeys(record.getMessage() for record in caplog.records if record.name == "spotifriend.alerts"))
    assert str(status) in said[0] and "ConnectionError" in said[1]
    assert SECRET not in "".join(said) + repr(channel)


def test_a_wrong_webhook_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence about a wrong setting names its value, but not where the value is a secret."""
    monkeypatch.setenv("SPOTIFRIEND_ALERT_WEBHOOK", f"http://hooks.example/{SECRET}")
    with pytest.raises(
        SettingsError, match="SPOTIFRIEND_ALERT_WEBHOOK is not allowed, but it must be an https"
    ) as said:
        load_settings()
    assert SECRET not in str(said.value)


def test_a_file_has_a_line_for_each_message(tmp_path: Path) -> None:
    """`alerts.jsonl` is read by whatever else watches this machine."""
    channel = FileChannel(tmp_path / "home" / "alerts.jsonl")
    assert delivered(channel, MESSAGE) and delivered(channel, MESSAGE)
    lines = [json.loads(line) for line in (tmp_path / "home" / "alerts.jsonl").read_text("utf-8").splitlines()]
    assert [line["subject"] for line in lines] == [MESSAGE.subject] * 2
    assert not delivered(FileChannel(tmp_path), MESSAGE)


def test_a_topic_of_sns_gets_subject_and_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SNS refuses a subject that is long or not ASCII; and a topic that is gone fails nothing."""
    with aws_server() as server:
        use(server, monkeypatch)
        topic = client("sns").create_topic(Name="alerts")["TopicArn"]
        queue = client("sqs").create_queue(QueueName="inbox")["QueueUrl"]
        arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        settings = Settings(home=tmp_path, deployment="aws", bucket=BUCKET, region=REGION, alert_topic=topic)
        (channel,) = [one for one in build_home(settings).channels if isinstance(one, TopicChannel)]
        assert delivered(channel, Message("“" + "x" * 120, "text: “anna”", (), MESSAGE.at))
        (received,) = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1)["Messages"]
        body = json.loads(received["Body"])
        assert body["Subject"] == "?" + "x" * 96 + "..."
        assert body["Message"] == "text: “anna”"
        client("sns").delete_topic(TopicArn=topic)
        assert not delivered(channel, MESSAGE)
