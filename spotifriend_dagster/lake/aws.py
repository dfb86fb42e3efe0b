"""Clients of AWS, and AWS's errors as sentences with their cure. What is asked of AWS is in the ports beside this one.

Imported only where the aws home is built: boto3 alone costs half a second.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.exceptions as errors
from botocore.config import Config

from spotifriend_dagster.lake.usage import Usage

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=16,  # as many as threads ever ask at once
)
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
_NOT_VALID = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "UnrecognizedClientException"),
    *("InvalidClientTokenId", "AuthFailure"),
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_BUSY = {
    *("SlowDown", "ServiceUnavailable", "InternalError", "InternalServiceException", "InternalServerException"),
    *("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "500", "502", "503"),
}
_NO_BUCKET = {"NoSuchBucket", "404"}
_NO_KEY = {
    *("KMS.NotFoundException", "KMS.DisabledException", "KMS.KMSInvalidStateException", "KMSKeyNotAccessibleFault"),
    *("InvalidKeyId", "KMS.InvalidKeyUsageException", "KMS.UnrecognizedClientException"),
}
_SAID = re.compile(
    r"User: (?P<who>\S+) is not authorized to perform: (?P<action>[\w:-]+)(?: on resource: (?P<on>\S+))?"
)
_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "HeadObject": "s3:GetObject",
    "DeleteObjects": "s3:DeleteObject",
}
_SERVICES = {
    "Object": "s3",
    "Bucket": "s3",
    "Table": "glue",
    "Database": "glue",
    "Query": "athena",
    "WorkGroup": "athena",
    "Parameter": "ssm",
}


class AwsClients:
    """The clients of one region, each made when it is first asked for. Credentials are found by boto3's own chain."""

    def __init__(self, region: str, usage: Usage | None = None) -> None:
        """Clients in `region`; `usage` counts what they ask."""
        self.region = region
        self._usage = usage
        self._lock = threading.Lock()  # making clients is not safe for threads, using them is
        self._clients: dict[str, Any] = {}
        self._session: Any = None

    def client(self, service: str) -> Any:
        """The client of a service, by boto3's name of it.

        Raises:
            BotoCoreError: boto3's own configuration is wrong.
        """
        with self._lock:
            if self._session is None:
                self._session = boto3.session.Session(region_name=self.region)
            if service not in self._clients:
                self._clients[service] = self._session.client(service, config=_CONFIG)
                if self._usage is not None:
                    self._usage.watch(self._clients[service], service)
            return self._clients[service]


@contextmanager
def translated(kind: Callable[[str], Exception], what: str) -> Iterator[None]:
    """Turn what botocore raises within into `kind`, with one sentence: `what` could not be done, why, and the cure."""
    try:
        yield
    except (errors.BotoCoreError, errors.ClientError) as error:
        raise kind(f"{what}: {why(error)}") from error


def why(error: Exception) -> str:
    """The reason of an error of botocore, with its cure, as the end of a sentence."""
    match error:
        case errors.ClientError():
            return _why_refused(error)
        case errors.ProfileNotFound():
            return f"{_plain(str(error))}: set AWS_PROFILE to one of ~/.aws/config, or sign in with `aws configure`."
        case (
            errors.NoCredentialsError()
            | errors.PartialCredentialsError()
            | errors.CredentialRetrievalError()
            | errors.TokenRetrievalError()
            | errors.SSOError()
        ):
            return (
                f"there are no AWS credentials ({_plain(str(error))}): sign in with `aws sso login` or "
                "`aws configure`, or set AWS_PROFILE."
            )
        case errors.HTTPClientError() | errors.ConnectionError():
            return f"AWS cannot be reached ({_plain(str(error))}): check the network, and SPOTIFRIEND_REGION."
        case _:
            return f"{_plain(str(error))}."


def code_of(error: errors.ClientError) -> str:
    """AWS's own name of an error."""
    code: str = error.response.get("Error", {}).get("Code", "")
    return code


def denied_action(error: errors.ClientError) -> str:
    """The action, as a policy names it, that was denied."""
    said = _SAID.search(_message(error))
    if said:
        return said["action"]
    operation = error.operation_name
    service = next((service for noun, service in _SERVICES.items() if noun in operation), "")
    return _ACTIONS.get(operation) or f"{service}:{operation}".lstrip(":")


def _why_refused(error: errors.ClientError) -> str:
    code, message = code_of(error), _message(error)
    if code in _DENIED:
        return _why_denied(error)
    if code in _ELSEWHERE:
        region = _region_of(error)
        where = f"{region}: set SPOTIFRIEND_REGION to it" if region else "another region: correct SPOTIFRIEND_REGION"
        return f"the bucket is in {where}."
    known = (
        (_EXPIRED, "the AWS credentials have expired: sign in again (`aws sso login`), or renew them."),
        (
            _NOT_VALID,
            f"AWS does not know these credentials ({code}): sign in again, or correct AWS_PROFILE or the keys; where "
            "they are right, SPOTIFRIEND_REGION is one that the account has not enabled.",
        ),
        (_NO_BUCKET, "there is no such bucket: create it, or correct SPOTIFRIEND_BUCKET."),
        (_NO_KEY, f"the KMS key cannot be used ({code}): correct SPOTIFRIEND_KMS_KEY, or enable the key."),
        (_BUSY, f"AWS answered {code} again and again: try again in some minutes; nothing is half-written."),
    )
    sentences = (sentence for codes, sentence in known if code in codes)
    return next(sentences, f"AWS refuses it ({code}: {_plain(message)}).")


def _why_denied(error: errors.ClientError) -> str:
    said = _SAID.search(_message(error))
    who = f" {said['who']}" if said else ""
    on = f" on {said['on'].rstrip('.')}" if said and said["on"] else ""
    return (
        f"AWS denies {denied_action(error)}{on} to this user or role{who}: allow it in its policy, and in the key's "
        "where the bucket has one; `spotifriend doctor` tests every permission."
    )


def _region_of(error: errors.ClientError) -> str:
    said: str = error.response.get("Error", {}).get("Region", "")
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return said or headers.get("x-amz-bucket-region", "")


def _message(error: errors.ClientError) -> str:
    message: str = error.response.get("Error", {}).get("Message", "")
    return message


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
