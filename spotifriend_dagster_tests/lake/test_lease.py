"""Leases: one at a time, whoever asks, and nobody waits for the dead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.lease import Held, lease
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import FolderStorage, Storage
from spotifriend_dagster_tests.aws.server import BUCKET

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """Either home's."""
    if request.param == "folder":
        yield FolderStorage(tmp_path)
    else:
        clients: AwsClients = request.getfixturevalue("clients")
        yield S3Storage(clients, BUCKET, "lake")


def taken(storage: Storage, holder: str, now: datetime = NOW) -> bool:
    """Whether a holder gets it, for a minute; it is let go at once."""
    try:
        with lease(storage, "poll", holder=holder, seconds=60, now=now):
            return True
    except Held:
        return False


def test_one_holds_it_and_the_others_are_told_who_and_until_when(storage: Storage) -> None:
    """A schedule that fires twice does its work once, and says why the second time there was none."""
    with lease(storage, "poll", holder="first", seconds=60, now=NOW):
        refused = lease(storage, "poll", holder="second", seconds=60, now=NOW)
        with pytest.raises(
            Held, match=r"^poll is at work already, as first, until 2025-03-01 12:01 UTC .*do\.$"
        ) as held:
            refused.__enter__()
        assert (held.value.holder, held.value.until) == ("first", NOW + MINUTE)
        with lease(storage, "rebuild", holder="second", seconds=60, now=NOW):
            pass
    assert taken(storage, "second")


def test_it_is_let_go_when_the_work_fails(storage: Storage) -> None:
    """The next attempt must not wait until the lease runs out."""
    with pytest.raises(ZeroDivisionError), lease(storage, "poll", holder="first", seconds=60, now=NOW):
        raise ZeroDivisionError
    assert taken(storage, "second")


def test_of_the_dead_it_is_taken_over_when_it_has_run_out_and_by_their_own_next_attempt_at_once(
    storage: Storage,
) -> None:
    """A killed process lets nothing go. Lambda tries its event again within a minute or two, under the same id."""
    dead = [ExitStack(), ExitStack()]
    dead[0].enter_context(lease(storage, "poll", holder="killed", seconds=60, now=NOW))
    assert not taken(storage, "another", NOW + MINUTE / 2)
    assert taken(storage, "another", NOW + MINUTE)
    dead[1].enter_context(lease(storage, "poll", holder="killed", seconds=60, now=NOW + MINUTE))
    assert taken(storage, "killed", NOW + MINUTE)


def test_who_comes_back_late_does_not_let_go_what_is_another_s_now(storage: Storage) -> None:
    """Else a third one would begin beside the second."""
    late = ExitStack()
    late.enter_context(lease(storage, "poll", holder="late", seconds=60, now=NOW))
    with lease(storage, "poll", holder="second", seconds=600, now=NOW + MINUTE):
        late.close()
        assert not taken(storage, "third", NOW + 2 * MINUTE)


def test_of_several_at_once_one_gets_it(storage: Storage) -> None:
    """Who takes it is decided by the storage, not by who looked first."""
    at_once = Barrier(4)

    def take(holder: str) -> ExitStack | None:
        at_once.wait()
        try:
            stack = ExitStack()
            stack.enter_context(lease(storage, "poll", holder=holder, seconds=60, now=NOW))
        except Held:
            return None
        return stack

    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            got = [stack for stack in threads.map(take, "abcd") if stack]
            assert len(got) == 1
            got[0].close()


def test_a_lease_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """A damaged one must not stop everything for ever."""
    storage = FolderStorage(tmp_path)
    for content in (b"", b"[]", b'{"holder": "a"}', b'{"holder": "a", "until": "soon"}'):
        storage.write("leases/poll.json", content)
        assert taken(storage, "second")
