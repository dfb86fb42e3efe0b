"""A simulated listener: every play that really happened, from which exports and polls tell only a part.

When there is listening is in `diary.py`, what is liked in `taste.py`; what Spotify tells, in `exports.py`, `polls.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from spotifriend_dagster.demo.catalogue import Catalogue, make_catalogue
from spotifriend_dagster.demo.diary import DAY_MS, HOUR_MS, PLAYLISTS, write_diary
from spotifriend_dagster.demo.names import spotify_ids
from spotifriend_dagster.demo.taste import Taste

_USUAL_PLAY_MS = 215_000
_LONGEST_REPORT_MS = 20 * DAY_MS
_DISCOVERY_PLAYLIST = "New to You"

_ENDS = np.array(
    [
        "trackdone",
        "fwdbtn",
        "endplay",
        "backbtn",
        "remote",
        "logout",
        "unexpected-exit-while-paused",
        "unexpected-exit",
        "trackerror",
        "nextbtn",
    ],
    dtype="object",
)
_DONE, _FORWARD, _CLICKED_AWAY, _BACK, _REMOTE, _LOGOUT, _EXIT_PAUSED, _EXIT, _ERROR, _NEXT = range(len(_ENDS))
_LAST_ENDS = {_DONE: 0.2, _CLICKED_AWAY: 0.32, _LOGOUT: 0.26, _EXIT_PAUSED: 0.14, _REMOTE: 0.05, _EXIT: 0.03}
_START_AFTER = {
    _DONE: "trackdone",
    _FORWARD: "fwdbtn",
    _NEXT: "fwdbtn",
    _CLICKED_AWAY: "clickrow",
    _BACK: "backbtn",
    _REMOTE: "remote",
    _ERROR: "trackerror",
}
_FIRST_STARTS = {"clickrow": 0.58, "playbtn": 0.22, "appload": 0.15, "remote": 0.05}


@dataclass(frozen=True)
class Truth:
    """What a simulated listener really did.

    Attributes:
        seed: what it was drawn from.
        catalogue: what there is to hear.
        zones: pairs of `valid_from` (UTC; None for the first) and IANA name: where the listener was.
        playlists: the listener's playlists, URI by name.
        events: one row per play, by start; the index counts from 0. Instants are UTC in milliseconds. Columns have the
            names and meanings of the table `plays` where it has them, and besides:
            paused_ms (silence between start and stop); stopped_at (= started_at + ms_played + paused_ms);
            closed_at (what an extended export states as `ts`: full seconds, later than the stop where the report came
            late); reported_at (when the Web API knows of the play); is_skip (by docs/metrics.md, durations known);
            artist, recording, release, spoken (rows of the catalogue, -1 where there is none); collection_uri (the
            show's or book's); chapter_uri and chapter_title (audiobooks).
    """

    seed: int
    catalogue: Catalogue
    zones: list[tuple[datetime | None, str]]
    playlists: dict[str, str]
    events: pd.DataFrame

    @property
    def end(self) -> pd.Timestamp:
        """An instant (UTC) at which all plays are over and told to Spotify."""
        last = max(self.events["closed_at"].max(), self.events["reported_at"].max())
        return last.ceil("s") + pd.Timedelta("1s")


def simulate(
    seed: int = 7,
    *,
    start: date = date(2023, 1, 1),
    years: float = 2.0,
    plays_per_day: float = 45.0,
    home: str = "Europe/Berlin",
    catalogue: Catalogue | None = None,
) -> Truth:
    """A listener's true plays; the same arguments give the same truth.

    Args:
        seed: of all that is drawn; another seed is another listener.
        start: the first local date.
        years: how long; 0.1 will do for a test.
        plays_per_day: the mean over all days, skips and podcasts included.
        home: the IANA name of the zone where the listener lives.
        catalogue: what there is to hear, where listeners are to share it; else one of this listener's own.

    Raises:
        ValueError: it is less than a week, or there is nothing to play on most days.
    """
    days = round(years * 365.25)
    if days < 7 or plays_per_day < 1:
        raise ValueError(
            f"A listener is simulated for a week or more, with a play a day or more: {years=}, {plays_per_day=}."
        )
    if catalogue is None:
        catalogue = make_catalogue(seed, artists=int(12 * (days * plays_per_day) ** 0.5), before=start)
    for_diary, for_taste, for_choice, for_course, for_names = np.random.default_rng([seed, 2]).spawn(5)
    diary = write_diary(for_diary, start, days, plays_per_day, home)
    sessions = diary.sessions
    taste = Taste(for_taste, catalogue, weeks=days // 7 + 2)
    names = (*PLAYLISTS, _DISCOVERY_PLAYLIST)
    uris = (f"spotify:playlist:{id_}" for id_ in spotify_ids(for_names, len(names)))
    playlists = dict(zip(names, uris, strict=True))

    plays = _plays_of(sessions, start)
    _choose_music(for_choice, plays, taste, catalogue, days=days, plays_per_day=plays_per_day)
    _choose_spoken(for_choice, plays, sessions, catalogue)
    plays["context"] = _contexts(for_choice, plays, sessions, catalogue, playlists)
    _run_course(for_course, plays, sessions, catalogue)
    _set_times(for_course, plays, sessions)
    return Truth(seed, catalogue, diary.zones, playlists, _events(plays, sessions, catalogue, diary.zones))


def _plays_of(sessions: pd.DataFrame, start: date) -> pd.DataFrame:
    """The empty plays of the sessions: session, position in it, and week and slot for the taste."""
    counts = sessions["plays"].to_numpy()
    session = np.repeat(np.arange(len(sessions)), counts)
    position = np.arange(len(session)) - np.repeat(np.cumsum(counts) - counts, counts)
    local_ms = sessions["local_ms"].to_numpy()[session] + position * _USUAL_PLAY_MS
    local_day = local_ms // DAY_MS
    is_weekend = (local_day + 3) % 7 >= 5  # day 0 of 1970 was a Thursday
    first_day = (start - date(1970, 1, 1)).days
    return pd.DataFrame(
        {
            "session": session,
            "position": position,
            "is_last": position == counts[session] - 1,
            "is_music": (sessions["kind"] == "music").to_numpy()[session],
            "day": (local_day - first_day).clip(0),
            "slot": 4 * is_weekend + local_ms % DAY_MS // (6 * HOUR_MS),
        }
    )


def _choose_music(
    rng: Generator,
    plays: pd.DataFrame,
    taste: Taste,
    catalogue: Catalogue,
    *,
    days: int,
    plays_per_day: float,
) -> None:
    """Add artist, recording, release, shuffle, is_album, is_restless, is_repeat and is_new to `plays`."""
    count = len(plays)
    place = np.arange(count)
    session = plays["session"].to_numpy()
    is_music = plays["is_music"].to_numpy()
    week = np.minimum(plays["day"].to_numpy(), days) // 7
    recording = taste.recordings(rng, taste.artists(rng, week, plays["slot"].to_numpy()))

    # A session is made of blocks: albums heard in order, and mixes.
    is_block_start = (plays["position"].to_numpy() == 0) | (rng.random(count) < 0.1)
    block = np.cumsum(is_block_start) - 1
    leader = np.flatnonzero(is_block_start)[block]
    album = catalogue.recordings["album"].to_numpy()[recording[leader]]
    first_of_album = np.searchsorted(catalogue.recordings["album"], album)
    step = place - leader
    tracks = catalogue.albums["total_tracks"].to_numpy()[album]
    is_album = (rng.random(block[-1] + 1) < 0.18)[block] & (tracks >= 6) & (step < tracks)
    recording = np.where(is_album, first_of_album + step, recording)

    is_obsessed = np.zeros(count, dtype=bool)
    for obsession in taste.obsessions(rng, days):
        span = slice(*np.searchsorted(plays["day"], [obsession.first_day, obsession.last_day]))
        is_hit = (rng.random(span.stop - span.start) < obsession.plays_per_day / plays_per_day) & ~is_album[span]
        recording[span][is_hit] = obsession.recording
        is_obsessed[span] |= is_hit

    is_repeat = rng.random(count) < np.where(is_obsessed, 0.12, 0.012)
    is_repeat &= (plays["position"].to_numpy() > 0) & is_music
    repeated = np.maximum.accumulate(np.where(is_repeat, 0, place))
    recording = recording[repeated]
    first_further, further = catalogue.further_releases
    is_further = ~is_album & (further[recording] > 0) & (rng.random(count) < 0.3)
    release = np.where(is_further, first_further[recording] + rng.integers(0, further[recording].clip(1)), recording)
    artist = catalogue.recordings["artist"].to_numpy()[recording]

    plays["artist"] = np.where(is_music, artist, -1)
    plays["recording"] = np.where(is_music, recording, -1)
    plays["release"] = np.where(is_music, release[repeated], -1)
    plays["is_album"] = is_album & is_music
    plays["shuffle"] = is_music & ~is_album & (rng.random(session[-1] + 1) < 0.72)[session]
    plays["is_restless"] = (rng.random(block[-1] + 1) < 0.05)[block]
    plays["is_repeat"] = is_repeat
    plays["is_new"] = (week - taste.found_in_week[artist]) < 3


def _choose_spoken(rng: Generator, plays: pd.DataFrame, sessions: pd.DataFrame, catalogue: Catalogue) -> None:
    """Add spoken to `plays`: episodes of a show and chapters of a book follow each other."""
    kind = sessions["kind"].to_numpy()[plays["session"]]
    spoken = np.full(len(plays), -1)
    books = np.flatnonzero(catalogue.spoken["media"] == "audiobook")
    chapters = np.flatnonzero(kind == "audiobook")
    spoken[chapters] = books[np.arange(len(chapters)) % len(books)]
    by_show = catalogue.spoken[catalogue.spoken["media"] != "audiobook"].groupby("collection_uri", sort=False).groups
    shows = [episodes.to_numpy() for episodes in by_show.values()]
    favour = 1 / np.arange(1, len(shows) + 1)
    episodes = np.flatnonzero(kind == "podcast")
    show = rng.choice(len(shows), len(episodes), p=favour / favour.sum())
    for number, of_show in enumerate(shows):
        heard = episodes[show == number]
        spoken[heard] = of_show[np.arange(len(heard)) % len(of_show)]
    plays["spoken"] = spoken


def _contexts(
    rng: Generator,
    plays: pd.DataFrame,
    sessions: pd.DataFrame,
    catalogue: Catalogue,
    playlists: dict[str, str],
) -> pd.Series:
    """What each play was played from: an album, artist, show or playlist; null for Liked Songs."""
    session = plays["session"].to_numpy()
    artist = plays["artist"].to_numpy()
    album = _numbers(catalogue.releases["album"], plays["release"].to_numpy())
    is_new = (plays["is_new"] & (rng.random(len(plays)) < 0.5)).to_numpy()
    is_liked_songs = (rng.random(len(sessions)) < 0.25)[session]
    is_from_artist = (rng.random(len(sessions)) < 0.2)[session]
    is_album = plays["is_album"].to_numpy()
    return (
        _texts(sessions["playlist"].map(playlists).astype("str"), session)
        .mask(is_liked_songs)
        .mask(is_new, playlists[_DISCOVERY_PLAYLIST])
        .mask(is_album, _texts(catalogue.albums["uri"], album))
        .mask(is_album & is_from_artist, _texts(catalogue.artists["uri"], artist))
        .mask(~plays["is_music"], _texts(catalogue.spoken["collection_uri"], plays["spoken"].to_numpy()))
    )


def _run_course(rng: Generator, plays: pd.DataFrame, sessions: pd.DataFrame, catalogue: Catalogue) -> None:
    """Add duration_ms, reason_start, end (a place in _ENDS) and ms_played to `plays`: how each play begins and ends."""
    count = len(plays)
    is_music, is_last = plays["is_music"].to_numpy(), plays["is_last"].to_numpy()
    heard = _numbers(catalogue.spoken["duration_ms"], plays["spoken"].to_numpy())
    duration = np.where(is_music, _numbers(catalogue.releases["duration_ms"], plays["release"].to_numpy()), heard)

    chances = {_FORWARD: 0.05, _CLICKED_AWAY: 0.06, _BACK: 0.012, _REMOTE: 0.01, _EXIT_PAUSED: 0.005, _ERROR: 0.0008}
    end = rng.choice([_DONE, *chances], count, p=[1 - sum(chances.values()), *chances.values()])
    is_skipped = (rng.random(count) < _skip_chance(rng, plays, sessions, len(catalogue.artists))) & is_music
    end[is_skipped] = _FORWARD
    end[is_last] = rng.choice(list(_LAST_ENDS), int(is_last.sum()), p=list(_LAST_ENDS.values()))
    is_cast = (sessions["platform"] == "cast").to_numpy()[plays["session"]]
    end[is_cast & np.isin(end, (_LOGOUT, _EXIT_PAUSED))] = _REMOTE  # nobody logs out of a speaker
    end[~is_music & (end == _FORWARD)] = _CLICKED_AWAY
    before_repeat = np.flatnonzero(plays["is_repeat"]) - 1
    end[before_repeat] = rng.choice([_BACK, _CLICKED_AWAY, _DONE], len(before_repeat), p=[0.5, 0.2, 0.3])
    # Leaving an interlude late would be a skip where its length is unknown, and none where it is known.
    is_interlude = is_music & (duration < 62_000)
    end[is_interlude & (end == _FORWARD) & ~is_skipped] = _DONE
    is_skipped &= end == _FORWARD
    end[(end == _FORWARD) & (rng.random(count) < 0.02)] = _NEXT

    limit = np.minimum(30_000, duration // 2)
    part = (duration * rng.uniform(0.03, 0.97, count)).astype("int64")
    late = (limit + 500 + (duration - limit - 1500).clip(0) * rng.random(count)).astype("int64")
    brief = (700 + rng.exponential(6500, count)).astype("int64")
    played = np.where(end == _DONE, duration, part)
    played = np.where(np.isin(end, (_FORWARD, _NEXT)), late, played)
    played = np.where(is_skipped, np.minimum(brief, limit - 1), played)
    played = np.where((end == _BACK) & (rng.random(count) < 0.6), np.minimum(brief, part), played)
    played = np.where(end == _ERROR, brief // 10, played)
    played[(end == _DONE) & is_music & (rng.random(count) < 0.002)] = 0  # a track that was over before it sounded

    after = np.array([_START_AFTER.get(code, "appload") for code in range(len(_ENDS))], dtype="object")
    started = np.r_[["clickrow"], after[end[:-1]]]
    started[(started == "clickrow") & (rng.random(count) < 0.15)] = "playbtn"
    is_first = plays["position"].to_numpy() == 0
    started[is_first] = rng.choice(list(_FIRST_STARTS), int(is_first.sum()), p=list(_FIRST_STARTS.values()))
    plays["duration_ms"], plays["end"], plays["ms_played"], plays["reason_start"] = duration, end, played, started


def _skip_chance(rng: Generator, plays: pd.DataFrame, sessions: pd.DataFrame, artists: int) -> np.ndarray:
    """More in shuffle, on the way, late in a session, with what is new, with some artists, and in restless moments."""
    on_the_way = (sessions["playlist"] == "On the Way").to_numpy()[plays["session"]]
    chance = 0.055 * rng.gamma(3, 1 / 3, artists)[plays["artist"]]
    chance = chance * np.where(plays["shuffle"], 1.7, 0.8) * np.where(plays["is_album"], 0.5, 1.0)
    chance = chance * np.where(on_the_way, 1.5, 1.0) * np.where(plays["position"] > 10, 1.25, 1.0)
    chance = chance * np.where(plays["is_new"], 1.6, 1.0) * np.where(plays["is_restless"], 7.0, 1.0)
    return np.minimum(chance, 0.75)


def _set_times(rng: Generator, plays: pd.DataFrame, sessions: pd.DataFrame) -> None:
    """Add started_ms, paused_ms, closed_ms and reported_ms to `plays`."""
    count = len(plays)
    end, played, is_last = (plays[name].to_numpy() for name in ("end", "ms_played", "is_last"))
    session = plays["session"].to_numpy()
    is_paused = ((rng.random(count) < 0.05) & (played > 5000)) | (end == _EXIT_PAUSED)
    pause = np.where(is_paused, rng.lognormal(np.log(150_000), 1.3, count).clip(4000, 3 * HOUR_MS), 0).astype("int64")
    usual_gap = np.full(len(_ENDS), 15_000)
    usual_gap[[_DONE, _FORWARD, _NEXT, _BACK, _CLICKED_AWAY]] = 250, 400, 400, 500, 6000
    gap = rng.exponential(usual_gap[end]).astype("int64")
    is_overlapped = (rng.random(count) < 0.013) & (played > 60_000)  # a crossfade, or a second device
    gap = np.where(is_overlapped, -rng.integers(1500, 20_000, count), gap)

    span = played + pause + np.where(is_last, 0, gap)
    elapsed = np.cumsum(span) - span
    first = np.flatnonzero(plays["position"] == 0)
    last = np.append(first[1:], count) - 1
    length = elapsed[last] + span[last] - elapsed[first]
    # A session that ran late pushes the next one.
    occupied = np.cumsum(length + 2 * 60_000) - length - 2 * 60_000
    begun = occupied + np.maximum.accumulate(sessions["started_ms"].to_numpy() - occupied)
    started = begun[session] + elapsed - elapsed[first][session]
    next_begun = np.append(begun[1:], begun[-1] + length[-1] + 8 * HOUR_MS)[session]
    stopped = started + played + pause

    # What is left paused ends when the next session begins.
    is_left_open = is_last & (end == _CLICKED_AWAY) & (rng.random(count) < 0.5)
    is_left_open &= next_begun - stopped < _LONGEST_REPORT_MS
    stopped = np.where(is_left_open, np.maximum(next_begun - 800, stopped), stopped)

    came_online = begun + length + 10 * 60_000 + rng.exponential(1.5 * HOUR_MS, len(begun)).astype("int64")
    online = np.where(sessions["offline"], came_online, 0)[session]
    next_opened = np.minimum(next_begun + rng.integers(1000, 5000, count), stopped + _LONGEST_REPORT_MS)
    lateness = np.zeros(len(_ENDS))
    lateness[[_LOGOUT, _EXIT_PAUSED, _EXIT]] = 0.87, 0.3, 0.5
    closed = np.where(is_last & (rng.random(count) < lateness[end]), np.maximum(next_opened, stopped), stopped)
    is_slow = (end == _REMOTE) & (rng.random(count) < 0.35)
    closed = closed + np.where(is_slow, rng.lognormal(np.log(300_000), 1, count), 0).astype("int64")
    closed = np.where(rng.random(count) < 0.45, np.maximum(closed, online), closed)
    closed = closed + rng.normal(-100, 600, count).clip(-1500, 2500).astype("int64")

    lag = rng.exponential(20_000, count) + np.where(rng.random(count) < 0.005, rng.uniform(0, 3 * HOUR_MS, count), 0)
    plays["started_ms"], plays["paused_ms"], plays["closed_ms"] = (
        started,
        stopped - started - played,
        closed // 1000 * 1000,
    )
    plays["reported_ms"] = np.maximum(stopped, online) + lag.astype("int64")


def _events(
    plays: pd.DataFrame, sessions: pd.DataFrame, catalogue: Catalogue, zones: list[tuple[datetime | None, str]]
) -> pd.DataFrame:
    session = plays["session"].to_numpy()
    artist, recording, release, spoken = (
        plays[name].to_numpy() for name in ("artist", "recording", "release", "spoken")
    )
    started, played, duration = (plays[name].to_numpy() for name in ("started_ms", "ms_played", "duration_ms"))
    stopped = started + played + plays["paused_ms"].to_numpy()
    valid_from = [int(since.timestamp()) * 1000 for since, _ in zones if since is not None]
    zone_names = pd.Series([name for _, name in zones], dtype="str")

    media = _texts(catalogue.spoken["media"], spoken).fillna("track")
    is_book = (media == "audiobook").to_numpy()
    episode, chapter = np.where(is_book, -1, spoken), np.where(is_book, spoken, -1)
    end = pd.Series(_ENDS, dtype="str")
    is_forward = np.isin(plays["end"], (_FORWARD, _NEXT))
    album = _numbers(catalogue.releases["album"], release)
    columns: dict[str, Any] = {
        "started_at": _instants(started),
        "ms_played": played,
        "paused_ms": plays["paused_ms"],
        "stopped_at": _instants(stopped),
        "closed_at": _instants(plays["closed_ms"].to_numpy()),
        "reported_at": _instants(plays["reported_ms"].to_numpy()),
        "time_zone": _texts(zone_names, np.searchsorted(valid_from, started, side="right")),
        "media": media,
        "track_uri": _texts(catalogue.releases["uri"], release),
        "track_name": _texts(catalogue.recordings["title"], recording),
        "artist_name": _texts(catalogue.artists["name"], artist),
        "album_name": _texts(catalogue.albums["title"], album),
        "episode_uri": _texts(catalogue.spoken["uri"], episode),
        "episode_name": _texts(catalogue.spoken["title"], episode),
        "show_name": _texts(catalogue.spoken["collection"], episode),
        "audiobook_uri": _texts(catalogue.spoken["collection_uri"], chapter),
        "audiobook_title": _texts(catalogue.spoken["collection"], chapter),
        "chapter_uri": _texts(catalogue.spoken["uri"], chapter),
        "chapter_title": _texts(catalogue.spoken["title"], chapter),
        "isrc": _texts(catalogue.releases["isrc"], release),
        "duration_ms": duration,
        "context_uri": plays["context"],
        "reason_start": plays["reason_start"].astype("str"),
        "reason_end": _texts(end, plays["end"].to_numpy()),
        "is_skip": is_forward & (played < np.minimum(30_000, duration / 2)),
        "shuffle": plays["shuffle"],
        "offline": sessions["offline"].to_numpy()[session],
        "is_private": sessions["is_private"].to_numpy()[session],
        "platform": _texts(sessions["platform"], session),
        "country": _texts(sessions["country"], session),
        "artist": artist,
        "recording": recording,
        "release": release,
        "spoken": spoken,
    }
    return pd.DataFrame(columns)


def _instants(ms: np.ndarray) -> pd.Series:
    return pd.Series(ms.astype("datetime64[ms]")).dt.tz_localize("UTC")


def _texts(values: pd.Series, rows: np.ndarray) -> pd.Series:
    """The texts in the given rows; missing where the row is -1."""
    return pd.Series(values.astype("str").array.take(rows, allow_fill=True))


def _numbers(values: pd.Series, rows: np.ndarray) -> np.ndarray:
    """The integers in the given rows; -1 where the row is -1."""
    return np.append(values.to_numpy(), -1)[rows]
