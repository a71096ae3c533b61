"""Bernoulli sampling: each row is drawn by itself, all with one probability.

One idea: a row is drawn if its permanent random number u is below the probability, so a row of the sample stays in it
whatever happens to other rows.
"""

import math
from typing import ClassVar, Literal

import numpy as np
import pydantic

from artifact_pipelines.sampling.engine.choice import Choice, choice_by_rule, chosen_rows
from artifact_pipelines.sampling.engine.rows import Batch, Mask, Rows
from artifact_pipelines.sampling.fields.sample_size import exactly
from artifact_pipelines.sampling.interfaces import ISamplingDesign


class Bernoulli(ISamplingDesign):
    """Draw each row with the same probability, independently of all others. The size of the sample is random."""

    design: Literal["bernoulli"] = "bernoulli"
    SIZE: ClassVar[str | None] = "probability"
    probability: float = pydantic.Field(gt=0, le=1, description="Probability to draw a row.")

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"Bernoulli sample: each row with probability {self.probability}"

    def share(self) -> float:
        """See `ISamplingDesign`."""
        return self.probability

    def choose(self, rows: Rows) -> Choice:
        """Choose the rows with u < π.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.2.
        """
        last = np.uint64(math.ceil(exactly(self.probability) * 2**64) - 1)

        def keep(batch: Batch) -> Mask:
            return batch.numbers <= last

        facts = {"expected_size": self.probability * rows.count}
        return choice_by_rule(rows, keep, lambda batch: chosen_rows(batch.ordinals, self.probability), facts=facts)
