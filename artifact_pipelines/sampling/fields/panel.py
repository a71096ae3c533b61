"""Rotation of a sample from wave to wave."""

from fractions import Fraction

import pydantic

from artifact_pipelines.declarations import Fields


class Panel(Fields):
    """A sample that changes from wave to wave, in which a share of the rows stays.

    One idea: each wave takes the rows whose number u lies in a window, and the window moves on by the share of rows
    that leave. So the rows that left come back only when the window has gone round. As u is random, the overlap of two
    waves is the given share on average. The share of rows drawn must not change, or the window would not move evenly.

    Source: Ohlsson, "Coordination of samples using permanent random numbers", in: Business Survey Methods, 1995.
    """

    wave: int = pydantic.Field(ge=0, description="Number of the wave; wave 0 is the sample without a panel.")
    overlap: float = pydantic.Field(ge=0, lt=1, description="Share of a wave's rows that the next one keeps.")

    def shift(self, sampled: float) -> int:
        """Return how far the window has moved, in units of 2**-64, for a sample of a share of the rows."""
        left = self.wave * (1 - Fraction(str(self.overlap))) * Fraction(str(sampled))
        return int(left * 2**64) % 2**64
