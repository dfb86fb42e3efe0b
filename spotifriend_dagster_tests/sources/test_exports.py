import gzip
import itertools
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotifriend_dagster.sources import encoding, exports
from spotifriend_dagster.sources.encoding import EncodedFile
from spotifriend_dagster.sources.errors import ExportError
from spotifriend_dagster.sources.exports import Export, read_export
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster_tests.sources.made_exports import (
    FORMS,
    SECRETS,
    USER_NAME,
    account_row,
    as_json,
    extended_row,
    lines,
    make,
    make_zip,
    payloads,
    public,
)

OLD = [extended_row(number) for number in range(5)]
NEW = [extended_row(number, "2025") for number in range(5, 9)]
VIDEO = [extended_row(9, "2025", spotify_track_uri=None)]
ACCOUNT = [account_row(number) for number in range(4)]
PODCASTS = [{"endTime": "2024-05-05 10:00", "podcastName": "P", "episodeName": "E", "msPlayed": 60_000}]

HISTORY = {
    "endsong_0.json": as_json(OLD),
    "endsong_10.json": as_json(OLD[:2]),
    "Streaming_History_Audio_2022-2025_1.json": as_json(NEW, pretty=True),
    "Streaming_History_Video_2020.json": as_json(VIDEO, pretty=True),
    "StreamingHistory0.json": as_json(ACCOUNT[:2]),
    "StreamingHistory_music_0.json": as_json(ACCOUNT),
    "StreamingHistory_podcast_0.json": as_json(PODCASTS),
}
OTHERS = {
    "ReadMeFirst_ExtendedStreamingHistory.pdf": b"%PDF-1.4",
    "YourLibrary.json": b'{"tracks": [{"artist": "A", "track": "B"}]}',
    "Playlist1.json": b'{"playlists": [{"name": "P"}]}',
    "SearchQueries.json": b'[{"platform": "ANDROID", "searchTime": "2024", "searchQuery": "x"}]',
    "Userdata.json": b'{"username": "%s"}' % USER_NAME.encode(),
    "Apple Music Play Activity.csv": b"Song Name,Play Duration\nA,1\n",
    ".DS_Store": b"\0\0\0\1Bud1",
}


def stored(path: Path) -> tuple[str, list[EncodedFile]]:
    export = read_export(path)
    return export.sha256, list(export.encoded_files())


@pytest.mark.parametrize("form", FORMS)
def test_every_era_is_read_from_every_form(tmp_path: Path, form: str) -> None:
    """All histories of §4 in one export, among files that are none, which are named."""
    export = read_export(make(tmp_path, OTHERS | HISTORY, form))
    assert payloads(export) == {
        "endsong_0.json": [public(row) for row in OLD],
        "endsong_10.json": [public(row) for row in OLD[:2]],
        "Streaming_History_Audio_2022-2025_1.json": [public(row) for row in NEW],
        "Streaming_History_Video_2020.json": [public(row) for row in VIDEO],
        "StreamingHistory0.json": ACCOUNT[:2],
        "StreamingHistory_music_0.json": ACCOUNT,
        "StreamingHistory_podcast_0.json": PODCASTS,
    }
    assert {Path(name).name for name in export.ignored} == set(OTHERS)
    assert export.problems == ()
    assert {file.name for file in export.files if file.kind == "account"} == {
        name for name in HISTORY if name.startswith("StreamingHistory")
    }
    assert [file.name for file in export.files if file.is_video] == ["Streaming_History_Video_2020.json"]


def test_the_same_export_is_the_same_export_in_any_form(tmp_path: Path) -> None:
    """Imported as a zip and later as the unpacked folder, it must change nothing: same identity, same bytes."""
    answers = [stored(make(tmp_path, OTHERS | HISTORY, form)) for form in FORMS]
    answers.append(stored(make(tmp_path / "again", dict(reversed(HISTORY.items())), "zip")))
    assert all(answer == answers[0] for answer in answers)
    assert all(file.content[4:8] == bytes(4) for _, files in answers for file in files), (
        "gzip notes the time of writing"
    )


def test_renaming_files_changes_no_identity(tmp_path: Path) -> None:
    """Names are the user's; the listening is told by contents, whatever their order."""
    renamed = dict(zip(reversed(HISTORY), HISTORY.values(), strict=True))
    first, second = read_export(make(tmp_path, HISTORY)), read_export(make(tmp_path / "renamed", renamed))
    assert first.sha256 == second.sha256


@pytest.mark.parametrize(("name", "content"), HISTORY.items())
@pytest.mark.parametrize("renamed", [False, True])
def test_a_single_file_is_an_export(tmp_path: Path, name: str, content: bytes, renamed: bool) -> None:
    """It is told by its name or, renamed, by its first row; its identity is that of the same file in a zip."""
    path = tmp_path / ("my music.txt" if renamed else name)
    path.write_bytes(content)
    (file,) = read_export(path).files
    assert file.name == ("my_music.txt" if renamed else name)
    assert file.kind == ("account" if name.startswith("StreamingHistory") else "extended")
    assert read_export(path).sha256 == read_export(make_zip(tmp_path / "x.zip", {f"a/{name}": content})).sha256


def test_lines_are_rows_of_the_declared_table(tmp_path: Path) -> None:
    """What is stored has the declared columns, in order, numbered from 0, and `rows()` tells the same."""
    export = read_export(make(tmp_path, HISTORY))
    for name, file in lines(export).items():
        assert all(tuple(line) == STREAMING_HISTORY.column_names for line in file)
        assert [(line["file"], line["row"]) for line in file] == [(name, number) for number in range(len(file))]
    assert {file.name: file.rows() for file in export.files} == lines(export)
    assert {file.name: file.rows for file in export.encoded_files()} == {
        n: len(file) for n, file in lines(export).items()
    }


def test_an_export_with_other_rows_is_another_export(tmp_path: Path) -> None:
    """A fragment, or a newer export, must not be taken for one that is already there."""
    whole = read_export(make(tmp_path / "a", HISTORY)).sha256
    less = read_export(make(tmp_path / "b", dict(list(HISTORY.items())[1:]))).sha256
    changed = read_export(make(tmp_path / "c", HISTORY | {"endsong_0.json": as_json(OLD[:4])})).sha256
    assert len({whole, less, changed}) == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_secret_of_an_export_is_in_any_byte_that_comes_out(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever the era and the form, whole or cut off: IP address, user name and user agent stay behind."""
    field = data.draw(st.sampled_from(["user_email", "clientIp", "userName", "User-Agent", "device"]))
    secret = data.draw(st.sampled_from(SECRETS))
    new_field = {field: {"ip": secret} if field == "device" else secret}
    files = HISTORY | {"endsong_1.json": as_json([row | new_field for row in OLD])}
    name = data.draw(st.sampled_from(sorted(files)))
    files[name] = files[name][: data.draw(st.integers(1, len(files[name])))]
    path = make(tmp_path / str(data.draw(st.uuids())), OTHERS | files, data.draw(st.sampled_from(FORMS)))
    export = read_export(path)
    encoded = list(export.encoded_files())
    out = b"".join(gzip.decompress(file.content) for file in encoded)
    told = repr((export, encoded, export.ignored, [file.problems for file in encoded])).replace(str(path), "")
    assert not any(secret.encode() in out or secret in told for secret in SECRETS)


def test_a_cut_file_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    """The good rows are kept, the tail is one row with a problem, and the user learns which file and how many."""
    cut = as_json(OLD)[:-100]
    export = read_export(make(tmp_path, {"endsong_0.json": cut, "endsong_1.json": as_json(NEW)}))
    bad, good = export.encoded_files()
    assert (bad.rows, bad.unreadable_rows, good.rows, good.unreadable_rows) == (5, 1, 4, 0)
    (sentence,) = bad.problems
    assert sentence.startswith(
        "endsong_0.json: 1 of 5 rows cannot be read and are set aside, the first at position 4 ("
    )
    assert sentence.endswith("download the export again to get them.")
    assert good.problems == ()
    assert lines(export)["endsong_0.json"][4] == {
        "file": "endsong_0.json",
        "row": 4,
        "payload": None,
        "problem": sentence.partition("(")[2].partition(")")[0] + ".",
    }


def test_an_object_where_a_list_should_be_is_a_problem_of_its_file(tmp_path: Path) -> None:
    """The file counts as one row that cannot be read, so that the accounts add up."""
    export = read_export(make(tmp_path, {"endsong_0.json": b'{"error": 404}', "endsong_1.json": as_json(NEW)}))
    bad, good = export.encoded_files()
    assert (bad.rows, bad.unreadable_rows, good.rows) == (1, 1, 4)
    assert "something else where a list of rows should be" in bad.problems[0]


def user_problems(export: Export) -> list[str]:
    return [problem for file in export.encoded_files() for problem in file.problems]


def test_two_users_under_one_listener_are_warned_of_once_without_their_names(tmp_path: Path) -> None:
    """A household's exports in one folder would become one person's taste."""
    other = [extended_row(number, username="somebody_else") for number in range(3)]
    files = {"endsong_0.json": as_json(OLD), "endsong_1.json": as_json(other), "endsong_2.json": as_json(OLD + other)}
    (problem,) = user_problems(read_export(make(tmp_path, files)))
    assert "more than one Spotify user" in problem
    assert "somebody_else" not in problem
    assert USER_NAME not in problem
    (problem,) = user_problems(read_export(make(tmp_path / "one file", {"endsong_2.json": as_json(OLD + other)})))
    assert "more than one Spotify user" in problem


def test_one_user_is_not_warned_of(tmp_path: Path) -> None:
    """Newer exports have no user name, older ones sometimes none: that is no second person."""
    blank = [extended_row(username=name) for name in (None, "", USER_NAME)]
    assert user_problems(read_export(make(tmp_path, HISTORY | {"endsong_3.json": as_json(blank)}))) == []


def test_files_of_one_name_are_told_apart_by_their_content(tmp_path: Path) -> None:
    """Two exports unpacked into one folder: neither may overwrite the other, whatever the order or the case."""
    files = {"a/endsong_0.json": as_json(OLD), "b/endsong_0.json": as_json(NEW), "c/EndSong_0.json": as_json(VIDEO)}
    moved = {"z/endsong_0.json": files["a/endsong_0.json"], "b/endsong_0.json": files["b/endsong_0.json"]}
    moved["EndSong_0.json"] = files["c/EndSong_0.json"]
    first, second = lines(read_export(make(tmp_path, files))), lines(read_export(make(tmp_path / "moved", moved)))
    assert first == second
    assert len({name.lower() for name in first}) == 3


def test_a_name_that_a_zip_holds_twice_is_two_files(tmp_path: Path) -> None:
    """A zip may list a name twice; by name, one of them could not be reached."""
    path = make_zip(tmp_path / "x.zip", {"endsong_0.json": as_json(OLD), "endsong_1.json": as_json(NEW)})
    path.write_bytes(path.read_bytes().replace(b"endsong_1.json", b"endsong_0.json"))
    assert sorted(len(rows) for rows in payloads(read_export(path)).values()) == [4, 5]


def test_equal_files_count_once(tmp_path: Path) -> None:
    """`endsong_0 (1).json`, downloaded twice into one folder, is no second listening."""
    files = {"endsong_0.json": as_json(OLD), "copy/endsong_0 (1).json": as_json(OLD), "a renamed.json": as_json(OLD)}
    export = read_export(make(tmp_path, files))
    assert [file.name for file in export.files] == ["endsong_0.json"]
    assert export.ignored == ("a renamed.json", "copy/endsong_0 (1).json")
    assert export.sha256 == read_export(make(tmp_path / "once", {"endsong_0.json": as_json(OLD)})).sha256


@pytest.mark.parametrize(
    "name",
    ["Мои данные.json", "a b(1).json", "_hidden.json", "..json", "x" * 200 + ".json", "endsong_0~$&=%.json", "-"],
)
def test_names_are_safe_in_keys(tmp_path: Path, name: str) -> None:
    """Keys are paths in a bucket and in SQL: no spaces, no `=`, and nothing that engines take for hidden."""
    (file,) = read_export(make(tmp_path, {name: as_json(OLD)}, "folder")).files
    assert set(file.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert file.name[0] not in "._-"
    assert 0 < len(file.name) <= 120


def test_a_file_that_changes_while_it_is_imported_stops_the_import(tmp_path: Path) -> None:
    """Rows stored under the identity of other rows could never be told apart again."""
    folder = make(tmp_path, HISTORY, "folder")
    export = read_export(folder)
    (folder / "endsong_0.json").write_bytes(as_json(NEW))
    with pytest.raises(ExportError, match=r"endsong_0\.json changed while it was being imported: import it again\."):
        list(export.encoded_files())
    (folder / "endsong_0.json").unlink()
    with pytest.raises(ExportError, match=r"endsong_0\.json cannot be read"):
        list(export.encoded_files())


@pytest.mark.parametrize("is_ended", [False, True], ids=["to the end", "one of which ends early"])
def test_two_processes_read_what_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ended: bool) -> None:
    """A large export's files are shared between them; nothing else may depend on it, nor on how long both live."""
    several = {"endsong_1.json": as_json([extended_row(3, username="another")]), "endsong_2.json": b"[{]"}
    path = make(tmp_path, HISTORY | several)
    alone = stored(path)
    begun: list[subprocess.Popen[bytes]] = []

    class Process(subprocess.Popen[bytes]):
        def __init__(self, *what: Any, **how: Any) -> None:
            super().__init__(*what, **how)
            begun.append(self)
            if is_ended:
                self.kill()

    if not is_ended:  # what the other process did not read would be read by this
        monkeypatch.setattr(encoding, "encode", None)
    monkeypatch.setattr(encoding.subprocess, "Popen", Process)
    monkeypatch.setattr(exports, "_MUCH", 0)
    assert stored(path) == alone
    assert sum("more than one Spotify user" in problem for file in alone[1] for problem in file.problems) == 1
    assert len(begun) == 1
    assert begun[0].returncode is not None, "it ends with the export"


def test_encoding_can_be_stopped_at_any_file(tmp_path: Path) -> None:
    """Ctrl-C between two files leaves no thread behind."""
    export = read_export(make(tmp_path, HISTORY))
    encoded = export.encoded_files()
    assert len(list(itertools.islice(encoded, 2))) == 2
    encoded.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "empty", [{}, {"endsong_0.json": b"[]"}, OTHERS, OTHERS | {"StreamingHistory0.json": b" [ ] "}]
)
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_an_export_without_listening_says_what_to_ask_for(tmp_path: Path, empty: dict[str, bytes], form: str) -> None:
    """Spotify offers three downloads; two hold less or nothing of what is needed."""
    (tmp_path / "folder").mkdir()  # which no file makes
    with pytest.raises(ExportError) as refused:
        read_export(make(tmp_path, empty, form))
    sentence = str(refused.value)
    assert sentence.startswith(f"{form}.zip" if form == "zip" else form)
    assert "Extended streaming history at https://www.spotify.com/account/privacy" in sentence
    assert ("(only" in sentence) == bool(empty)
    assert ("…" in sentence) == (len(empty) > 5)


@pytest.mark.parametrize(
    "name", ["YourLibrary.json", "Apple Music Play Activity.csv", "ReadMeFirst_ExtendedStreamingHistory.pdf"]
)
def test_another_product_alone_is_refused(tmp_path: Path, name: str) -> None:
    """The wrong file of the right folder."""
    (tmp_path / name).write_bytes(OTHERS[name])
    with pytest.raises(ExportError) as refused:
        read_export(tmp_path / name)
    assert str(refused.value).startswith(f"{name} holds no streaming history: ask for")


@pytest.mark.parametrize("nothing", [b"", b" \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_named(tmp_path: Path, nothing: bytes) -> None:
    """Alone it is refused; among others it is a problem, and the rest goes on."""
    (tmp_path / "endsong_0.json").write_bytes(nothing)
    with pytest.raises(ExportError, match=r"endsong_0\.json is empty: download the export again\."):
        read_export(tmp_path / "endsong_0.json")
    export = read_export(make(tmp_path, HISTORY | {"endsong_7.json": nothing}))
    assert len(export.files) == len(HISTORY)
    assert export.problems == ("endsong_7.json is empty: download the export again.",)
