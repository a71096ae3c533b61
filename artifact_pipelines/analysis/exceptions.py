"""Errors of analyses."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import UsageError, listed


@dataclasses.dataclass(eq=False)
class InvalidQueryError(UsageError):
    """DuckDB does not understand a user's SQL or cannot answer it."""

    sql: str
    reason: str
    tables: Sequence[str]

    def __str__(self) -> str:
        return f"The query cannot be answered: {self.reason.strip()}\nAvailable tables: {listed(self.tables)}. Fix `query` in the dataset's YAML file:\n{self.sql.strip()}"
