"""The listeners of listeners.toml: what may stand there, what is said of the rest, and what is never touched."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.listeners import ListenersFile, system_time_zone
from spotifriend_dagster.settings import SettingsError


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests, and a working directory that is empty."""
    for name in os.environ:
        if name.startswith("SPOTIFRIEND_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal(file: ListenersFile, text: str) -> str:
    """What is said of a listeners.toml, after its name."""
    file.path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as refused:
        file.read()
    said = str(refused.value)
    assert "\n" not in said
    assert "listeners.toml" in said
    return said


@pytest.fixture
def file(tmp_path: Path) -> ListenersFile:
    """A listeners.toml that is not there yet."""
    return ListenersFile(tmp_path / "listeners.toml")


def test_no_file_is_no_listener(file: ListenersFile):
    """A fresh home has none, and asking for one says how to add one."""
    assert file.read() == {}
    with pytest.raises(SettingsError, match=r"names no listener 'me' \(it names: none yet\): add a section \[me\]"):
        file.get("me")


def test_listeners_are_read_with_their_clocks(file: ListenersFile):
    """A zone, or a list of them; a name or none; private sessions left out unless said."""
    file.path.write_text(
        '[me]\ntime_zone = "Europe/London"\n\n'
        '[kim-2_x]\ndisplay_name = "Kim \\"K\\" 🎧"\ninclude_private_sessions = true\ntime_zone = [\n'
        '  { zone = "Europe/Berlin" },\n'
        '  { zone = "Asia/Tokyo", valid_from = 2024-05-01 },\n'
        '  { zone = "America/New_York", valid_from = 2024-06-01T12:00:00 },\n'
        '  { zone = "Europe/Berlin", valid_from = 2024-07-01T00:00:00+02:00 },\n]\n',
        "utf-8-sig",  # as Windows' editor saves it
    )
    read = file.read()
    assert list(read) == ["me", "kim-2_x"]
    assert (read["me"].display_name, read["me"].include_private_sessions) == ("me", False)
    kim = file.get("kim-2_x")
    assert (kim.display_name, kim.include_private_sessions) == ('Kim "K" 🎧', True)
    instants = {
        "2024-04-30T14:59:59": "Europe/Berlin",
        "2024-04-30T15:00:00": "Asia/Tokyo",
        "2024-06-01T15:59:59": "Asia/Tokyo",
        "2024-06-01T16:00:00": "America/New_York",
        "2024-06-30T22:00:00": "Europe/Berlin",
    }
    for instant, zone in instants.items():
        assert kim.zones.zone_at(datetime.fromisoformat(instant).replace(tzinfo=UTC)) == zone


LONDON = 'time_zone = "Europe/London"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[me\n", "cannot be read as TOML (Expected ']' at the end of a table declaration (at line 1, column 4))"),
        (f"[me]\n{LONDON}[me]\n", "cannot be read as TOML (Cannot declare ('me',) twice (at line 3, column 4))"),
        (LONDON, "time_zone = 'Europe/London' stands outside of a listener's section: write it below a line"),
        ("me = 3\n", "me = 3 stands outside of a listener's section"),
        (f"[me]\n{LONDON}timezone = 1\n", "[me]: timezone is not a setting; allowed are display_name, incl"),
        (f"[me]\n{LONDON}[me.more]\n", "[me]: more is not a setting"),
        ("[me]\n", '[me]: time_zone must be an IANA zone such as "Europe/London", or a list of { zone, valid_f'),
        ('[me]\ntime_zone = "Europe/Londn"\n', "no time zone 'Europe/Londn': did you mean 'Europe/London'?"),
        ('[me]\ntime_zone = "europe/london "\n', "did you mean 'Europe/London'?"),
        ('[me]\ntime_zone = "Nowhere"\n', "no time zone 'Nowhere': use an IANA name, such as 'Europe/London'."),
        ('[me]\ntime_zone = "../../etc/passwd"\n', "[me]: There is no time zone '../../etc/passwd'"),
        ('[me]\ntime_zone = ""\n', "[me]: There is no time zone ''"),
        ("[me]\ntime_zone = 3\n", "it is 3."),
        ("[me]\ntime_zone = []\n", "it is []."),
        ('[me]\ntime_zone = ["Europe/London"]\n', "one of its entries is 'Europe/London'."),
        ('[me]\ntime_zone = [{ zone = "Europe/London", since = 1 }]\n', "one of its entries is {'zone': 'Eu"),
        ("[me]\ntime_zone = [{ valid_from = 2024-01-01 }]\n", "one of its entries is {'valid_from'"),
        (
            '[me]\ntime_zone = [{ zone = "Europe/London", valid_from = "2024-01-01" }]\n',
            "a date, or a date and time, without quotes, such as 2024-05-01T18:30:00; it is '2024-01-01'.",
        ),
        ('[me]\ntime_zone = [{ zone = "Europe/London", valid_from = 12:30:00 }]\n', "it is datetime.time(12, 30)."),
        (
            '[me]\ntime_zone = [{zone = "UTC", valid_from = 2024-02-01}, {zone = "UTC", valid_from = 2024-01-01}]\n',
            "Time zone 'UTC' is valid from 2024-01-01, which is not after the start of the zone before it: list",
        ),
        ('[me]\ntime_zone = [{ zone = "Asia/Tokyo" }, { zone = "UTC" }]\n', "Time zone 'UTC' needs a valid_from"),
        (f"[Robin]\n{LONDON}", "[Robin]: a listener's id has at most 63 lower-case letters, digits, - and _"),
        (f'["a b"]\n{LONDON}', "[a b]: a listener's id"),
        (f'["../x"]\n{LONDON}', "[../x]: a listener's id"),
        (f"[-a]\n{LONDON}", "[-a]: a listener's id"),
        (f"[{'a' * 64}]\n{LONDON}", "a listener's id has at most 63"),
        (f"[me]\n{LONDON}include_private_sessions = 'yes'\n", "include_private_sessions is 'yes', but it must be true"),
        (f"[me]\n{LONDON}include_private_sessions = 1\n", "include_private_sessions is 1, but it must be true"),
        (f"[me]\n{LONDON}display_name = 3\n", "[me]: display_name is 3, but it must be a text of one line."),
        (f"[me]\n{LONDON}display_name = ' '\n", "display_name is ' ', but it must be a text of one line."),
        (f'[me]\n{LONDON}display_name = "a\\nb"\n', "display_name is 'a\\nb', but it must be a text of one line."),
    ],
)  # fmt: skip
def test_what_listeners_toml_may_not_say_is_said_in_a_sentence(file: ListenersFile, text: str, said: str):
    """Which listener, which setting, its value, what is allowed: a person can put it right without reading code."""
    assert said in refusal(file, text)


def test_one_wrong_listener_does_not_pass_for_none(file: ListenersFile):
    """Whoever is misspelt is not left out in silence, though the others are right."""
    assert "[Kim]" in refusal(file, f"[me]\n{LONDON}[Kim]\n{LONDON}")


@pytest.mark.parametrize("make", ["folder", "bytes"])
def test_a_file_that_is_no_text_is_said_in_a_sentence(file: ListenersFile, make: str):
    """A folder of that name, or another encoding."""
    if make == "folder":
        file.path.mkdir()
    else:
        file.path.write_bytes('[me]\ndisplay_name = "Zoë"\n'.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"listeners.toml cannot be read as TOML \(.*\): correct it there\.$"):
        file.read()


ZONES = [
    (None, "Europe/London"),
    (datetime(2024, 5, 1, 10, 30, tzinfo=UTC), "Asia/Tokyo"),
    (datetime(2024, 6, 1, 0, 0, tzinfo=timezone(timedelta(hours=9))), "America/New_York"),
    (datetime(2024, 7, 1, 8, 0), "Europe/London"),  # on its clock
]


def test_who_is_added_is_read_back(file: ListenersFile):
    """A zone or several; the home is made; the others stay."""
    deep = ListenersFile(file.path.parent / "new" / "home" / "listeners.toml")
    deep.add("me", "me", "Europe/London")
    deep.add("kim", "Kim", ZONES)
    read = deep.read()
    assert list(read) == ["me", "kim"]
    assert read["me"].zones.names == ("Europe/London",)
    assert read["kim"].zones.names == ("Europe/London", "Asia/Tokyo", "America/New_York", "Europe/London")
    for at in (datetime(2024, 5, 1, 10, 30), datetime(2024, 5, 31, 15), datetime(2024, 7, 1, 7)):  # UTC
        before, then = (read["kim"].zones.zone_at(at.replace(tzinfo=UTC) + timedelta(seconds=s)) for s in (-1, 0))
        assert before != then
    assert list(deep.path.parent.iterdir()) == [deep.path]


@given(name=st.text(st.characters(), min_size=1, max_size=30))
@settings(deadline=None, max_examples=100)
def test_any_name_is_read_back_or_refused(tmp_path_factory, name: str):
    """Quotes, backslashes, emoji and Arabic survive; what is no line of text is refused, and the file is as it was."""
    file = ListenersFile(tmp_path_factory.mktemp("home") / "listeners.toml")
    file.add("me", "me", "UTC")
    try:
        file.add("kim", name, "UTC")
    except SettingsError as refused:
        assert "it must be a text of one line" in str(refused)
        assert list(file.read()) == ["me"]
    else:
        assert file.get("kim").display_name == name


def test_what_is_in_the_file_stays_to_the_byte(file: ListenersFile):
    """Comments, order, line ends, a missing last one: what a person wrote is theirs."""
    before = b'# mine\r\n[me]  # it is me\r\ntime_zone="Europe/London"'
    file.path.write_bytes(before)
    file.path.chmod(0o600)
    file.add("kim", "Kim", "Europe/Berlin")
    assert file.path.read_bytes().startswith(before)
    assert list(file.read()) == ["me", "kim"]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "section",
    [
        b'[kim]\ntime_zone = "Europe/Berlin"\n',
        b'# Kim, since spring\r\n  ["kim"]  # hers\r\ntime_zone = [\r\n  {zone = "Europe/Berlin"},\r\n]\r\n\r\n',
        b'[[kim.time_zone]]\nzone = "Europe/Berlin"\n\n[kim]\ndisplay_name = "[me]"\n',
    ],
    ids=["plain", "with a comment and a list", "in parts"],
)
def test_who_is_removed_leaves_the_others_to_the_byte(file: ListenersFile, section: bytes):
    """With the comment above their section, which is about them; and once more changes nothing."""
    before, after = b'# all of us\n\n[kimberly]\ntime_zone = "Europe/London"\n\n', b'[me]\ntime_zone="Europe/London"'
    file.path.write_bytes(before + section + after)
    for _ in range(2):
        file.remove("kim")
        assert file.path.read_bytes() == before + after


def test_a_section_that_cannot_be_taken_out_is_said_and_stays(file: ListenersFile):
    """Nobody else may go with it."""
    content = f'kim = {{ time_zone = "Europe/Berlin" }}\n[me]\n{LONDON}'.encode()
    file.path.write_bytes(content)
    with pytest.raises(SettingsError, match="remove the section there by hand"):
        file.remove("kim")
    assert file.path.read_bytes() == content


def test_a_linked_file_stays_linked(file: ListenersFile):
    """Who keeps the file elsewhere, under version control, finds the addition there."""
    kept = file.path.parent / "dotfiles.toml"
    kept.write_text(f"[me]\n{LONDON}", "utf-8")
    file.path.symlink_to(kept)
    file.add("kim", "Kim", "Europe/Berlin")
    assert file.path.is_symlink()
    assert "[kim]" in kept.read_text("utf-8")


@pytest.mark.parametrize(
    ("listener", "zones", "said"),
    [
        ("Kim", "Europe/London", "[Kim]: a listener's id"),
        ("k]\n[x", "Europe/London", "a listener's id"),
        ("kim", "Europe/Londn", "did you mean 'Europe/London'?"),
        ("kim", [(None, "UTC"), (None, "Asia/Tokyo")], "needs a valid_from"),
        ("kim", [], "it is []."),
        ("me", "Europe/London", "names the listener 'me' already: change the section there."),
    ],
)
def test_who_may_not_be_added_leaves_the_file_as_it_was(file: ListenersFile, listener: str, zones, said: str):
    """A second [me] would make the whole file unreadable."""
    file.add("me", "me", "Europe/London")
    before = file.path.read_bytes()
    with pytest.raises(SettingsError) as refused:
        file.add(listener, "Kim", zones)
    assert said in str(refused.value)
    assert file.path.read_bytes() == before


def test_nobody_is_added_to_a_file_that_cannot_be_read(file: ListenersFile):
    """What is broken is said before more is written below it."""
    file.path.write_text("[me\n", "utf-8")
    with pytest.raises(SettingsError, match="cannot be read as TOML"):
        file.add("kim", "Kim", "UTC")
    assert file.path.read_text("utf-8") == "[me\n"


def test_a_home_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path):
    """A file where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"listeners.toml cannot be "):
        ListenersFile(tmp_path / "file" / "listeners.toml").add("me", "me", "UTC")


def test_the_first_listener_gets_a_file_that_teaches(file: ListenersFile):
    """What may be written there stands at its top, and what the comment shows is right."""
    file.add("me", "me", "Europe/London")
    comment = [line.removeprefix("# ") for line in file.path.read_text("utf-8").splitlines() if line.startswith("#")]
    example = "\n".join(line for line in comment if line.startswith("    "))
    shown = "[example]\n" + "\n".join(line.strip() for line in example.splitlines())
    file.path.write_text(f"{shown}\ninclude_private_sessions = true\n", "utf-8")
    assert file.get("example").zones.names == ("Europe/London", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
    ],
)
def test_this_machines_zone_is_the_one_it_names(monkeypatch: pytest.MonkeyPatch, said: str, expected: str):
    """TZ is written in several ways."""
    monkeypatch.setenv("TZ", said)
    assert system_time_zone() == expected


@pytest.mark.parametrize("said", ["CET-1CEST,M3.5.0,M10.5.0/3", "/etc/shadow", "", "  "])
def test_this_machines_zone_is_always_a_zone(monkeypatch: pytest.MonkeyPatch, said: str):
    """A rule is no name, and must not end an import that named no zone."""
    monkeypatch.setenv("TZ", said)
    assert ZoneHistory.always(system_time_zone()).names
