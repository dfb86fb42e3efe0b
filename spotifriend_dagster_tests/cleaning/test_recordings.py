"""One recording on five albums is one recording; two recordings of one name are two."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.recordings import normalised, recording_ids
from spotifriend_dagster_tests.cleaning.typed_rows import plays_of

SONG = {"track_uri": "spotify:track:1", "track_name": "Song", "artist_name": "Artist"}


def ids_of(rows: list[dict[str, Any]]) -> list[Any]:
    ids = recording_ids(plays_of(rows))
    return ids.astype(object).where(ids.notna(), None).tolist()


def most_played(values: list[Any]) -> Any:
    """The most frequent of the known values, of equals the smallest; None where none is known."""
    counts = Counter(value for value in values if value is not None)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def ids_by_the_letter(rows: list[dict[str, Any]]) -> list[str]:
    rows = [
        {
            "uri": row["track_uri"],
            "name": f"{row['track_name'].lower()}|{row['artist_name'].lower()}",
            "isrc": row["isrc"] and f"isrc:{row['isrc']}",
            "ms": row["duration_ms"],
        }
        for row in rows
    ]
    of_uri: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        of_uri[row["uri"]].append(row)
    rows = [
        {field: most_played([other[field] for other in of_uri[row["uri"]]]) for field in ("name", "isrc", "ms")}
        if row["uri"]
        else row
        for row in rows
    ]
    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_name[row["name"]].append(row)
    for name, group in by_name.items():
        lengths = sorted({row["ms"] for row in group if row["ms"] is not None})
        first_of: dict[int, int] = {}
        for before, length in pairwise([None, *lengths]):
            starts_anew = before is None or length - before > 2_000
            first_of[length] = length if starts_anew else first_of[before]
        chains: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in group:
            row["id"] = row["isrc"]
            if row["ms"] is not None:
                chains[first_of[row["ms"]]].append(row)
        for first, chain in chains.items():
            chain_id = most_played([row["isrc"] for row in chain]) or f"{name}|{first // 1000}s"
            for row in chain:
                row["id"] = row["id"] or chain_id
        favourite = most_played([row["id"] for row in group])
        for row in group:
            row["id"] = row["id"] or favourite or name
            if row["id"] == favourite and not favourite.startswith("isrc:"):
                row["id"] = name
    return [row["id"] for row in rows]


tracks = st.fixed_dictionaries(
    {
        "track_uri": st.sampled_from([None, "spotify:track:1", "spotify:track:2", "spotify:track:3"]),
        "track_name": st.sampled_from(["Song", "song", "Other"]),
        "artist_name": st.just("Artist"),
        "isrc": st.sampled_from([None, None, None, "A1", "B2"]),
        "duration_ms": st.sampled_from([None, None, 200_000, 201_500, 203_000, 205_500, 240_000, 240_900]),
    }
)


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(tracks, max_size=14))
def test_recordings_follow_the_rules(rows: list[dict[str, Any]]) -> None:
    """A plain reading of the rules, with loops and counters, agrees."""
    assert ids_of(rows) == ids_by_the_letter(rows)


@settings(deadline=None, max_examples=15)
@given(rows=st.lists(tracks, max_size=14), data=st.data())
def test_the_order_of_rows_does_not_matter(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Recordings are a matter of what was played, not of when it was read."""
    order = data.draw(st.permutations(range(len(rows))))
    ids = ids_of(rows)
    assert ids_of([rows[number] for number in order]) == [ids[number] for number in order]


@settings(deadline=None, max_examples=15)
@given(rows=st.lists(tracks, max_size=14))
def test_one_track_is_one_recording(rows: list[dict[str, Any]]) -> None:
    """Plays of one URI never fall apart, whichever of them know the ISRC or the duration."""
    ids = defaultdict(set)
    for row, recording in zip(rows, ids_of(rows), strict=True):
        ids[row["track_uri"]].add(recording)
    assert all(len(recordings) == 1 for uri, recordings in ids.items() if uri is not None)


def test_an_isrc_known_from_a_poll_holds_for_the_exports_of_that_track() -> None:
    """Exports name no ISRC. Its writing differs between sources: hyphens and case say nothing."""
    rows = [SONG, SONG | {"isrc": "gb-ayE-12-00001"}, SONG | {"isrc": "GBAYE1200001", "track_uri": "spotify:track:2"}]
    assert ids_of(rows) == ["isrc:GBAYE1200001"] * 3


def test_releases_of_one_recording_meet_with_and_without_isrc() -> None:
    """The album's track is known by ISRC, the single's by its duration: title, artist and length agree."""
    album = SONG | {"isrc": "GB1", "duration_ms": 200_000}
    single = SONG | {"track_uri": "spotify:track:2", "duration_ms": 201_900}
    live = SONG | {"track_uri": "spotify:track:3", "duration_ms": 260_000}
    exported = SONG | {"track_uri": "spotify:track:4"}
    assert ids_of([album, single, live, exported]) == ["isrc:GB1", "isrc:GB1", "song|artist|260s", "isrc:GB1"]


def test_durations_are_chained() -> None:
    """Neighbours 2 s apart are one recording, and so are the ends of their chain; 2.001 s apart are two."""
    ids = ids_of(
        [
            SONG | {"track_uri": f"spotify:track:{number}", "duration_ms": ms}
            for number, ms in enumerate([200_000, 202_000, 204_000, 206_001])
        ]
    )
    assert ids == ["song|artist"] * 3 + ["song|artist|206s"]


def test_a_track_of_unknown_length_is_the_most_played_recording_of_its_name() -> None:
    """Most of history has no durations."""
    studio, live = SONG | {"duration_ms": 200_000}, SONG | {"track_uri": "spotify:track:2", "duration_ms": 300_000}
    unknown = SONG | {"track_uri": None}
    assert ids_of([studio, live, live, unknown]) == ["song|artist|200s", *["song|artist"] * 3]


def test_a_remaster_and_a_live_version_are_recordings_of_their_own() -> None:
    """Nothing is cut off a title."""
    titles = ["Song", "Song - Remastered 2011", "Song - Live", "Song (feat. Another)"]
    assert len(set(ids_of([{"track_name": title, "artist_name": "Artist"} for title in titles]))) == len(titles)


def test_a_renamed_track_stays_one_recording() -> None:
    """Exports of different years spell a title differently: its URI tells that it is the same."""
    renamed = SONG | {"track_name": "Song (2020)"}
    assert ids_of([SONG, SONG, renamed]) == ["song|artist"] * 3


def test_without_a_name_the_uri_stands() -> None:
    """Content removed from Spotify has lost its names; an account row without an artist has only its title."""
    rows = [
        {"track_uri": "spotify:track:1", "artist_name": None},
        {"track_uri": "spotify:track:2", "artist_name": None},
        {"track_name": "Song", "artist_name": None},
    ]
    assert ids_of(rows) == ["spotify:track:1", "spotify:track:2", "song|"]


def test_a_bar_in_a_title_does_not_run_into_the_artist() -> None:
    """`a|b` by `c` is not `a` by `b|c`."""
    rows = [{"track_name": "a|b", "artist_name": "c"}, {"track_name": "a", "artist_name": "b|c"}]
    assert len(set(ids_of(rows))) == 2


@pytest.mark.parametrize("media", ["episode", "audiobook", "video", "unknown"])
def test_only_tracks_are_recordings(media: str) -> None:
    """And the index of the plays is kept."""
    plays = plays_of([SONG | {"media": media}, SONG]).set_index(pd.Index([4, 2]))
    assert recording_ids(plays).isna().to_dict() == {4: True, 2: False}


def test_no_plays_have_no_recordings() -> None:
    """An empty lake is a lake."""
    assert recording_ids(plays_of([])).dtype == "str"


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("  Don’t   Stop ", "don't stop"),
        ("“Heroes”", "heroes"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ＦＵＬＬ　ＷＩＤＴＨ", "full width"),
        ("Beyonce\u0301", "beyoncé"),
        ("Ain't Talkin'", "ain't talkin"),
        ('"', '"'),
        ("Røde Ører", "røde ører"),
    ],
)
def test_names_are_compared_without_regard_to_how_they_are_typed(written: str, compared: str) -> None:
    """Case, width, accents as one or two characters, kinds of quotes and spaces; letters stay what they are."""
    assert normalised(pd.Series([written, None], dtype="str")).tolist()[0] == compared
    assert normalised(pd.Series([written, None], dtype="str")).isna().tolist() == [False, True]


@settings(deadline=None, max_examples=100)
@given(name=st.text(min_size=1).filter(str.strip))
def test_normalising_twice_changes_nothing(name: str) -> None:
    """The compared form is one form."""
    once = normalised(pd.Series([name], dtype="str"))
    assert normalised(once).equals(once)
    assert once[0]
