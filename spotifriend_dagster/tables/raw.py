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

RECENTLY_PLAYED = Table(
    name="raw_recently_played",
    layer="raw",
    folder="raw/recently_played",
    description="Every answer of the Web API's recently-played endpoint, one object per poll.",
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

RAW_TABLES = (STREAMING_HISTORY, RECENTLY_PLAYED)
