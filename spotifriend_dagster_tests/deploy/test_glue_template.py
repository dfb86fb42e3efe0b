"""The job of Glue's, as the template has it: there only when its code is, with an interpreter that can run it."""

from __future__ import annotations

import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from spotifriend_dagster.assets.plays_on_glue import PIPES
from spotifriend_dagster.glue_job import settings_in
from spotifriend_dagster.settings import Settings
from spotifriend_dagster_tests.deploy.rights import allowed, statements
from spotifriend_dagster_tests.deploy.templates import DEPLOY, Deployed
from spotifriend_dagster_tests.deploy.test_templates import compute

PYTHON_OF_GLUE = {"glueetl 5.0": "3.11", "pythonshell": "3.9"}


def with_job() -> Deployed:
    """What runs, with the job."""
    return compute(UnitesOnGlue="true", GlueCode="glue/0123456789abcdef/")


def test_unless_it_is_asked_for_there_is_no_job_and_runs_unite_themselves():
    """The default: for a household, a minute of Glue's costs more than a year of uniting in process."""
    assert compute().of_type("AWS::Glue::Job") == []
    variables = compute().resources["dailyFunction"].properties["Environment"]["Variables"]
    assert variables["SPOTIFRIEND_GLUE_JOB"] == ""


def test_the_job_is_the_one_that_runs_start_and_finds_its_settings(monkeypatch: pytest.MonkeyPatch):
    """What is a setting there is one here; its name is said once in the environment and once by the job."""
    job = with_job().resources["PlaysJob"].properties
    variables = with_job().resources["dailyFunction"].properties["Environment"]["Variables"]
    assert variables["SPOTIFRIEND_GLUE_JOB"] == job["Name"] == "spotifriend-plays"
    arguments = [word for pair in job["DefaultArguments"].items() for word in pair]
    for name, value in settings_in(arguments).items():
        monkeypatch.setenv(name, value)
    assert (Settings().aws.bucket, Settings().aws.prefix) == ("lake", "a/b")
    assert job["ExecutionProperty"]["MaxConcurrentRuns"] >= 10
    assert job["Command"]["ScriptLocation"] == "s3://lake/glue/0123456789abcdef/glue_job.py"
    wheels = job["DefaultArguments"]["--additional-python-modules"]
    assert wheels == "s3://lake/glue/0123456789abcdef/spotifriend.gluewheels.zip"


def test_the_interpreter_is_one_that_the_project_supports():
    """Glue's Python shell ends at 3.9, which pandas 3 does not run on."""
    job = with_job().resources["PlaysJob"].properties
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
    kind = f"{job['Command']['Name']} {job['GlueVersion']}"
    assert PYTHON_OF_GLUE[kind] in SpecifierSet(project["requires-python"])
    assert PYTHON_OF_GLUE["pythonshell"] not in SpecifierSet(project["requires-python"])


def test_the_job_writes_cleaned_tables_and_what_it_says_and_nothing_else():
    """It has no token, no catalog, and cannot touch what was collected."""
    rights = {
        (action, resource)
        for statement in statements("playsRole", with_job())
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
    }
    assert {on for action, on in rights if action in ("s3:PutObject", "s3:DeleteObject")} == {
        "arn:aws:s3:::lake/a/b/cleaned/*",
        f"arn:aws:s3:::lake/{PIPES}*",
    }
    assert {action.split(":")[0] for action, _ in rights} == {"s3", "logs"}
    started = {
        function for function in ("poll", "daily", "inbox") if "glue:StartJobRun" in dict(allowed(function, with_job()))
    }
    assert started == {"daily", "inbox"}
