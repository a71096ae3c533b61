"""The words of retention: what a policy is, what a version is, and what was decided. Standard library only."""

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
    """Which versions of an asset are kept: those that any of its rules keeps. The current one always is.

    Attributes:
        keep_last: So many of the newest versions.
        keep_daily: The newest version of each of so many days (UTC) that have one.
        keep_weekly: The same of ISO weeks.
        keep_monthly: The same of months.
        keep_within: Versions that were made within a duration such as `30d`.
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
            InvalidArgumentError: Not a mapping of rules to positive numbers, or there is no rule in it.
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
    """What names one content that an asset (or a partition of it) held: its number, as `history` shows it."""

    asset: str
    partition: str | None
    version: int

    def __str__(self) -> str:
        partition = f"[{self.partition}]" if self.partition is not None else ""
        return f"{self.asset}{partition} version {self.version}"


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """All kept materializations of one content: what retention keeps or releases as a whole.

    Attributes:
        made_at: When each of its materializations was recorded, oldest first.
        run_id: The run that made it last.
        publication: Whether it may be current.
        publication_reason: Why it is not published, or who published it against its checks.
        size_bytes: Size of its files.
        is_op_output: True if an op made it that is no asset: nothing ever takes its place, so it stays current.
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
    """A kept version was made from another one."""

    consumer: VersionName
    input: VersionName


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What retention says of a version, and why."""

    version: Version
    is_kept: bool
    reason: str
