"""QuickSight's service through a client of boto3, with its errors as sentences that name the cure.

What is asked of it is in `upsert.py` and `refresh.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

_WITHOUT_ACCOUNT = {"list_tags_for_resource", "tag_resource"}


class QuickSightError(Exception):
    """QuickSight could not do what was asked; the message is a sentence for the user."""


class NotThere(QuickSightError):
    """QuickSight has nothing of that id."""


class AlreadyThere(QuickSightError):
    """QuickSight has something of that id already."""


class LimitReached(QuickSightError):
    """QuickSight allows no more of it now."""


class QuickSight:
    """The operations of one account's QuickSight, by boto3's name of them. The client is made when it is first used."""

    def __init__(self, account: str, client: Callable[[], Any]) -> None:
        self.account = account
        self._client = client

    def call(self, operation: str, **arguments: Any) -> Json:
        """What an operation answers.

        Raises:
            QuickSightError: it could not be done; `NotThere`, `AlreadyThere`, `LimitReached` tell some reasons apart.
        """
        import botocore.exceptions as errors  # noqa: PLC0415 - heavy

        if operation not in _WITHOUT_ACCOUNT:
            arguments = {"AwsAccountId": self.account} | arguments
        try:
            answer: Json = getattr(self._client(), operation)(**arguments)
        except errors.ClientError as error:
            raise self._refusal(error) from error
        except errors.BotoCoreError as error:
            from spotifriend_dagster.lake.aws import why  # noqa: PLC0415

            raise QuickSightError(f"QuickSight cannot be asked: {why(error)}") from error
        return answer

    def pages(self, operation: str, listed: str, **arguments: Any) -> Iterator[list[Json]]:
        """What an operation lists under the name `listed`, page by page.

        Raises:
            QuickSightError: it could not be done.
        """
        token: Json = {}
        while True:
            page = self.call(operation, **arguments, **token, MaxResults=100)
            yield page.get(listed, [])
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def require_enterprise(self) -> None:
        """Go on only with an account that is signed up for an edition that keeps listeners' rows apart.

        Raises:
            QuickSightError: it is not.
        """
        try:
            subscribed = self.call("describe_account_subscription").get("AccountInfo", {})
        except NotThere:
            subscribed = {}
        status: str = subscribed.get("AccountSubscriptionStatus", "")
        if not subscribed or status.startswith(("UNSUBSCRIBE", "SIGNUP_ATTEMPT")):
            raise QuickSightError(
                f"The AWS account {self.account} is not signed up for QuickSight: sign up once in the AWS console, for "
                "the Enterprise edition (docs/quicksight.md says how), and give the same command again."
            )
        if subscribed.get("Edition") == "STANDARD":
            raise QuickSightError(_STANDARD)

    def _refusal(self, error: Any) -> QuickSightError:
        code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        operation = error.operation_name
        plain = " ".join(said.split()).rstrip(".")
        if code in _REFUSALS:
            kind, sentence = _REFUSALS[code]
            return kind(sentence.format(operation=operation, said=plain, code=code, account=self.account))
        from spotifriend_dagster.lake.aws import why  # noqa: PLC0415 - heavy

        return QuickSightError(f"QuickSight refuses {operation}: {why(error)}")


_STANDARD = (
    "The account has QuickSight's Standard edition, which cannot keep listeners' rows apart: upgrade it to Enterprise "
    "under Manage QuickSight."
)
_DENIED = (
    QuickSightError,
    "AWS denies quicksight:{operation} to this user or role, or the account {account} is not signed up for QuickSight "
    "({said}): allow the actions of docs/quicksight.md in its policy, or sign up.",
)
_BUSY = (
    QuickSightError,
    "QuickSight answered {code} again and again: try again in some minutes; what was done stays done.",
)
_REFUSALS: dict[str, tuple[type[QuickSightError], str]] = {
    "ResourceNotFoundException": (
        NotThere,
        "QuickSight does not have what {operation} is asked for ({said}): make it by `spotifriend quicksight`.",
    ),
    "ResourceExistsException": (AlreadyThere, "QuickSight has something of that id already ({said})."),
    "LimitExceededException": (
        LimitReached,
        "QuickSight allows no more of it now ({operation}: {said}): try again tomorrow, or raise the quota.",
    ),
    "UnsupportedUserEditionException": (QuickSightError, _STANDARD),
    "QuickSightUserNotFoundException": (
        QuickSightError,
        "QuickSight does not know the user ({said}): correct SPOTIFRIEND_QUICKSIGHT_PRINCIPAL.",
    ),
    "ConflictException": (
        QuickSightError,
        "QuickSight is still busy with the last change ({operation}: {said}): give the same command again in a minute.",
    ),
    "InvalidParameterValueException": (
        QuickSightError,
        "QuickSight does not take it ({operation}: {said}): where it names a user or group, correct "
        "SPOTIFRIEND_QUICKSIGHT_PRINCIPAL, or quicksight in listeners.toml.",
    ),
    "AccessDeniedException": _DENIED,
    "AccessDenied": _DENIED,
    "ThrottlingException": _BUSY,
    "TooManyRequestsException": _BUSY,
    "InternalFailureException": _BUSY,
    "ServiceUnavailable": _BUSY,
}
"""By AWS's name of the reason."""
