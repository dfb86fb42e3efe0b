"""Rows of exports of every era: typed, or set aside with a reason, and never lost."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.tables.cleaned import HISTORY_FILES, HISTORY_PLAYS, HISTORY_REJECTS
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster_tests.cleaning.received import AUDIO, MUSIC, account, cleaned, export_of, extended, text_of


def only_play(row: Any, file: str = AUDIO) -> dict[str, Any]:
    plays = cleaned(export_of([row], file)).plays
    assert len(plays) == 1
    return {name: None if pd.isna(value) else value for name, value in plays.iloc[0].items()}


@pytest.mark.parametrize(
    ("row", "file", "instant"),
    [
        ({"ts": "2023-05-13T15:35:46Z"}, AUDIO, "2023-05-13T15:35:46Z"),
        ({"ts": "2019-05-13 15:35:46"}, "endsong_0.json", "2019-05-13T15:35:46Z"),
        ({"ts": "2023-05-13T15:35:46.789Z"}, AUDIO, "2023-05-13T15:35:46.789Z"),
        ({"ts": "2023-05-13T17:35:46+02:00"}, AUDIO, "2023-05-13T15:35:46Z"),
        ({"endTime": "2023-05-13 15:35", "msPlayed": 5}, MUSIC, "2023-05-13T15:35Z"),
    ],
)
def test_time_stamps_of_every_era_are_read(row: dict[str, Any], file: str, instant: str) -> None:
    """`endsong_*` of 2019 wrote no T and no Z, account data no seconds; all of them are UTC."""
    assert only_play({"ms_played": 5} | row, file)["ts"] == pd.Timestamp(instant)


def test_an_extended_row_keeps_all_it_says() -> None:
    """No field of the extended history is dropped or put into another column on the way."""
    row = {
        "ts": "2023-05-13T15:35:46Z",
        "platform": "ios",
        "ms_played": 80_189,
        "conn_country": "GB",
        "master_metadata_track_name": "Song",
        "master_metadata_album_artist_name": "Artist",
        "master_metadata_album_album_name": "Album",
        "spotify_track_uri": "spotify:track:a",
        "episode_name": "Episode",
        "episode_show_name": "Show",
        "spotify_episode_uri": "spotify:episode:e",
        "audiobook_title": "Book",
        "audiobook_uri": "spotify:audiobook:b",
        "reason_start": "clickrow",
        "reason_end": "fwdbtn",
        "shuffle": True,
        "skipped": False,
        "offline": True,
        "offline_timestamp": 1_683_991_786,
        "incognito_mode": True,
    }
    assert only_play(row) == {
        "source": "extended",
        "export": "e1",
        "file": AUDIO,
        "row": 0,
        "ts": pd.Timestamp("2023-05-13T15:35:46Z"),
        "ms_played": 80_189,
        "offline_at": pd.Timestamp(1_683_991_786, unit="s", tz="UTC"),
        "is_video": False,
        "track_uri": "spotify:track:a",
        "track_name": "Song",
        "artist_name": "Artist",
        "album_name": "Album",
        "episode_uri": "spotify:episode:e",
        "episode_name": "Episode",
        "show_name": "Show",
        "audiobook_uri": "spotify:audiobook:b",
        "audiobook_title": "Book",
        "reason_start": "clickrow",
        "reason_end": "fwdbtn",
        "shuffle": True,
        "offline": True,
        "skipped_flag": False,
        "is_private": True,
        "platform": "ios",
        "country": "GB",
    }


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        (1_683_991_786, "2023-05-13T15:29:46Z"),
        (1_683_991_786_123, "2023-05-13T15:29:46.123Z"),
        (1_683_991_786.0, "2023-05-13T15:29:46Z"),
        (0, None),
        (None, None),
        (-5, None),
        (10**17, None),
    ],
)
def test_offline_timestamps_are_seconds_or_milliseconds(written: float | None, instant: str | None) -> None:
    """Until 2023 exports wrote milliseconds, since then seconds; 0 means none."""
    expected = instant and pd.Timestamp(instant)
    assert only_play(extended(offline_timestamp=written))["offline_at"] == expected


def test_account_rows_of_music_and_podcasts_are_told_apart() -> None:
    """Podcast files name the show where music files name the artist, or have fields of their own."""
    row = {"endTime": "2024-03-01 12:00", "msPlayed": 1}
    podcast = "StreamingHistory_podcast_0.json"
    music = only_play(row | {"artistName": "Artist", "trackName": "Song"}, MUSIC)
    assert (music["track_name"], music["artist_name"], music["episode_name"]) == ("Song", "Artist", None)
    for names in ({"artistName": "Show", "trackName": "Episode"}, {"podcastName": "Show", "episodeName": "Episode"}):
        play = only_play(row | names, podcast)
        assert (play["episode_name"], play["show_name"]) == ("Episode", "Show")
        assert (play["track_name"], play["artist_name"]) == (None, None)


def test_empty_texts_and_placeholders_are_null() -> None:
    """Old exports write "" for an unknown reason, account data "Unknown Artist" for an unknown name."""
    empty = only_play(extended(track=None, reason_start="", reason_end="", platform=""))
    assert {empty[name] for name in ("reason_start", "reason_end", "platform")} == {None}
    nameless = only_play(account(artistName="Unknown Artist", trackName="Unknown Track"), MUSIC)
    assert (nameless["track_name"], nameless["artist_name"]) == (None, None)


def test_a_row_without_incognito_mode_is_not_private() -> None:
    """Old exports lack the field, which must not make a play private or leave it undecided."""
    assert not only_play(extended())["is_private"]


def test_videos_are_known_by_their_file() -> None:
    """Nothing in a row of a Video file says that it is one."""
    assert only_play(extended(), "Streaming_History_Video_2020.json")["is_video"]
    assert not only_play(extended())["is_video"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not readable as JSON"),
        ("", "not readable as JSON"),
        ("null", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ('{"a":1}{"b":2}', "not readable as JSON"),
        ({}, "no time stamp"),
        ({"ms_played": 1}, "no time stamp"),
        ({"ts": None, "ms_played": 1}, "no time stamp"),
        ({"ts": 5, "ms_played": 1}, "ts is no text"),
        ({"ts": "yesterday", "ms_played": 1}, "time stamp is no time"),
        ({"ts": "2024", "ms_played": 1}, "time stamp is no time"),
        ({"ts": "2023-02-30T10:00:00Z", "ms_played": 1}, "time stamp is no time"),
        ({"ts": "2025-01-02T00:00:01Z", "ms_played": 1}, "time stamp is in the future"),
        ({"ts": "9999-12-31T00:00:00Z", "ms_played": 1}, "time stamp is in the future"),
        ({"ts": "2005-12-31T23:59:59Z", "ms_played": 1}, "time stamp is before 2006, when there was no Spotify"),
        ({"ts": "0001-01-01T00:00:00Z", "ms_played": 1}, "time stamp is before 2006, when there was no Spotify"),
        (extended(ms_played=None), "no ms_played"),  # type: ignore[arg-type]
        (extended(ms_played="180000"), "ms_played is no whole number"),  # type: ignore[arg-type]
        (extended(ms_played=1.5), "ms_played is no whole number"),  # type: ignore[arg-type]
        (extended(ms_played=True), "ms_played is no whole number"),
        ('{"ts": "2024-03-01T12:00:00Z", "ms_played": 1e999}', "not readable as JSON"),
        ('{"ts": "2024-03-01T12:00:00Z", "ms_played": 1' + "0" * 300 + "}", "ms_played is no whole number"),
        (extended(ms_played=-1), "ms_played is negative"),
        (extended(ms_played=7 * 24 * 3_600_000 + 1), "ms_played is over 7 days"),
        (extended(spotify_track_uri=7), "spotify_track_uri is no text"),
        (extended(master_metadata_track_name=["Song"]), "master_metadata_track_name is no text"),
        (account(msPlayed="1"), "msPlayed is no whole number"),
        ('{"ts": ' + "[" * 100_000 + "]" * 100_000 + "}", "not readable as JSON"),
    ],
)
def test_bad_rows_are_set_aside_with_a_reason(row: Any, reason: str) -> None:
    """Each kind of bad row is rejected with its text, and takes neither its neighbours nor the process with it."""
    result = cleaned(export_of([row, extended(), extended(60)]))
    assert result.rejects[["file", "row", "reason", "payload"]].to_numpy().tolist() == [
        [AUDIO, 0, reason, text_of(row)]
    ]
    assert result.plays["row"].tolist() == [1, 2]
    assert result.files[["rows", "rejected_rows"]].to_numpy().tolist() == [[3, 1]]


def test_longest_and_latest_possible_rows_are_kept() -> None:
    """The bounds themselves are still plays: a week of sound, a clock a day ahead, the first day of 2006."""
    result = cleaned(
        export_of(
            [
                extended(ms_played=7 * 24 * 3_600_000),
                {"ts": "2025-01-02T00:00:00Z", "ms_played": 0},
                {"ts": "2006-01-01T00:00:00Z", "ms_played": 0},
            ]
        )
    )
    assert len(result.plays) == 3


def test_numbers_that_went_through_a_table_are_whole_numbers() -> None:
    """A CSV round trip turns 180000 into 180000.0 where other rows of the column are empty."""
    assert only_play(extended(ms_played=180_000.0))["ms_played"] == 180_000  # type: ignore[arg-type]


def test_a_row_that_the_reader_could_not_read_keeps_its_problem() -> None:
    """The export reader's reason is the reject's reason, also for a file of nothing else."""
    raw = export_of([extended(), extended()]).assign(payload=None, problem="The file ends in the middle of a row.")
    result = cleaned(raw)
    assert result.rejects["reason"].tolist() == ["The file ends in the middle of a row."] * 2
    assert result.rejects["payload"].isna().all()
    assert result.files[["source", "rows", "rejected_rows"]].to_numpy().tolist() == [["extended", 2, 2]]
    assert result.files["first_ts"].isna().all()


def test_a_title_cut_in_the_middle_of_a_character_is_kept() -> None:
    """A title cut by bytes ends in half a surrogate pair, which no column can hold: the play stays all the same."""
    cut = text_of(extended(master_metadata_track_name="Song X")).replace("X", "\\ud83d")
    assert only_play(cut)["track_name"].startswith("Song")


def test_optional_values_of_another_type_are_null_and_counted() -> None:
    """A play is no less a play because its `shuffle` is a number, but the number is not lost silently."""
    result = cleaned(export_of([extended(shuffle=1, platform=5), extended(60), extended(offline_timestamp="x")]))
    assert len(result.plays) == 3
    assert result.plays[["shuffle", "platform", "offline_at"]].isna().all(axis=None)
    assert result.mistyped_values == {("e1", AUDIO): 3}


def test_unknown_fields_are_reported_by_file() -> None:
    """Exports grow new fields; a check can warn of them only if cleaning names them. Known leftovers are no news."""
    known = {"username": "u", "ip_addr": "i", "audiobook_chapter_uri": None, "user_agent_decrypted": "a"}
    result = cleaned(
        export_of([extended(**known), extended(mood="calm")], "endsong_0.json"),
        export_of([extended(**known)], "endsong_1.json"),
        export_of([extended(deep={"er": [1]}), "{"], "endsong_2.json"),
    )
    assert result.unknown_fields == {("e1", "endsong_0.json"): ("mood",), ("e1", "endsong_2.json"): ("deep",)}


def test_a_file_is_of_the_kind_of_its_rows() -> None:
    """People rename files: the rows decide, and the name only where no row is good."""
    result = cleaned(
        export_of([account()], "endsong_0.json"),
        export_of([extended(60)], "StreamingHistory0.json"),
        export_of(["{"], "StreamingHistory1.json"),
        export_of(["{"], "endsong_1.json"),
    )
    assert result.files.set_index("file")["source"].to_dict() == {
        "StreamingHistory0.json": "extended",
        "StreamingHistory1.json": "account",
        "endsong_0.json": "account",
        "endsong_1.json": "extended",
    }


json_values = st.none() | st.booleans() | st.integers(-10, 10**13) | st.floats(0, 10) | st.text(max_size=3)
any_row = st.builds(
    lambda row, wrong: row | wrong,
    st.builds(extended, st.integers(0, 100), st.sampled_from("abc"), st.integers(0, 1000)),
    st.dictionaries(
        st.sampled_from(["ts", "ms_played", "spotify_track_uri", "shuffle", "offline_timestamp", "new"]),
        json_values,
        max_size=2,
    ),
) | st.sampled_from(["{", "", "null", '{"ts":\nnull}', "[]", '{"a":1}\nnull', account(3), extended()])


@settings(deadline=None, max_examples=8)
@given(rows=st.lists(any_row, max_size=12), repeats=st.sampled_from([1, 30]))
def test_every_row_is_a_play_or_a_reject_as_if_it_came_alone(rows: list[Any], repeats: int) -> None:
    """Rows are read many at a time: a bad one must not change, hide or multiply the others."""
    together = cleaned(export_of(rows * repeats))
    for frame, table in (
        (together.plays, HISTORY_PLAYS),
        (together.files, HISTORY_FILES),
        (together.rejects, HISTORY_REJECTS),
    ):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
            column.name: dtype(column) for column in table.columns
        }
    assert sorted([*together.plays["row"], *together.rejects["row"]]) == list(range(len(rows) * repeats))
    assert together.files["rows"].sum() == len(rows) * repeats
    assert together.files["rejected_rows"].sum() == len(together.rejects)
    alone = cleaned(export_of([]), *(export_of([row], f"{number:02}.json") for number, row in enumerate(rows)))
    pd.testing.assert_frame_equal(
        together.plays.drop(columns=["file", "row"]),
        pd.concat([alone.plays] * repeats, ignore_index=True).drop(columns=["file", "row"]),
    )
    assert together.rejects["reason"].tolist() == alone.rejects["reason"].tolist() * repeats
