"""`python -m bench.aws_lambda`: how long the Lambda function takes, cold and warm, and how much memory it needs.

AWS's own runtime client runs the handler in a read-only root, on one core (Lambda gives 1.16 at 2,048 MB), against the
tests' AWS and the simulated Spotify on the others. What is not in it: how long Lambda takes to bring the image, and how
far away S3 is.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

from bench.__main__ import FOLDER
from bench.aws import in_aws
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster_tests.aws.homes import LISTENER, AwsHome
from spotifriend_dagster_tests.aws.server import BUCKET, REGION
from spotifriend_dagster_tests.aws_lambda.image import made_root
from spotifriend_dagster_tests.aws_lambda.runtime import LambdaFunction, why_no_container

ROUNDS = 3
WARM_POLLS = 3


def main() -> None:
    """Measure polls, a day, and the import of an export of eight weeks."""
    if reason := why_no_container():
        sys.exit(f"The handler cannot be run as in Lambda: {reason}.")
    FOLDER.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=FOLDER.absolute()))
    truth = simulate(21, start=date(2025, 2, 1), years=57 / 365.25, plays_per_day=30)
    write_export(truth, work / "export.zip", era="2025")
    root = made_root(work / "root")
    os.sched_setaffinity(0, {0})  # of this thread, and of what it starts
    with in_aws() as server, SimulatedSpotify({LISTENER: truth}, clock=Clock(datetime.now(UTC))) as spotify:
        home = AwsHome(work / "home", spotify)
        home.sign_in(LISTENER)
        environment = server.environment() | {
            "SPOTIFRIEND_DEPLOYMENT": "aws",
            "SPOTIFRIEND_REGION": REGION,
            "SPOTIFRIEND_BUCKET": BUCKET,
            "SPOTIFRIEND_SPOTIFY_CLIENT_ID": spotify.client_id,
            "SPOTIFRIEND_SPOTIFY_API_URL": spotify.api_url,
            "SPOTIFRIEND_SPOTIFY_ACCOUNTS_URL": spotify.accounts_url,
        }
        inits, colds, warm, memory, cold_cpu, warm_cpu = [], [], [], [], [], []
        for _ in range(ROUNDS):
            with LambdaFunction(root, environment, work / "log.txt") as function:
                colds.append(polled(function))
                inits.append(function.init_seconds or 0.0)
                cold_cpu.append(function.cpu_seconds)
                warm += [polled(function) for _ in range(WARM_POLLS)]
                warm_cpu.append((function.cpu_seconds - cold_cpu[-1]) / WARM_POLLS)
                memory.append(function.peak_megabytes)
        print("\n| one poll of one listener | wall s | CPU s |\n|---|---|---|")
        print(f"| cold (aim: 12 s) | {middle(colds)} | {middle(cold_cpu)} |")
        print(f"| of it init: imports | {middle(inits)} | |")
        print(f"| warm (aim: 4 s) | {middle(warm)} | {middle(warm_cpu)} |")
        print(f"\nPeak memory: {max(memory):.0f} MB.")
        with LambdaFunction(root, environment, work / "log.txt") as function:
            key = f"inbox/listener={LISTENER}/export.zip"
            home.lake.storage.write(key, (work / "export.zip").read_bytes())
            imported = function.invoke({"detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}})
            stand_in, before = server.athena.seconds, imported.seconds
            print(f"\nAn export of eight weeks, with everything that is made of it: {before:.1f} s, cold, of which the")
            print(f"stand-in for Athena took {stand_in:.1f} s: {imported.returned or imported.error}")
            day = function.invoke({"job": "daily"})
            print(f"\nThe daily run after it: {day.seconds:.1f} s, of which the stand-in for Athena took")
            print(f"{server.athena.seconds - stand_in:.1f} s: {day.returned or day.error}")
            print(f"\nPeak memory: {function.peak_megabytes:.0f} MB.")
    shutil.rmtree(work)


def middle(seconds: list[float]) -> str:
    """The median, and the range."""
    return f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"


def polled(function: LambdaFunction) -> float:
    """The seconds of a poll, which must go well."""
    ended = function.invoke({"job": "poll"})
    if ended.error is not None or ended.returned["outcome"] != "done":
        sys.exit(f"A poll failed: {ended}\n{function.log.read_text()}")
    return ended.seconds


if __name__ == "__main__":
    main()
