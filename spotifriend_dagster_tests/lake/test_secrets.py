"""Secrets: nobody else reads them, and none is ever half-written: in a folder, and as parameters of SSM."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.parameters import ParameterSecrets
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.sources.spotify.errors import NotSignedIn, SignInError
from spotifriend_dagster.sources.spotify.tokens import Secrets, Token, forget_token, read_token, write_token
from spotifriend_dagster_tests.lake.client_faults import Faults

PREFIX = "/spotifriend/household"


@pytest.fixture
def secrets(tmp_path: Path) -> FolderSecrets:
    """Where nothing is yet."""
    return FolderSecrets(tmp_path / "home" / "secrets")


@pytest.fixture
def faults(clients: AwsClients) -> Iterator[Faults]:
    faults = Faults(clients, "ssm")
    yield faults
    faults.end()


@pytest.fixture(params=["folder", "ssm"])
def either(request: pytest.FixtureRequest) -> Secrets:
    """Secrets of each home."""
    if request.param == "folder":
        return FolderSecrets(request.getfixturevalue("tmp_path") / "secrets")
    return ParameterSecrets(request.getfixturevalue("clients"), PREFIX)


def test_a_secret_is_what_was_written_last(either: Secrets):
    """What is not there is none; deleting it is no error; names are apart."""
    assert either.read("spotify/robin") is None
    either.delete("spotify/robin")
    for text in ("first", "second ✓"):
        either.write("spotify/robin", text)
        assert either.read("spotify/robin") == text
    assert either.read("spotify/robi") is None
    either.delete("spotify/robin")
    assert either.read("spotify/robin") is None


def test_a_parameter_is_encrypted_and_costs_nothing(clients: AwsClients):
    """By the owner's key where one is set; the standard tier is free."""
    ssm = clients.client("ssm")
    for key, said in ((None, "alias/aws/ssm"), ("alias/lake", "alias/lake")):
        ParameterSecrets(clients, PREFIX, key).write("spotify/robin", "text")
        (described,) = ssm.describe_parameters()["Parameters"]
        assert described["Name"] == f"{PREFIX}/spotify/robin"
        assert (described["Type"], described["Tier"]) == ("SecureString", "Standard")
        assert described.get("KeyId", "alias/aws/ssm") == said


def test_a_token_fits_and_what_does_not_is_refused_before_it_is_sent(clients: AwsClients):
    """A parameter that costs nothing holds 4 KB; what was there stays."""
    secrets = ParameterSecrets(clients, PREFIX)
    now = datetime.now(UTC)
    token = Token("a" * 1000, "r" * 1000, now, now, frozenset({"user-top-read"}), "account", "client")
    write_token(secrets, "robin", token)
    assert read_token(secrets, "robin") == token
    with pytest.raises(SignInError, match=r"cannot be kept .*longer than 4,096 bytes"):
        write_token(secrets, "robin", replace(token, access_token="a" * 4000))
    assert read_token(secrets, "robin") == token


def test_what_aws_refuses_is_a_sentence(clients: AwsClients, faults: Faults):
    """Of whoever reads, writes or forgets a token."""
    secrets = ParameterSecrets(clients, PREFIX)
    now = datetime.now(UTC)
    token = Token("access", "refresh", now, now, frozenset(), "account", "client")
    for operation in ("GetParameter", "PutParameter", "DeleteParameter"):
        faults.put(operation, 400, "AccessDeniedException", "User: arn:aws:iam::1:user/a is not authorized to perform")
    with pytest.raises(NotSignedIn, match="AWS denies ssm:GetParameter"):
        read_token(secrets, "robin")
    with pytest.raises(SignInError, match="AWS denies ssm:PutParameter"):
        write_token(secrets, "robin", token)
    with pytest.raises(SignInError, match="AWS denies ssm:DeleteParameter"):
        forget_token(secrets, "robin")


def test_two_renewals_at_once_lose_no_token(clients: AwsClients, faults: Faults, monkeypatch: pytest.MonkeyPatch):
    """SSM refuses the second of two writers: giving up would lose a refresh token that cannot be had again."""
    monkeypatch.setattr("spotifriend_dagster.lake.parameters.time.sleep", lambda _: None)
    secrets = ParameterSecrets(clients, PREFIX)
    faults.put("PutParameter", 400, "TooManyUpdates", times=3)
    secrets.write("spotify/robin", "renewed")
    assert secrets.read("spotify/robin") == "renewed"
    faults.put("PutParameter", 400, "TooManyUpdates", times=20)
    with pytest.raises(OSError, match="TooManyUpdates"):
        secrets.write("spotify/robin", "again")


def test_a_secret_is_its_owner_s_alone(secrets: FolderSecrets):
    """Whatever the umask: the file 0600, its folders 0700, from the first moment and after each replacement."""
    before = os.umask(0)
    try:
        for text in ("first", "second ✓"):
            secrets.write("spotify/robin", text)
            assert secrets.read("spotify/robin") == text
            assert stat.S_IMODE((secrets.root / "spotify" / "robin").stat().st_mode) == 0o600
        for folder in (secrets.root, secrets.root / "spotify"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_what_is_not_there_is_none(secrets: FolderSecrets):
    """Reading makes no folder; deleting nothing is no error; a deleted secret is gone."""
    assert secrets.read("spotify/robin") is None
    secrets.delete("spotify/robin")
    assert not secrets.root.exists()
    secrets.write("spotify/robin", "text")
    secrets.delete("spotify/robin")
    assert secrets.read("spotify/robin") is None


def test_a_write_that_fails_leaves_what_was_there(secrets: FolderSecrets, monkeypatch: pytest.MonkeyPatch):
    """A full disk in the middle of a renewal must not cost the sign-in."""
    secrets.write("spotify/robin", "good")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        secrets.write("spotify/robin", "half")
    assert secrets.read("spotify/robin") == "good"
    assert [path.name for path in (secrets.root / "spotify").iterdir()] == ["robin"]


def test_readers_see_whole_texts(secrets: FolderSecrets):
    """Two processes renew while a third reads."""
    texts = {letter * 20_000 for letter in "ab"}
    secrets.write("spotify/robin", min(texts))
    seen: set[str | None] = set()
    writers = [
        threading.Thread(target=lambda text=text: [secrets.write("spotify/robin", text) for _ in range(30)])
        for text in texts
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.add(secrets.read("spotify/robin"))
    assert seen <= texts
    assert [path.name for path in (secrets.root / "spotify").iterdir()] == ["robin"]


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../robin", "spotify/../../robin", "spotify/", "spotify/.robin", "a\0"]
)
def test_a_name_does_not_lead_out(either: Secrets, name: str):
    """A listener's id is checked elsewhere; this is the last door."""
    for attempt in (either.read, either.delete, lambda name: either.write(name, "")):
        with pytest.raises(ValueError, match="Not the name of a secret"):
            attempt(name)
