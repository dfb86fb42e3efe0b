"""`spotifriend deploy`, against an AWS that does what CloudFormation asks of it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotifriend_dagster.cli import stacks
from spotifriend_dagster.cli.account import Account
from spotifriend_dagster.cli.session import UserError
from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster_tests.deploy.command import BUCKET, NO_BUDGET, changes_left, deploy, deployed_by_process, made
from spotifriend_dagster_tests.deploy.ministack import REGION, Ministack


def test_the_home_is_made_by_one_command_then_there_is_nothing_to_do_and_the_lake_outlives_its_stacks(aws: Ministack):
    """The whole way: what is kept, the image, what runs; again; removed; and made once more over what was left."""
    first = deployed_by_process("--data-only", "--yes", "--set", "AlertEmail=me@example.org")
    assert first.code == 0, first.text
    assert "LakeBucket" in first.text
    assert "docker push" in first.text
    digest = aws.push_image("spotifriend")
    second = deployed_by_process("--yes", *NO_BUDGET)
    assert second.code == 0, second.text
    assert "spotifriend-data is as it should be" in second.text  # the address that was set before stays
    assert f"s3://{BUCKET}/listening/inbox/listener=me/" in second.text
    assert aws.status("spotifriend-data") == aws.status("spotifriend-compute") == "CREATE_COMPLETE"
    _assert_kept_well(aws)
    _assert_runs(aws, digest)

    third = deploy("--yes")
    assert third.code == 0
    assert third.text.count("no changes") == 2, third.text

    aws.client("s3").put_object(Bucket=BUCKET, Key="listening/raw/once", Body=b"heard")
    for stack in ("spotifriend-compute", "spotifriend-data"):
        aws.delete(stack)
    assert aws.client("s3").get_object(Bucket=BUCKET, Key="listening/raw/once")["Body"].read() == b"heard"
    assert aws.client("glue").get_database(Name="spotifriend")
    again = deploy("--data-only", "--yes")
    assert again.code == 0, again.text
    assert "is there already" in again.text
    assert "is taken over" in again.text
    _assert_kept_well(aws)
    assert aws.client("s3").get_object(Bucket=BUCKET, Key="listening/raw/once")["Body"].read() == b"heard"
    assert "no changes" in deploy("--data-only", "--yes").text


def _assert_kept_well(aws: Ministack) -> None:
    s3 = aws.client("s3")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    blocked = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert blocked == dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    workgroup = aws.client("athena").get_work_group(WorkGroup="spotifriend")["WorkGroup"]["Configuration"]
    assert workgroup["EnforceWorkGroupConfiguration"] is True
    assert workgroup["ResultConfiguration"]["OutputLocation"] == f"s3://{BUCKET}/athena-results/"


def _assert_runs(aws: Ministack, digest: str) -> None:
    lambda_ = aws.client("lambda")
    for job in ("poll", "daily", "inbox"):
        made = lambda_.get_function(FunctionName=f"spotifriend-{job}")
        assert made["Code"]["ImageUri"].endswith(f"/spotifriend@{digest}")
        variables = made["Configuration"]["Environment"]["Variables"]
        assert (variables["SPOTIFRIEND_BUCKET"], variables["SPOTIFRIEND_PREFIX"]) == (BUCKET, "listening")
        assert variables["SPOTIFRIEND_SPOTIFY_CLIENT_ID"] == "0123456789abcdef"
    scheduler = aws.client("scheduler")
    for job in ("poll", "daily"):
        made = scheduler.get_schedule(Name=job, GroupName="spotifriend")
        assert json.loads(made["Target"]["Input"]) == {"job": job}
        assert made["Target"]["DeadLetterConfig"]["Arn"].endswith(":spotifriend-dead-letters")
    queue = aws.client("sqs").get_queue_url(QueueName="spotifriend-dead-letters")
    assert queue["QueueUrl"]


def test_a_new_image_of_the_same_name_is_a_change(aws: Ministack):
    """CloudFormation compares words: with the tag alone, yesterday's code would run on."""
    deploy("--data-only", "--yes")
    aws.push_image("spotifriend", "1")
    assert deploy("--yes", *NO_BUDGET).code == 0
    digest = aws.push_image("spotifriend", "2")
    said = deploy("--yes")
    assert said.code == 0, said.text
    _assert_runs(aws, digest)
    # what is not set here stays as it was: the poll does not lose its app
    os.environ.pop("SPOTIFRIEND_SPOTIFY_CLIENT_ID")
    assert "no changes" in deploy("--yes").text.partition("spotifriend-compute")[2]


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_whoever_says_no_changes_nothing_and_leaves_nothing(aws: Ministack, answer: str):
    """Also whoever is not there to say anything: a pipeline without --yes."""
    said = deploy("--data-only", answer=answer)
    assert said.code == 1
    assert "Make these changes?" in said.text
    assert aws.status("spotifriend-data") in (None, "DELETE_COMPLETE")
    assert BUCKET not in [found["Name"] for found in aws.client("s3").list_buckets()["Buckets"]]


def test_a_failure_is_told_by_its_first_reason(aws: Ministack):
    """CloudFormation's own last word is that it rolled back; why is thirty events before."""
    good: dict[str, Any] = {"First": {"Type": "AWS::SNS::Topic"}}
    bad = {"Second": {"Type": "AWS::Logs::LogStream", "DependsOn": "First"}, "Third": {"Type": "AWS::SNS::Topic"}}
    known = stacks.Stacks(AwsClients(REGION))
    with pytest.raises(
        UserError, match=r"^The stack made could not be made\. Second \(AWS::Logs::LogStream\) failed: "
    ):
        made(known, "made", good | bad)
    with pytest.raises(UserError, match=r"never made whole.*ROLLBACK_COMPLETE.*delete-stack --region eu-central-1"):
        made(known, "made", good)
    aws.delete("made")
    assert made(known, "made", good).status == "CREATE_COMPLETE"
    with pytest.raises(UserError, match=r"could not be changed, and is as it was before\. Second"):
        made(known, "made", good | bad)
    assert made(known, "made", good | {"Third": bad["Third"]}).status == "UPDATE_COMPLETE"


def test_what_is_found_before_anything_is_made_is_told(aws: Ministack, monkeypatch: pytest.MonkeyPatch):
    """Of a name that is taken, CloudFormation's event says only where else to ask."""
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    monkeypatch.setattr(Account, "has_bucket", lambda _: False)  # it was made a moment later
    said = deploy("--data-only", "--yes")
    assert said.code == 1
    assert "spotifriend-data could not be made. LakeBucket failed: Resource of type 'AWS::S3::Bucket'" in said.sentence
    assert "already exists" in said.sentence
    assert "aws cloudformation delete-stack" in said.sentence


def test_there_is_no_image_yet(aws: Ministack):
    """The data is made all the same, and what to do is said word by word."""
    said = deploy("--yes")
    assert said.code == 1
    assert "There is no image 000000000000.dkr.ecr.eu-central-1.amazonaws.com/spotifriend:latest to run." in said.text
    assert "docker build --provenance=false" in said.text
    assert aws.status("spotifriend-data") == "CREATE_COMPLETE"
    assert aws.status("spotifriend-compute") is None
    aws.push_image("spotifriend", kind="application/vnd.oci.image.index.v1+json")
    assert "is a list of images, and Lambda wants one" in deploy("--yes").text


def test_a_bucket_is_not_replaced_without_anybody_looking(aws: Ministack, monkeypatch: pytest.MonkeyPatch):
    """Another name in the settings of a pipeline would begin an empty lake."""
    deploy("--data-only", "--yes")
    as_it_says = stacks._change  # which is Conditional of every change; AWS knows that a name cannot be changed
    monkeypatch.setattr(stacks, "_change", lambda said: as_it_says({**said, "Replacement": "True"}))
    os.environ["SPOTIFRIEND_BUCKET"] = "another-lake"
    said = deploy("--data-only", "--yes")
    assert said.code == 1
    assert "LakeBucket would go or be replaced, and --yes does not agree to that" in said.sentence
    assert "is replaced" in said.text
    assert changes_left(aws) == []
    assert [found["Name"] for found in aws.client("s3").list_buckets()["Buckets"]] == [BUCKET]


def test_an_account_that_may_run_ten_functions_reserves_none(aws: Ministack, monkeypatch: pytest.MonkeyPatch):
    """Every new account is such a one: Lambda would refuse the whole stack."""
    monkeypatch.setattr(Account, "concurrency", lambda _: 10)
    deploy("--data-only", "--yes")
    aws.push_image("spotifriend")
    said = deploy("--yes", *NO_BUDGET)
    assert said.code == 0, said.text
    assert "may run only 10 functions at once" in said.text
    assert "Concurrency" not in aws.client("lambda").get_function(FunctionName="spotifriend-poll")


@pytest.mark.parametrize("text", ["AlertEmail", "Nothing=1", "Bucket=other", "TimeZone=Etc/UTC"])
def test_what_cannot_be_set_is_named_with_what_can(aws: Ministack, text: str):
    """A setting is said in one place only."""
    said = deploy("--data-only", "--yes", "--set", text)
    assert said.code == 1
    assert (
        f"--set {text} is not NAME=VALUE of a parameter that can be set; these can: AlertEmail, OldV" in said.sentence
    )
    assert aws.status("spotifriend-data") is None


def test_a_value_that_a_template_does_not_take_is_said_before_anything_is_made(aws: Ministack):
    """As CloudFormation says it, in one sentence."""
    said = deploy("--data-only", "--yes", "--set", "AlertEmail=nobody")
    assert said.code == 1
    assert "AlertEmail" in said.sentence
    assert "Traceback" not in said.text
    with pytest.raises(ClientError):
        aws.client("s3").head_bucket(Bucket=BUCKET)
