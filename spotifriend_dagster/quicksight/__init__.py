"""QuickSight as code: what is wanted there (data source, data sets, analysis, dashboard), and how it comes to be there.

Pure declarations are in `data_sets.py`, `sheets.py` and `resources.py`; `upsert.py` and `refresh.py` talk to the
service through a client of boto3 that they are given. Which tables there are belongs to `tables/` and `insights/`.
"""
