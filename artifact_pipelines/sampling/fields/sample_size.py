"""Fields of designs that fix the size of the sample: as a number of rows, or as a share of the population."""

import math
from collections.abc import Sequence
from fractions import Fraction

import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.interfaces import ISamplingDesign


class SizedDesign(ISamplingDesign):
    """A design with `n` or `fraction`, one of them."""

    fraction: float | None = pydantic.Field(
        default=None, gt=0, le=1, description="Share of the population to draw, in place of n."
    )
    n: int | None = pydantic.Field(
        default=None, gt=0, validate_default=True, description="Rows to draw; a smaller population is taken whole."
    )

    @pydantic.field_validator("n")
    @classmethod
    def _check_size(cls, n: int | None, info: pydantic.ValidationInfo) -> int | None:
        """Refuse none and both of the fields."""
        if "fraction" in info.data and (n is None) == (info.data["fraction"] is None):
            raise ValueError("give either n, the rows to draw, or fraction, their share of the population")
        return n

    @property
    def size(self) -> str:
        """Return the size in words."""
        return counted(self.n, "row") if self.n is not None else f"{self.fraction} of the rows"

    def size_of_sample(self, population_size: int) -> int:
        """Return n, which may be more than there are rows.

        A share is rounded to the nearest number, halves up, and is a row at least: no row would stand for no row.
        """
        if self.n is not None:
            return self.n
        rounded = math.floor(exactly(self.fraction or 0) * population_size + Fraction(1, 2))
        return max(rounded, min(1, population_size))

    def fixed_share(self) -> float:
        """Return the fraction.

        Raises:
            InvalidArgumentError: The design has n: its share of the rows falls while the table grows.
        """
        if self.fraction is None:
            expected = "of a design with `fraction`, because the share that n rows are changes with the table"
            raise InvalidArgumentError("panel", f"n = {self.n}", expected)
        return self.fraction


def exactly(share: float) -> Fraction:
    """Return a number as its decimal digits say it: 0.1 is a tenth."""
    return Fraction(str(share))


def notes_on_size(n: int, population_size: int) -> Sequence[str]:
    """Return the note that a sample is the whole population, if it should have been larger."""
    if not population_size:
        return ["The population has no rows."]
    return (
        [f"The population has only {counted(population_size, 'row: it is', 'rows: all are')} drawn."]
        if population_size < n
        else []
    )
