"""Questions to tables that a locked DuckDB answers: parsed and checked before there are any data, asked within limits.

The one idea: an answer never depends on the order in which threads meet rows.
"""
