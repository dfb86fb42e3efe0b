import errno
import os
import random
import struct
import zipfile
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotifriend_dagster.sources import archives
from spotifriend_dagster.sources.errors import ExportError, PermanentError
from spotifriend_dagster.sources.exports import read_export
from spotifriend_dagster_tests.sources.made_exports import as_json, extended_row, make, make_zip, payloads, public

ROWS = [extended_row(number) for number in range(3)]
GOOD = {"MyData/endsong_0.json": as_json(ROWS)}


def refusal(path: Path) -> str:
    """The sentence with which an export is refused: one line, ended, permanent."""
    with pytest.raises(ExportError) as refused:
        list(read_export(path).encoded_files())
    assert isinstance(refused.value, PermanentError)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert sentence.isprintable()
    return sentence


def problem_beside_good_rows(path: Path, bad: str) -> str:
    """The one problem of an export whose good file is imported all the same; the bad one is named as ignored."""
    export = read_export(path)
    assert payloads(export) == {"endsong_0.json": [public(row) for row in ROWS]}
    assert bad in export.ignored
    (problem,) = export.problems
    assert problem.startswith(bad)
    return problem


def patched(path: Path, signature: bytes, offset: int, value: bytes) -> Path:
    """Overwrite a field of every header of a kind in a zip."""
    content = bytearray(path.read_bytes())
    at = content.find(signature)
    while at >= 0:
        content[at + offset : at + offset + len(value)] = value
        at = content.find(signature, at + 1)
    path.write_bytes(content)
    return path


def test_a_path_to_nothing_is_said(tmp_path: Path) -> None:
    """The most common mistake is a typing error."""
    for path in (tmp_path / "missing.zip", tmp_path / "nul\0.zip"):
        assert "There is nothing at" in refusal(path)
    (tmp_path / "file").write_bytes(b"x")
    assert "There is nothing at" in refusal(tmp_path / "file" / "below.zip")


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to hangs for ever, alone or inside a folder."""
    os.mkfifo(tmp_path / "endsong_1.json")
    assert "no file and no folder" in refusal(tmp_path / "endsong_1.json")
    make(tmp_path, {"endsong_0.json": as_json(ROWS)}, "folder").rename(tmp_path / "moved")
    assert [file.name for file in read_export(tmp_path).files] == ["endsong_0.json"]


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"Rar!\x1a\x07", os.urandom(3_000)])
def test_what_is_no_zip_whatever_its_name_is_refused(tmp_path: Path, content: bytes) -> None:
    """A browser that was signed out saves an error page as my_spotify_data.zip."""
    path = tmp_path / "my_spotify_data.zip"
    path.write_bytes(content)
    assert refusal(path) == (
        "my_spotify_data.zip is not a zip: name the zip that Spotify sent, or its unpacked folder."
    )


def test_a_zip_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """The list of a zip's files is at its end: of a download that stopped nothing can be trusted."""
    whole = make_zip(tmp_path / "whole.zip", GOOD | {"MyData/endsong_1.json": as_json(ROWS[:1])}).read_bytes()
    path = tmp_path / "my_spotify_data.zip"
    for length in (4, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert refusal(path) == ("my_spotify_data.zip is not whole; its download was cut off: download it again.")


def test_a_zip_without_its_ending_is_read_by_its_first_bytes(tmp_path: Path) -> None:
    """Some browsers save a download without `.zip`."""
    path = make_zip(tmp_path / "my_spotify_data", GOOD)
    assert len(read_export(path).files) == 1


def test_a_zip_with_a_password_is_refused_with_the_cure(tmp_path: Path) -> None:
    """Someone protected the export before putting it away."""
    path = make_zip(tmp_path / "mine.zip", GOOD)
    patched(path, b"PK\x01\x02", 8, b"\x01")
    assert refusal(path) == (
        "Nothing in mine.zip can be imported: MyData/endsong_0.json is protected by a password: unpack the zip "
        "yourself and import the folder."
    )


def test_a_bomb_is_refused_before_it_expands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 MB of zeros in 200 kB: refused by its ratio, beside a good file, with nothing of it read."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("endsong_0.json", as_json(ROWS))
        archive.writestr("endsong_1.json", bytes(200_000_000))
    opened = set()
    open_member = zipfile.ZipFile.open

    def watched(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
        opened.add(member.filename)
        return open_member(archive, member)

    monkeypatch.setattr(zipfile.ZipFile, "open", watched)
    assert "zip bomb" in problem_beside_good_rows(path, "endsong_1.json")
    assert opened == {"endsong_0.json"}


@pytest.mark.parametrize("claim", [0, 100, 10_000])
def test_a_zip_that_lies_about_sizes_is_not_believed(tmp_path: Path, claim: int) -> None:
    """A bomb may claim to be small: no more is read than claimed, and then its checksum fails."""
    path = make_zip(tmp_path / "liar.zip", {"endsong_1.json": b"[" + b" " * 1_000_000 + b"1]"})
    patched(path, b"PK\x01\x02", 24, struct.pack("<I", claim))
    assert "endsong_1.json is" in refusal(path)


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_a_file_larger_than_memory_allows_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """A file has to fit into memory, parsed; its neighbours are read."""
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 10_000)
    path = make(tmp_path, {"endsong_0.json": as_json(ROWS), "endsong_1.json": as_json(ROWS * 10)}, form)
    assert "is larger than" in problem_beside_good_rows(path, "endsong_1.json")


def test_more_than_a_lifetime_is_refused_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bombs of many files, each within bounds, or the same one listed many times."""
    monkeypatch.setattr("spotifriend_dagster.sources.exports.MAX_TOTAL_BYTES", 5_000)
    path = make_zip(tmp_path / "much.zip", {f"endsong_{number}.json": as_json(ROWS) for number in range(4)})
    assert "more than a lifetime" in refusal(path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody names their home folder; searching it would take minutes."""
    monkeypatch.setattr(archives, "MAX_FILES", 5)
    files = {f"folder {number}/endsong_{number}.json": as_json(ROWS) for number in range(6)}
    assert "name the export's own folder" in refusal(make(tmp_path, files, "folder"))
    assert "more than 5 files" in refusal(make(tmp_path, files, "zip"))


@pytest.mark.parametrize(
    "name", ["../../endsong_1.json", "/etc/endsong_1.json", "C:/endsong_1.json", "a/../endsong_1.json"]
)
def test_a_path_that_climbs_out_is_left_out_and_named(tmp_path: Path, name: str) -> None:
    """No export of Spotify's has one; nothing is ever written where a zip says."""
    path = make_zip(tmp_path / "climbing.zip", GOOD | {name: as_json(ROWS)})
    assert "leads out of the zip" in problem_beside_good_rows(path, name)


def test_windows_paths_are_paths(tmp_path: Path) -> None:
    """Some packers write backslashes, also to climb out."""
    files = {"MyData\\endsong_0.json": as_json(ROWS), "..\\endsong_1.json": as_json(ROWS[:1])}
    assert "leads out" in problem_beside_good_rows(make_zip(tmp_path / "w.zip", files), "../endsong_1.json")


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link may lead anywhere: to a secret, to a huge folder, or back to its own."""
    folder = make(tmp_path, GOOD, "folder")
    outside = make(tmp_path, {"endsong_1.json": as_json(ROWS[:1])}, "nested folder")
    (folder / "a.json").symlink_to(outside / "endsong_1.json")
    (folder / "endsong_2.json").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder)
    export = read_export(folder)
    assert [file.name for file in export.files] == ["endsong_0.json"]
    assert export.ignored == ("a.json", "endsong_2.json", "loop")
    assert all("is a link and was not followed" in problem for problem in export.problems)


def test_a_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    """Downloads on another disk are often linked; what the user names is what the user wants."""
    (tmp_path / "link").symlink_to(make(tmp_path, GOOD, "folder"))
    assert len(read_export(tmp_path / "link").files) == 1


def test_a_zip_inside_is_named_with_the_cure(tmp_path: Path) -> None:
    """Unpacking what is inside of what is inside has no end."""
    inner = make_zip(tmp_path / "inner.zip", GOOD).read_bytes()
    for form in ("zip", "folder"):
        path = make(tmp_path, GOOD | {"older.zip": inner}, form)
        assert "import it by itself" in problem_beside_good_rows(path, "older.zip")
    alone = make(tmp_path / "alone", {"older.zip": inner}, "folder")
    assert refusal(alone) == (
        "Nothing in folder can be imported: older.zip is a zip of its own and was not opened: import it by itself."
    )


def test_a_damaged_file_in_a_zip_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A flipped bit fails the checksum of one file."""
    path = make_zip(tmp_path / "x.zip", GOOD | {"endsong_1.json": as_json(ROWS[:1])})
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("endsong_1.json").header_offset
    content = bytearray(path.read_bytes())
    content[at + 30 + len("endsong_1.json") + 20] ^= 0xFF
    path.write_bytes(content)
    assert "download the export again" in problem_beside_good_rows(path, "endsong_1.json")


def test_other_packings_are_left_out(tmp_path: Path) -> None:
    """Python unpacks bzip2 and LZMA without a bound on memory; Spotify uses neither."""
    path = make_zip(tmp_path / "x.zip", GOOD)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("endsong_1.json", as_json(ROWS))
    assert "unpack the zip" in problem_beside_good_rows(path, "endsong_1.json")


def test_a_file_without_permission_is_named_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faked, because tests may run as root, who may read everything."""
    read_file = archives._read_file

    def denied(path: Path, size: int) -> bytes:
        if path.name == "endsong_1.json":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_file(path, size)

    monkeypatch.setattr(archives, "_read_file", denied)
    path = make(tmp_path, GOOD | {"endsong_1.json": as_json(ROWS)}, "folder")
    assert "(Permission denied): check its permissions" in problem_beside_good_rows(path, "endsong_1.json")
    assert "check its permissions" in refusal(path / "endsong_1.json")


def test_a_folder_without_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faked for the same reason; `os.walk` would pass over it in silence."""
    path = make(tmp_path, GOOD | {"closed/endsong_1.json": as_json(ROWS)}, "folder")
    scandir = os.scandir

    def denied(name: str) -> object:
        if Path(name).name in closed:
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return scandir(name)

    monkeypatch.setattr(os, "scandir", denied)
    closed = {"closed"}
    assert "cannot be opened" in problem_beside_good_rows(path, "closed")
    closed = {"folder"}
    assert "check its permissions" in refusal(path)


def test_names_cannot_command_the_terminal(tmp_path: Path) -> None:
    """A name with an escape sequence is shown without it."""
    path = make_zip(tmp_path / "x.zip", GOOD | {"\x1b[2Jinner.zip": b"", "new\nline.txt": b"x"})
    export = read_export(path)
    assert export.ignored == ("?[2Jinner.zip", "new?line.txt")
    assert all(problem.isprintable() for problem in export.problems)


def test_names_that_are_not_text_are_shown(tmp_path: Path) -> None:
    """Names on disk are bytes; printing half a character would raise."""
    folder = make(tmp_path, GOOD, "folder")
    (folder / os.fsdecode(b"Bj\xf6rk.txt")).write_bytes(b"x")
    (ignored,) = read_export(folder).ignored
    assert ignored.encode() == b"Bj?rk.txt"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_no_zip_raises_anything_but_a_refusal(tmp_path: Path, seed: int) -> None:
    """Flipped, cut and repeated bytes anywhere, headers above all: a sentence or an export, never a traceback."""
    draw = random.Random(seed)
    path = make_zip(tmp_path / "x.zip", GOOD | {"StreamingHistory0.json": b"[]", "Read_Me_First.pdf": b"%PDF"})
    content = bytearray(path.read_bytes())
    for _ in range(draw.randint(1, 4)):
        header = content.find(draw.choice([b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"]))
        at = draw.choice([max(header, 0) + draw.randrange(46), draw.randrange(len(content))]) % len(content)
        content[at : at + draw.choice([0, 1, 1, 1, 9])] = draw.randbytes(draw.choice([1, 1, 1, 4]))
    path.write_bytes(content)
    try:
        export = read_export(path)
    except ExportError as error:
        assert str(error).endswith(".")
    else:
        assert all(isinstance(file.content, bytes) for file in export.encoded_files())
