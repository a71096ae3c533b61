"""Simple random sampling without replacement.

One idea: a row's permanent random number does not depend on other rows, so a larger sample contains the smaller one,
and a sample hardly changes when the data grow.
"""

from typing import Literal

import pydantic

from artifact_pipelines.sampling.choice import Choice, chosen_rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.rows import Rows
from artifact_pipelines.sampling.smallest import smallest_numbers


class SimpleRandom(ISamplingDesign):
    """Draw n rows without replacement: over the seeds, each subset of n rows is equally likely."""

    design: Literal["simple_random"] = "simple_random"
    n: int = pydantic.Field(gt=0, description="Rows to draw; a smaller table is taken whole.")

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"Simple random sample of {self.n:,} rows without replacement"

    def choose(self, rows: Rows) -> Choice:
        """Choose the min(n, N) rows with the smallest numbers; π = min(n, N) / N.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.3.
        """
        drawn = min(self.n, rows.count)
        notes = [f"The population has only {rows.count:,} rows: all are drawn."] if rows.count < self.n else []
        chosen = chosen_rows(smallest_numbers(rows, drawn).ordinals, drawn / max(1, rows.count))
        return Choice(chosen, rows.count, planned=self.n, notes=notes)
