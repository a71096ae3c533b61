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
    field: str = "query"

    def __str__(self) -> str:
        return f"The query cannot be answered: {self.reason.strip()}\nAvailable tables: {listed(self.tables)}. Fix `{self.field}` in the dataset's YAML file:\n{self.sql.strip()}"


@dataclasses.dataclass(eq=False)
class QueryLimitError(UsageError):
    """A user's SQL needs more time, memory or disk than it may take."""

    sql: str
    limit: str
    allowed: str

    def __str__(self) -> str:
        return (
            f"The query was ended: it needs more than {self.limit} allows ({self.allowed}). Nothing was stored. Make it "
            f"read or join fewer rows, or raise `{self.limit}` in the dataset's YAML file:\n{self.sql.strip()}"
        )


@dataclasses.dataclass(eq=False)
class InvalidQuestionError(UsageError):
    """The fields given for estimates are not those of a question, or not those of a stored design."""

    problems: Sequence[str]

    def __str__(self) -> str:
        return f"The question for estimates is wrong. {' '.join(self.problems)}"


@dataclasses.dataclass(eq=False)
class NotEstimableError(UsageError):
    """The design of a sample, or what the sample holds, does not allow an estimate that was asked for."""

    design: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"No estimate from the {self.design} sample: {self.reason}. {self.remedy}."
