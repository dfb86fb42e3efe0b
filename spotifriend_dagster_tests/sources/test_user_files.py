"""The user's own files: what is good in them counts, and what is wrong is said in a sentence with its place."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from spotifriend_dagster.sources.user_files import FEATURES, read_audio_features, read_genres


def genres(folder: Path, text: str | bytes) -> tuple[list[list[str]], tuple[str, ...]]:
    path = folder / "genres.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    file = read_genres(path)
    return file.rows.to_numpy().tolist(), file.problems


def features(folder: Path, text: str) -> tuple[list[tuple[str, str, float]], tuple[str, ...]]:
    (folder / "audio_features.csv").write_text(text, "utf-8")
    file = read_audio_features(folder)
    rows = file.rows[["track_uri", "isrc", "energy"]].astype(object)
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None)), file.problems


def test_no_file_is_nothing(tmp_path: Path) -> None:
    """Most people have neither."""
    assert read_genres(tmp_path / "genres.csv").problems == read_audio_features(tmp_path).problems == ()
    assert read_genres(tmp_path / "genres.csv").rows.empty and read_audio_features(tmp_path).rows.empty


def test_genres_are_read_as_spreadsheets_write_them(tmp_path: Path) -> None:
    """With a byte order mark, other columns in another order, quotes, blank lines, and names over two lines."""
    text = '\ufeffGenre, Artist ,note\r\nart pop,"Björk, solo",x\r\n\r\n,,\r\nrock,"A\nB",\r\n'
    assert genres(tmp_path, text) == ([["Björk, solo", "art pop"], ["A\nB", "rock"]], ())


def test_a_bad_line_is_named_and_the_others_count(tmp_path: Path) -> None:
    """The line's number is that of the file, also behind a name of two lines."""
    rows, problems = genres(tmp_path, 'artist,genre\n"A\nB",rock\nBjörk\nBjörk,pop\n,folk\n')
    assert rows == [["A\nB", "rock"], ["Björk", "pop"]]
    assert problems == (
        "genres.csv, line 4: 'Björk' has no genre, so that the line is left out.",
        "genres.csv, line 6: 'folk' has no artist, so that the line is left out.",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("artist;genre\nBjörk;pop\n", "line 1: there is no column artist and no column genre"),
        ("artist,style\nBjörk,pop\n", "line 1: there is no column genre"),
        ("", "line 1: there is no column artist"),
        ("artist,genre\nBjörk,pop\n".encode("utf-16"), "no text in UTF-8"),
        (b"artist,genre\nBj\xf6rk,pop\n", "no text in UTF-8"),
        ('artist,genre\n"' + "x" * 200_000 + '",pop\n', "it is no CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, text: str | bytes, problem: str) -> None:
    """Semicolons, other columns, other encodings: named, and nothing fails."""
    rows, problems = genres(tmp_path, text)
    assert rows == []
    assert len(problems) == 1 and problem in problems[0]


def test_many_bad_lines_are_told_shortly(tmp_path: Path) -> None:
    """A file of the wrong kind does not fill the check with thousands of sentences."""
    _, problems = genres(tmp_path, "artist,genre\n" + "Björk,\n" * 5000)
    assert len(problems) == 21 and "4980 more" in problems[-1]


def test_features_go_by_uri_id_or_isrc(tmp_path: Path) -> None:
    """Whatever the file names its tracks by; ISRCs are written with and without hyphens."""
    rows, problems = features(
        tmp_path, "track_uri,ID,isrc,energy\nspotify:track:a,,,0.5\n,b,GB1,0.25\n,,gb-ayE-02-00123,1\n"
    )
    assert rows == [("spotify:track:a", None, 0.5), ("spotify:track:b", None, 0.25), (None, "GBAYE0200123", 1.0)]
    assert problems == ()


def test_bad_features_are_named_and_the_others_count(tmp_path: Path) -> None:
    """A share beyond 1, a word for a number, no track, a track told twice."""
    rows, problems = features(
        tmp_path,
        "uri,energy,tempo\nspotify:track:a,0.5,120\nb,80,\nspotify:track:c,loud,\n,0.5,\nspotify:track:a,0.1,\n",
    )
    assert rows == [("spotify:track:a", None, 0.5)]
    assert problems == (
        "audio_features.csv, line 3: energy is '80', but it goes from 0 to 1, so that the row is left out.",
        "audio_features.csv, line 4: energy is 'loud', which is no number, so that the row is left out.",
        "audio_features.csv, line 5: it names no track, so that the row is left out.",
        "Some tracks have several rows, of which the first counts: 1 left out.",
    )


@pytest.mark.parametrize("text", ["energy\n0.5\n", "isrc,mood\nGB1,blue\n", ""])
def test_a_features_file_without_tracks_or_features_is_one_sentence(tmp_path: Path, text: str) -> None:
    """It says which columns it needs."""
    rows, problems = features(tmp_path, text)
    assert rows == [] and len(problems) == 1 and "it needs" in problems[0]


def test_features_are_read_from_parquet(tmp_path: Path) -> None:
    """The same rows as from CSV; where there are both files, one of them is read and that is said."""
    frame = pd.DataFrame({"track_id": ["a", "b"], "Energy": [0.5, None], "tempo": [120, 90], "other": [[1], []]})
    frame.to_parquet(tmp_path / "audio_features.parquet")
    file = read_audio_features(tmp_path)
    assert file.problems == ()
    assert file.rows["track_uri"].tolist() == ["spotify:track:a", "spotify:track:b"]
    assert file.rows["tempo"].tolist() == [120.0, 90.0]
    assert file.rows["energy"].isna().tolist() == [False, True]
    assert list(file.rows.columns) == ["track_uri", "isrc", *FEATURES]
    _, problems = features(tmp_path, "id,energy\nc,1\n")
    assert len(problems) == 1 and "remove one" in problems[0]


def test_a_broken_parquet_is_one_sentence(tmp_path: Path) -> None:
    """Half a file."""
    (tmp_path / "audio_features.parquet").write_bytes(b"PAR1 and no more")
    file = read_audio_features(tmp_path)
    assert file.rows.empty and len(file.problems) == 1 and "cannot be read as Parquet" in file.problems[0]
