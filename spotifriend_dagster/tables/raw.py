"""Raw tables: what Spotify sent, as received, less what must never be stored.

Each is JSON Lines; the payload is a JSON text, so that raw can be queried whatever Spotify changes.
"""

from spotifriend_dagster.tables.declaration import Column, Table

LISTENER = Column("listener", "string", "Whose listening this is: the id in listeners.toml.", nullable=False)

STREAMING_HISTORY = Table(
    name="raw_streaming_history",
    layer="raw",
    folder="raw/streaming_history",
    description="Every row of every imported export, as received, less IP address, user name and user agent.",
    grain=("listener", "export", "file", "row"),
    columns=(
        Column("file", "string", "The file's name inside the export.", nullable=False),
        Column("row", "bigint", "The row's position in the file, from 0.", nullable=False),
        Column("payload", "string", "The row as JSON text; null where it could not be read."),
        Column("problem", "string", "Why the text at this position could not be read as a row; null for a row."),
    ),
    partition_keys=(
        LISTENER,
        Column("export", "string", "SHA-256 over the contents of the export's history files.", nullable=False),
    ),
)


def _pulled(source: str, description: str) -> Table:
    """A table of answers: one object per pull, one line per answer."""
    return Table(
        name=f"raw_{source}",
        layer="raw",
        folder=f"raw/{source}",
        description=description,
        grain=("listener", "dt", "pulled_at", "page"),
        columns=(
            Column("pulled_at", "string", "When the answer came: UTC, ISO 8601 with milliseconds.", nullable=False),
            Column("endpoint", "string", "The path that was asked, without its host.", nullable=False),
            Column("page", "int", "The page's position in the pull, from 0.", nullable=False),
            Column("payload", "string", "The answer's body as JSON text.", nullable=False),
        ),
        partition_keys=(
            LISTENER,
            Column("dt", "string", "The UTC day of collection, YYYY-MM-DD.", nullable=False),
        ),
    )


RECENTLY_PLAYED = _pulled(
    "recently_played", "Every answer of the Web API's recently-played endpoint, one object per poll."
)
TOP_TRACKS = _pulled("top_tracks", "The listener's top tracks as Spotify ranks them, over its three ranges.")
TOP_ARTISTS = _pulled("top_artists", "The listener's top artists as Spotify ranks them, over its three ranges.")
PLAYLISTS = _pulled("playlists", "The playlists in the listener's library, without their content.")
PLAYLIST_ITEMS = _pulled(
    "playlist_items", "The content of own and collaborative playlists, pulled when a playlist's snapshot has changed."
)
SAVED_TRACKS = _pulled(
    "saved_tracks", "Liked songs, newest first: each pull as far as it had something new, or to the end."
)
FOLLOWED_ARTISTS = _pulled("followed_artists", "The artists whom the listener follows.")
PROFILE = _pulled("profile", "What Spotify says of the account, less everything that names its owner.")
ARTISTS = _pulled("artists", "Artists looked up by id, because plays name them.")
TRACKS = _pulled("tracks", "Tracks looked up by id, because plays name them.")
ALBUMS = _pulled("albums", "Albums looked up by id, because plays name them.")
AUDIO_FEATURES = _pulled("audio_features", "Audio features of tracks, where the app still has access to them.")
API_PULLS = _pulled(
    "api_pulls", "What became of every pull of the Web API: its calls, and why it ended where it did not end well."
)

MUSICBRAINZ = _pulled(
    "musicbrainz",
    "MusicBrainz's answers about artists whose genres nobody else says, each asked for once and for good.",
)

COLLECTED_TABLES = (
    RECENTLY_PLAYED,
    TOP_TRACKS,
    TOP_ARTISTS,
    PLAYLISTS,
    PLAYLIST_ITEMS,
    SAVED_TRACKS,
    FOLLOWED_ARTISTS,
    PROFILE,
    ARTISTS,
    TRACKS,
    ALBUMS,
    AUDIO_FEATURES,
    API_PULLS,
)
"""The raw tables that Spotify's Web API fills day by day."""

RAW_TABLES = (STREAMING_HISTORY, *COLLECTED_TABLES, MUSICBRAINZ)
