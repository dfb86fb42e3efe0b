"""The lake: where objects are stored, what the catalog says, how SQL runs, and how a table is written and published.

Each port is a protocol with an implementation for the local home. Only `io_managers.py` knows Dagster; what the tables
are is declared in `tables/`.
"""
