import json
import math
import time
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotifriend_dagster.sources import rows as rows_module
from spotifriend_dagster.sources.privacy import is_private
from spotifriend_dagster.sources.rows import first_row_kind, read_rows
from spotifriend_dagster_tests.sources.made_exports import (
    IP_ADDRESS,
    SECRETS,
    USER_NAME,
    account_row,
    as_json,
    extended_row,
    public,
)

MANY = settings(max_examples=150, deadline=None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ['},{"ts":', '":{', '":[', "\\", '"', "},{", "\n", " ", "[Live] {x}", "0" * 25]
)
values = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
flat_rows = st.dictionaries(texts | st.sampled_from(["ts", "ms_played", "username", "ip_addr"]), values, max_size=6)
any_rows = st.lists(
    flat_rows | st.dictionaries(texts, st.recursive(values, lambda inner: st.lists(inner) | flat_rows, max_leaves=4)),
    max_size=8,
)


def parsed(content: bytes) -> list[Any]:
    """The payloads as values; a row with a problem is its problem."""
    rows = read_rows(content, "endsong_0.json").rows
    assert [row["row"] for row in rows] == list(range(len(rows)))
    assert {row["file"] for row in rows} <= {"endsong_0.json"}
    assert all((row["payload"] is None) != (row["problem"] is None) for row in rows)
    return [row["problem"] if row["payload"] is None else json.loads(row["payload"]) for row in rows]


@MANY
@given(any_rows, st.booleans())
@example([{"a": "},{"}, {"b": 1}], False)
@example([{}, {}], False)
@example([{"a": {"ip_addr": "x"}}], False)
def test_the_fast_and_the_slow_path_give_the_same_rows(rows: list[dict[str, Any]], pretty: bool) -> None:
    """A file takes the slow path because of one odd character; its other rows must not change by that."""
    content = as_json(rows, pretty=pretty)
    fast, slow = read_rows(content, "x"), rows_module._salvaged(content, "x")
    assert [json.loads(row["payload"] or "") for row in fast.rows] == [
        json.loads(row["payload"] or "") for row in slow.rows
    ]
    assert fast.user_names == slow.user_names


@MANY
@given(st.lists(flat_rows, max_size=8))
def test_nothing_of_a_row_is_lost_but_private_fields(rows: list[dict[str, Any]]) -> None:
    """Integers of 70 bits, separators inside titles, empty names: the row comes out as it went in."""
    kept = [{name: value for name, value in row.items() if not is_private(name)} for row in rows]
    assert parsed(as_json(rows)) == kept


def test_integers_keep_all_their_digits() -> None:
    """orjson makes 1.8446744073709552e+19 of 2^64 without a word."""
    for number in (2**63, 2**64, -(2**63) - 1, 10**40):
        assert parsed(as_json([extended_row(ms_played=number)]))[0]["ms_played"] == number
    nested = parsed(as_json([{"deep": {"number": 2**64 + 1, "fraction": 1.5}}]))
    assert nested == [{"deep": {"number": 2**64 + 1, "fraction": 1.5}}]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("9" * 5_000, "9" * 5_000),
        (r'"\ud800"', "\ud800"),
        (r'"\ud83c\udfb5"', "🎵"),
        (r'"\u0000"', "\0"),
        ("1.5e3", 1500.0),
    ],
)
def test_a_value_that_json_readers_refuse_keeps_its_row_and_its_neighbours(written: str, kept: Any) -> None:
    """One odd value must not cost 16,000 rows, nor be changed; what has no JSON number is kept as a text."""
    content = f'[{{"ts": "x", "odd": {written}, "ip_addr": "{IP_ADDRESS}"}}, {{"ts": "y"}}]'.encode()
    assert parsed(content) == [{"ts": "x", "odd": kept}, {"ts": "y"}]
    assert all(math.isfinite(value) for row in parsed(content) for value in row.values() if isinstance(value, float))


def test_bytes_that_are_not_utf_8_are_kept_as_escapes() -> None:
    """A title in Latin-1 is odd, but it is a play; Python's `surrogateescape` gives its bytes back."""
    (row,) = parsed(b'[{"ts": "x", "title": "Bj\xf6rk", "username": "somebody"}]')
    assert row["title"].encode("utf-8", "surrogateescape") == b"Bj\xf6rk"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_saved_again_by_an_editor_is_read(encoding: str) -> None:
    """Windows editors add a byte order mark, or write UTF-16."""
    row = extended_row(3)
    assert parsed(as_json([row]).decode().encode(encoding)) == [public(row)]


@MANY
@given(st.data())
def test_a_file_cut_anywhere_keeps_the_rows_before_the_cut(data: st.DataObject) -> None:
    """A download that stopped: every whole row stays, the tail is one problem, and nothing of its text is kept."""
    rows = [extended_row(number) for number in range(4)]
    content = as_json(rows, pretty=data.draw(st.booleans()))
    cut = content[: data.draw(st.integers(1, len(content) - 1))]
    *good, problem = parsed(cut)
    assert good == [public(row) for row in rows[: len(good)]]
    assert len(good) >= cut.count(b'incognito_mode": false}')
    assert isinstance(problem, str)
    assert "cut off" in problem or "something else" in problem


def test_a_cut_inside_a_row_tells_where_and_how_much() -> None:
    """The problem is stored in place of the text, so it has to say where to look."""
    content = b'[{"ts": "a", "ms_played": 1}, {"ts": "b", "username": "some'
    assert parsed(content)[1] == "No row can be read from character 30 to 59: the file is damaged or cut off there."


@MANY
@given(st.data())
def test_damage_in_the_middle_costs_only_the_rows_it_touches(data: st.DataObject) -> None:
    """A bad sector in row 5,000 of 16,000: the rows behind it are found again."""
    rows = [extended_row(number) for number in range(6)]
    content = as_json(rows)
    start = data.draw(st.integers(1, len(content) - 2))
    noise = data.draw(st.binary(min_size=1, max_size=40))
    damaged = content[:start] + noise + content[start + len(noise) :]
    found = [row for row in parsed(damaged) if not isinstance(row, str)]
    untouched = [public(row) for row in rows if as_json(row) in damaged]
    assert [row for row in found if row in untouched] == untouched
    assert len(untouched) >= 4


def test_many_bad_rows_take_about_as_long_as_one() -> None:
    """A tool broke every row with a quote in its title: finding each must not cost a walk through the whole file."""
    rows = [json.dumps(extended_row(number), indent=1) for number in range(5_000)]
    broken = [row if number % 2 else row.replace("false\n}", "false,\n}") for number, row in enumerate(rows)]
    seconds = []
    for texts in ([*rows, "{"], broken):
        started = time.process_time()
        read = parsed(f"[{','.join(texts)}]".encode())
        seconds.append(time.process_time() - started)
    assert sum(isinstance(row, str) for row in read) == 2_500
    assert seconds[1] < 10 * seconds[0]


def test_a_lost_first_block_costs_only_the_rows_in_it() -> None:
    """Zeros at the start of a file look like UTF-32 to whom guesses encodings."""
    rows = [extended_row(number) for number in range(30)]
    content = as_json(rows, pretty=True)
    _, *found = parsed(bytes(4_096) + content[4_096:])
    assert found == [public(row) for row in rows[-len(found) :]]
    assert len(found) >= 20


@pytest.mark.parametrize("nothing", [b"", b"  \n", b"\xef\xbb\xbf", b"[]", b" [ \n ] "])
def test_a_file_without_rows_has_no_rows(nothing: bytes) -> None:
    """An empty list is what Spotify writes for a podcast lover without music."""
    assert parsed(nothing) == []


@pytest.mark.parametrize(
    "content", [b'{"playlists": [{"name": "x"}]}', b"42", b"<html>404</html>", b"\0" * 500, b"PK\x03\x04"]
)
def test_something_else_than_a_list_is_one_problem(content: bytes) -> None:
    """A renamed playlist, an error page, a file full of zeros: said once, in plain words."""
    assert parsed(content) == ["The file holds something else where a list of rows should be."]


@pytest.mark.parametrize("content", [b'{"items": [%s, %s], "next": null}', b"%s\n%s\n", b"[%s][%s]"])
def test_rows_outside_of_a_list_are_found(content: bytes) -> None:
    """People wrap, split and join files by hand; a row is known by its fields."""
    rows = [extended_row(1), account_row(2)]
    found = [row for row in parsed(content % tuple(map(as_json, rows))) if not isinstance(row, str)]
    assert found == [public(row) for row in rows]


def test_elements_that_are_no_objects_are_problems_at_their_position() -> None:
    """They may hold anything, so that only their kind is kept."""
    row = extended_row()
    assert parsed(as_json([row, [IP_ADDRESS], USER_NAME, 7, 1.5, None, True, row])) == [
        public(row),
        "The row is a list, not an object.",
        "The row is a text, not an object.",
        "The row is a number, not an object.",
        "The row is a number, not an object.",
        "The row is null, not an object.",
        "The row is true or false, not an object.",
        public(row),
    ]


@pytest.mark.parametrize("depth", [250, 300, 900, 2_000, 100_000])
def test_deep_nesting_is_no_way_to_crash(depth: int) -> None:
    """orjson, the standard library and Python's stack give up at different depths; the rows around stay."""
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    first, *middle, last = parsed(b'[{"ts": 1, "ms_played": 2},' + deep + b',{"ts": 3, "ms_played": 4}]')
    assert first == {"ts": 1, "ms_played": 2}
    if depth < 10_000:
        assert last == {"ts": 3, "ms_played": 4}
    assert len(middle) <= 1


@MANY
@given(st.binary(max_size=300))
@example(b'["\xff')
@example(b"[" * 5_000)
@example(b'[{"ts": 1}, {"ts": ' + b"9" * 5_000)
def test_no_bytes_raise(content: bytes) -> None:
    """Whatever is in the file, its rows or its problems are told; stored payloads are valid JSON in UTF-8."""
    for row in read_rows(content, "x").rows:
        orjson.dumps(row)
        json.loads(row["payload"] or "null", parse_constant=pytest.fail)


@MANY
@given(st.data())
def test_no_secret_comes_out_of_a_damaged_file(data: st.DataObject) -> None:
    """Text that cannot be read is never kept, because nobody can tell what is private in it."""
    content = bytearray(as_json([extended_row(number, era) for number in range(3) for era in ("2023", "2025")]))
    structure = st.sampled_from([at for at, byte in enumerate(content) if byte in b'{}[]":,'])
    for at in data.draw(st.lists(structure, max_size=3)):
        content[at : at + 1] = data.draw(st.sampled_from([b" ", b"{", b"}", b",", b"]", b":"]))
    start, length = data.draw(st.integers(0, len(content))), data.draw(st.sampled_from([0, 1, 5, 50, 500, 5_000]))
    content[start : start + length] = bytes(len(content[start : start + length]))
    stored = orjson.dumps(read_rows(bytes(content), "x").rows)
    assert not any(secret.encode() in stored for secret in SECRETS)


def test_user_names_are_seen_but_not_passed_on() -> None:
    """They tell that two people's exports were mixed; blank ones are what newer exports have."""
    rows = [extended_row(username=name) for name in ("name-1", "name-2", "", None)]
    read = read_rows(as_json(rows), "x")
    assert read.user_names == {"name-1", "name-2"}
    assert "name-" not in json.dumps(read.rows)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (as_json([extended_row()]), "extended"),
        (as_json([account_row()], pretty=True), "account"),
        (as_json([extended_row()] * 200)[:5_000], "extended"),
        (b"\xff\xfe" + as_json([account_row()]).decode().encode("utf-16-le"), "account"),
        (b'[{"searchQuery": "x", "searchTime": "y"}]', None),
        (b'{"tracks": [{"artist": "x"}]}', None),
        (as_json(extended_row()), None),
        (b"", None),
        (b"%PDF-1.4 \xff\xff", None),
    ],
)
def test_a_renamed_file_is_known_by_its_first_row(head: bytes, kind: str | None) -> None:
    """People rename files; other files of Spotify's, and pictures, must not be taken for listening."""
    assert first_row_kind(head) == kind
