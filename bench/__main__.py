"""`make bench`: the figures of docs/performance.md, measured on this machine.

Whole processes are timed from outside. An argument scales the exports down for a quick look (`python -m bench 0.1`).
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

from dagster import DagsterInstance

from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.polls import poll_answers
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

ZONE = "Europe/Berlin"
ROWS = 200_000
YEARS = 15
FOLDER = Path(".bench")
SPOTIFRIEND = str(Path(sys.executable).with_name("spotifriend"))


def measure(command: list[str], home: Path | None = None) -> tuple[float, float]:
    """Wall seconds and peak memory in MB of a process that must succeed."""
    environment = os.environ | ({"SPOTIFRIEND_HOME": str(home)} if home else {})
    began = time.perf_counter()
    with (FOLDER / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(FOLDER / 'output.txt').read_text()[-3000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def export_of(rows: int, years: float) -> Path:
    """An export of about that many rows, made once."""
    path = FOLDER / f"export-{rows}.zip"
    if not path.exists():
        print(f"(simulating an export of {rows:,} rows, once)", flush=True)
        elsewhere(make_export, path, rows, years)
    return path


def make_export(path: Path, rows: int, years: float) -> None:
    """Simulate a listener of so many plays, and write their export."""
    truth = simulate(11, start=date(2010, 1, 1), years=years, plays_per_day=rows / (years * 365.25), home=ZONE)
    write_export(truth, path, era="2023")


def elsewhere(function: Callable[..., None], *arguments: object) -> None:
    """Run it in a process of its own: a process that grew here would be counted into its children's peak memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(function, *arguments).result()


def bench_export(scale: float) -> None:
    """From an export to all insights and the report, against the plain script, and its growth."""
    small, large = export_of(int(ROWS * scale), YEARS), export_of(int(5 * ROWS * scale), YEARS)
    measure([sys.executable, "-m", "bench.plain", str(small), ZONE])  # the first reading of files and modules
    figures: dict[str, list[tuple[float, float]]] = {"spotifriend": [], "plain": [], "large": []}
    home = FOLDER / "home"
    for _ in range(3):
        figures["plain"].append(measure([sys.executable, "-m", "bench.plain", str(small), ZONE]))
        shutil.rmtree(home, ignore_errors=True)
        figures["spotifriend"].append(measure([SPOTIFRIEND, "import", str(small), "--zone", ZONE], home))
    stages = stage_seconds(home)
    shutil.rmtree(home, ignore_errors=True)
    figures["large"].append(measure([SPOTIFRIEND, "import", str(large), "--zone", ZONE], home))
    wall = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in figures.items()}
    memory = {name: max(megabytes for _, megabytes in runs) for name, runs in figures.items()}
    print("\n| from an export to all insights and the report | wall s | peak MB |\n|---|---|---|")
    for name, what in (
        ("spotifriend", f"`spotifriend import`, {int(ROWS * scale):,} rows"),
        ("plain", "the plain script (baseline)"),
        ("large", f"`spotifriend import`, {int(5 * ROWS * scale):,} rows"),
    ):
        print(f"| {what} | {wall[name]:.1f} | {memory[name]:,.0f} |")
    print(f"\nAgainst the plain script: {wall['spotifriend'] / wall['plain']:.2f} times as long.")
    print(f"Five times the rows: {wall['large'] / wall['spotifriend']:.2f} times as long.")
    print("\n| stage | s |\n|---|---|")
    for stage, seconds in stages.items():
        print(f"| {stage} | {seconds:.2f} |")
    print(f"| start-up, and Dagster between the steps | {wall['spotifriend'] - sum(stages.values()):.2f} |")


def stage_seconds(home: Path) -> dict[str, float]:
    """Where the time of the last run went, by step; all insights together."""
    os.environ["DAGSTER_HOME"] = str((home / "dagster").absolute())
    with DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        run = instance.get_run_records(limit=1)[0].dagster_run
        stages: dict[str, float] = {}
        for step in instance.get_run_step_stats(run.run_id):
            stage = "insights" if step.step_key.startswith("insights__") else step.step_key.replace("__", "/")
            stages[stage] = stages.get(stage, 0) + (step.end_time or 0) - (step.start_time or 0)
        return stages


def bench_loading() -> None:
    """Loading the code location, against its two heaviest libraries."""
    ratios, walls = [], []
    for _ in range(7):
        baseline, _ = measure([sys.executable, "-c", "import dagster, pandas"])
        loading, _ = measure([sys.executable, "-c", "from spotifriend_dagster.definitions import defs; defs()"])
        ratios.append(loading / baseline)
        walls.append(loading)
    print(
        f"\nLoading the code location: {statistics.median(ratios):.2f} times `import dagster, pandas` "
        f"({min(ratios):.2f} to {max(ratios):.2f}; {statistics.median(walls):.2f} s)."
    )


def make_polls(lake: Path, first: datetime, days: int) -> None:
    """Simulate a listener, and put the answers of hourly polls into a lake."""
    storage = FolderStorage(lake)
    truth = simulate(5, start=first.date(), years=(days + 7) / 365.25, home=ZONE)
    last = first + timedelta(days=days) - timedelta(hours=1)
    for instant, answer in poll_answers(truth, first, last):
        pages = [("/v1/me/player/recently-played", answer)]
        write_pull(storage, RECENTLY_PLAYED, "me", instant.to_pydatetime(), pages)


def bench_backfill(scale: float) -> None:
    """A year of days of polls, cleaned in one run."""
    days = max(int(365 * scale), 10)
    home = FOLDER / "year"
    first = datetime(2025, 6, 1, tzinfo=UTC)
    if not (home / "made").exists():
        print(f"(simulating {days} days of hourly polls, once)", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        elsewhere(make_polls, home / "lake", first, days)
        (home / "listeners.toml").write_text(f'[me]\ntime_zone = "{ZONE}"\n')
        (home / "made").touch()
    for folder in ("lake/cleaned", "lake/rejects", "lake/insights", "lake/catalog", "dagster"):
        shutil.rmtree(home / folder, ignore_errors=True)
    wall, memory = measure([SPOTIFRIEND, "run"], home)
    step = stage_seconds(home)["recent"]
    print(
        f"\nA backfill of {days} days in one run: {step:.1f} s for the three daily assets, "
        f"{step / days / 3 * 1000:.1f} ms per asset and day; {wall:.1f} s and {memory:,.0f} MB with all answers."
    )


def main() -> None:
    """Measure everything."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    FOLDER.mkdir(exist_ok=True)
    bench_loading()
    bench_backfill(scale)
    bench_export(scale)


if __name__ == "__main__":
    main()
