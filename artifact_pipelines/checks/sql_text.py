"""Values and names of YAML as SQL."""

import datetime
from collections.abc import Sequence

from artifact_pipelines.tabular.locked_duckdb import quoted

Value = bool | int | float | datetime.datetime | datetime.date | str


def literal(value: Value) -> str:
    """Return a value as SQL; DuckDB reads a text as the type of the column that it is compared with."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def quoted_all(names: Sequence[str]) -> str:
    """Return names of columns, separated by commas."""
    return ", ".join(map(quoted, names))
