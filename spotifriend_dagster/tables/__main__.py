"""`python -m spotifriend_dagster.tables`, in the project's folder: write docs/data-dictionary.md anew."""

from pathlib import Path

from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.rendering import data_dictionary

Path("docs/data-dictionary.md").write_text(data_dictionary(DECLARED_TABLES, load_insights()), "utf-8")
