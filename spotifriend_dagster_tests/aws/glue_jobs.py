"""Glue's jobs on this machine: what `StartJobRun` starts is a process of the script, by the job's arguments."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.glue.models import FakeJob, FakeJobRun
from moto.glue.responses import GlueResponse

from spotifriend_dagster import glue_job
from spotifriend_dagster_tests.aws.server import AwsServer

ROLE = "glue"
"""Whose access key signs what jobs ask."""


@dataclass
class GlueJobs:
    """The processes by run of a job; `arguments` holds what each was given."""

    environment: Mapping[str, str]
    folder: Path
    script: Path = Path(glue_job.__file__)
    arguments: list[dict[str, str]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, run: FakeJobRun) -> None:
        """Start a run's process, of a copy of the script: nothing beside it, no settings, as there are none in Glue."""
        given: dict[str, str] = run.arguments or {}
        self.arguments.append(given)
        words = [word for pair in given.items() for word in pair]
        with (self.folder / f"{run.job_run_id}.log").open("wb") as log:
            self._processes[run.job_run_id] = subprocess.Popen(
                [sys.executable, shutil.copy(self.script, self.folder), *words],
                env=dict(self.environment),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def status(self, run: str) -> str:
        """How a run is, in Glue's words."""
        if run in self.stopped:
            return "STOPPED"
        code = self._processes[run].poll()
        return "RUNNING" if code is None else "FAILED" if code else "SUCCEEDED"

    def stop(self, run: str) -> None:
        """Stop a run, as Glue does when it is asked to."""
        self._processes[run].kill()
        self._processes[run].wait()
        self.stopped.append(run)

    def end(self) -> None:
        """End what still runs."""
        for process in self._processes.values():
            process.kill()
            process.wait()


@contextmanager
def glue_jobs(aws: AwsServer, folder: Path, name: str, arguments: Mapping[str, str]) -> Iterator[GlueJobs]:
    """A job of that name and with those arguments of its own, whose runs are processes."""
    jobs = GlueJobs({**aws.environment(), "HOME": str(folder), "AWS_ACCESS_KEY_ID": ROLE}, folder)
    start, said = FakeJob.start_job_run, FakeJobRun.as_dict

    def started(job: FakeJob, *given: Any, **named: Any) -> str:
        id_: str = start(job, *given, **named)
        jobs.start(job.get_job_run(id_))
        return id_

    def told(run: FakeJobRun) -> dict[str, Any]:
        return {**said(run), "JobRunState": jobs.status(run.job_run_id)}

    def batch_stop_job_run(response: GlueResponse) -> str:
        """What moto has not."""
        asked = json.loads(response.body)["JobRunIds"]
        assert 1 <= len(asked) <= 25  # as Glue wants them
        for run in asked:
            jobs.stop(run)
        return json.dumps({"SuccessfulSubmissions": [{"JobName": name, "JobRunId": run} for run in asked]})

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(GlueResponse, "batch_stop_job_run", batch_stop_job_run, raising=False)
        monkeypatch.setattr(FakeJob, "start_job_run", started)
        monkeypatch.setattr(FakeJobRun, "as_dict", told)
        boto3.client("glue").create_job(
            Name=name,
            Role="arn:aws:iam::123456789012:role/plays",
            Command={
                "Name": "glueetl",
                "ScriptLocation": "s3://lake/glue/0123456789abcdef/glue_job.py",
                "PythonVersion": "3",
            },
            GlueVersion="5.0",
            DefaultArguments=dict(arguments),
            ExecutionProperty={"MaxConcurrentRuns": 10},
        )
        try:
            yield jobs
        finally:
            jobs.end()
