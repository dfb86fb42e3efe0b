"""What only a bucket does: keys, encryption, many pages, two writers, and everything that AWS may answer instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import pytest

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import StorageError
from spotifriend_dagster_tests.aws.server import BUCKET, ENVIRONMENT
from spotifriend_dagster_tests.lake.client_faults import Faults

KEY = "cleaned/plays/listener=anna/year=2024/part.parquet"


@pytest.fixture
def storage(clients: AwsClients) -> S3Storage:
    return S3Storage(clients, BUCKET, "lake")


@pytest.fixture
def faults(clients: AwsClients) -> Iterator[Faults]:
    faults = Faults(clients, "s3")
    yield faults
    faults.end()


def sentence(error: pytest.ExceptionInfo[StorageError]) -> str:
    """One line, for a person."""
    said = str(error.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert "An error occurred" not in said
    return said


def test_an_object_is_one_put_to_its_key_below_the_prefix(storage: S3Storage, clients: AwsClients, faults: Faults):
    """Readers find the old object or the new one, never a folder that is empty in between."""
    storage.write(KEY, b"old")
    storage.write(KEY, b"new")
    assert faults.asked == ["PutObject", "PutObject"]
    (stored,) = clients.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert stored["Key"] == f"lake/{KEY}"
    assert storage.uri(KEY) == f"s3://{BUCKET}/lake/{KEY}"
    assert S3Storage(clients, BUCKET).list("") == S3Storage(clients, BUCKET).list("lake")
    assert S3Storage(clients, BUCKET, "lak").list("") == []


@pytest.mark.parametrize(("key", "said"), [(None, "AES256"), ("alias/lake", "aws:kms")])
def test_what_is_written_is_encrypted(clients: AwsClients, key: str | None, said: str):
    """By the owner's key where one is set, and one call to KMS serves the bucket for a while."""
    storage = S3Storage(clients, BUCKET, kms_key=key)
    storage.write("a", b"")
    storage.write_new("b", b"")
    for name in "ab":
        head = clients.client("s3").head_object(Bucket=BUCKET, Key=name)
        assert head["ServerSideEncryption"] == said
        assert (head.get("SSEKMSKeyId"), head.get("BucketKeyEnabled", False)) == (key, key is not None)


def test_a_listing_has_as_many_pages_as_it_takes(
    storage: S3Storage, clients: AwsClients, faults: Faults, monkeypatch: pytest.MonkeyPatch
):
    """S3 gives a thousand keys at once, and deletes a thousand at once; here it is ten."""
    monkeypatch.setattr("spotifriend_dagster.lake.s3._DELETED_AT_ONCE", 10)
    events = clients.client("s3").meta.events

    def few(params: dict[str, object], **_: object) -> dict[str, object]:
        return params | {"MaxKeys": 10}

    events.register("provide-client-params.s3.ListObjectsV2", few)
    keys = [f"raw/{n:04d}" for n in range(25)]
    for key in keys:
        storage.write(key, b"")
    faults.asked.clear()
    assert [stored.key for stored in storage.list("raw")] == keys
    storage.delete(keys)
    assert storage.list("") == []
    events.unregister("provide-client-params.s3.ListObjectsV2", few)
    assert faults.asked == ["ListObjectsV2"] * 3 + ["DeleteObjects"] * 3 + ["ListObjectsV2"]


def test_a_folder_made_in_the_console_is_no_object(storage: S3Storage, clients: AwsClients):
    """The console makes an empty object of a name that ends in a slash; it is no file of a table."""
    for key in ("lake/", "lake/raw/", "lake/raw/.hidden"):
        clients.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
    assert storage.list("") == []


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable")])
def test_a_hiccup_of_s3_is_not_noticed(storage: S3Storage, faults: Faults, status: int, code: str):
    """S3 answers so now and then, above all when asked much at once."""
    for operation in ("PutObject", "GetObject", "ListObjectsV2", "DeleteObjects"):
        faults.put(operation, status, code, times=3)
    storage.write(KEY, b"content")
    assert storage.read(KEY) == b"content"
    assert [stored.key for stored in storage.list("")] == [KEY]
    storage.delete([KEY])
    assert storage.list("") == []


def test_s3_that_never_recovers_is_said_in_a_sentence(storage: S3Storage, faults: Faults):
    """Bounded, and what was there stays."""
    storage.write(KEY, b"old")
    faults.put("PutObject", 503, "SlowDown", times=100)
    with pytest.raises(StorageError) as error:
        storage.write(KEY, b"new")
    assert "SlowDown again and again: try again in some minutes" in sentence(error)
    assert storage.read(KEY) == b"old"
    assert faults.asked.count("PutObject") == 1 + 6


def test_writers_who_meet_try_again(storage: S3Storage, faults: Faults, monkeypatch: pytest.MonkeyPatch):
    """409 says that another PUT of the same key is under way: who is first will be known in a moment."""
    monkeypatch.setattr("spotifriend_dagster.lake.s3.time.sleep", lambda _: None)
    faults.put("PutObject", 409, "ConditionalRequestConflict", times=2)
    assert storage.write_new(KEY, b"mine")
    assert storage.read(KEY) == b"mine"
    faults.put("PutObject", 409, "ConditionalRequestConflict")
    assert not storage.write_new(KEY, b"other")
    assert storage.read(KEY) == b"mine"
    faults.put("PutObject", 409, "ConditionalRequestConflict", times=100)
    with pytest.raises(StorageError, match="ConditionalRequestConflict"):
        storage.write_new("another", b"")


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_a_claim_whose_answer_is_lost_is_known_to_be_ours(storage: S3Storage, faults: Faults, code: str):
    """The PUT went through, its answer did not come, the repeated PUT finds the name taken: by us."""
    faults.lose("PutObject", 500, code)
    assert storage.write_new(KEY, b"mine")
    storage.write_new("taken", b"same")
    faults.put("PutObject", 500, code)
    assert not storage.write_new("taken", b"same"), "taken by somebody else, who wrote the same"


def test_a_replacement_whose_answer_is_lost_is_known_to_be_ours(storage: S3Storage, faults: Faults):
    """The same where a version is replaced: the repeated PUT finds another version, which is ours, or is not."""
    storage.write(KEY, b"old")
    _, version = storage.read_version(KEY)
    faults.lose("PutObject", 500, "InternalError")
    assert storage.replace(KEY, b"mine", version)
    faults.put("PutObject", 500, "InternalError")
    assert not storage.replace(KEY, b"mine", version), "replaced by somebody else, who wrote the same"
    faults.put("PutObject", 409, "ConditionalRequestConflict")
    assert storage.replace(KEY, b"next", storage.read_version(KEY)[1])


def test_an_answer_that_breaks_off_is_asked_for_again(
    storage: S3Storage, clients: AwsClients, monkeypatch: pytest.MonkeyPatch
):
    """The connection ends in the middle of an object's content."""
    storage.write(KEY, b"content")
    client, failures = clients.client("s3"), [1, 2]
    get_object = client.get_object

    class Broken:
        def read(self) -> bytes:
            raise botocore.exceptions.ResponseStreamingError(error="reset by peer")

    def once_broken(**asked: str) -> dict[str, object]:
        return {"Body": Broken()} if failures and failures.pop() else get_object(**asked)

    monkeypatch.setattr(client, "get_object", once_broken)
    assert storage.read(KEY) == b"content"
    failures += [1] * 100
    with pytest.raises(StorageError, match="cannot be read from"):
        storage.read(KEY)


def test_a_checksum_is_s3_s_own_or_that_of_the_content(storage: S3Storage, clients: AwsClients, faults: Faults):
    """What came into the bucket by other hands has none of the kind."""
    storage.write("ours", b"content")
    clients.client("s3").put_object(Bucket=BUCKET, Key="lake/theirs", Body=b"content")
    faults.asked.clear()
    assert storage.sha256("ours") == storage.sha256("theirs")
    assert faults.asked == ["HeadObject", "HeadObject", "GetObject"]


def test_a_missing_bucket_is_named(clients: AwsClients):
    storage = S3Storage(clients, "no-such-bucket", "lake")
    for ask in (
        lambda: storage.read(KEY),
        lambda: storage.write(KEY, b""),
        lambda: storage.write_new(KEY, b""),
        lambda: storage.list(""),
        lambda: storage.delete([KEY]),
        lambda: storage.sha256(KEY),
    ):
        with pytest.raises(StorageError) as error:
            ask()
        assert re.search("no-such-bucket.*create it, or correct SPOTIFRIEND_BUCKET", sentence(error))


def test_a_denied_action_is_named(storage: S3Storage, faults: Faults):
    """As a policy names it, whether AWS says it or not; and it is not asked again."""
    user = "arn:aws:sts::123456789012:assumed-role/lake/anna"
    message = (
        f"User: {user} is not authorized to perform: s3:PutObject on resource: &quot;arn:aws:s3:::the-lake/x&quot;"
    )
    faults.put("PutObject", 403, "AccessDenied", message)
    with pytest.raises(StorageError) as error:
        storage.write(KEY, b"")
    said = sentence(error)
    assert KEY in said
    assert "AWS denies s3:PutObject on" in said
    assert user in said
    assert "spotifriend doctor" in said
    faults.put("ListObjectsV2", 403, "AccessDenied", "Access Denied")
    with pytest.raises(StorageError, match="AWS denies s3:ListBucket to"):
        storage.list("raw")
    faults.put("HeadObject", 403, "403")
    with pytest.raises(StorageError, match="AWS denies s3:GetObject to"):
        storage.sha256(KEY)
    assert faults.asked == ["PutObject", "ListObjectsV2", "HeadObject"]


def test_an_object_that_may_not_be_deleted_is_an_error(storage: S3Storage, faults: Faults):
    """DeleteObjects answers 200, with the errors inside."""
    storage.write(KEY, b"")
    inside = "<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code><Message>No</Message></Error></DeleteResult>"
    faults.put_body("DeleteObjects", 200, inside)
    with pytest.raises(StorageError, match="AWS denies s3:DeleteObject to"):
        storage.delete([KEY])


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, "ExpiredToken", "the AWS credentials have expired: sign in again"),
        (403, "InvalidAccessKeyId", "AWS does not know these credentials"),
        (400, "AuthorizationHeaderMalformed", "in another region: correct SPOTIFRIEND_REGION"),
        (400, "KMS.NotFoundException", "correct SPOTIFRIEND_KMS_KEY"),
        (400, "EntityTooLarge", "AWS refuses it .EntityTooLarge: No."),
    ],
)
def test_every_other_answer_is_a_sentence(storage: S3Storage, faults: Faults, status: int, code: str, said: str):
    faults.put("PutObject", status, code, times=10)
    with pytest.raises(StorageError, match=said) as error:
        storage.write(KEY, b"")
    sentence(error)


def test_without_credentials_one_is_told_to_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing is found where boto3 looks for them; or AWS_PROFILE names what is not there."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StorageError, match=r"no AWS credentials .*sign in with") as error:
        S3Storage(AwsClients("eu-central-1"), BUCKET).write(KEY, b"")
    sentence(error)
    monkeypatch.setenv("AWS_PROFILE", "anna")
    with pytest.raises(StorageError, match=r"anna.*set AWS_PROFILE") as error:
        S3Storage(AwsClients("eu-central-1"), BUCKET).list("")
    sentence(error)


def test_without_a_network_one_is_told(storage: S3Storage, faults: Faults):
    error = botocore.exceptions.EndpointConnectionError(endpoint_url="https://s3.eu-cental-1.amazonaws.com")
    faults.raise_("GetObject", error, times=10)
    with pytest.raises(StorageError, match=r"AWS cannot be reached .*eu-cental-1.*SPOTIFRIEND_REGION") as raised:
        storage.read(KEY)
    sentence(raised)
