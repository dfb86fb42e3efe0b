"""`spotifriend deploy`: the aws home as two stacks, made or changed after showing what would change, and asking.

How CloudFormation is spoken to is in `stacks.py`, what the account has already in `account.py`; what is in the stacks,
in `deploy/data.yaml` and `deploy/compute.yaml`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spotifriend_dagster.cli.changes import show, spoken
from spotifriend_dagster.cli.session import Session, UserError, pass_session, require_agreement, speaks_plainly

if TYPE_CHECKING:
    from rich.console import Console

    from spotifriend_dagster.cli.account import Account
    from spotifriend_dagster.cli.glue_code import GlueCode
    from spotifriend_dagster.cli.stacks import ChangeSet, Stack, Stacks
    from spotifriend_dagster.settings import Aws, Settings

_PROJECT = Path(__file__).resolve().parents[2]
_FUNCTIONS = 3
_UNRESERVED = 10
"""How many executions Lambda keeps for functions that reserve none; nobody may reserve the last of them."""
_OF_SETTINGS = {
    "SpotifyClientId": "spotify_client_id",
    "FirstDay": "first_day",
    "ApiBudget": "api_budget",
    "MusicbrainzContact": "musicbrainz_contact",
    "AlertWebhook": "alert_webhook",
    "QuicksightAccount": "quicksight_account",
    "QuicksightPrincipal": "quicksight_principal",
}
"""What the functions are given where it is set here; where it is not, they keep what they have."""
_DATABASE_IS_THERE = "DatabaseIsThere"
_FOUND_OUT = {"Name", "Folder", "Image", _DATABASE_IS_THERE, "GlueCode"}
_ON_GLUE = "UnitesOnGlue"
_IS_A_SETTING = "(SPOTIFRIEND_"


@click.command()
@click.option("--data-only", is_flag=True, help="Only what is kept: the first time, there is no image to run yet.")
@click.option("--tag", default="latest", show_default=True, help="Which image of the repository is to run.")
@click.option("--set", "said", multiple=True, metavar="NAME=VALUE", help="A parameter of deploy/*.yaml; it stays set.")
@click.option("--name", default="spotifriend", show_default=True, help="What the stacks are named by.")
@click.option("--yes", is_flag=True, help="Do not ask, for nobody is there to answer.")
@pass_session
@speaks_plainly
def deploy(session: Session, /, *, data_only: bool, tag: str, said: Sequence[str], name: str, yes: bool) -> None:
    """Make the home on AWS, or change it to what the settings and deploy/*.yaml say.

    Two stacks of CloudFormation: what is kept (bucket, catalog, workgroup, alerts), and what runs (functions,
    schedules, alarms). What would change is shown before anything is done. docs/deploy.md begins from nothing.
    """
    from spotifriend_dagster.cli.account import Account
    from spotifriend_dagster.cli.glue_code import GlueCode
    from spotifriend_dagster.cli.stacks import Stacks
    from spotifriend_dagster.lake.aws import AwsClients

    aws, console = session.settings.aws, session.console
    clients = AwsClients(aws.region)
    account = Account(clients, aws)
    console.print(f"Account {account.id()}, {aws.region}, s3://{aws.bucket}/{_folder(aws)}", soft_wrap=True)
    stacks = Stacks(clients)
    templates = {part: _template(part) for part in ("data", "compute")[: 1 if data_only else 2]}
    known = {part: stacks.parameters(template) for part, template in templates.items()}
    deployment = _Deployment(console, stacks, account, name, _checked(said, known.values()), is_agreed=yes)

    key = account.key_arn()
    data = deployment.data(templates["data"], known["data"], aws, key)
    if data_only:
        console.print(account.how_to_push(data.outputs["Repository"], tag), soft_wrap=True, markup=False)
        return
    given = _given(session.settings) | {
        "Image": account.image(data.outputs["Repository"], tag),
        "KmsKeyArn": key,
        "AlertTopic": data.outputs["AlertTopic"],
    }
    code = GlueCode(clients, aws.bucket, _PROJECT, console)
    deployment.compute(templates["compute"], known["compute"], given, code)
    console.print(
        "Next, each with SPOTIFRIEND_DEPLOYMENT=aws:\n"
        "  spotifriend doctor    test every permission\n"
        "  spotifriend login     sign in to Spotify: from the next hour on, plays are collected\n"
        "  spotifriend status    see how it stands\n"
        "Your export is imported, and answered, when it is dropped into the inbox:\n"
        f"  aws s3 cp my_spotify_data.zip s3://{aws.bucket}/{_folder(aws)}inbox/listener=me/",
        soft_wrap=True,
        markup=False,
    )


@dataclass(frozen=True)
class _Deployment:
    """What is deployed to where, and whether everything was agreed to before it was shown.

    `said` holds the parameters of the command line, for whichever template knows them.
    """

    console: Console
    stacks: Stacks
    account: Account
    name: str
    said: Mapping[str, str]
    is_agreed: bool

    def data(self, template: str, known: Collection[str], aws: Aws, key: str) -> Stack:
        """What is kept, as it is to be."""
        name = f"{self.name}-data"
        present = self.stacks.get(name)
        parameters = {
            "Bucket": aws.bucket,
            "GlueDatabase": aws.glue_database,
            "Workgroup": aws.workgroup,
            "KmsKeyArn": key,
        }
        if present is None and self.account.has_bucket():
            self._take_over(name, aws.bucket)
            present = self.stacks.get(name)
        if (
            present is None or _DATABASE_IS_THERE not in present.parameters
        ):  # or it holds what it took over, and no more
            parameters[_DATABASE_IS_THERE] = str(self.account.has_database()).lower()
        return self._deploy(present, name, template, parameters, known)

    def compute(self, template: str, known: Collection[str], given: Mapping[str, str], glue: GlueCode) -> Stack:
        """What runs, as it is to be."""
        name = f"{self.name}-compute"
        present = self.stacks.get(name)
        reserves: dict[str, str] = {}
        limit = self.account.concurrency()
        if "ReservesConcurrency" not in self.said and limit < _UNRESERVED + _FUNCTIONS:
            reserves = {"ReservesConcurrency": "false"}
            self.console.print(
                f"[yellow]![/] This account may run only {limit} functions at once, too few to reserve any: the lease "
                "in the lake alone keeps runs apart. Ask for more in Service Quotas (Lambda, concurrent executions), "
                "then deploy with --set ReservesConcurrency=true.",
                soft_wrap=True,
            )
        kept = present.parameters if present else {}
        if self.said.get(_ON_GLUE, kept.get(_ON_GLUE)) != "true":
            return self._deploy(present, name, template, {**given, **reserves}, known)
        given = {**given, **reserves, "GlueCode": glue.folder}
        return self._deploy(present, name, template, given, known, before=glue.require_uploaded)

    def _deploy(
        self,
        present: Stack | None,
        name: str,
        template: str,
        given: Mapping[str, str],
        known: Collection[str],
        *,
        before: Callable[[], None] = lambda: None,
    ) -> Stack:
        """Make a stack what it is to be: shown, agreed to, made, and watched. `before` is called when it is agreed to.

        Raises:
            UserError: it cannot be, or is not agreed to.
        """
        said = {parameter: value for parameter, value in self.said.items() if parameter in known}
        parameters = {"Name": self.name, **given, **said}
        with self.stacks.prepared(present, name, template, parameters, known=known) as changes:
            if changes is None and present:
                before()
                self.console.print(f"The stack {name} is as it should be: no changes.", soft_wrap=True)
                return present
            return self._made(changes, before)

    def _take_over(self, name: str, bucket: str) -> None:
        """Begin the stack with a bucket that is there, as it is: such as one that an earlier stack left."""
        described = {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"BucketName": bucket},
        }
        imported: dict[str, Any] = {
            "ResourceType": "AWS::S3::Bucket",
            "LogicalResourceId": "LakeBucket",
            "ResourceIdentifier": {"BucketName": bucket},
        }
        self.console.print(
            f"The bucket {bucket} is there already. The stack first takes it over, with all that it holds.",
            soft_wrap=True,
        )
        template = json.dumps({"Resources": {"LakeBucket": described}})
        with self.stacks.prepared(None, name, template, {}, imports=[imported]) as changes:
            self._made(changes)

    def _made(self, changes: ChangeSet | None, before: Callable[[], None] = lambda: None) -> Stack:
        if changes is None:
            raise UserError("CloudFormation finds nothing to do for a stack that is not there: try again.")
        show(self.console, changes)
        self._require_agreement(changes)
        before()
        return self._execute(changes)

    def _require_agreement(self, changes: ChangeSet) -> None:
        grave = [change.resource for change in changes.changes if change.is_of_data]
        if self.is_agreed and grave:
            raise UserError(
                f"{', '.join(grave)} would go or be replaced, and --yes does not agree to that: give the same command "
                "without it, and look. Nothing was changed."
            )
        if not self.is_agreed:
            require_agreement("Make these changes?")

    def _execute(self, changes: ChangeSet) -> Stack:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        waiting = {change.resource for change in changes.changes}
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(changes.stack, total=len(waiting))

            def on_event(resource: str, status: str) -> None:
                if status.endswith("_COMPLETE") and resource in waiting:
                    waiting.remove(resource)
                    progress.advance(task)
                progress.update(task, description=f"{changes.stack}: {resource} {spoken(status)}")

            try:
                stack = self.stacks.execute(changes, on_event)
            except KeyboardInterrupt:
                if changes.is_pending:
                    raise
                raise UserError(
                    f"CloudFormation goes on by itself with the stack {changes.stack}; the same command, given later, "
                    "says how it stands."
                ) from None
        self.console.print(f"[green]✓[/] {stack.name}: {spoken(stack.status)}")
        return stack


def _given(settings: Settings) -> dict[str, str]:
    """What the functions are given of the settings."""
    aws = settings.aws
    optional = {
        parameter: str(getattr(settings, setting))
        for parameter, setting in _OF_SETTINGS.items()
        if setting in settings.model_fields_set
    }
    return {
        "Bucket": aws.bucket,
        "Prefix": aws.prefix,
        "Folder": _folder(aws),
        "GlueDatabase": aws.glue_database,
        "Workgroup": aws.workgroup,
        "ParameterPrefix": aws.parameter_prefix,
        **optional,
    }


def _folder(aws: Aws) -> str:
    return f"{aws.prefix}/" if aws.prefix else ""


def _template(part: str) -> str:
    path = _PROJECT / "deploy" / f"{part}.yaml"
    try:
        return path.read_text("utf-8")
    except OSError:
        raise UserError(
            f"{path} cannot be read: deploy from a checkout of the project, where its templates are."
        ) from None


def _checked(said: Sequence[str], known: Collection[Mapping[str, str]]) -> dict[str, str]:
    """The parameters of the command line, by name.

    Raises:
        UserError: one is none of the templates', or a setting decides it.
    """
    free = {
        name: description
        for parameters in known
        for name, description in parameters.items()
        if name not in _FOUND_OUT and _IS_A_SETTING not in description
    }
    found = {}
    for text in said:
        name, is_given, value = text.partition("=")
        if not is_given or name not in free:
            raise UserError(
                f"--set {text} is not NAME=VALUE of a parameter that can be set; these can: {', '.join(sorted(free))}. "
                "deploy/*.yaml describes them; everything else is a setting (docs/aws.md)."
            )
        found[name] = value
    return found
