"""`python -m spotifriend_dagster_tests.reliability`, in the project's folder: write docs/reliability.md anew."""

from spotifriend_dagster_tests.reliability.faults import FAULTS
from spotifriend_dagster_tests.reliability.table import DOCUMENT, written

DOCUMENT.write_text(written(FAULTS), "utf-8")
