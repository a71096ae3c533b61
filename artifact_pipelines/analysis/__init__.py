"""Analyses of a dataset's table; each answer is an artifact.

The one idea: the same table and the same question have the same answer, to the last bit.

    kind     a way to answer: a class in `kinds/`
    profile  one row of statistics for each column
    query    one SELECT in a DuckDB that can read the given tables only
"""
