"""Errors of checks."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import UsageError, listed


@dataclasses.dataclass(eq=False)
class InvalidCheckError(UsageError):
    """A check does not fit the table: a column is missing, has another type, or its SQL is wrong."""

    check: str
    reason: str
    columns: Sequence[str]

    def __str__(self) -> str:
        known = f" Columns of the table: {listed(self.columns)}." if self.columns else ""
        return f"Check {self.check} cannot be made: {self.reason.strip()}{known} Fix `checks.{self.check}` in the dataset's YAML file."
