"""The templates keep what is promised: private, encrypted, kept, watched, and no role with more than it needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from cfnlint.api import lint

from spotifriend_dagster.automation.jobs import JOBS
from spotifriend_dagster.aws_lambda.events import INBOX, Scheduled, read_event
from spotifriend_dagster.settings import Settings
from spotifriend_dagster_tests.deploy.rights import allowed, listed
from spotifriend_dagster_tests.deploy.templates import DEPLOY, Deployed, Resource

DOCS = Path(__file__).resolve().parents[2] / "docs"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/12345678-1234-1234-1234-123456789012"
LAKE = "arn:aws:s3:::lake/a/b/"
ACCOUNT = "eu-central-1:123456789012"
FUNCTIONS = ("poll", "daily", "inbox")
IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/spotifriend@sha256:{'0' * 64}"


@cache
def data(**given: str) -> Deployed:
    """What is kept."""
    return Deployed("data", Bucket="lake", GlueDatabase="listening", Workgroup="answers", **given)


@cache
def compute(**given: str) -> Deployed:
    """What runs, for a lake below a prefix."""
    said = {
        "Image": IMAGE,
        "Bucket": "lake",
        "Prefix": "a/b",
        "Folder": "a/b/",
        "GlueDatabase": "listening",
        "Workgroup": "answers",
        "ParameterPrefix": "/tokens",
        "AlertTopic": f"arn:aws:sns:{ACCOUNT}:alerts",
    }
    return Deployed("compute", **(said | given))


@cache
def whole() -> Deployed:
    """What runs, with everything that can be turned on."""
    return compute(KmsKeyArn=KEY, QuicksightAccount="123456789012")


def resources(words: str, function: str) -> list[str]:
    """What docs/aws.md calls a resource, as policies name it."""
    glue = f"arn:aws:glue:{ACCOUNT}:"
    if folders := re.findall(r"`([\w/]+/)`", words):
        return [f"{LAKE}{folder}*" for folder in folders]
    return {
        "the bucket": ["arn:aws:s3:::lake"],
        "the bucket of Athena's results": ["arn:aws:s3:::lake"],
        "Athena's results": ["arn:aws:s3:::lake/athena-results/*"],
        "the workgroup": [f"arn:aws:athena:{ACCOUNT}:workgroup/answers"],
        "the catalog, the database, its tables": [
            f"{glue}catalog",
            f"{glue}database/listening",
            f"{glue}table/listening/*",
        ],
        "the same": [f"{glue}catalog", f"{glue}database/listening", f"{glue}table/listening/*"],
        "`<parameter prefix>/spotify/`": [f"arn:aws:ssm:{ACCOUNT}:parameter/tokens/spotify/*"],
        "the key, where one is set": [KEY],
        "the topic of alerts": [f"arn:aws:sns:{ACCOUNT}:alerts"],
        "the lake's data sets, where QuickSight is turned on": [f"arn:aws:quicksight:{ACCOUNT}:dataset/listening-*"],
        "itself, to go on with a long rebuild": [f"→{function}Function.Arn"],
        "the queue of what was given up": ["→DeadLetters.Arn"],
        "its own log": [f"→{function}Logs.Arn"],
    }[words]


def documented(function: str) -> set[tuple[str, str]]:
    """The same, as docs/aws.md tells it."""
    table = (DOCS / "aws.md").read_text("utf-8").split("## Permissions")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    header, *rows = rows
    column = header.index(function)
    return {
        (action, resource)
        for row in rows
        if row[column] == "✓"
        for action in re.findall(r"`(\w+:\w+)`", row[0])
        for resource in resources(row[1], function)
    }


@pytest.mark.parametrize("part", ["data", "compute"])
def test_cloudformation_would_take_the_template(part: str):
    """cfn-lint knows the schema of every resource; what is refused after half of it is made is found too late."""
    text = (DEPLOY / f"{part}.yaml").read_text("utf-8")
    assert [str(match) for match in lint(text, regions=["eu-central-1"])] == []
    assert len(text.encode()) <= 51_200  # more cannot be sent with the request


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_what_is_documented_and_nothing_else(function: str):
    """A right that crept in, or one that a new step lacks, is seen here before AWS denies it at night."""
    assert allowed(function, whole()) == documented(function)
    assert len(allowed(function, whole())) > 15


def test_the_poll_reaches_neither_answers_nor_catalog_and_nobody_deletes_what_was_collected():
    """What runs 24 times a day with a token in its hands is the least trusted; and raw cannot be had again."""
    assert {action.split(":")[0] for action, _ in allowed("poll", whole())} == {
        "s3",
        "ssm",
        "sns",
        "sqs",
        "logs",
        "kms",
    }
    deletable = {
        (function, resource.removeprefix(LAKE))
        for function in FUNCTIONS
        for action, resource in allowed(function, whole())
        if action == "s3:DeleteObject" and resource.startswith(f"{LAKE}raw")
    }
    assert deletable == {("inbox", "raw/streaming_history/*")}  # files of an export that is imported again


@pytest.mark.parametrize("part", ["data", "compute"])
def test_no_right_is_given_to_all_or_to_everything(part: str):
    """No `*` as an action, a service's whole API, a resource or a principal; but where it denies."""
    deployed = whole() if part == "compute" else data(KmsKeyArn=KEY)
    documents = [
        (resource.name, document)
        for resource in deployed.resources.values()
        for document in _documents(resource.properties)
    ]
    assert len(documents) == {"data": 2, "compute": 15}[part]
    for name, document in documents:
        for statement in document["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            assert not [action for action in listed(statement["Action"]) if "*" in action], name
            assert not [on for on in listed(statement.get("Resource", [])) if on.split(":")[-1] == "*"], name
            assert statement.get("Principal") != "*", name
            assert "Principal" not in statement or "Condition" in statement or name.endswith("Role"), name


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for each in value.values():
            yield from _documents(each)
    elif isinstance(value, list):
        for each in value:
            yield from _documents(each)


def test_the_bucket_is_private_encrypted_versioned_and_kept():
    """What fifteen years were collected into is not lost, and not shown to anybody, by a click."""
    bucket = data().resources["LakeBucket"]
    assert bucket.attributes["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket.attributes["UpdateReplacePolicy"] == "Retain"
    assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket.properties["PublicAccessBlockConfiguration"]) == 4
    assert bucket.properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert bucket.properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert _encryption(bucket) == {"SSEAlgorithm": "AES256"}
    assert _encryption(data(KmsKeyArn=KEY).resources["LakeBucket"]) == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": KEY,
    }
    policy = data().resources["LakeBucketPolicy"].properties["PolicyDocument"]["Statement"]
    assert policy == [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["→LakeBucket.Arn", "→LakeBucket.Arn/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def _encryption(bucket: Resource) -> dict[str, str]:
    (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    found: dict[str, str] = rule["ServerSideEncryptionByDefault"]
    return found


def test_the_bucket_forgets_only_what_is_worth_nothing():
    """No rule of the bucket ends a current object of the lake: what queries gave, runs printed, or was replaced."""
    rules = data(OldVersionsDays="45").resources["LakeBucket"].properties["LifecycleConfiguration"]["Rules"]
    by_id = {rule["Id"]: rule for rule in rules}
    ending = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert ending == {"athena-results/": 8, "dagster-logs/": 30}
    assert by_id["results-of-queries"]["Prefix"] == "athena-results/"
    assert by_id["results-of-queries"]["ExpirationInDays"] > 7  # Athena uses a result again for a week
    assert by_id["what-was-replaced-or-deleted"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": "45"}
    assert by_id["uploads-that-broke-off"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}
    assert {rule["Status"] for rule in rules} == {"Enabled"}


def test_the_catalog_is_kept_and_one_that_is_there_is_used():
    """Published versions and pins are in the tables' definitions."""
    database = data().resources["Database"]
    assert database.attributes["DeletionPolicy"] == "RetainExceptOnCreate"
    assert "Database" not in data(DatabaseIsThere="true").resources


def test_a_query_cannot_cost_much_or_write_elsewhere():
    """Whoever asks, the workgroup decides where results go, and when it is too much."""
    said = data(KmsKeyArn=KEY).resources["AthenaWorkgroup"].properties["WorkGroupConfiguration"]
    assert said["EnforceWorkGroupConfiguration"] is True
    assert said["BytesScannedCutoffPerQuery"] == 10_000_000_000
    assert said["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert said["ResultConfiguration"]["OutputLocation"] == "s3://→LakeBucket/athena-results/"
    assert said["ResultConfiguration"]["EncryptionConfiguration"] == {"EncryptionOption": "SSE_KMS", "KmsKey": KEY}


def test_alerts_reach_whoever_wants_them():
    """By e-mail where an address is given; alarms and the budget may publish, and nobody else's."""
    assert data().of_type("AWS::SNS::Subscription") == []
    (subscribed,) = data(AlertEmail="me@example.org").of_type("AWS::SNS::Subscription")
    assert subscribed.properties["Endpoint"] == "me@example.org"
    allow = data().resources["AlertsPolicy"].properties["PolicyDocument"]["Statement"][0]
    assert allow["Principal"] == {"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_as_it_was_measured_and_its_environment_is_one_of_settings(
    function: str, monkeypatch: pytest.MonkeyPatch
):
    """A variable that is no setting stops the function at its start; an empty one is none."""
    made = compute().resources[f"{function}Function"].properties
    assert (made["MemorySize"], made["Timeout"], made["ReservedConcurrentExecutions"]) == (2048, 900, 1)
    assert made["Code"] == {"ImageUri": IMAGE}
    assert made["Role"] == f"→{function}Role.Arn"
    variables = made["Environment"]["Variables"]
    for name, value in variables.items():
        assert name.removeprefix("SPOTIFRIEND_").lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.deployment, str(settings.home)) == ("aws", "/tmp/spotifriend")
    assert (settings.aws.bucket, settings.aws.prefix, settings.aws.kms_key) == ("lake", "a/b", None)
    assert settings.alert_topic == f"arn:aws:sns:{ACCOUNT}:alerts"
    given = {name.removeprefix("SPOTIFRIEND_").lower() for name in variables}
    left_out = {"spotify_redirect_uri", "spotify_api_url", "spotify_accounts_url"}  # of people, and of tests
    assert Settings.model_fields.keys() - given == left_out


def test_an_account_that_may_not_reserve_gets_functions_all_the_same():
    """Lambda refuses a reservation that leaves fewer than ten; a new account has ten in all."""
    made = compute(ReservesConcurrency="false").resources["pollFunction"].properties
    assert "ReservedConcurrentExecutions" not in made


@pytest.mark.parametrize(("name", "job"), [("PollHourly", "poll"), ("Daily", "daily")])
def test_a_schedule_has_a_time_zone_tries_again_and_keeps_what_it_cannot_start(name: str, job: str):
    """And says to the function what the function understands."""
    made = compute(TimeZone="Europe/London").resources[name].properties
    assert made["ScheduleExpressionTimezone"] == "Europe/London"
    target = made["Target"]
    assert read_event(json.loads(target["Input"]), "lake", "a/b") == Scheduled(job)
    assert target["Arn"] == f"→{job}Function.Arn"
    assert target["DeadLetterConfig"] == {"Arn": "→DeadLetters.Arn"}
    assert target["RetryPolicy"]["MaximumRetryAttempts"] >= 10
    assert made.get("State", "ENABLED") == "ENABLED"
    assert compute().resources[name].properties["ScheduleExpressionTimezone"] in available_timezones()


def test_a_poll_that_is_late_is_not_made_when_the_next_is_due():
    """Polls that pile up behind an outage would only repeat one another."""
    made = compute().resources
    assert made["PollHourly"].properties["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] < 3600
    assert made["pollInvoking"].properties["MaximumEventAgeInSeconds"] < 3600


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_event_whose_run_fails_is_kept(function: str):
    """Lambda tries again, and then hands it to the queue, on which an alarm stands."""
    made = compute().resources
    assert made[f"{function}Invoking"].properties["DestinationConfig"] == {
        "OnFailure": {"Destination": "→DeadLetters.Arn"}
    }
    assert 1 <= made[f"{function}Invoking"].properties["MaximumRetryAttempts"] <= 2
    watched = {
        (alarm.properties["MetricName"], alarm.properties["Dimensions"][0]["Value"])
        for alarm in compute().of_type("AWS::CloudWatch::Alarm")
    }
    assert {("Errors", f"→{function}Function"), ("Duration", f"→{function}Function")} <= watched
    assert ("ApproximateNumberOfMessagesVisible", "→DeadLetters.QueueName") in watched
    assert made[f"{function}IsLong"].properties["Threshold"] < made[f"{function}Function"].properties["Timeout"] * 1000


def test_silence_is_an_alarm_and_every_alarm_is_heard():
    """A schedule that somebody turned off fails nowhere."""
    alarms = compute().of_type("AWS::CloudWatch::Alarm")
    assert len(alarms) == 8  # ten cost nothing
    assert {tuple(alarm.properties["AlarmActions"]) for alarm in alarms} == {(f"arn:aws:sns:{ACCOUNT}:alerts",)}
    silent = compute().resources["NobodyPolls"].properties
    assert (silent["MetricName"], silent["TreatMissingData"]) == ("Invocations", "breaching")


def test_an_export_in_the_inbox_starts_the_function_and_nothing_else_does():
    """What failed lies in the inbox, too, and must not be tried for ever."""
    rule = compute().resources["Inbox"].properties
    assert rule["EventPattern"]["detail"]["bucket"] == {"name": ["lake"]}
    (key,) = rule["EventPattern"]["detail"]["object"]["key"]
    assert key == {"prefix": f"a/b/{INBOX}/listener="}
    assert not f"a/b/{INBOX}/failed/listener=me/x.zip".startswith(key["prefix"])
    assert rule["Targets"][0]["Arn"] == "→inboxFunction.Arn"
    assert rule["Targets"][0]["DeadLetterConfig"] == {"Arn": "→DeadLetters.Arn"}
    permission = compute().resources["InboxStarts"].properties
    assert (permission["SourceArn"], permission["Principal"]) == ("→Inbox.Arn", "events.amazonaws.com")
    assert data().resources["LakeBucket"].properties["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }


def test_logs_end_and_the_budget_can_be_turned_off():
    """Logs without an end cost more each month; some accounts have a budget already."""
    assert {group.properties["RetentionInDays"] for group in compute().of_type("AWS::Logs::LogGroup")} == {30}
    assert len(compute().of_type("AWS::Logs::LogGroup")) == 3
    (budget,) = compute().of_type("AWS::Budgets::Budget")
    assert budget.properties["Budget"]["BudgetLimit"] == {"Amount": 5, "Unit": "USD"}
    assert compute(MonthlyBudget="0").of_type("AWS::Budgets::Budget") == []


def test_the_schedules_are_those_of_the_other_homes():
    """Hourly at 7 past, nightly at 2:41: the same in Dagster's own schedules, and of the same jobs."""
    names = {job.name for job in JOBS}
    assert {"poll", "collect", "rebuild", "import_export"} <= names
    made = compute().resources
    assert made["PollHourly"].properties["ScheduleExpression"] == "cron(7 * * * ? *)"
    assert made["Daily"].properties["ScheduleExpression"] == "cron(41 2 * * ? *)"
