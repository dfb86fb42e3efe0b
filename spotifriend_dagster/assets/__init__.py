"""The assets: thin, each connects a pure room (sources, cleaning, insights, reports) to the lake.

What a table holds is declared in `tables/`; what a row means is decided in `cleaning/`.
"""
