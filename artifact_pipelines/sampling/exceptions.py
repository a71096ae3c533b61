"""Errors of samples."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import UsageError


@dataclasses.dataclass(eq=False)
class InvalidDesignError(UsageError):
    """The fields given for a sampling design are not those of one."""

    problems: Sequence[str]

    def __str__(self) -> str:
        return f"The sampling design is wrong. {' '.join(self.problems)}"
