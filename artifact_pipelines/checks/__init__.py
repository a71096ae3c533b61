"""Checks of a dataset's table, declared in YAML; Dagster shows each as an asset check.

The one idea: a check is a query for the rows that break it. It passes if there are none.

    kind      a way to check: a class in `kinds/`
    breaking  a row that a check does not allow; of a whole table one row says what is wrong
    blocking  a failed check keeps the last good version current

The contract of a dataset (`columns`, `key`) refuses a file before it becomes a table; checks watch the tables after.
"""
