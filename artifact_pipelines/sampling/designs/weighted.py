"""Weighted (successive) sampling: rows drawn one after another, each in proportion to the weights of those left."""

from typing import Literal

import numpy as np
import pydantic

from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic import ranks
from artifact_pipelines.sampling.arithmetic.elementary import uniforms
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.pilot import guess_bound, pilot_sizes
from artifact_pipelines.sampling.engine.rows import Batch, Rows
from artifact_pipelines.sampling.engine.sizes import known_sizes, notes_on_sizes, sizes_of
from artifact_pipelines.sampling.engine.smallest_ranks import Ranked, SmallestRanks
from artifact_pipelines.sampling.interfaces import ISamplingDesign


class Weighted(ISamplingDesign):
    """Draw n rows one after another, each with a probability in proportion to its weight among the rows left.

    The share of samples that hold a row is not proportional to its weight (`pps` is the design for that) and has no
    closed form. So `inclusion_probability` is the probability given the numbers of all other rows; with it weighted
    totals are unbiased. A larger sample with the same seed contains the smaller one, and equal weights give the simple
    random sample.
    """

    design: Literal["weighted"] = "weighted"
    n: int = pydantic.Field(gt=0, description="Rows to draw; a smaller table is taken whole.")
    weight: str = pydantic.Field(description="Column of the weights; rows of weight 0 are never drawn.")

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"{counted(self.n, 'row')} drawn one after another with probabilities in proportion to `{self.weight}`"

    def choose(self, rows: Rows) -> Choice:
        """Choose the n rows with the smallest -log(1 - u) / w, in one pass.

        Source:
            Efraimidis and Spirakis, 2006; for the probabilities Duffield, Lund and Thorup, 2007: see `ranks`.
        """
        rows.check_columns("weight", [self.weight])
        drawn, weighty = self._smallest(rows)
        threshold = float(drawn.ranks.max()) if len(drawn) > self.n else np.inf
        drawn = drawn.smallest(self.n).by_position()
        probabilities = ranks.successive_probabilities(drawn.sizes, threshold)
        return Choice(
            chosen_rows(drawn.ordinals, probabilities),
            weighty,
            planned=self.n,
            facts={
                "inclusion_probabilities": "conditional on the numbers of the other rows",
                "rows_without_weight": rows.count - weighty,
            },
            notes=notes_on_sizes(self.n, weighty, rows.count, "weight"),
            known=known_sizes(rows, self.weight, drawn.sizes),
        )

    def _smallest(self, rows: Rows) -> tuple[Ranked, int]:
        """Return the n + 1 rows with the smallest ranks, and the number of rows that have a weight."""
        pilot = pilot_sizes(rows, self.weight, "weight")
        guess = guess_bound(self.n + 1, rows.count, pilot, ranks.successive_ranks)
        smallest, weighty = self._smallest_within(rows, guess)
        if len(smallest) < min(self.n + 1, weighty):
            return self._smallest_within(rows, np.inf)
        return smallest, weighty

    def _smallest_within(self, rows: Rows, bound: float) -> tuple[Ranked, int]:
        found, weighty = SmallestRanks(self.n + 1, bound), 0

        def measure(batch: Batch) -> tuple[Ranked, int]:
            weights = sizes_of(batch, self.weight, "weight")
            near = ranks.rows_in_reach(batch.numbers, weights, found.bound / ranks.SUCCESSIVE_SCALE)
            rank = ranks.successive_ranks(uniforms(batch.numbers[near]), weights[near])
            ranked = Ranked(rank, batch.numbers[near], batch.ordinals[near], weights[near])
            return ranked.at(rank <= found.bound), int(np.count_nonzero(weights))

        for ranked, count in rows.map(measure):
            found.add(ranked)
            weighty += count
        return found.smallest(), weighty
