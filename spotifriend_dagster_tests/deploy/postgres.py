"""PostgreSQL on this machine: a new cluster in a folder of its own, on 127.0.0.1 alone."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

_USER, _PASSWORD, _DATABASE = "dagster", "a password/with @ signs", "dagster"
_START_SECONDS = 30.0


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A new and empty one; gives the environment by which deploy/ecs/dagster.yaml finds it.

    Whoever asks for it is skipped where PostgreSQL is not installed.
    """
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    initdb = str(programs / "initdb") if programs else shutil.which("initdb")
    if initdb is None:
        pytest.skip("NO POSTGRESQL: initdb is not there (.ci/run installs it), so the instance of ECS is not started.")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_somebody = _as_nobody(folder) if os.geteuid() == 0 else {}  # which PostgreSQL refuses to run as
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        (folder / "password").write_text(_PASSWORD)
        (folder / "password").chmod(0o644)
        data = folder / "data"
        subprocess.run(
            [
                *(initdb, "--pgdata", data, "--username", _USER, "--pwfile", folder / "password", "--no-sync"),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **as_somebody,
        )
        quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1")
        options = [part for each in quick for part in ("-c", each)]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [Path(initdb).with_name("postgres"), "-D", data, "-p", str(port), "-k", folder, *options],
                stdout=log,
                stderr=log,
                cwd=folder,
                **as_somebody,
            )
        try:
            _make_database(port, process, folder / "log")
            yield {
                "DAGSTER_PG_HOST": "127.0.0.1",
                "DAGSTER_PG_PORT": str(port),
                "DAGSTER_PG_DATABASE": _DATABASE,
                "DAGSTER_PG_USER": _USER,
                "DAGSTER_PG_PASSWORD": _PASSWORD,
            }
        finally:
            process.terminate()
            try:
                process.wait(5)  # for those who are connected
            except subprocess.TimeoutExpired:
                process.send_signal(3)  # at once
                process.wait(10)
    finally:
        shutil.rmtree(folder)


def _as_nobody(folder: Path) -> dict[str, Any]:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _make_database(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            connection = psycopg2.connect(
                host="127.0.0.1", port=port, user=_USER, password=_PASSWORD, dbname="postgres"
            )
            break
        except psycopg2.OperationalError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {_DATABASE}")
    connection.close()
