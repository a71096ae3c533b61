"""Numbers of distinct values, rows and keys, where not all of them are kept.

`Smallest.distinct_of` is exact for values that never repeat. It overestimates where one value is frequent and is not
among the kept ones: of 90 % zeros and 10,000 other numbers, the 4,096 that are kept may have no zero, and never repeat.
"""

import math

from artifact_pipelines.analysis.profile.distinct import Smallest
from artifact_pipelines.analysis.profile.engine import TableProfile

_MOST_ERRORS = 5
"""Standard errors of the density, which chance exceeds in fewer than one of a million columns."""


def distinct_of(found: Smallest, count: int, *, has_frequent: bool = False) -> int:
    """Return the distinct values among so many; an estimate unless `found` has them all.

    Args:
        has_frequent: Some value is frequent: the kept ones do not show how often values repeat.
    """
    guess = found.distinct_of(count)
    if found.is_all:
        return guess
    density = min(count, found.distinct_count)
    is_refuted = abs(guess - density) > _MOST_ERRORS / math.sqrt(found.most) * density
    return density if has_frequent or is_refuted else guess


def repeated(profile: TableProfile, found: Smallest | None) -> int | None:
    """Return how many rows or keys repeat another one; an estimate unless `found` has them all; None: not known."""
    return None if found is None else profile.row_count - distinct_of(found, profile.row_count)
