"""What the product's reader and cleaning say of a simulated listener, held against what really happened."""

from pathlib import Path, PurePosixPath
from typing import Any, get_args

import numpy as np
import orjson
import pandas as pd
import pytest

from spotifriend_dagster.cleaning.history import clean_history
from spotifriend_dagster.cleaning.plays import UnitedPlays, unite_plays
from spotifriend_dagster.cleaning.recent import clean_recent
from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.demo.exports import EMAIL, IP_PREFIXES, USER_AGENT, USER_NAME, Era, write_export
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.polls import poll_answers, polled_plays
from spotifriend_dagster.sources.exports import read_export

_NOW = pd.Timestamp("2026-01-01", tz="UTC")
_CUTOFF = pd.Timestamp("2023-07-28", tz="UTC")
_FIRST_POLL = _CUTOFF - pd.Timedelta(days=3)


def _raw(path: Path) -> pd.DataFrame:
    """The rows of an export as stored: file, row, payload, problem, and the export."""
    export = read_export(path)
    rows = pd.concat([pd.DataFrame(list(file.rows())).assign(file=file.name) for file in export.files])
    return rows.assign(export=export.sha256).reset_index(drop=True)


@pytest.fixture(scope="module")
def united(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> tuple[UnitedPlays, pd.DataFrame]:
    """An export of everything until a day, hourly polls from three days before; and the origin of the export's rows."""
    path = tmp_path_factory.mktemp("export") / "export.zip"
    origin = write_export(truth, path, "2025", _CUTOFF)
    history = clean_history(_raw(path), _NOW)
    polls = pd.DataFrame(
        [
            (f"{at:%Y%m%dT%H%M%S000Z}", f"{at:%Y-%m-%dT%H:%M:%S.000Z}", "", 0, orjson.dumps(answer).decode())
            for at, answer in poll_answers(truth, _FIRST_POLL, truth.end + pd.Timedelta(hours=1))
        ],
        columns=["file", "pulled_at", "endpoint", "page", "payload"],
    )
    recent = clean_recent(polls.assign(dt=polls["pulled_at"].str[:10]), _NOW)
    plays = unite_plays(
        history=history.plays,
        history_files=history.files,
        history_rejects=history.rejects,
        recent=recent.plays,
        recent_pages=recent.pages,
        recent_rejects=recent.rejects,
        zones=ZoneHistory(truth.zones),
        include_private=False,
    )
    return plays, origin


@pytest.fixture(scope="module")
def exported(truth: Truth, united: Any) -> pd.DataFrame:
    """The plays known from the export, each beside its true event (columns `true_*`)."""
    plays, origin = united[0].plays, united[1]
    origin = origin.assign(file=origin["file"].map(lambda name: PurePosixPath(name).name))
    plays = plays[plays["source"] == "extended"]
    plays = plays.assign(file=plays["file"].map(lambda name: PurePosixPath(name).name))
    plays = plays.merge(origin, on=["file", "row"], how="left", validate="one_to_one")
    return plays.join(truth.events.add_prefix("true_"), on="event")


@pytest.mark.parametrize("era", get_args(Era))
def test_the_reader_takes_every_row_of_every_era_and_nothing_private(truth: Truth, tmp_path: Path, era: Era) -> None:
    """User names, addresses, agents and e-mail of an export must not reach what is stored."""
    origin = write_export(truth, tmp_path / "export.zip", era, pd.Timestamp("2022-07-10", tz="UTC"))
    raw = _raw(tmp_path / "export.zip")
    assert len(raw) == len(origin)
    assert raw["problem"].isna().all()
    text = "\n".join(raw["payload"])
    assert not any(private in text for private in (USER_NAME, USER_AGENT, EMAIL, *IP_PREFIXES))


def test_every_event_is_kept_once(truth: Truth, united: Any, exported: pd.DataFrame) -> None:
    """Duplicates in the export, and plays that are both in the export and polled, count once."""
    assert sorted(exported["event"]) == truth.events.index[truth.events["closed_at"] < _CUTOFF].tolist()
    recent = united[0].plays.query("source == 'recent'")
    polled = polled_plays(truth)
    polled = polled[polled["played_at"] >= recent["closed_at"].min()].set_index("played_at")["event"]
    untold = polled[truth.events["closed_at"].loc[polled].to_numpy(dtype="datetime64[ms]") >= _CUTOFF.to_datetime64()]
    assert set(recent["closed_at"]) == set(untold.index)


def test_starts_are_right_to_the_second_where_the_export_says_them(exported: pd.DataFrame) -> None:
    apart = (exported["started_at"] - exported["true_started_at"]).dt.total_seconds()
    by_stamp = exported["start_rule"] == "offline_ts"
    assert apart[by_stamp].between(-1, 0).all()
    assert (apart[~by_stamp & ~exported["is_start_uncertain"]].abs() < 3).mean() > 0.9
    assert (apart.abs() < 3).mean() > 0.97


def test_skips_and_full_plays_are_known_wherever_they_can_be(exported: pd.DataFrame) -> None:
    decided = exported[exported["is_skip"].notna() & (exported["media"] == "track")]
    assert (decided["is_skip"].astype(bool) == decided["true_is_skip"]).all()
    assert len(decided) > 0.95 * len(exported)
    whole = (exported["true_reason_end"] == "trackdone") & (exported["true_ms_played"] >= 30_000)
    assert exported.loc[whole & exported["reason_end"].notna() & (exported["media"] == "track"), "is_full"].all()


def test_recordings_are_those_of_the_catalogue(exported: pd.DataFrame) -> None:
    """One recording on many releases is one; two recordings are never taken for one."""
    tracks = exported[exported["media"] == "track"]
    assert (tracks.groupby("recording_id")["true_recording"].nunique() == 1).all()
    assert (tracks.groupby("true_recording")["recording_id"].nunique() == 1).all()
    assert tracks.groupby("true_recording")["track_uri"].nunique().max() > 1


def test_private_plays_are_kept_and_not_counted(exported: pd.DataFrame) -> None:
    assert (exported["is_private"] == exported["true_is_private"]).all()
    assert (exported["is_counted"] == ~exported["true_is_private"]).all()
    assert exported["is_private"].any()


def test_time_zones_follow_the_journey(exported: pd.DataFrame) -> None:
    sure = exported[exported["start_rule"] == "offline_ts"]
    assert (sure["time_zone"] == sure["true_time_zone"]).mean() > 0.9999
    assert sure["time_zone"].nunique() > 1


def test_media_are_told_apart(exported: pd.DataFrame) -> None:
    """A row that names nothing is unknown, unless it was polled."""
    is_unknown = (exported["quirk"] == "nameless") & exported["context_uri"].isna() & exported["track_uri"].isna()
    assert (exported["media"] == exported["true_media"].mask(is_unknown, "unknown")).all()
    assert set(exported["media"]) == {"track", "episode", "video", "audiobook", "unknown"}


def test_every_row_that_came_in_is_accounted_for(united: Any) -> None:
    outcomes = united[0].row_outcomes
    by_outcome = outcomes[outcomes["source"] == "extended"].groupby("outcome")["rows"].sum()
    assert by_outcome.sum() == len(united[1])
    assert by_outcome["duplicate"] == np.isin(united[1]["quirk"], ["duplicate", "duplicate_but_ts"]).sum()
