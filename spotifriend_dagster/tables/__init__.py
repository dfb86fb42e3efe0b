"""What the lake holds: every table is declared once, here or in the header of its SQL file.

The shape of a declaration is in `declaration.py`; the raw and cleaned tables are in `raw.py` and `cleaned.py`; the
insight tables are read from `insights/*.sql` by `insight.py`. What follows from a declaration (Parquet schema, Glue
table, data dictionary) is in `rendering.py`. Nothing here knows Dagster or storage.
"""
