"""The command line as a person meets it: what they can get wrong ends with one sentence and its cure."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spotifriend_dagster.automation.runs import RunOutcome
from spotifriend_dagster.cli import main
from spotifriend_dagster.cli.session import Session, UserError
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster_tests.conftest import LISTENER, SimulatedHome

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `spotifriend` with a home of its own."""
    monkeypatch.setenv("SPOTIFRIEND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


@pytest.fixture
def over(changeable_home: SimulatedHome, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `spotifriend` over the simulated listener's home."""
    monkeypatch.setenv("SPOTIFRIEND_HOME", str(changeable_home.path))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def sentence(result: Result) -> str:
    """The one sentence of a failed command; no traceback, nothing else."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output.strip().splitlines()[-1]


def test_help_teaches(command: Command) -> None:
    """Whoever types --help sees how to begin, and every command says what it does."""
    said = command("--help").output
    assert "spotifriend import my_spotify_data.zip" in said
    for name in main.commands:
        assert name in said
        assert len(command(name, "--help").output) > 80


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.zip", None, "missing.zip"),
        ("text.zip", b"no zip at all", "text.zip"),
        ("empty.json", b"", "empty.json"),
        ("Playlist1.json", b'{"playlists": []}', "Extended streaming history"),
    ],
)
def test_what_is_no_export_is_said_in_a_sentence(
    command: Command, tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    """Not there, not a zip, empty, another product's file: a sentence that names the file or the cure."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert expected in sentence(command("import", str(path), "--zone", "Europe/London"))


def test_a_wrong_zone_or_listener_id_is_said_before_anything_is_written(command: Command, tmp_path: Path) -> None:
    """A misspelt zone would put every play into the wrong hour."""
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Streaming_History_Audio_2024_0.json", "[]")
    assert "Europe/London" in sentence(command("import", str(path), "--zone", "Europe/Londn"))
    assert "My Name" in sentence(command("import", str(path), "--zone", "Europe/London", "--listener", "My Name"))
    assert not (tmp_path / "home" / "lake").exists()


def test_a_wrong_setting_names_itself(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence that names the setting, the value and what is allowed."""
    monkeypatch.setenv("SPOTIFRIEND_DEPLOYMENT", "mars")
    said = sentence(command("status"))
    assert "SPOTIFRIEND_DEPLOYMENT" in said and "mars" in said and "local" in said


def test_a_first_look_at_an_empty_home(command: Command) -> None:
    """status, tables and run before the first import say how to begin, and fail at nothing."""
    assert "spotifriend import" in command("status").output
    assert command("tables").exit_code == 0
    assert "local_hour" in command("tables", "plays").output
    assert sentence(command("tables", "play")) == "✗ There is no table play: did you mean plays?"
    assert "spotifriend import" in sentence(command("report")) or command("report").exit_code == 0


def test_an_import_ends_with_the_answers(command: Command, tmp_path: Path) -> None:
    """The five questions are answered in the terminal, and the page is where it is said to be."""
    path = tmp_path / "export.zip"
    truth = simulate(5, years=40 / 365.25)
    write_export(truth, path)
    result = command("import", str(path), "--zone", "Europe/Berlin", "--name", "Alex")
    assert result.exit_code == 0, result.output
    for question in ("Taste through the day", "Discovering against returning", "Weekdays", "Skips", "Songs on repeat"):
        assert question in result.output
    written = command("report").output.strip()
    assert Path(written).read_text("utf-8").startswith("<!doctype html>")
    assert "me (Alex)" in command("status").output


def test_an_import_says_what_became_of_every_row_and_names_the_bad(command: Command, tmp_path: Path) -> None:
    """A file that is cut off or no list, rows that say nothing, files of another kind: nothing is dropped silently."""
    row = {"ts": "2024-05-01T10:00:00Z", "ms_played": 40_000, "spotify_track_uri": "spotify:track:" + "a" * 22}
    later = row | {"ts": "2024-05-01T11:00:00Z"}
    files = {
        "Streaming_History_Audio_2024_1.json": json.dumps([row, row, row | {"ms_played": -1}]),
        "Streaming_History_Audio_2024_2.json": json.dumps([later, later])[:-20],
        "Streaming_History_Audio_2024_3.json": "{}",
        "Userdata.json": "{}",
    }
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    said = command("import", str(path), "--zone", "UTC").output
    assert "Imported 3 files with 6 rows: 2 plays, 1 repeat, 3 set aside." in said
    assert "2024_2.json: 1 of 2 rows cannot be read" in said and "2024_3.json: 1 of 1 rows cannot be read" in said
    assert "Set aside in history_rejects: 1 × ms_played is negative." in said
    assert "hold no listening: Userdata.json." in said


def test_why_an_import_failed_is_said_once(command: Command, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The alert of a run that failed goes to its file, and not into the terminal that has the sentence already."""
    result = command("import", str(tmp_path / "nothing.zip"), "--zone", "UTC")
    assert "There is nothing at" in sentence(result)
    assert result.output.count("There is nothing at") == 1
    assert [record for record in caplog.records if record.name == "spotifriend.alerts"] == []
    assert "There is nothing at" in (tmp_path / "home" / "alerts.jsonl").read_text("utf-8")


def test_queries_come_as_table_csv_and_json(over: Command) -> None:
    """The same rows in three forms."""
    sql = (
        "SELECT artist_name, COUNT(*) AS plays FROM plays WHERE artist_name IS NOT NULL "
        "GROUP BY artist_name ORDER BY plays DESC, artist_name LIMIT 3"
    )
    rows = json.loads(over("query", sql, "--format", "json").output)
    assert [*rows[0]] == ["artist_name", "plays"]
    lines = over("query", sql, "--format", "csv").output.splitlines()
    assert lines[0] == "artist_name,plays" and len(lines) == 4
    assert rows[0]["artist_name"] in over("query", sql).output


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DROP TABLE plays", "SELECT"),
        ("SELECT * FROM playz", "plays"),
        ("SELECT artist FROM plays", "artist"),
        ("SELECT approx_distinct(artist_name) FROM plays", "approx_distinct"),
        ("SELECT", ""),
    ],
)
def test_a_query_that_is_refused_says_why(over: Command, sql: str, expected: str) -> None:
    """Read-only, known tables and columns, only what both engines answer alike; refused by name."""
    assert expected.lower() in sentence(over("query", sql)).lower()


def test_a_table_goes_back_and_on(over: Command) -> None:
    """rollback is one command; it holds until release."""
    assert over("run").exit_code == 0
    assert "release streaks" in over("rollback", "streaks").output.replace("\n", " ")
    assert over("release", "streaks").exit_code == 0
    assert "streaks" in sentence(over("release", "streaks"))
    assert "nothing" in sentence(over("rollback", "nothing"))


def test_a_report_for_everybody_is_there_though_somebody_has_nothing_yet(
    over: Command, changeable_home: SimulatedHome
) -> None:
    """Who has just signed in is told what is missing; the others have their page, and no check fails."""
    changeable_home.listeners.add("kim", "Kim", "Europe/Berlin")
    said = over("report")
    assert said.exit_code == 0
    assert "no listening of kim yet" in said.output and "listener=robin/all.html" in said.output
    assert "no listening of kim yet" in sentence(over("report", "--listener", "kim"))
    assert changeable_home.run("answer").failed_checks == []


def test_reports_of_a_year_and_a_month(over: Command) -> None:
    """A period without listening, or that is none, is said in a sentence."""
    assert over("report", "--period", "2025-03", "--listener", LISTENER).output.strip().endswith("2025-03.html")
    assert "2025" in sentence(over("report", "--period", "1999"))
    assert "2025-03" in sentence(over("report", "--period", "last year"))
    assert "nobody" in sentence(over("report", "--listener", "nobody"))


def test_what_fails_many_steps_is_said_once() -> None:
    """A workgroup that is missing fails every insight that reads no other, in the same words."""
    failures = {"insights__streaks": "No workgroup.", "insights__sessions": "No workgroup.", "plays": "No plays."}
    with pytest.raises(UserError) as said:
        Session().require(RunOutcome("id", failures=failures))
    assert str(said.value).startswith("insights/streaks, insights/sessions: No workgroup.; plays: No plays. (run id")
