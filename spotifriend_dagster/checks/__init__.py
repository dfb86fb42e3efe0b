"""Rules across tables and days, as asset checks.

Rules within one table (schema, grain, nulls) follow from its declaration and are checked where the table is written:
by `assets/` for cleaned tables, by `lake/publishing.py` for insights.
"""
