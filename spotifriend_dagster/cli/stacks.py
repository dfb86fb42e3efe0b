"""Stacks of CloudFormation: what a template would change, making it so, and why it could not be made.

Which stacks there are, and what they are given, is in `deploying.py`; what is in them, in `deploy/*.yaml`.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import botocore.exceptions as errors

from spotifriend_dagster.cli.session import UserError
from spotifriend_dagster.lake.aws import AwsClients, code_of, translated, why

_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 4.0
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_TAGS = [{"Key": "application", "Value": "spotifriend"}]
_HOLD_DATA = {"AWS::S3::Bucket", "AWS::Glue::Database", "AWS::RDS::DBInstance"}
_STACK = "AWS::CloudFormation::Stack"
_GOOD_ENDS = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
_NO_CHANGE = re.compile("didn't contain changes|no updates are to be performed", re.IGNORECASE)
_SAID_BY_HANDLER = re.compile(r'returned message: "(?P<said>.*?)" \(RequestToken', re.DOTALL)
_NO_CHANGE_SET = {"ChangeSetNotFound", "ChangeSetNotFoundException", "ValidationError"}
"""Of changes that were never taken down, and of a stack that never was."""
_CALLED_OFF = re.compile("cancelled|Rollback requested", re.IGNORECASE)
_CANNOT_GO_ON = {
    "ROLLBACK_COMPLETE": "was never made whole, and CloudFormation does not go on from there",
    "ROLLBACK_FAILED": "was never made whole, nor could what there is of it be removed",
    "CREATE_FAILED": "was never made whole, and CloudFormation does not go on from there",
    "IMPORT_ROLLBACK_COMPLETE": "could not take over what it was to hold",
    "IMPORT_ROLLBACK_FAILED": "could not take over what it was to hold, nor let go of it",
    "DELETE_FAILED": "could not be deleted entirely",
}


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation knows it; `parameters` are those that it was given, of which some are not shown."""

    name: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """What is to become of one resource: `action` is CloudFormation's word, `replacement` its True, False, Conditional.

    `is_kept` where what goes, or is replaced, is left where it is, and only belongs to no stack any more.
    """

    action: str
    resource: str
    kind: str
    replacement: str = "False"
    is_kept: bool = False

    @property
    def is_of_data(self) -> bool:
        """Whether it is one that holds data, and goes or is replaced."""
        return self.kind in _HOLD_DATA and (self.action == "Remove" or self.replacement == "True")


@dataclass
class ChangeSet:
    """Changes that CloudFormation has worked out; `is_pending` until they are made, or are known never to have been."""

    stack: str
    id: str  # its name
    changes: Sequence[Change]
    is_pending: bool = True


class Stacks:
    """The stacks of one account and region."""

    def __init__(self, clients: AwsClients) -> None:
        self._cloudformation = clients.client("cloudformation")
        self._region = clients.region

    def get(self, name: str) -> Stack | None:
        """A stack; None where there is none, or one that was begun and holds nothing yet.

        Raises:
            UserError: CloudFormation cannot be asked.
        """
        with translated(UserError, f"The stack {name} cannot be looked up"):
            try:
                said = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            except errors.ClientError as error:
                if code_of(error) == "ValidationError" and "does not exist" in str(error):
                    return None
                raise
        if said["StackStatus"] == "REVIEW_IN_PROGRESS":
            return None
        return Stack(
            name,
            said["StackStatus"],
            {given["ParameterKey"]: given.get("ParameterValue", "") for given in said.get("Parameters", [])},
            {output["OutputKey"]: output["OutputValue"] for output in said.get("Outputs", [])},
        )

    def parameters(self, template: str) -> dict[str, str]:
        """What a template may be given, by name, with its description.

        Raises:
            UserError: CloudFormation cannot be asked, or does not understand the template.
        """
        with translated(UserError, "CloudFormation cannot be asked about the template"):
            said = self._cloudformation.get_template_summary(TemplateBody=template)["Parameters"]
        return {parameter["ParameterKey"]: parameter.get("Description", "") for parameter in said}

    @contextmanager
    def prepared(
        self,
        stack: Stack | None,
        name: str,
        template: str,
        parameters: Mapping[str, str],
        *,
        known: Collection[str] = (),
        imports: Collection[Mapping[str, Any]] = (),
    ) -> Iterator[ChangeSet | None]:
        """The changes that would make the stack what the template says; None where there are none.

        A parameter that is not given stays as the stack has it, or is as the template says. Whoever leaves without
        having executed the changes leaves nothing behind.

        Args:
            stack: the stack as it is; None where it is to be made.
            name: its name.
            template: what it is to be.
            parameters: what the template is given.
            known: the names of all that it may be given.
            imports: resources that are there, and that the stack is to take over as they are.

        Raises:
            UserError: the stack cannot be changed now, or not to this.
        """
        if stack:
            self._require_changeable(stack)
        kept = sorted(stack.parameters.keys() & set(known) - parameters.keys()) if stack else []
        kind = "IMPORT" if imports else "UPDATE" if stack else "CREATE"
        asked: dict[str, Any] = {
            "StackName": name,
            "ChangeSetName": f"deploy-{uuid.uuid4().hex}",
            "ChangeSetType": kind,
            "TemplateBody": template,
            "Parameters": [
                *({"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()),
                *({"ParameterKey": key, "UsePreviousValue": True} for key in kept),
            ],
            "Capabilities": _CAPABILITIES,
            # what is taken over cannot be tagged at the same time
            **({"ResourcesToImport": list(imports)} if imports else {"Tags": _TAGS}),
        }
        changes = ChangeSet(name, asked["ChangeSetName"], [])
        try:
            with translated(UserError, f"What would change in the stack {name} cannot be worked out"):
                try:
                    self._cloudformation.create_change_set(**asked)
                except errors.ClientError:
                    changes.is_pending = False
                    raise
            if self._worked_out(changes):
                yield changes
            else:
                yield None
        except KeyboardInterrupt:
            raise UserError(f"Interrupted: the stack {name} is as it was.") from None
        finally:
            if changes.is_pending:
                self._discard(changes, is_new=stack is None)

    def execute(self, changes: ChangeSet, on_event: Callable[[str, str], None]) -> Stack:
        """Make the changes, and give the stack as it then is.

        Args:
            changes: what was prepared.
            on_event: is called with the name of a resource and what CloudFormation says of it.

        Raises:
            UserError: they could not be made; the sentence is the reason of the first resource that failed.
        """
        with translated(UserError, f"The stack {changes.stack} cannot be changed"):
            seen = {event["EventId"] for event in self._events(changes.stack, set())}
            changes.is_pending = False  # also where the answer is lost, or nobody waits for it
            try:
                self._cloudformation.execute_change_set(ChangeSetName=changes.id, StackName=changes.stack)
            except errors.ClientError:
                changes.is_pending = True
                raise
        told: list[Mapping[str, Any]] = []
        wait = _FIRST_WAIT_SECONDS
        while True:
            with translated(UserError, f"How the stack {changes.stack} is doing cannot be asked"):
                new = self._events(changes.stack, seen)
            seen.update(event["EventId"] for event in new)
            told += new
            for event in new:
                on_event(event["LogicalResourceId"], event["ResourceStatus"])
            stack = self.get(changes.stack)
            if stack and told and not new and not stack.status.endswith("_IN_PROGRESS"):
                break
            time.sleep(wait)
            wait = min(wait * 1.3, _LONGEST_WAIT_SECONDS)
        if stack.status not in _GOOD_ENDS:
            raise UserError(self._failure(stack, told))
        return stack

    def _worked_out(self, changes: ChangeSet) -> bool:
        """Wait until CloudFormation knows what would change, and say whether anything would."""
        with translated(UserError, f"What would change in the stack {changes.stack} cannot be worked out"):
            said = self._settled(changes)
            found = said.get("Changes", [])
            while token := said.get("NextToken"):
                said = self._cloudformation.describe_change_set(
                    ChangeSetName=changes.id, StackName=changes.stack, NextToken=token
                )
                found += said.get("Changes", [])
        if said["Status"] == "FAILED":
            reason = said.get("StatusReason", "")
            if _NO_CHANGE.search(reason):
                return False
            raise UserError(f"CloudFormation refuses what the stack {changes.stack} is to be: {_plain(reason)}.")
        changes.changes = [_change(each["ResourceChange"]) for each in found if "ResourceChange" in each]
        return True

    def _settled(self, changes: ChangeSet) -> dict[str, Any]:
        """What CloudFormation says of changes as soon as it knows them, or why there are none."""
        wait = _FIRST_WAIT_SECONDS
        while True:
            said: dict[str, Any] = self._cloudformation.describe_change_set(
                ChangeSetName=changes.id, StackName=changes.stack
            )
            if not said["Status"].endswith(("_PENDING", "_IN_PROGRESS")):
                return said
            time.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)

    def _discard(self, changes: ChangeSet, *, is_new: bool) -> None:
        """Forget changes that nobody wants; with a stack that was begun for them alone.

        Raises:
            UserError: they stay.
        """
        of_stack = {"StackName": changes.stack}
        try:
            self._settled(changes)  # before, they cannot be deleted
            self._cloudformation.delete_change_set(ChangeSetName=changes.id, **of_stack)
            if is_new and not self._cloudformation.list_change_sets(**of_stack)["Summaries"]:
                self._cloudformation.delete_stack(**of_stack)
        except (errors.BotoCoreError, errors.ClientError) as error:
            if isinstance(error, errors.ClientError) and code_of(error) in _NO_CHANGE_SET:
                return
            raise UserError(
                f"Nothing was changed, but the change set {changes.id} of the stack {changes.stack} is still there: "
                f"{why(error)} It does nothing by itself; aws cloudformation delete-change-set --region {self._region} "
                f"--stack-name {changes.stack} --change-set-name {changes.id} removes it."
            ) from error

    def _events(self, name: str, seen: Collection[str]) -> list[Mapping[str, Any]]:
        """What happened to the stack that was not seen yet, in its order. CloudFormation tells the latest first."""
        found: list[Mapping[str, Any]] = []
        for page in self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=name):
            new = [event for event in page["StackEvents"] if event["EventId"] not in seen]
            found += new
            if len(new) < len(page["StackEvents"]):
                break
        return found[::-1]

    def _failure(self, stack: Stack, told: Sequence[Mapping[str, Any]]) -> str:
        """Why it failed, and what there is now."""
        failed = [event for event in told if event["ResourceStatus"].endswith("_FAILED")]
        of_resources = [event for event in failed if event["ResourceType"] != _STACK]
        reasons = (
            f"{event['LogicalResourceId']} ({event['ResourceType']}) failed: {_reason(event)}"
            for event in of_resources
            if not _CALLED_OFF.search(event.get("ResourceStatusReason", ""))
        )
        why = next(reasons, None) or self._not_valid(stack.name)
        why = why or next((f"{_reason(event)}" for event in failed), f"it ended as {stack.status}")
        if stack.status in _CANNOT_GO_ON:
            return f"The stack {stack.name} could not be made. {why}. Put that right, then {self._deletion(stack)}"
        return f"The stack {stack.name} could not be changed, and is as it was before. {why}."

    def _not_valid(self, name: str) -> str | None:
        """What CloudFormation found before it began, which it tells elsewhere."""
        with suppress(errors.BotoCoreError, errors.ClientError):
            for event in self._cloudformation.describe_events(StackName=name)["OperationEvents"]:
                if event.get("ValidationStatus") == "FAILED":
                    return f"{event['LogicalResourceId']} failed: {_plain(event.get('ValidationStatusReason', ''))}"
        return None

    def _require_changeable(self, stack: Stack) -> None:
        if stack.status in _CANNOT_GO_ON:
            why = _CANNOT_GO_ON[stack.status]
            raise UserError(f"The stack {stack.name} {why} ({stack.status}): {self._deletion(stack)}")
        if stack.status.endswith("_IN_PROGRESS"):
            raise UserError(
                f"The stack {stack.name} is being changed at this moment ({stack.status}): wait until that has ended, "
                "and give the same command again."
            )
        if stack.status == "UPDATE_ROLLBACK_FAILED":
            raise UserError(
                f"The stack {stack.name} could neither be changed nor put back ({stack.status}): continue the rollback "
                f"(aws cloudformation continue-update-rollback --region {self._region} --stack-name {stack.name}; "
                "its events in the console say what is in the way), and give the same command again."
            )
        if stack.status == "UPDATE_FAILED":
            raise UserError(
                f"The stack {stack.name} was changed by half, and not put back ({stack.status}): put it back (aws "
                f"cloudformation rollback-stack --region {self._region} --stack-name {stack.name}), and give the same "
                "command again."
            )

    def _deletion(self, stack: Stack) -> str:
        return (
            f"delete the stack (aws cloudformation delete-stack --region {self._region} --stack-name {stack.name}; the "
            "lake's bucket is kept), and give the same command again."
        )


def _change(said: Mapping[str, Any]) -> Change:
    return Change(
        said["Action"],
        said["LogicalResourceId"],
        said["ResourceType"],
        said.get("Replacement", "False"),
        "Retain" in said.get("PolicyAction", ""),
    )


def _reason(event: Mapping[str, Any]) -> str:
    reason = event.get("ResourceStatusReason", "") or event["ResourceStatus"]
    found = _SAID_BY_HANDLER.search(reason)
    return _plain(found["said"] if found else reason)


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
