"""The asset `plays` for lakes of many listeners: united by jobs of Glue's, a shard of listeners each, through Pipes.

What a job does is `glue_job.py`, by the same code as the asset in process; what it says is what this asset says.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.cleaned import table_outs
from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.assets.specs import (
    Audits,
    asset_key,
    declaration_check,
    every_listener_check,
    every_listener_result,
)
from spotifriend_dagster.assets.uniting import SOURCES, UNITED, present_in
from spotifriend_dagster.tables.cleaned import PLAYS

PIPES = "dagster-logs/pipes/"
"""Where in the bucket a run and its jobs speak with each other. It is emptied after a month, as what runs print."""
_AT_ONCE = 10


class Stopped(RuntimeError):
    """The run was terminated, and its jobs of Glue's with it."""


@dataclass
class _Jobs:
    """Glue's client as Pipes asks it, which knows the runs that it started, and can stop them all."""

    client: Any
    name: str
    started: list[str] = field(default_factory=list)
    is_stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def meta(self) -> Any:
        """What Pipes wants to know of the client: its region."""
        return self.client.meta

    def start_job_run(self, **asked: Any) -> Any:
        """Start one, unless they are stopped already."""
        with self._lock:
            self._require_wanted()
            said = self.client.start_job_run(**asked)
            self.started.append(said["JobRunId"])
            return said

    def get_job_run(self, **asked: Any) -> Any:
        """How one is."""
        self._require_wanted()
        return self.client.get_job_run(**asked)

    def stop(self) -> None:
        """Stop all, and start no other. Of those that have ended Glue says so, and that is well."""
        self.is_stopped = True  # for who is about to ask
        with self._lock:  # of who is starting one, the run is waited for
            for first in range(0, len(self.started), _AT_ONCE):
                self.client.batch_stop_job_run(JobName=self.name, JobRunIds=self.started[first : first + _AT_ONCE])

    def _require_wanted(self) -> None:
        if self.is_stopped:
            raise Stopped(f"The run was terminated: {self.name} is stopped.")


@dataclass(frozen=True)
class PlaysJob:
    """The job of Glue's, by its name; `client` makes a client of a service, `bucket` is where both sides can write.

    `shard` is how many listeners one job unites, about.
    """

    name: str
    bucket: str
    client: Callable[[str], Any]
    shard: int = 100

    def unite(self, context: dg.AssetExecutionContext, listeners: int) -> list[Mapping[str, Any]]:
        """Have so many listeners united; gives what each job said. Where the run is terminated, its jobs are, too.

        Raises:
            RuntimeError: a job failed.
            ValueError: a job succeeded without a word, and is none of SpotiFriend's.
        """
        shards = max(1, math.ceil(listeners / self.shard))
        jobs = _Jobs(self.client("glue"), self.name)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                waiting = [pool.submit(self._unite, context, jobs, shard, shards) for shard in range(shards)]
                return [each.result() for each in waiting]
            except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
                jobs.stop()
                raise

    def _unite(self, context: dg.AssetExecutionContext, jobs: _Jobs, shard: int, shards: int) -> Mapping[str, Any]:
        from dagster_aws.pipes import PipesGlueClient, PipesS3ContextInjector, PipesS3MessageReader  # noqa: PLC0415

        class Reader(PipesS3MessageReader):
            @contextmanager
            def get_params(self) -> Iterator[dict[str, Any]]:
                with super().get_params() as said:
                    yield {**said, "key_prefix": f"{PIPES}{said['key_prefix']}"}

        s3 = self.client("s3")
        glue = PipesGlueClient(
            context_injector=PipesS3ContextInjector(bucket=self.bucket, client=s3, key_prefix=PIPES),
            message_reader=Reader(bucket=self.bucket, client=s3, interval=1),
            client=jobs,  # as much of one as Pipes asks
        )
        done = glue.run(
            context=context.op_execution_context,  # of the asset's own, Pipes asks what is deprecated
            start_job_run_params={"JobName": self.name},
            extras={"shard": shard, "shards": shards},
        )
        said = list(done.get_custom_messages())
        if len(said) != 1:
            raise ValueError(f"The job {self.name} of Glue said nothing of what it united: is its script glue_job.py?")
        return dict(said[0])


@dg.multi_asset(
    name="plays",
    deps=[asset_key(table) for table in SOURCES],
    outs=table_outs(*UNITED),
    check_specs=[*map(declaration_check, UNITED), every_listener_check(asset_key(PLAYS))],
)
def plays_on_glue(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], plays_job: dg.ResourceParam[PlaysJob]
) -> Iterator[Any]:
    """Unite all sources into one truth, and give every play its meaning: in jobs of Glue's."""
    told = plays_job.unite(context, len(present_in(lake.storage)))
    audits = Audits(*UNITED)
    for table in UNITED:
        of_table = [said["tables"][table.name] for said in told]
        for said in of_table:
            audits.add(table, said["faults"])
        yield dg.MaterializeResult(
            asset_key=asset_key(table),
            metadata={
                "dagster/uri": lake.storage.uri(table.folder + "/"),
                "dagster/row_count": sum(said["rows"] for said in of_table),
                "listeners": sum(said["listeners"] for said in of_table),
                "bytes": sum(said["bytes"] for said in of_table),
            },
        )
    yield from audits.results()
    failures = {listener: why for said in told for listener, why in said["failures"].items()}
    yield every_listener_result(asset_key(PLAYS), failures)
