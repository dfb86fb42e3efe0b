"""Secrets of the local home: nobody else reads them, and none is ever half-written."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from spotifriend_dagster.lake.secrets import FolderSecrets


@pytest.fixture
def secrets(tmp_path: Path) -> FolderSecrets:
    """Where nothing is yet."""
    return FolderSecrets(tmp_path / "home" / "secrets")


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
def test_a_name_does_not_lead_out(secrets: FolderSecrets, name: str):
    """A listener's id is checked elsewhere; this is the last door."""
    for attempt in (secrets.read, secrets.delete, lambda name: secrets.write(name, "")):
        with pytest.raises(ValueError, match="Not the name of a secret"):
            attempt(name)
