"""`spotifriend deploy` that cannot go on, or is stopped: nothing is left half-done, and a sentence says what to do."""

from __future__ import annotations

import json
import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import botocore.session
import pytest

from spotifriend_dagster.cli import stacks
from spotifriend_dagster.cli.account import Account
from spotifriend_dagster.cli.session import UserError
from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.settings import load_settings
from spotifriend_dagster_tests.deploy.command import (
    BUCKET,
    SETTINGS,
    alone,
    changes_left,
    deploy,
    made,
    serving,
    started,
)
from spotifriend_dagster_tests.deploy.ministack import REGION, Ministack
from spotifriend_dagster_tests.lake.client_faults import Faults

STATES = sorted(botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum)
CHANGEABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
NOT_THERE = {"REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}


def test_ctrl_c_at_the_question_leaves_nothing(aws: Ministack):
    """A change set that is left behind is found by the next one, and counts against a quota."""
    deploy("--data-only", "--yes")
    process = started("--data-only", "--set", "OldVersionsDays=5")
    assert process.stdout
    read = ""
    while "Make these changes?" not in read:
        read += (letter := process.stdout.read(1))
        assert letter, read
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Nothing was changed." in rest and "Traceback" not in rest
    assert changes_left(aws) == []


@contextmanager
def held(aws: Ministack, action: str) -> Iterator[tuple[str, threading.Event]]:
    """An address of the same AWS, whose first answer to an action does not come, and the event that it was asked."""
    is_asked, is_over = threading.Event(), threading.Event()

    class _Holding(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def do_GET(self) -> None:
            self._pass_on(None)

        do_HEAD = do_GET  # noqa: N815 - its name in http.server

        def _pass_on(self, body: bytes | None) -> None:
            asked = urllib.request.Request(aws.url + self.path, body, dict(self.headers), method=self.command)
            try:
                answer = urllib.request.urlopen(asked)
            except HTTPError as error:
                answer = error
            if body and f"Action={action}&".encode() in body and not is_asked.is_set():
                is_asked.set()
                is_over.wait(60)
                return
            said = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "x-amz-bucket-region"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with serving(_Holding) as url:
        yield url, is_asked
        is_over.set()


@pytest.mark.parametrize("action", ["CreateChangeSet", "ExecuteChangeSet"])
def test_ctrl_c_while_cloudformation_is_asked_leaves_nothing_half_done(
    aws: Ministack, monkeypatch: pytest.MonkeyPatch, action: str
):
    """What was asked for may be there though the answer never came: it goes, or goes on, and it is said which."""
    with held(aws, action) as (url, is_asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        process = started("--data-only", "--yes")
        assert is_asked.wait(60)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in said
    sentence = " ".join(said.split())
    if action == "CreateChangeSet":
        assert "Interrupted: the stack spotifriend-data is as it was." in sentence
        assert aws.status("spotifriend-data") in (None, "DELETE_COMPLETE")
        assert BUCKET not in [found["Name"] for found in aws.client("s3").list_buckets()["Buckets"]]
    else:
        assert "CloudFormation goes on by itself with the stack spotifriend-data; the same command" in sentence
        assert aws.status("spotifriend-data") == "CREATE_COMPLETE"
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    again = deploy("--data-only", "--yes")
    assert again.code == 0, again.text


def test_a_change_set_that_cannot_be_removed_is_named(aws: Ministack, monkeypatch: pytest.MonkeyPatch):
    """Whoever may deploy may not always delete: what is left is said, and how it goes."""
    clients = AwsClients(REGION)
    known = stacks.Stacks(clients)
    made(known, "made", {"First": {"Type": "AWS::SNS::Topic"}})
    faults = Faults(clients, "cloudformation")
    faults.put_body("DeleteChangeSet", 403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
    template = json.dumps({"Resources": {"Other": {"Type": "AWS::SNS::Topic"}}})
    with (
        pytest.raises(
            UserError, match=r"Nothing was changed, but the change set deploy-\w+ .*DeleteChangeSet.*removes"
        ),
        known.prepared(known.get("made"), "made", template, {}),
    ):
        raise UserError("Nothing was changed.")
    faults.end()


@pytest.mark.parametrize("status", [state for state in STATES if state not in NOT_THERE])
def test_a_stack_in_any_state_is_either_changed_or_said_what_to_do(status: str):
    """Every state that CloudFormation knows: none is met by an error of its own."""
    known = stacks.Stacks(AwsClients(REGION))
    stack = stacks.Stack("made", status, {}, {})
    if status in CHANGEABLE:
        known._require_changeable(stack)
        return
    with pytest.raises(UserError, match=rf"^The stack made .*\({status}\).*give the same command again\.$"):
        known._require_changeable(stack)


def test_nobody_is_signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The first thing that most people meet."""
    alone(monkeypatch, tmp_path)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    said = deploy("--yes")
    assert said.code == 1
    assert "there are no AWS credentials" in said.sentence
    assert "aws sso login" in said.sentence
    monkeypatch.delenv("SPOTIFRIEND_BUCKET")
    assert "SPOTIFRIEND_BUCKET is not set" in deploy("--yes").sentence


def test_a_stack_that_somebody_else_looks_at_is_made_and_otherwise_left_to_them(aws: Ministack):
    """A stack that holds nothing yet, with changes of another tool's waiting (REVIEW_IN_PROGRESS)."""
    cloudformation = aws.client("cloudformation")
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    cloudformation.create_change_set(
        StackName="spotifriend-data", ChangeSetName="theirs", ChangeSetType="CREATE", TemplateBody=template
    )
    assert aws.status("spotifriend-data") == "REVIEW_IN_PROGRESS"
    assert "Nothing was changed" in deploy("--data-only", answer="n\n").text
    assert changes_left(aws) == ["theirs"]
    assert aws.status("spotifriend-data") == "REVIEW_IN_PROGRESS"
    said = deploy("--data-only", "--yes")
    assert said.code == 0, said.text
    assert aws.status("spotifriend-data") == "CREATE_COMPLETE"


def test_a_deployment_that_ended_after_it_took_over_the_bucket_is_gone_on_with(aws: Ministack):
    """The stack then holds a bucket and nothing else, and the database is there, which it must not make again."""
    deploy("--data-only", "--yes")
    aws.delete("spotifriend-data")  # bucket and database stay
    said = deploy("--data-only", answer="y\nn\n")
    assert said.code == 1 and "Nothing was changed" in said.sentence
    assert aws.status("spotifriend-data") == "IMPORT_COMPLETE"
    again = deploy("--data-only", "--yes")
    assert again.code == 0, again.text
    stack = stacks.Stacks(AwsClients(REGION)).get("spotifriend-data")
    assert stack and stack.parameters["DatabaseIsThere"] == "true"


def test_a_bucket_in_another_region_is_said_before_anything_is_made(aws: Ministack, monkeypatch: pytest.MonkeyPatch):
    """CloudFormation would say that there is none, having looked in its own region alone."""
    head = {"BucketRegion": "us-west-2"}
    clients = AwsClients(REGION)
    monkeypatch.setattr(clients.client("s3"), "head_bucket", lambda **_: head)
    account = Account(clients, load_settings().aws)
    with pytest.raises(UserError, match=rf"^The bucket {BUCKET} is in us-west-2, and SPOTIFRIEND_REGION is {REGION}: "):
        account.has_bucket()
    head["BucketRegion"] = REGION
    assert account.has_bucket()


@pytest.mark.parametrize(
    ("region", "sentence"),
    [("eu central", "SPOTIFRIEND_REGION"), ("moon-north-1", "AWS cannot be reached")],
    ids=["no-region", "no-such-region"],
)
def test_a_region_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, region: str, sentence: str):
    """It is a part of an address, at which then nobody answers."""
    alone(monkeypatch, tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: None)  # before each of five repeats
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    nobody = {"SPOTIFRIEND_REGION": region, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for name, value in {**SETTINGS, **keys, **nobody}.items():
        monkeypatch.setenv(name, value)
    said = deploy("--yes")
    assert said.code == 1
    assert sentence in said.sentence and "SPOTIFRIEND_REGION" in said.sentence


class _Denying(BaseHTTPRequestHandler):
    """An AWS that knows who asks, and lets them do nothing."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "GetCallerIdentity" in asked:
            self._answer(
                200,
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
                "</GetCallerIdentityResult></GetCallerIdentityResponse>",
            )
        else:
            self._answer(
                403,
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: "
                "arn:aws:iam::123456789012:user/me is not authorized to perform: cloudformation:GetTemplateSummary "
                "because no identity-based policy allows it</Message></Error></ErrorResponse>",
            )

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("InvalidClientTokenId", "AWS does not know these credentials (InvalidClientTokenId): sign in again"),
        ("ExpiredToken", "the AWS credentials have expired: sign in again (`aws sso login`)"),
    ],
)
def test_the_credentials_are_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, sentence: str):
    """Told by the first request, before anything is asked about stacks."""

    class _Refusing(_Denying):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(
                403, f"<ErrorResponse><Error><Code>{code}</Code><Message>No.</Message></Error></ErrorResponse>"
            )

    alone(monkeypatch, tmp_path)
    with serving(_Refusing) as url:
        keys = {"AWS_ACCESS_KEY_ID": "wrong", "AWS_SECRET_ACCESS_KEY": "wrong", "AWS_ENDPOINT_URL": url}
        for name, value in {**SETTINGS, **keys}.items():
            monkeypatch.setenv(name, value)
        said = deploy("--yes")
    assert said.code == 1
    assert f"✗ AWS cannot be asked: {sentence}" in said.sentence


def test_a_permission_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Which one, and of whom."""
    alone(monkeypatch, tmp_path)
    with serving(_Denying) as url:
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_ENDPOINT_URL": url}
        for name, value in {**SETTINGS, **keys}.items():
            monkeypatch.setenv(name, value)
        said = deploy("--yes")
    assert said.code == 1
    assert "AWS denies cloudformation:GetTemplateSummary" in said.sentence
    assert "user/me" in said.sentence
