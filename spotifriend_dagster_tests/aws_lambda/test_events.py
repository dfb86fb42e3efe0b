"""What an event asks for: each shape that Lambda is sent, and a sentence for everything else."""

from __future__ import annotations

from typing import Any

import pytest

from spotifriend_dagster.aws_lambda.events import Dropped, MalformedEvent, Scheduled, read_event

BUCKET = "lake"


def of_s3(*keys: str, bucket: str = BUCKET) -> dict[str, Any]:
    """What S3 itself sends."""
    return {"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": key}}} for key in keys]}


def of_event_bridge(key: str, bucket: str = BUCKET) -> dict[str, Any]:
    """What S3 sends through EventBridge."""
    return {"source": "aws.s3", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}


@pytest.mark.parametrize("job", ["poll", "daily", "rebuild"])
def test_a_schedule_names_its_job(job: str) -> None:
    assert read_event({"job": job}, BUCKET, "") == Scheduled(job)


@pytest.mark.parametrize("prefix", ["", "music/lake"])
def test_dropped_exports_are_named_by_both_ways_in_which_s3_tells(prefix: str) -> None:
    """S3 quotes keys as forms do, EventBridge does not: a plus sign and a blank must not change places."""
    before = f"{prefix}/" if prefix else ""
    plain = "inbox/listener=anna/my+data (1) ä.zip"
    quoted = f"{before}inbox/listener%3Danna/my%2Bdata+%281%29+%C3%A4.zip"
    dropped = Dropped(plain, "anna")
    assert dropped.file == "my+data (1) ä.zip"
    assert read_event(of_event_bridge(before + plain), BUCKET, prefix) == [dropped]
    assert read_event(of_s3(quoted, quoted), BUCKET, prefix) == [dropped, dropped]


@pytest.mark.parametrize(
    "event",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET},
        of_event_bridge("inbox/listener=anna/"),
        of_event_bridge("inbox/failed/listener=anna/20250301T120000000Z-a.zip"),
        of_event_bridge("inbox/failed/listener=anna/20250301T120000000Z-a.zip.reason.txt"),
        of_event_bridge("raw/api_pulls/listener=anna/dt=2025-03-01/a.jsonl.gz"),
        of_event_bridge("elsewhere/inbox/listener=anna/a.zip"),
    ],
    ids=["test", "folder", "failed", "reason", "raw", "prefix"],
)
def test_what_is_no_dropped_export_asks_for_nothing(event: dict[str, Any]) -> None:
    """What is set aside is put into the inbox's own folder: taken for an export, it would go round for ever."""
    assert read_event(event, BUCKET, "") == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (None, "The event is a NoneType, and should be an object such as"),
        ([{"job": "poll"}], "The event is a list"),
        ({}, "neither a job nor a created object of S3 .it has nothing"),
        ({"jbo": "poll"}, "it has 'jbo'"),
        ({"job": "answer"}, "There is no job 'answer' here: the event should be"),
        ({"job": {"a": ["x" * 500]}}, "There is no job .{0,70}… here"),
        ({"job": ["poll"]}, "There is no job"),
        ({"Records": [{"s3": None}]}, "neither a job nor"),
        ({"Records": 5}, "neither a job nor"),
        ({"detail": {"bucket": "lake"}}, "neither a job nor"),
        (of_event_bridge("inbox/listener=anna/a.zip", "other"), "is of the bucket 'other', and the lake is in lake"),
        (of_event_bridge("inbox/listener=anna/.hidden.zip"), "cannot be read: rename the file"),
        (of_event_bridge("inbox/listener=anna//a.zip"), "cannot be read"),
        (of_event_bridge("inbox/listener=anna/folder/a.zip"), "should be inbox/listener=<id>/<file>: a file"),
        (of_event_bridge("inbox/listener=anna"), "should be inbox/listener=<id>/<file>"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_anything_else_is_named_in_one_sentence(event: Any, said: str) -> None:
    """It says what was sent, shortly, and what should be."""
    with pytest.raises(MalformedEvent, match=said) as raised:
        read_event(event, BUCKET, "")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300
