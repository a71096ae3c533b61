"""Sampling with probabilities proportional to size."""

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import numpy as np
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic import conditional_poisson, ranks
from artifact_pipelines.sampling.arithmetic.elementary import Floats, uniforms
from artifact_pipelines.sampling.arithmetic.exact_sums import ExactSums
from artifact_pipelines.sampling.arithmetic.proportional_to_size import (
    APPROXIMATE,
    MANY,
    ProportionalToSize,
    proportional_to_size,
)
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.pilot import guess_bound, guess_certain_size, pilot_sizes
from artifact_pipelines.sampling.engine.rows import Batch, Rows
from artifact_pipelines.sampling.engine.sizes import known_sizes, notes_on_sizes, sizes_of
from artifact_pipelines.sampling.engine.smallest_ranks import Ranked, SmallestRanks, together
from artifact_pipelines.sampling.interfaces import ISamplingDesign

_RANKS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "sequential_poisson": ranks.sequential_poisson_ranks,
    "pareto": ranks.pareto_ranks,
}
_CLEARLY_BELOW_1 = 1 - 1e-9


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """The rows drawn, the rule of their probabilities, the sum of all sizes, and the rows with a size above 0."""

    found: Ranked
    rule: ProportionalToSize
    total: Fraction
    sized: int


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
        method = self.method.replace("_", " ")
        return f"{counted(self.n, 'row')} with probabilities proportional to `{self.size}` ({method})"

    def choose(self, rows: Rows) -> Choice:
        """Choose in one pass over the sizes.

        Source:
            Ohlsson, 1998; Rosén, 1997; Hájek, 1964: see `ranks` and `conditional_poisson`.
        """
        rows.check_columns("size", [self.size])
        exact = self.method == "conditional_poisson"
        drawn = self._exactly(rows) if exact else self._by_ranks(rows)
        found = drawn.found.by_position()
        return Choice(
            chosen_rows(found.ordinals, drawn.rule.probabilities(found.sizes)),
            drawn.sized,
            planned=self.n,
            facts={
                "inclusion_probabilities": "exact" if exact else "approximate",
                "certain_rows": drawn.rule.certain,
                "certain_from_size": drawn.rule.certain_from if drawn.rule.certain else None,
                "total_size": float(drawn.total),
                "rows_without_size": rows.count - drawn.sized,
            },
            notes=[*notes_on_sizes(self.n, drawn.sized, rows.count, "size"), *self._notes(drawn.sized)],
            known=known_sizes(rows, self.size, found.sizes),
        )

    def _notes(self, sized: int) -> list[str]:
        if self.method != "sequential_poisson" or self.n >= min(sized, MANY):
            return []
        return [APPROXIMATE.format(few="rows", exact="`method: pareto` comes nearer, `conditional_poisson` has them")]

    def _by_ranks(self, rows: Rows) -> _Drawn:
        pilot, margin = pilot_sizes(rows, self.size, "size"), _margin(self.n)
        near = guess_bound(self.n + margin, rows.count, pilot, ranks.ratio)
        drawn = self._drawn(rows, margin, near, guess_certain_size(self.n, rows.count, pilot))
        while drawn is None:
            margin = 4 * margin + 1
            drawn = self._drawn(rows, margin, np.inf, 0.0)
        return drawn

    def _drawn(self, rows: Rows, margin: int, reach: float, certain_size: float) -> _Drawn | None:
        """Keep the rows with the smallest u / x, a few more than n, and the n largest; what decides follows from these.

        A row that was not kept has u > c π. Its rank is above c, if c is 1 or more, in either method.

        Args:
            margin: How many more.
            reach: u / x of the kept rows at most.
            certain_size: Size of the kept rows at least, among the n largest.

        Returns:
            None if rows that were not kept might decide.
        """
        near, sums, sized = SmallestRanks(self.n + margin, reach), ExactSums(), 0
        large = SmallestRanks(self.n, -certain_size if certain_size else np.inf)

        def measure(batch: Batch) -> tuple[Ranked, Ranked, ExactSums, int]:
            sizes, part = sizes_of(batch, self.size, "size"), ExactSums()
            part.add(sizes)
            reached = ranks.rows_in_reach(batch.numbers, sizes, near.bound)
            kept = Ranked(
                uniforms(batch.numbers[reached]), batch.numbers[reached], batch.ordinals[reached], sizes[reached]
            )
            big = np.flatnonzero(sizes >= -large.bound)
            biggest = Ranked(-sizes[big], batch.numbers[big], batch.ordinals[big], sizes[big])
            return dataclasses.replace(kept, ranks=kept.ranks / kept.sizes), biggest, part, int(np.count_nonzero(sizes))

        for kept, biggest, part, count in rows.map(measure):
            near.add(kept)
            large.add(biggest)
            sums.merge(part)
            sized += count
        biggest, total = large.smallest(), sums.totals()[0]
        rule = proportional_to_size(self.n, total, biggest.sizes)
        kept = near.smallest()  # each step replaces these rows, so that memory holds them once
        farthest = min(reach, kept.ranks.max(initial=0)) / rule.factor if len(kept) < sized and rule.factor else np.inf
        kept = kept.at(kept.sizes < rule.certain_from)
        rank = _RANKS[self.method](uniforms(kept.numbers), rule.probabilities(kept.sizes))
        kept = dataclasses.replace(kept, ranks=rank).smallest(min(self.n, sized) - rule.certain)
        enough = len(kept) == min(self.n, sized) - rule.certain and certain_size * rule.factor < _CLEARLY_BELOW_1
        if not enough or (len(kept) and not max(1.0, kept.ranks.max()) < farthest):
            return None
        certain = biggest.at(biggest.sizes >= rule.certain_from)
        return _Drawn(together([certain, kept]), rule, total, sized)

    def _exactly(self, rows: Rows) -> _Drawn:
        if rows.count > conditional_poisson.LARGEST_POPULATION:
            expected = f"pareto or sequential_poisson for more than {conditional_poisson.LARGEST_POPULATION:,} rows"
            raise InvalidArgumentError("method", self.method, expected)

        def measure(batch: Batch) -> Ranked:
            sizes = sizes_of(batch, self.size, "size")
            return Ranked(-sizes, batch.numbers, batch.ordinals, sizes)

        # An order that is that of no table, so that sums are the same whatever the order of the table.
        every = together(list(rows.map(measure))).ordered()
        sums = ExactSums()
        sums.add(every.sizes)
        rule = proportional_to_size(self.n, sums.totals()[0], every.sizes[: self.n])
        probabilities = rule.probabilities(every.sizes)
        working = conditional_poisson.working_probabilities(probabilities)
        size = round(float(probabilities.sum()))
        chosen = conditional_poisson.draw_conditional_poisson(every.numbers, working, size)
        return _Drawn(every.at(chosen), rule, sums.totals()[0], int(np.count_nonzero(every.sizes)))


def _margin(n: int) -> int:
    """Return six standard deviations of the number of rows with u < π, of which n are expected."""
    return math.ceil(6 * math.sqrt(n)) + 36
