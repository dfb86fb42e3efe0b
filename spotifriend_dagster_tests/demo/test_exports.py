"""Exports of a truth: valid in the form of their era, and every row traced to what really happened."""

import re
import zipfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import orjson
import pandas as pd
import pytest

from spotifriend_dagster.demo.exports import EMAIL, IP_PREFIXES, USER_AGENT, USER_NAME, Era, write_export
from spotifriend_dagster.demo.listener import Truth

EXTENDED = ("endsong", "2023", "2025")
ACCOUNT = ("account_2022", "account")
_TEXT = (str, type(None))
_FLAG = (bool, type(None))
_EVERY_EXTENDED = {
    "ts": str,
    "platform": str,
    "ms_played": int,
    "conn_country": str,
    "master_metadata_track_name": _TEXT,
    "master_metadata_album_artist_name": _TEXT,
    "master_metadata_album_album_name": _TEXT,
    "spotify_track_uri": _TEXT,
    "episode_name": _TEXT,
    "episode_show_name": _TEXT,
    "spotify_episode_uri": _TEXT,
    "reason_start": _TEXT,
    "reason_end": _TEXT,
    "shuffle": _FLAG,
    "skipped": _FLAG,
    "offline": _FLAG,
    "offline_timestamp": (int, type(None)),
    "incognito_mode": bool,
}
_AUDIOBOOK = ("audiobook_title", "audiobook_uri", "audiobook_chapter_uri", "audiobook_chapter_title")
FIELDS: dict[str, dict[str, Any]] = {
    "endsong": {**_EVERY_EXTENDED, "username": str, "ip_addr_decrypted": str, "user_agent_decrypted": str},
    "2023": {**_EVERY_EXTENDED, "username": str, "ip_addr": str, "user_agent_decrypted": str},
    "2025": {**_EVERY_EXTENDED, "ip_addr": str, **dict.fromkeys(_AUDIOBOOK, _TEXT)},
}
FILES = {
    "endsong": r"MyData/endsong_\d+\.json",
    "2023": r"MyData/Streaming_History_(Audio_\d{4}(-\d{4})?_\d+|Video_\d{4}(-\d{4})?)\.json",
    "2025": r"Spotify Extended Streaming History/Streaming_History_(Audio_[\d-]+_\d+|Video_[\d-]+)\.json",
    "account_2022": r"MyData/StreamingHistory\d+\.json",
    "account": r"Spotify Account Data/StreamingHistory_(music|podcast)_\d+\.json",
}


@pytest.fixture(scope="session")
def exports(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, pd.DataFrame]]:
    """By era: the zip, and where its rows come from."""
    folder = tmp_path_factory.mktemp("exports")
    return {era: (folder / f"{era}.zip", write_export(truth, folder / f"{era}.zip", era)) for era in get_args(Era)}


@pytest.fixture(scope="session")
def contents(exports: Any) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """By era and file: the rows, read."""
    read = {}
    for era, (path, origin) in exports.items():
        with zipfile.ZipFile(path) as archive:
            read[era] = {file: orjson.loads(archive.read(file)) for file in origin["file"].unique()}
    return read


@pytest.fixture(scope="session")
def rows_of(exports: Any, contents: Any) -> dict[str, pd.DataFrame]:
    """By era: all rows beside their origin, and the file in which they were found."""
    frames = {}
    for era, files in contents.items():
        rows = pd.DataFrame([row for file in files.values() for row in file], dtype="object")
        found_in = pd.Series([file for file, of in files.items() for _ in of], name="found_in")
        frames[era] = rows.join(exports[era][1]).join(found_in)
    return frames


@pytest.mark.parametrize("era", EXTENDED)
def test_extended_rows_have_the_fields_and_types_of_their_era(contents: Any, era: str) -> None:
    for file, rows in contents[era].items():
        assert re.fullmatch(FILES[era], file)
        for row in rows:
            assert row.keys() == FIELDS[era].keys()
            assert all(isinstance(row[field], kind) for field, kind in FIELDS[era].items()), row
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["ts"])
            assert not isinstance(row["ms_played"], bool)


@pytest.mark.parametrize("era", ACCOUNT)
def test_account_rows_have_four_fields_and_full_files_10000_rows(contents: Any, exports: Any, era: str) -> None:
    for file, rows in contents[era].items():
        assert re.fullmatch(FILES[era], file)
        names = ("podcastName", "episodeName") if "podcast" in file else ("artistName", "trackName")
        assert {tuple(row) for row in rows} == {("endTime", *names, "msPlayed")}
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", row["endTime"]) for row in rows)
        assert all(isinstance(row["msPlayed"], int) for row in rows)
        times = [row["endTime"] for row in rows]
        assert times == sorted(times)
        assert len(rows) <= 10_000
    assert (exports[era][1]["file"].value_counts() == 10_000).any()


@pytest.mark.parametrize("era", get_args(Era))
def test_origins_name_every_row_of_every_file_in_order(rows_of: Any, exports: Any, era: str) -> None:
    rows = rows_of[era]
    assert len(rows) == len(exports[era][1])
    assert (rows["file"] == rows["found_in"]).all()
    assert (rows["row"] == rows.groupby("file", sort=False).cumcount()).all()


@pytest.mark.parametrize("era", EXTENDED)
def test_extended_rows_say_what_happened_and_leave_nothing_out(rows_of: Any, truth: Truth, era: str) -> None:
    rows = rows_of[era]
    events = truth.events.loc[rows["event"]].reset_index(drop=True)
    assert (rows["ms_played"] == events["ms_played"]).all()
    is_named = rows["quirk"] != "nameless"
    uri = rows["spotify_track_uri"].fillna(rows["spotify_episode_uri"])
    if era == "2025":
        uri = uri.fillna(rows["audiobook_uri"])
    told = events["track_uri"].fillna(events["episode_uri"]).fillna(events["audiobook_uri"])
    assert (uri[is_named] == told[is_named]).all()
    assert uri[~is_named].isna().all()
    assert (rows["master_metadata_track_name"].isna() == ~(is_named & (events["media"] == "track"))).all()
    ts = pd.to_datetime(rows["ts"])
    is_later = rows["quirk"] == "duplicate_but_ts"
    assert (ts[~is_later] == events["closed_at"][~is_later]).all()
    assert (ts[is_later] > events["closed_at"][is_later]).all()
    is_told = truth.events["media"].ne("audiobook") | (era == "2025")
    once = rows.loc[~rows["quirk"].isin(["duplicate", "duplicate_but_ts"]), "event"]
    assert once.is_unique
    assert set(once) == set(truth.events.index[is_told])


def test_eras_agree_on_what_makes_a_row_itself(rows_of: Any) -> None:
    """Exports of one listener are united by time, URI and length: these must not change from era to era."""
    identities = []
    for era in EXTENDED:
        rows = rows_of[era].query("quirk.isna()")
        rows = rows[rows["spotify_track_uri"].notna()].set_index("event").sort_index()
        identities.append(rows[["ts", "spotify_track_uri", "ms_played", "reason_start", "reason_end"]])
    for other in identities[1:]:
        pd.testing.assert_frame_equal(identities[0].loc[other.index], other.loc[identities[0].index])


def test_endsong_is_unordered_and_in_milliseconds_and_later_eras_are_neither(rows_of: Any) -> None:
    for era in EXTENDED:
        rows = rows_of[era]
        is_sorted = rows.groupby("file")["ts"].agg(lambda ts: ts.is_monotonic_increasing).all()
        stamps = rows["offline_timestamp"].dropna()
        digits = stamps[stamps != 0].astype(str).str.len().unique().tolist()
        assert (is_sorted, digits) == ((False, [13]) if era == "endsong" else (True, [10]))


def test_the_era_of_2025_is_printed_with_a_space_before_the_colon(exports: Any) -> None:
    path, origin = exports["2025"]
    with zipfile.ZipFile(path) as archive:
        text = archive.read(origin["file"].iloc[0])
    assert text.startswith(b'[{\n  "ts" : "')
    assert b'":' not in text.replace(b'\\"', b"")


def test_big_files_are_cut_at_12_mb(exports: Any) -> None:
    for era in EXTENDED:
        path, origin = exports[era]
        with zipfile.ZipFile(path) as archive:
            sizes = [archive.getinfo(file).file_size for file in origin["file"].unique()]
        assert 11.9e6 < max(sizes) < 13e6


@pytest.mark.parametrize("era", EXTENDED)
def test_extended_quirks_come_at_their_rates(rows_of: Any, exports: Any, truth: Truth, era: str) -> None:
    origin = exports[era][1]
    rows = rows_of[era]
    rate = origin["quirk"].value_counts() / len(origin)
    assert 0.0001 < rate["duplicate"] < 0.001
    assert 0.0002 < rate["duplicate_but_ts"] < 0.002
    assert 0.001 < rate["nameless"] < 0.006
    is_cast = (truth.events["platform"] == "cast")[rows["event"]].to_numpy()
    is_video = (truth.events["media"] == "video")[rows["event"]].to_numpy()
    assert ((rows["offline_timestamp"] == 0) == (is_cast & ~is_video)).all()
    assert (rows["offline_timestamp"].isna() == is_video).all()
    unit = "ms" if era == "endsong" else "s"
    started = pd.to_datetime(rows["offline_timestamp"].where(~is_cast).dropna().astype("int64"), unit=unit, utc=True)
    apart = started - truth.events["started_at"].loc[rows["event"][started.index]].array
    is_stale = apart < pd.Timedelta(days=-30)
    assert 0.0001 < is_stale.mean() < 0.002
    assert apart[~is_stale].between(pd.Timedelta(seconds=-1), pd.Timedelta(0)).all()
    for reason in ("reason_start", "reason_end"):
        assert 0.0002 < (rows[reason].isna() | (rows[reason] == "")).mean() < 0.003


def test_duplicates_are_equal_in_every_field_or_in_all_but_the_time(rows_of: Any) -> None:
    rows = rows_of["2023"]
    fields = list(FIELDS["2023"])
    for quirk, same in (("duplicate", fields), ("duplicate_but_ts", [field for field in fields if field != "ts"])):
        repeated = rows[rows["quirk"] == quirk]
        original = rows[rows["quirk"].isna()].set_index("event").loc[repeated["event"]]
        assert len(repeated) >= 1
        assert repeated[same].to_dict("records") == original[same].to_dict("records")


def test_skipped_is_silent_before_october_2022_and_consistent_after(rows_of: Any) -> None:
    for era in EXTENDED:
        rows = rows_of[era]
        is_early = rows["ts"] < "2022-10-15"
        early = rows.loc[is_early & ~rows["file"].str.contains("Video"), "skipped"]
        assert early.isna().all() if era == "endsong" else (early == False).all()  # noqa: E712
        late = rows[~is_early & rows["skipped"].notna() & rows["reason_end"].notna()]
        assert (late["skipped"] == late["reason_end"].isin(["fwdbtn", "backbtn", "endplay"])).all()


def test_platforms_are_told_in_many_words_before_and_in_one_after(rows_of: Any) -> None:
    assert rows_of["endsong"]["platform"].str.contains(" ").all()
    recent = rows_of["2023"].query("ts > '2022-11'")
    assert set(recent["platform"]) == {"android", "ios", "windows", "web_player", "not_applicable"}


def test_account_data_is_of_the_last_year_and_dates_some_plays_differently(rows_of: Any, truth: Truth) -> None:
    """Real account data agrees with the extended history on the minute for 82 % of the rows."""
    rows = rows_of["account"]
    ends = pd.to_datetime(rows["endTime"], utc=True)
    assert ends.min() >= truth.end - pd.Timedelta(days=365) - pd.Timedelta("1min")
    events = truth.events.loc[rows["event"]].reset_index(drop=True)
    apart = ends - events["closed_at"].dt.floor("min")
    assert 0.80 < (apart == pd.Timedelta(0)).mean() < 0.93
    assert 0.03 < (apart < pd.Timedelta("-3min")).mean() < 0.16
    off_by = (rows["msPlayed"] - events["ms_played"]).astype("int64")
    assert set(off_by.unique()) == {0, 7}
    assert 0.001 < (off_by != 0).mean() < 0.01
    unknown = rows["trackName"] == "Unknown Track"
    assert ((rows["quirk"] == "nameless") == unknown).all()
    assert 0.0005 < unknown.mean() < 0.006


def test_account_data_names_some_tracks_that_the_extended_history_does_not(rows_of: Any) -> None:
    rows = rows_of["both"]
    is_account = rows["endTime"].notna()
    nameless = set(rows.loc[~is_account & (rows["quirk"] == "nameless"), "event"])
    named = set(rows.loc[is_account & rows["quirk"].isna(), "event"])
    assert nameless & named
    assert nameless - named


def test_nothing_that_spotify_did_not_know_yet_is_told(truth: Truth, tmp_path: Path) -> None:
    cutoff = pd.Timestamp("2022-12-01T12:00Z")
    for era in get_args(Era):
        origin = write_export(truth, tmp_path / "early.zip", era, cutoff)
        told = truth.events["closed_at"][origin["event"].unique()]
        assert (told < cutoff).all()
        assert (told > cutoff - pd.Timedelta("2D")).any()


def test_an_export_of_nothing_is_a_zip_without_rows(truth: Truth, tmp_path: Path) -> None:
    for era in get_args(Era):
        origin = write_export(truth, tmp_path / "empty.zip", era, pd.Timestamp("2001-01-01", tz="UTC"))
        assert origin.empty
        assert list(origin.columns) == ["file", "row", "event", "quirk"]
        assert zipfile.ZipFile(tmp_path / "empty.zip").namelist()


def test_the_same_export_is_the_same_file(truth: Truth, tmp_path: Path) -> None:
    for era in ("endsong", "both"):
        first, again = tmp_path / "first.zip", tmp_path / "again.zip"
        write_export(truth, first, era, pd.Timestamp("2022-09-01", tz="UTC"))
        write_export(truth, again, era, pd.Timestamp("2022-09-01", tz="UTC"))
        assert first.read_bytes() == again.read_bytes()


def test_private_things_are_in_the_export_and_obviously_invented(rows_of: Any, exports: Any) -> None:
    """So that it can be proven that they go no further."""
    for era in ("endsong", "2023"):
        rows = rows_of[era]
        address = rows["ip_addr_decrypted" if era == "endsong" else "ip_addr"]
        assert address.str.startswith(IP_PREFIXES).all()
        assert all(address.str.startswith(prefix).any() for prefix in IP_PREFIXES)
        assert set(rows["username"]) == {USER_NAME}
        assert USER_AGENT in set(rows["user_agent_decrypted"])
    with zipfile.ZipFile(exports["account"][0]) as archive:
        assert EMAIL.encode() in archive.read("Spotify Account Data/Userdata.json")


def test_the_zip_holds_files_that_are_not_history(exports: Any) -> None:
    for path, origin in exports.values():
        with zipfile.ZipFile(path) as archive:
            others = set(archive.namelist()) - set(origin["file"])
        assert any(name.endswith(".pdf") for name in others)
        assert not any(re.fullmatch(pattern, name) for name in others for pattern in FILES.values())


def test_private_sessions_are_told_by_the_extended_history(rows_of: Any, truth: Truth) -> None:
    rows = rows_of["2025"]
    assert (rows["incognito_mode"].astype(bool) == truth.events["is_private"][rows["event"]].to_numpy()).all()
    assert rows["incognito_mode"].astype(bool).any()
    assert np.isin(truth.events.index[truth.events["is_private"]], rows["event"]).all()
