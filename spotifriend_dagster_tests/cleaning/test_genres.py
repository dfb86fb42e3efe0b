"""Genres of artists and listens: who is believed, and shares that add up."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.genres import Genres, credits_of, find_genres, unknown_artists
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster.tables.snapshots import ARTIST_GENRES, PLAY_GENRES

Row = dict[str, Any]


def play(track: str | None, artist: str | None, **fields: Any) -> Row:
    """A play of a track by its id and primary artist: a counted listen, unless said otherwise."""
    uri = track and f"spotify:track:{track}"
    said = {"media": "track", "track_uri": uri, "artist_name": artist, "isrc": track and f"ISRC{track}"}
    return said | {"is_counted": True, "is_listen": True} | fields


def plays_of(*rows: Row) -> pd.DataFrame:
    columns = ["media", "track_uri", "artist_name", "isrc", "is_counted", "is_listen"]
    frame = pd.DataFrame(rows, columns=columns).astype({"track_uri": "str", "artist_name": "str", "isrc": "str"})
    started_at = pd.date_range("2024-12-31T23:00", periods=len(frame), freq="h", tz="UTC")
    return frame.assign(play_number=range(1, len(frame) + 1), started_at=started_at)


def polled(**artists: list[str]) -> pd.DataFrame:
    """Rows of recent_plays: by track id, the names of its artists, whose ids are those names in capitals."""
    rows = [
        {"track_uri": f"spotify:track:{track}", "artist_names": names, "artist_ids": [name.upper() for name in names]}
        for track, names in artists.items()
    ]
    frame = pd.DataFrame(rows, columns=["track_uri", "artist_names", "artist_ids"])
    return frame.astype({"track_uri": "str"}).assign(played_at=pd.Timestamp("2024-01-01", tz="UTC"))


def looked_up(replaced_by: str | None = None, **artists: list[str]) -> pd.DataFrame:
    """Rows of tracks: the same, by the id that was asked for, and the id that Spotify replaced it by."""
    frame = polled(**artists).rename(columns={"played_at": "pulled_at"})
    asked_for = frame["track_uri"].str.removeprefix("spotify:track:")
    given_ = frame["track_uri"] if replaced_by is None else f"spotify:track:{replaced_by}"
    return frame.assign(track_id=asked_for, track_uri=given_)


def known_to_spotify(**genres: list[str]) -> pd.DataFrame:
    """Rows of artists: by name, whose id is the name in capitals, the genres."""
    rows = [{"artist_id": name.upper(), "artist_name": name, "genres": said} for name, said in genres.items()]
    frame = pd.DataFrame(rows, columns=["artist_id", "artist_name", "genres"])
    pulled_at = pd.date_range("2024-01-01", periods=len(frame), tz="UTC")
    return frame.astype({"artist_id": "str", "artist_name": "str"}).assign(pulled_at=pulled_at)


def user_says(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["artist", "genre"]).astype("str")


def voted(**genres: list[str]) -> dict[str, Any]:
    """MusicBrainz's answers: by name, the genres."""
    answers: dict[str, Any] = {}
    for name, said in genres.items():
        question = f"artist?query=artist%3A%22{name}%22+OR+alias%3A%22{name}%22&limit=5&fmt=json"
        answers[question] = {"artists": [{"id": name, "name": name, "score": 100}]}
        answers[f"artist/{name}?inc=genres&fmt=json"] = {"genres": [{"name": genre, "count": 1} for genre in said]}
    return answers


def found(
    plays: pd.DataFrame,
    *,
    recent: pd.DataFrame | None = None,
    tracks: pd.DataFrame | None = None,
    artists: pd.DataFrame | None = None,
    user: pd.DataFrame | None = None,
    answers: dict[str, Any] | None = None,
) -> Genres:
    credits_ = credits_of(plays, polled() if recent is None else recent, looked_up() if tracks is None else tracks)
    return find_genres(
        credits_,
        known_to_spotify() if artists is None else artists,
        user_says() if user is None else user,
        answers or {},
    )


def of_artists(genres: Genres) -> list[list[str]]:
    return genres.artist_genres[["artist_name", "genre", "genre_source"]].to_numpy().tolist()


def of_plays(genres: Genres) -> list[tuple[int, str, float]]:
    return list(genres.play_genres[["play_number", "genre", "weight"]].itertuples(index=False, name=None))


def test_the_user_comes_first_then_spotify_then_musicbrainz() -> None:
    """Of one artist one source is believed: two of them mixed would weigh one artist's genres twice."""
    genres = found(
        plays_of(*(play(name, name) for name in "abcd")),
        artists=known_to_spotify(a=["Rock"], b=["Rock", "Art  Pop "], d=[]),
        recent=polled(a=["a"], b=["b"]),
        user=user_says(("A", "Jazz"), ("nobody", "folk")),
        answers=voted(a=["disco"], b=["disco"], c=["Disco"]),
    )
    assert of_artists(genres) == [
        ["a", "jazz", "user"],
        ["b", "art pop", "spotify"],
        ["b", "rock", "spotify"],
        ["c", "disco", "musicbrainz"],
    ]
    assert genres.artist_genres["artist_id"].fillna("").tolist() == ["A", "B", "B", ""]


def test_a_listen_is_split_over_the_genres_of_all_its_artists() -> None:
    """A genre that two of them share counts once; who says it first is named."""
    genres = found(
        plays_of(play("x", "a")),
        recent=polled(x=["a", "b", "c"]),
        artists=known_to_spotify(a=["rock", "pop"], b=["rock", "soul"]),
        user=user_says(("b", "rock"), ("b", "jazz")),
    )
    assert of_plays(genres) == [(1, genre, pytest.approx(1 / 3)) for genre in ("jazz", "pop", "rock")]
    assert genres.play_genres["genre_source"].tolist() == ["user", "spotify", "user"]


def test_credits_come_from_polls_and_look_ups_and_else_from_the_play() -> None:
    """A track of an export names its primary artist only; one that Spotify replaced goes by both of its ids."""
    plays = plays_of(play("x", "a"), play("old", "a"), play("new", "a"), play("z", "a"), play(None, "a"))
    genres = found(
        plays,
        recent=polled(x=["a", "b"]),
        tracks=looked_up("new", old=["a", "c"]),
        artists=known_to_spotify(a=["rock"], b=["pop"], c=["soul"]),
    )
    by_play = genres.play_genres.groupby("play_number")["genre"].agg(list).tolist()
    assert by_play == [["pop", "rock"], ["rock", "soul"], ["rock", "soul"], ["rock"], ["rock"]]


def test_only_counted_listens_of_tracks_have_genres_but_all_their_artists_do() -> None:
    """Coverage is of listening time, short plays included; counts are of listens."""
    plays = plays_of(
        play("x", "a", is_listen=False),
        play("y", "b", is_counted=False),
        play("z", "c", media="episode"),
        play("w", None),
    )
    genres = found(plays, artists=known_to_spotify(a=["rock"], b=["pop"], c=["talk"]))
    assert of_plays(genres) == []
    assert of_artists(genres) == [["a", "rock", "spotify"], ["b", "pop", "spotify"]]


def test_of_two_artists_of_one_name_the_one_who_is_played_counts() -> None:
    """Names are all that exports tell; the listener's own credits say whom they mean."""
    recent = polled(x=["Same"], y=["Same"], z=["Same"]).assign(artist_ids=[["ONE"], ["TWO"], ["TWO"]])
    artists = known_to_spotify(One=["rock"], Two=["pop"]).assign(artist_name="Same")
    genres = found(plays_of(*(play(name, "Same") for name in "xyz")), recent=recent, artists=artists)
    assert of_artists(genres) == [["Same", "pop", "spotify"]]
    assert genres.artist_genres["artist_id"].tolist() == ["TWO"]


def test_every_spelling_in_the_plays_is_there() -> None:
    """Insights join by the name as plays have it."""
    genres = found(plays_of(play("x", "Sigur Rós"), play("y", "SIGUR RÓS")), user=user_says(("sigur rós", "post-rock")))
    assert [row[0] for row in of_artists(genres)] == ["SIGUR RÓS", "Sigur Rós"]


def test_the_latest_look_up_counts() -> None:
    """Spotify takes genres away from artists."""
    artists = pd.concat([known_to_spotify(b=[], a=["pop"]), known_to_spotify(a=["rock"])])
    assert of_artists(found(plays_of(play("x", "a")), artists=artists)) == [["a", "pop", "spotify"]]


def test_who_is_asked_about() -> None:
    """Artists without genres, the most listened to first, with ISRCs of tracks that credit them; private ones never."""
    plays = plays_of(
        *(play("x", "a"), play("y", "b"), play("y", "b"), play("v", "b"), play("z", "c"), play("w", "d")),
        *(play("p", "secret", is_counted=False), play("s", "skipped", is_listen=False)),
    )
    wanted = unknown_artists(
        credits_of(plays, polled(y=["b", "e"]), looked_up()), known_to_spotify(c=["rock"]), user_says(("D", "pop"))
    )
    assert wanted == {"b": ["ISRCy", "ISRCv"], "e": ["ISRCy"], "a": ["ISRCx"]}
    assert list(wanted) == ["b", "e", "a"]


names = st.sampled_from("abcd")
listens = st.lists(st.builds(play, st.sampled_from(["x", "y", "z", None]), names | st.none()), max_size=8)
credited = st.dictionaries(st.sampled_from("xyz"), st.lists(names, max_size=3, unique=True), max_size=3)
told = st.dictionaries(names, st.lists(st.sampled_from(["Rock", "rock ", "pop", "soul", " "]), max_size=3), max_size=4)


@settings(deadline=None, max_examples=15)
@given(rows=listens, recent=credited, artists=told, answers=told, user=told, seed=st.randoms())
def test_weights_add_up_and_the_order_of_rows_does_not_matter(  # noqa: PLR0917 - drawn by name
    rows: list[Row],
    recent: dict[str, list[str]],
    artists: dict[str, list[str]],
    answers: dict[str, list[str]],
    user: dict[str, list[str]],
    seed: random.Random,
) -> None:
    """A listen weighs 1 or nothing; both tables are typed, and one row per what they are about."""
    plays, file = plays_of(*rows), user_says(*((name, genre) for name, said in user.items() for genre in said))
    given_ = {"recent": polled(**recent), "artists": known_to_spotify(**artists), "user": file}
    genres = found(plays, **given_, answers=voted(**answers))
    for frame, table in ((genres.artist_genres, ARTIST_GENRES), (genres.play_genres, PLAY_GENRES)):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
            column.name: dtype(column) for column in table.columns
        }
        assert not frame.duplicated([name for name in table.grain if name != "listener"]).any()
    assert genres.play_genres.groupby("play_number")["weight"].sum().to_numpy() == pytest.approx(1)
    assert genres.artist_genres.groupby("artist_name")["genre_source"].nunique().eq(1).all()
    shuffled = {name: frame.sample(frac=1, random_state=seed.randrange(1000)) for name, frame in given_.items()}
    again = found(plays.sample(frac=1, random_state=1), **shuffled, answers=voted(**answers))
    pd.testing.assert_frame_equal(again.artist_genres, genres.artist_genres)
    pd.testing.assert_frame_equal(again.play_genres, genres.play_genres)
