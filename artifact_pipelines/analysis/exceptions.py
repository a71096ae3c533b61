"""Errors of analysis: analyses that cannot be made."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import UsageError, listed


@dataclasses.dataclass(eq=False)
class InvalidQueryError(UsageError):
    """A user's SQL that the database does not understand or cannot carry out."""

    sql: str
    reason: str
    tables: Sequence[str]

    def __str__(self) -> str:
        return f"The query cannot be answered: {self.reason.strip()}\nTables in reach: {listed(self.tables)}. Mend `query` in the dataset's YAML file:\n{self.sql.strip()}"
