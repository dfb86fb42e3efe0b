"""The one partition dimension: days of collection, in UTC. Which days a run needs belongs to `automation/`."""

from datetime import date

import dagster as dg


def days_from(first_day: date) -> dg.DailyPartitionsDefinition:
    """Every day from `first_day` to today, today included: what is collected today is usable today."""
    return dg.DailyPartitionsDefinition(start_date=first_day.isoformat(), timezone="UTC", end_offset=1)
