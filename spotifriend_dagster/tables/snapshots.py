"""Cleaned tables of what the Web API says beside plays: tops, playlists, library, and the catalogue's own facts.

All but genres and features are daily: partitioned in Dagster by the day of collection, a day's last answer counting.
Plays are in `cleaned.py`.
"""

from spotifriend_dagster.tables.cleaned import RECENT_PLAYS
from spotifriend_dagster.tables.declaration import Column, Table, pick
from spotifriend_dagster.tables.raw import LISTENER

_COLLECTED_ON = RECENT_PLAYS.column("collected_on")
_PULLED_AT = Column("pulled_at", "timestamp", "When the answer was received, UTC.", nullable=False)
_TIME_RANGE = Column(
    "time_range",
    "string",
    "Spotify's range: `short_term` (about 4 weeks), `medium_term` (6 months) or `long_term` (a year).",
    nullable=False,
)
_RANK = Column("rank", "int", "The place in Spotify's ranking, from 1.", nullable=False)
_ARTIST_ID = Column("artist_id", "string", "Spotify's id of the artist.", nullable=False)
_ARTIST_NAME = Column("artist_name", "string", "The artist's name.", nullable=False)
_TRACK_URI = Column("track_uri", "string", "Spotify's URI of the track; for a local file, its own.", nullable=False)
_TRACK_FACTS = pick(
    RECENT_PLAYS, ("track_name", "artist_name", "album_name", "artist_ids", "artist_names", "isrc", "duration_ms")
)
_PLAYLIST_ID = Column("playlist_id", "string", "Spotify's id of the playlist.", nullable=False)
_SNAPSHOT_ID = Column("snapshot_id", "string", "Spotify's name for this version of the playlist.")
_ADDED_AT = Column("added_at", "timestamp", "When it was added, UTC; null on very old playlists.")
_GENRE = Column("genre", "string", "The genre, in lower case.", nullable=False)
_GENRE_SOURCE = Column(
    "genre_source",
    "string",
    "Who says so: `user`, `spotify` or `musicbrainz`, the first that says any.",
    nullable=False,
)


def _daily(name: str, description: str, grain: tuple[str, ...], *columns: Column) -> Table:
    return Table(
        name=name,
        layer="cleaned",
        folder=f"cleaned/{name}",
        description=description,
        grain=("listener", "collected_on", *grain),
        columns=(_COLLECTED_ON, _PULLED_AT, *columns),
        partition_keys=(LISTENER,),
        year_of="collected_on",
        day_of="collected_on",
    )


TOP_TRACKS = _daily(
    "top_tracks",
    "The listener's top tracks as Spotify ranked them on a day, over its three ranges.",
    ("time_range", "rank"),
    _TIME_RANGE,
    _RANK,
    _TRACK_URI,
    *_TRACK_FACTS,
)

TOP_ARTISTS = _daily(
    "top_artists",
    "The listener's top artists as Spotify ranked them on a day, over its three ranges.",
    ("time_range", "rank"),
    _TIME_RANGE,
    _RANK,
    _ARTIST_ID,
    _ARTIST_NAME,
)

PLAYLISTS = _daily(
    "playlists",
    "The playlists that were in the listener's library on a day.",
    ("playlist_id",),
    _PLAYLIST_ID,
    Column("playlist_uri", "string", "Spotify's URI of the playlist, as a play's context names it.", nullable=False),
    Column("playlist_name", "string", "The playlist's name."),
    Column("owner", "string", "A hash of its owner's id: the same person has the same one."),
    Column("is_own", "boolean", "Whether the listener owns it; null where the profile is not known."),
    Column("is_collaborative", "boolean", "Whether others may add to it."),
    Column("is_public", "boolean", "Whether it is on the owner's profile; null where Spotify does not say."),
    _SNAPSHOT_ID,
    Column("items_total", "int", "How many items it has; null where Spotify does not say (playlists of others)."),
)

PLAYLIST_TRACKS = _daily(
    "playlist_tracks",
    "What a playlist held when its content was pulled: once per changed snapshot.",
    ("playlist_id", "position"),
    _PLAYLIST_ID,
    _SNAPSHOT_ID,
    Column("position", "int", "The place in the playlist, from 0.", nullable=False),
    Column("media", "string", "`track`, `local` (a file of the owner's) or `episode`.", nullable=False),
    Column("item_uri", "string", "Spotify's URI of the track or episode; for a local file, its own.", nullable=False),
    *_TRACK_FACTS,
    _ADDED_AT,
    Column("added_by", "string", "A hash of the id of whoever added it."),
)

SAVED_TRACKS = _daily(
    "saved_tracks",
    "Liked songs that a day's pull returned: those that were new then, or the whole library.",
    ("track_uri",),
    _TRACK_URI,
    *_TRACK_FACTS,
    Column("added_at", "timestamp", "When it was saved, UTC.", nullable=False),
    Column("library_total", "int", "How many songs were saved in all when this was pulled."),
    Column(
        "is_whole_library",
        "boolean",
        "Whether the pull went to the end: what is not in it was not saved any more.",
        nullable=False,
    ),
)

FOLLOWED_ARTISTS = _daily(
    "followed_artists",
    "The artists whom the listener followed on a day.",
    ("artist_id",),
    _ARTIST_ID,
    _ARTIST_NAME,
)

PROFILES = _daily(
    "profiles",
    "What Spotify said of the listener's account on a day; nothing that names its owner.",
    (),
    Column("account", "string", "A hash of the account's immutable id.", nullable=False),
    Column("owner", "string", "A hash of the user id, as owners of playlists have it.", nullable=False),
    Column("country", "string", "ISO 3166 code of the account's country; null in development mode."),
    Column("product", "string", "The subscription (`premium`, `free`); null in development mode."),
    Column("followers", "int", "How many follow the listener; null in development mode."),
)

ARTISTS = _daily(
    "artists",
    "Artists that were looked up on a day.",
    ("artist_id",),
    _ARTIST_ID,
    _ARTIST_NAME,
    Column("genres", "array<string>", "Spotify's genres; empty for most artists since 2025."),
    Column("popularity", "int", "Spotify's popularity, 0 to 100; null in development mode."),
    Column("followers", "int", "How many follow the artist; null in development mode."),
)

TRACKS = _daily(
    "tracks",
    "Tracks that were looked up on a day.",
    ("track_id",),
    Column("track_id", "string", "Spotify's id of the track, as it was asked for.", nullable=False),
    _TRACK_URI,
    *_TRACK_FACTS,
    Column("album_id", "string", "Spotify's id of the album."),
    Column("is_explicit", "boolean", "Whether its words are marked explicit."),
    Column("popularity", "int", "Spotify's popularity, 0 to 100; null in development mode."),
)

ALBUMS = _daily(
    "albums",
    "Albums that were looked up on a day.",
    ("album_id",),
    Column("album_id", "string", "Spotify's id of the album.", nullable=False),
    Column("album_name", "string", "The album's title."),
    Column("album_type", "string", "`album`, `single` or `compilation`."),
    Column("artist_ids", "array<string>", "Spotify's ids of the credited artists."),
    Column("artist_names", "array<string>", "Their names, in the same order."),
    Column("release_date", "string", "As Spotify has it: a year, a month or a day.", nullable=True),
    Column("release_date_precision", "string", "`year`, `month` or `day`."),
    Column("total_tracks", "int", "How many tracks it has."),
    Column("upc", "string", "Universal Product Code."),
)

SNAPSHOT_REJECTS = Table(
    name="snapshot_rejects",
    layer="rejects",
    folder="rejects/snapshot_rejects",
    description="What of the Web API's answers beside plays was set aside, each with its reason and its text.",
    grain=("listener", "source", "origin", "file", "row"),
    columns=(
        Column("source", "string", "The raw source, such as `top_tracks`.", nullable=False),
        Column("origin", "string", "The day of collection.", nullable=False),
        Column("file", "string", "The raw object of the pull.", nullable=False),
        Column("row", "bigint", "The item's position in the pull, from 0, over all its pages.", nullable=False),
        Column("reason", "string", "Why it was set aside, in a few words.", nullable=False),
        Column("payload", "string", "The item as received; null where its text could not be read."),
    ),
    partition_keys=(LISTENER,),
    day_of="origin",
)

SNAPSHOT_PULLS = Table(
    name="snapshot_pulls",
    layer="cleaned",
    folder="cleaned/snapshot_pulls",
    description="Every pull of the Web API beside plays that a day was made from, and what became of its items.",
    grain=("listener", "collected_on", "source", "page"),
    columns=(
        _COLLECTED_ON,
        Column("source", "string", "The raw source, such as `top_tracks`.", nullable=False),
        Column("page", "string", "The pull: the raw object's name.", nullable=False),
        _PULLED_AT,
        Column("rows", "bigint", "Items in its answers, good and bad.", nullable=False),
        Column("kept_rows", "bigint", "Items that became rows.", nullable=False),
        Column(
            "unused_rows",
            "bigint",
            "Items for which another answer of the day stands, or of a playlist that was not told to its end.",
            nullable=False,
        ),
        Column("rejected_rows", "bigint", "Items set aside, each with its reason in `snapshot_rejects`.", False),
    ),
    partition_keys=(LISTENER,),
    year_of="collected_on",
    day_of="collected_on",
)

ARTIST_GENRES = Table(
    name="artist_genres",
    layer="cleaned",
    folder="cleaned/artist_genres",
    description="The genres of every artist in the listener's plays of whom any source knows some.",
    grain=("listener", "artist_name", "genre"),
    columns=(
        Column("artist_name", "string", "The artist's name, as plays have it.", nullable=False),
        Column("artist_id", "string", "Spotify's id of the artist, where it is known."),
        _GENRE,
        _GENRE_SOURCE,
    ),
    partition_keys=(LISTENER,),
)

PLAY_GENRES = Table(
    name="play_genres",
    layer="cleaned",
    folder="cleaned/play_genres",
    description=(
        "The genres of every counted listen of a track of whose credited artists any has one: each listen weighs 1, "
        "split equally over the genres of its credited artists."
    ),
    grain=("listener", "play_number", "genre"),
    columns=(
        Column("play_number", "bigint", "The play's place in the listener's history (`plays`).", nullable=False),
        _GENRE,
        _GENRE_SOURCE,
        Column("weight", "double", "The genre's part of the listen; a listen's weights add up to 1.", nullable=False),
        Column("started_at", "timestamp", "When the play started, UTC.", nullable=False),
    ),
    partition_keys=(LISTENER,),
    year_of="started_at",
)

TRACK_FEATURES = Table(
    name="track_features",
    layer="cleaned",
    folder="cleaned/track_features",
    description="Audio features of the tracks in the listener's plays, where Spotify or a file of the user's has them.",
    grain=("listener", "track_uri"),
    columns=(
        _TRACK_URI,
        Column("feature_source", "string", "Who says so: `user` or `spotify`.", nullable=False),
        *(
            Column(name, "double", description)
            for name, description in (
                ("danceability", "How suitable for dancing, 0 to 1."),
                ("energy", "Intensity and activity, 0 to 1."),
                ("valence", "How positive it sounds, 0 to 1."),
                ("acousticness", "Confidence that it is acoustic, 0 to 1."),
                ("instrumentalness", "Confidence that it has no vocals, 0 to 1."),
                ("liveness", "Confidence that an audience is heard, 0 to 1."),
                ("speechiness", "Presence of spoken words, 0 to 1."),
                ("loudness", "Average loudness in decibels."),
                ("tempo", "Beats per minute."),
            )
        ),
    ),
    partition_keys=(LISTENER,),
)

DAILY_SNAPSHOTS = (
    TOP_TRACKS,
    TOP_ARTISTS,
    PLAYLISTS,
    PLAYLIST_TRACKS,
    SAVED_TRACKS,
    FOLLOWED_ARTISTS,
    PROFILES,
    ARTISTS,
    TRACKS,
    ALBUMS,
    SNAPSHOT_PULLS,
    SNAPSHOT_REJECTS,
)
"""Made day by day from what was collected on it."""

SNAPSHOT_TABLES = (*DAILY_SNAPSHOTS, ARTIST_GENRES, PLAY_GENRES, TRACK_FEATURES)
