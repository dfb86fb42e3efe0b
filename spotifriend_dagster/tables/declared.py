"""Every raw and cleaned table there is, in the order of the data's way. Insights are declared by their SQL files."""

from spotifriend_dagster.tables.cleaned import CLEANED_TABLES
from spotifriend_dagster.tables.health import HEALTH_TABLES
from spotifriend_dagster.tables.raw import RAW_TABLES
from spotifriend_dagster.tables.snapshots import SNAPSHOT_TABLES

DECLARED_TABLES = (*RAW_TABLES, *CLEANED_TABLES, *SNAPSHOT_TABLES, *HEALTH_TABLES)
