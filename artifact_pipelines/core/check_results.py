"""The result of a check of data, as any slice finds it. Standard library only."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType


@dataclasses.dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check.

    Attributes:
        is_error: False: users of the data should know it, but the data are as promised.
        text: One sentence with the numbers.
        figures: Numbers by name, which Dagster plots over time.
    """

    name: str
    passed: bool
    is_error: bool
    text: str
    figures: Mapping[str, int | float] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
