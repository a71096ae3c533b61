"""Types of retention: policies, versions, and verdicts on versions. Standard library only."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, Self

from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Publication

RETENTION_METADATA_KEY = "artifact/retention"
"""Asset metadata: a mapping of `keep_last`, `keep_daily`, `keep_weekly`, `keep_monthly` and `keep_within`."""


@dataclasses.dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Rules for the versions of an asset: a version is kept if any rule keeps it. The current one always is.

    Attributes:
        keep_last: Keep this many of the newest versions.
        keep_daily: Keep the newest version of each of the last so many days (UTC) that have one.
        keep_weekly: The same for ISO weeks.
        keep_monthly: The same for months.
        keep_within: Keep versions made within a duration such as `30d`.
    """

    keep_last: int | None = None
    keep_daily: int | None = None
    keep_weekly: int | None = None
    keep_monthly: int | None = None
    keep_within: str | None = None

    @classmethod
    def from_mapping(cls, values: Any) -> Self:
        """Return the policy that asset metadata declare.

        Raises:
            InvalidArgumentError: The value is no mapping of rules to positive numbers, or has no rule.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or not values or not set(values) <= set(names):
            raise InvalidArgumentError(
                RETENTION_METADATA_KEY, values, f"a mapping of one or more of {', '.join(names)}"
            )
        for name, value in values.items():
            if name == "keep_within":
                parse_duration_s(value, name)
            elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidArgumentError(name, value, "a whole number from 1 up")
        return cls(**values)

    def to_mapping(self) -> Mapping[str, Any]:
        """Return the rules that are set."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class VersionName:
    """Name of one content of an asset or partition: its number, as `history` shows it."""

    asset: str
    partition: str | None
    version: int

    def __str__(self) -> str:
        partition = f"[{self.partition}]" if self.partition is not None else ""
        return f"{self.asset}{partition} version {self.version}"


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """All kept materializations of one content: retention keeps or releases them as a whole.

    Attributes:
        made_at: When each of its materializations was recorded, oldest first.
        run_id: The run that made it last.
        publication_reason: Why it is not published, or who published it against its checks.
        is_op_output: True if it is the output of an op and of no asset: nothing replaces it, so it stays current.
    """

    name: VersionName
    made_at: tuple[datetime.datetime, ...]
    is_current: bool
    is_pinned: bool
    is_wiped: bool
    tags: tuple[str, ...]
    run_id: str | None
    size_bytes: int
    publication: Publication = Publication.PUBLISHED
    publication_reason: str | None = None
    is_op_output: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """A kept version, and a version that it was made from."""

    consumer: VersionName
    input: VersionName


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Retention's decision on a version, and the reason."""

    version: Version
    is_kept: bool
    reason: str
