"""Systematic sampling: every k-th row of a list from a random start."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydantic

from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.list_order import ordinals_in_order
from artifact_pipelines.sampling.engine.rows import Ordinals, Rows
from artifact_pipelines.sampling.fields.sample_size import SizedDesign, exactly, notes_on_size

_MOST_PARTS = 1_000_000  # of a row in an interval: positions in the longest list stay below 2**63


class Systematic(SizedDesign):
    """Draw every k-th row from a random start, in the order of the table or of `order_by`.

    All rows have the same probability, and neighbours in the list are never drawn together. So sorting by something
    that the study variable depends on spreads the sample over it. The variance cannot be estimated without bias.
    """

    design: Literal["systematic"] = "systematic"
    interval: float | None = pydantic.Field(
        default=None,
        ge=1,
        le=2**40,
        validate_default=True,
        description="k, in place of n or fraction; need not be a whole number, and counts to a millionth.",
    )

    @pydantic.field_validator("n")
    @classmethod
    def _check_size(cls, n: int | None, info: pydantic.ValidationInfo) -> int | None:  # noqa: ARG003
        return n  # checked with the interval

    @pydantic.field_validator("interval")
    @classmethod
    def _check_interval(cls, interval: float | None, info: pydantic.ValidationInfo) -> float | None:
        """Refuse none and several of the fields."""
        others = [info.data[name] for name in ("fraction", "n") if name in info.data]
        if len(others) == 2 and sum(one is not None for one in (interval, *others)) != 1:
            raise ValueError("give one of n, fraction and interval")
        return interval

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        every = f"every {self.interval:g}th row" if self.interval else self.size
        return f"Systematic sample of {every}, from a random start"

    def choose(self, rows: Rows) -> Choice:
        """Choose the rows at floor((s + j) k) for j = 0, 1, ..., with one s in [0, 1) for the seed; π = 1 / k.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.4.
        """
        if self.interval is None:
            n = self.size_of_sample(rows.count)
            interval = max(Fraction(1), Fraction(rows.count, max(n, 1)))
            planned, notes = n, notes_on_size(n, rows.count)
        else:
            interval, planned, notes = exactly(self.interval).limit_denominator(_MOST_PARTS), None, ()
        positions = _positions(rows.count, interval, int(rows.identity.numbers_for("start", 1)[0]))
        ordinals = _at(ordinals_in_order(rows, self.order_by), positions)
        facts = {"interval": float(interval)}
        return Choice(chosen_rows(ordinals, float(1 / interval)), rows.count, planned, facts=facts, notes=notes)


def _positions(population_size: int, interval: Fraction, start: int) -> npt.NDArray[np.int64]:
    """Return the positions in the list, in ascending order: floor((start / 2**64 + j) k) in whole numbers."""
    first = start * interval.numerator >> 64
    most = math.ceil(population_size / interval) + 1
    found = (np.arange(most, dtype=np.int64) * interval.numerator + first) // interval.denominator
    return found[found < population_size]


def _at(ordinals: Iterator[Ordinals], positions: npt.NDArray[np.int64]) -> Ordinals:
    """Return the ordinals at some positions of the list."""
    found, start = [], 0
    for part in ordinals:
        here = slice(*np.searchsorted(positions, [start, start + len(part)]))
        found.append(part[positions[here] - start])
        start += len(part)
    return np.concatenate([np.empty(0, np.int64), *found])
