"""Simple random sampling with replacement.

One idea: how often rows repeat does not depend on which rows they are. So n draws of numbered balls say how many
different rows there are and how often each is drawn; the rows themselves are those with the smallest numbers.
"""

from decimal import Decimal, localcontext
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic

from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.engine.smallest import smallest_numbers
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.random_numbers import Numbers


class SimpleRandomWithReplacement(ISamplingDesign):
    """Draw n times one of all rows. A row stands once in the sample, with the number of its draws."""

    design: Literal["simple_random_with_replacement"] = "simple_random_with_replacement"
    n: int = pydantic.Field(gt=0, le=100_000_000, description="Draws; each takes about 50 bytes of memory.")

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"Simple random sample of {counted(self.n, 'draw')} with replacement"

    def choose(self, rows: Rows) -> Choice:
        """Choose the rows with the smallest numbers; π = 1 - (1 - 1/N)**n, and the weight is draws N / n.

        With this weight, a weighted total is the estimator of Hansen and Hurwitz.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.3.3 (and 2.9).
        """
        counts = _draws(rows.identity.numbers_for("draw", self.n), rows.count) if rows.count else np.empty(0, np.int64)
        kept = smallest_numbers(rows, len(counts))
        draws = np.empty(len(counts), np.int64)
        draws[np.lexsort((kept.ordinals, kept.values))] = counts
        chosen = chosen_rows(
            kept.ordinals,
            _share_drawn(self.n, rows.count),
            weights=draws * (rows.count / self.n),
            draws=pl.Series(draws, dtype=pl.Int64),
        )
        return Choice(chosen, rows.count, facts={"draws": self.n})


def _draws(numbers: Numbers, population_size: int) -> npt.NDArray[np.int64]:
    """Return how often each ball is drawn that is drawn at all, in the order of their first draws: so draws nest."""
    uniform = (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53
    balls = np.floor(uniform * population_size).astype(np.int64)
    _, first, counts = np.unique(balls, return_index=True, return_counts=True)
    found: npt.NDArray[np.int64] = counts[np.argsort(first)]
    return found


def _share_drawn(n: int, population_size: int) -> float:
    """Return 1 - (1 - 1/N)**n, with the same digits on every machine."""
    with localcontext() as context:
        context.prec = 50
        return float(1 - (1 - 1 / Decimal(max(1, population_size))) ** n)
