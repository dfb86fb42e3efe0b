"""Cleaned tables: typed, with every rule of docs/metrics.md applied. Computed by `cleaning/`, stored as Parquet.

The daily ones (`recent_*`) are partitioned in Dagster by the day of collection; the others are not. Most are cut into
files by year, and yet not partitioned by it: a query that needs all years would list a folder for each, and one that
needs few skips the files of others by what their ends say.
"""

from spotifriend_dagster.tables.declaration import Column, Table, pick
from spotifriend_dagster.tables.raw import LISTENER

_EXPORT = Column("export", "string", "SHA-256 of the export the row comes from.", nullable=False)
_FILE = Column("file", "string", "The file inside the export.", nullable=False)
_ROW = Column("row", "bigint", "The row's position in the file, from 0.", nullable=False)
_COLLECTED_ON = Column("collected_on", "date", "The UTC day of collection: the Dagster partition.", nullable=False)
_PAGE = Column("page", "string", "The pull whose page held it: the raw object's name.", nullable=False)

_TITLES = (
    Column("track_uri", "string", "Spotify's URI of the track."),
    Column("track_name", "string", "The track's title."),
    Column("artist_name", "string", "The track's primary artist; null where none is named."),
    Column("album_name", "string", "The album the track was played from."),
    Column("episode_uri", "string", "Spotify's URI of the podcast episode."),
    Column("episode_name", "string", "The episode's title."),
    Column("show_name", "string", "The podcast."),
    Column("audiobook_uri", "string", "Spotify's URI of the audiobook."),
    Column("audiobook_title", "string", "The audiobook's title."),
)
_CIRCUMSTANCES = (
    Column("reason_start", "string", "Why the play started, in Spotify's word; null where it gave none."),
    Column("reason_end", "string", "Why the play ended, in Spotify's word; null where it gave none."),
    Column("shuffle", "boolean", "Whether shuffle was on."),
    Column("offline", "boolean", "Whether the device was offline."),
    Column("skipped_flag", "boolean", "Spotify's own `skipped`: null or false before October 2022; never trusted."),
    Column("is_private", "boolean", "Whether it was played in a private session.", nullable=False),
    Column("platform", "string", "The device or platform, in Spotify's words."),
    Column("country", "string", "ISO 3166 code of the country of connection; ZZ is unknown."),
)
_MS_PLAYED = Column("ms_played", "bigint", "Milliseconds of sound.", nullable=False)

HISTORY_PLAYS = Table(
    name="history_plays",
    layer="cleaned",
    folder="cleaned/history_plays",
    description="Every readable row of every export, typed. Exports that repeat each other are not yet united.",
    grain=("listener", "export", "file", "row"),
    columns=(
        Column("source", "string", "The kind of export: `extended` or `account`.", nullable=False),
        _EXPORT,
        _FILE,
        _ROW,
        Column(
            "ts",
            "timestamp",
            "The export's own time stamp, UTC: an extended `ts`, or an account `endTime`, cut to the minute.",
            nullable=False,
        ),
        _MS_PLAYED,
        Column("offline_at", "timestamp", "`offline_timestamp` in UTC; null where it is 0 or missing."),
        Column("is_video", "boolean", "Whether the row comes from a file named Video.", nullable=False),
        *_TITLES,
        *_CIRCUMSTANCES,
    ),
    partition_keys=(LISTENER, Column("year", "int", "The UTC year of `ts`.", nullable=False)),
    year_of="ts",
)

HISTORY_FILES = Table(
    name="history_files",
    layer="cleaned",
    folder="cleaned/history_files",
    description="Every file of every export, with the rows that it held: the side of the account that must add up.",
    grain=("listener", "export", "file"),
    columns=(
        _EXPORT,
        _FILE,
        Column("source", "string", "`extended` or `account`.", nullable=False),
        Column("rows", "bigint", "Rows read from the file, good and bad.", nullable=False),
        Column("rejected_rows", "bigint", "Rows set aside, each with its reason in `history_rejects`.", nullable=False),
        Column("first_ts", "timestamp", "The earliest time stamp of a good row, UTC; null where there is none."),
        Column("last_ts", "timestamp", "The latest time stamp of a good row, UTC; null where there is none."),
    ),
    partition_keys=(LISTENER,),
)

RECENT_PLAYS = Table(
    name="recent_plays",
    layer="cleaned",
    folder="cleaned/recent_plays",
    description="Every play that a day's polls of recently-played returned, once, however many pages repeated it.",
    grain=("listener", "collected_on", "played_at", "track_uri"),
    columns=(
        _COLLECTED_ON,
        Column("played_at", "timestamp", "About the end of the play, UTC, as Spotify reports it.", nullable=False),
        _PAGE,
        Column("row", "bigint", "The position in that page, from 0: the first page of the day that held it.", False),
        Column("track_uri", "string", "Spotify's URI of the track; for a local file, its own.", nullable=False),
        *pick(HISTORY_PLAYS, ("track_name", "artist_name", "album_name")),
        Column("artist_ids", "array<string>", "Spotify's ids of all credited artists, the primary one first."),
        Column("artist_names", "array<string>", "The names of all credited artists, in the same order."),
        Column("isrc", "string", "International Standard Recording Code."),
        Column("duration_ms", "bigint", "The track's length in milliseconds."),
        Column("context_uri", "string", "What it was played from (playlist, album, artist); null for Liked Songs."),
        Column("copies", "bigint", "How often the day's pages repeated it, this time included.", nullable=False),
        Column("last_page", "string", "The last page of the day that held it.", nullable=False),
        Column("missing_from", "array<string>", "Pages in between that held plays, but not it; null where all did."),
    ),
    partition_keys=(LISTENER,),
    year_of="collected_on",
    day_of="collected_on",
)

RECENT_PAGES = Table(
    name="recent_pages",
    layer="cleaned",
    folder="cleaned/recent_pages",
    description="Every poll of recently-played: how many plays its page held and which interval they span.",
    grain=("listener", "collected_on", "page"),
    columns=(
        _COLLECTED_ON,
        _PAGE,
        Column("pulled_at", "timestamp", "When the page was received, UTC.", nullable=False),
        Column("rows", "bigint", "Plays in the page, good and bad.", nullable=False),
        Column("rejected_rows", "bigint", "Plays set aside, each with its reason in `recent_rejects`.", nullable=False),
        Column("new_rows", "bigint", "Plays that no earlier page of the day held.", nullable=False),
        Column("oldest_played_at", "timestamp", "The oldest `played_at` of the page, UTC; null for an empty page."),
        Column("newest_played_at", "timestamp", "The newest `played_at` of the page, UTC; null for an empty page."),
        Column("is_damaged", "boolean", "Whether a part of its object could not be read; what it was is set aside."),
    ),
    partition_keys=(LISTENER,),
    year_of="collected_on",
    day_of="collected_on",
)

_STARTED_AT = Column("started_at", "timestamp", "When the play started, UTC.", nullable=False)
_LOCAL_DATE = Column("local_date", "date", "The listener's local date.", nullable=False)
_LOCAL_HOUR = Column("local_hour", "int", "The listener's local hour, 0 to 23.", nullable=False)
_WEEKDAY = Column("weekday", "int", "The local day of the week: 1 is Monday, 7 is Sunday.", nullable=False)
_IS_WEEKEND = Column("is_weekend", "boolean", "Whether the local day is a Saturday or Sunday.", nullable=False)
_DAYPART = Column(
    "daypart", "string", "`night` 0–6, `morning` 6–12, `afternoon` 12–18 or `evening` 18–24, local.", nullable=False
)
_PLAY_NUMBER = Column(
    "play_number", "bigint", "The play's place in the listener's history, from 1, in canonical order.", nullable=False
)
_OUTCOME_ORIGIN = Column(
    "origin", "string", "Where the row was received: an export's SHA-256, or a day of collection.", nullable=False
)
_NOVELTY = (
    "`discovery`, `returning`, `rediscovery` or `lapsed` (docs/metrics.md); null unless the play is a counted listen "
    "of a track"
)

PLAYS = Table(
    name="plays",
    layer="cleaned",
    folder="cleaned/plays",
    description="One row per listening event of a listener, from all sources, with every flag that listening has.",
    grain=("listener", "play_number"),
    columns=(
        _PLAY_NUMBER,
        Column(
            "play_id", "string", "A name for the play that stays when history is completed around it.", nullable=False
        ),
        Column("source", "string", "The source it is known from: `extended`, `account` or `recent`.", nullable=False),
        _STARTED_AT,
        Column("ended_at", "timestamp", "When its sound ended, UTC: started_at + ms_played.", nullable=False),
        Column(
            "closed_at",
            "timestamp",
            "The source's own time stamp, UTC: `ts`, `endTime` + 30 s, or `played_at`.",
            nullable=False,
        ),
        Column(
            "start_rule",
            "string",
            "How started_at was found: `offline_ts`, `ts_minus_ms` or `played_at_is_end`.",
            nullable=False,
        ),
        Column("is_start_uncertain", "boolean", "Whether started_at may be over a minute off.", nullable=False),
        _MS_PLAYED,
        Column(
            "ms_played_is_estimate",
            "boolean",
            "Whether ms_played is an estimate (polled plays only).",
            nullable=False,
        ),
        Column("time_zone", "string", "The IANA zone that was valid for the listener then.", nullable=False),
        Column("local_started_at", "timestamp", "started_at on the listener's clock.", nullable=False),
        _LOCAL_DATE,
        _LOCAL_HOUR,
        _WEEKDAY,
        _IS_WEEKEND,
        _DAYPART,
        Column("media", "string", "`track`, `episode`, `audiobook`, `video` or `unknown`.", nullable=False),
        *_TITLES,
        *pick(RECENT_PLAYS, ("isrc", "duration_ms", "context_uri")),
        Column(
            "recording_id",
            "string",
            "The recording, whichever release it was played from: by ISRC, else title and artist. Tracks only.",
        ),
        *_CIRCUMSTANCES,
        Column(
            "is_counted",
            "boolean",
            "Whether it takes part in insights: false for private plays unless the listener's settings include them.",
            nullable=False,
        ),
        Column("is_listen", "boolean", "Whether it lasted at least 30 s: the unit of every count.", nullable=False),
        Column("is_scrobble", "boolean", "Last.fm's rule; null where the duration is unknown."),
        Column("is_full", "boolean", "Whether it was played to the end; null where that cannot be decided."),
        Column("is_skip", "boolean", "Whether it was skipped; null where that cannot be decided."),
        Column("is_early_exit", "boolean", "Left under 30 s, by whatever way; null where that cannot be decided."),
        Column("artist_novelty", "string", f"For its artist: {_NOVELTY} by a known artist."),
        Column("recording_novelty", "string", f"For its recording: {_NOVELTY}."),
        Column(
            "is_repeat",
            "boolean",
            "Whether the recording had been listened to in the 168 h before; null unless a counted listen of a track.",
        ),
        Column("session_number", "bigint", "The listener's session it belongs to, from 1; null unless counted."),
        Column("session_position", "bigint", "Its place in that session, from 1; null unless counted."),
        _OUTCOME_ORIGIN,
        Column("file", "string", "The export's file, or the raw object of the poll.", nullable=False),
        _ROW,
    ),
    partition_keys=(LISTENER,),
    year_of="started_at",
)

PLAY_HOURS = Table(
    name="play_hours",
    layer="cleaned",
    folder="cleaned/play_hours",
    description="Listening time by local hour: every play, split where the local hour changes.",
    grain=("listener", "play_number", "local_date", "local_hour", "part"),
    columns=(
        _PLAY_NUMBER,
        Column("part", "int", "The part of the play, from 0: the same hour comes twice on an autumn night.", False),
        _LOCAL_DATE,
        _LOCAL_HOUR,
        _WEEKDAY,
        _IS_WEEKEND,
        _DAYPART,
        Column("ms_played", "bigint", "Milliseconds of sound within that hour.", nullable=False),
        *pick(PLAYS, ("media", "artist_name", "is_counted", "ms_played_is_estimate")),
    ),
    partition_keys=(LISTENER,),
    year_of="local_date",
)

ROW_OUTCOMES = Table(
    name="row_outcomes",
    layer="cleaned",
    folder="cleaned/row_outcomes",
    description="What became of every input row, counted by file, outcome and reason.",
    grain=("listener", "source", "origin", "file", "outcome", "reason"),
    columns=(
        *pick(PLAYS, ("source", "origin", "file")),
        Column("outcome", "string", "`kept`, `duplicate`, `superseded` or `rejected`.", nullable=False),
        Column("reason", "string", "Why, in a few words.", nullable=False),
        Column("rows", "bigint", "Rows with that outcome for that reason.", nullable=False),
    ),
    partition_keys=(LISTENER,),
)


LISTENING_GAPS = Table(
    name="listening_gaps",
    layer="cleaned",
    folder="cleaned/listening_gaps",
    description="Where the chain of polls was interrupted, whether plays may be missing there, and what closed it.",
    grain=("listener", "page"),
    columns=(
        Column("page", "string", "The pull that came too late: the raw object's name.", nullable=False),
        Column(
            "kind",
            "string",
            "`pages_apart`: its 50 plays do not reach back to a play that was known, so that plays may be missing; "
            "`poll_late`: it came over 2 h after the one before, yet reaches back to what was known, so nothing is "
            "missing.",
            nullable=False,
        ),
        Column("starts_at", "timestamp", "The newest play known before the gap, UTC; or the poll before.", False),
        Column("ends_at", "timestamp", "The oldest play of the page, UTC; or the late poll.", nullable=False),
        Column("pulled_before", "timestamp", "When the page before was received, UTC.", nullable=False),
        Column("pulled_at", "timestamp", "When the page was received, UTC.", nullable=False),
        Column("is_open", "boolean", "Whether plays may be missing that no export tells.", nullable=False),
        Column("open_from", "timestamp", "Where the part begins that no export covers, UTC; null unless it is open."),
        Column("open_until", "timestamp", "Where that part ends, UTC; null unless it is open."),
    ),
    partition_keys=(LISTENER,),
)


def _rejects(of: str, origin: Column, day_of: str | None = None) -> Table:
    return Table(
        name=f"{of}_rejects",
        layer="rejects",
        folder=f"rejects/{of}_rejects",
        description=f"Input rows that `{of}_plays` set aside, each with its reason and its text.",
        grain=("listener", origin.name, "file", "row"),
        columns=(
            origin,
            Column("file", "string", "The export's file, or the raw object of the poll.", nullable=False),
            _ROW,
            Column("reason", "string", "Why it was set aside, in a few words.", nullable=False),
            Column("payload", "string", "The row as received; null where its text could not be read."),
        ),
        partition_keys=(LISTENER,),
        day_of=day_of,
    )


HISTORY_REJECTS = _rejects("history", _OUTCOME_ORIGIN)
RECENT_REJECTS = _rejects("recent", _OUTCOME_ORIGIN, day_of=_OUTCOME_ORIGIN.name)

CLEANED_TABLES = (
    HISTORY_PLAYS,
    HISTORY_FILES,
    HISTORY_REJECTS,
    RECENT_PLAYS,
    RECENT_PAGES,
    RECENT_REJECTS,
    PLAYS,
    PLAY_HOURS,
    ROW_OUTCOMES,
    LISTENING_GAPS,
)
