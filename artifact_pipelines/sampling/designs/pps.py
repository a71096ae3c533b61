"""Sampling with probabilities proportional to size."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling import conditional_poisson, ranks
from artifact_pipelines.sampling.choice import Choice, chosen_rows
from artifact_pipelines.sampling.designs.weighted import notes_on_sizes
from artifact_pipelines.sampling.elementary import Floats, uniforms
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.proportional_to_size import ProportionalToSize, SizeTotals
from artifact_pipelines.sampling.rows import Batch, Rows
from artifact_pipelines.sampling.sizes import sizes_of
from artifact_pipelines.sampling.smallest_ranks import Ranked, SmallestRanks

_RANKS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "sequential_poisson": ranks.sequential_poisson_ranks,
    "pareto": ranks.pareto_ranks,
}


class Pps(ISamplingDesign):
    """Draw n rows with inclusion probabilities proportional to their sizes.

    Rows so large that their probability would reach 1 are certain, and the others share the rest.

    `sequential_poisson` and `pareto` are for tables of any size. Their inclusion probabilities are close to the ones
    that the sample states, and the closer the larger n; those of `pareto` are much closer. A larger
    `sequential_poisson` sample with the same seed contains the smaller one unless more rows become certain.
    `conditional_poisson` has exactly the stated probabilities, for up to 100,000 rows.
    """

    design: Literal["pps"] = "pps"
    n: int = pydantic.Field(gt=0, description="Rows to draw; a smaller table is taken whole.")
    size: str = pydantic.Field(description="Column of the sizes; rows of size 0 are never drawn.")
    method: Literal["sequential_poisson", "pareto", "conditional_poisson"] = "sequential_poisson"

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"{self.n:,} rows with probabilities proportional to `{self.size}` ({self.method.replace('_', ' ')})"

    def choose(self, rows: Rows) -> Choice:
        """Choose in two passes over the sizes: their sum and the largest of them, then the rows.

        Source:
            Ohlsson, 1998; Rosén, 1997; Hájek, 1964: see `ranks` and `conditional_poisson`.
        """
        rows.check_columns("size", [self.size])
        totals = SizeTotals(self.n)
        for one in rows.map(self._totals):
            totals.merge(one)
        rule = totals.rule()
        drawn = self._exactly(rows, rule) if self.method == "conditional_poisson" else self._by_ranks(rows, rule)
        return Choice(
            chosen_rows(drawn.ordinals, rule.probabilities(drawn.sizes)),
            totals.positive,
            planned=self.n,
            facts={
                "inclusion_probabilities": "exact" if self.method == "conditional_poisson" else "approximate",
                "certain_rows": rule.certain,
                "certain_from_size": rule.certain_from if rule.certain else None,
                "total_size": float(totals.total),
                "rows_without_size": rows.count - totals.positive,
            },
            notes=notes_on_sizes(self.n, totals.positive, rows.count, "size"),
        )

    def _totals(self, batch: Batch) -> SizeTotals:
        totals = SizeTotals(self.n)
        totals.add(sizes_of(batch, self.size, "size"))
        return totals

    def _by_ranks(self, rows: Rows, rule: ProportionalToSize) -> Ranked:
        found = SmallestRanks(self.n)

        def measure(batch: Batch) -> Ranked:
            sizes = sizes_of(batch, self.size, "size")
            rank = _RANKS[self.method](uniforms(batch.numbers), rule.probabilities(sizes))
            near = np.flatnonzero((rank <= found.bound) & (sizes > 0))
            return Ranked(rank[near], batch.numbers[near], batch.ordinals[near], sizes[near])

        for ranked in rows.map(measure):
            found.add(ranked)
        return found.smallest()

    def _exactly(self, rows: Rows, rule: ProportionalToSize) -> Ranked:
        if rows.count > conditional_poisson.LARGEST_POPULATION:
            expected = f"pareto or sequential_poisson for more than {conditional_poisson.LARGEST_POPULATION:,} rows"
            raise InvalidArgumentError("method", self.method, expected)
        everything = SmallestRanks(rows.count)

        def measure(batch: Batch) -> Ranked:
            sizes = sizes_of(batch, self.size, "size")
            return Ranked(rule.probabilities(sizes), batch.numbers, batch.ordinals, sizes)

        for ranked in rows.map(measure):
            everything.add(ranked)
        ordered = everything.smallest()  # an order that is that of no table, so that sums are the same in each
        size = round(float(ordered.ranks.sum()))
        working = conditional_poisson.working_probabilities(ordered.ranks)
        return ordered.at(conditional_poisson.draw_conditional_poisson(ordered.numbers, working, size))
