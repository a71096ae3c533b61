"""Balanced sampling: the sample's weighted totals of some columns are those of the population."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic.cube import LARGEST_POPULATION, balanced_sample
from artifact_pipelines.sampling.arithmetic.elementary import Floats, Numbers, remixed, uniforms
from artifact_pipelines.sampling.arithmetic.proportional_to_size import probabilities_of
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.rows import Batch, Mask, Ordinals, Rows
from artifact_pipelines.sampling.engine.sizes import finite_values_of, sizes_of
from artifact_pipelines.sampling.fields.sample_size import notes_on_size
from artifact_pipelines.sampling.interfaces import ISamplingDesign


class Balanced(ISamplingDesign):
    """Draw n rows whose weighted totals of some columns are as near to those of the population as whole rows allow.

    It is the cube method. Inclusion probabilities are exact: equal, or proportional to a size. All rows are in memory,
    so there may be 100,000 at most. Unlike other designs, a larger sample need not contain the smaller one, and grown
    data may change all of it.
    """

    design: Literal["balanced"] = "balanced"
    n: int = pydantic.Field(gt=0, description="Rows to draw; a smaller table is taken whole.")
    balance_on: Sequence[str] = pydantic.Field(
        min_length=1, description="Columns to balance, the most important first."
    )
    size: str | None = pydantic.Field(default=None, description="Column of sizes; left out: equal probabilities.")

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"{counted(self.n, 'row')} balanced on {', '.join(self.balance_on)}"

    def choose(self, rows: Rows) -> Choice:
        """Choose by the cube method, with rows and decisions in an order that no table has.

        Raises:
            InvalidArgumentError: There are more than 100,000 rows.

        Source:
            Deville and Tillé, 2004; Chauvet and Tillé, 2006: see `cube`.
        """
        rows.check_columns("balance_on", self.balance_on)
        if rows.count > LARGEST_POPULATION:
            expected = f"for at most {LARGEST_POPULATION:,} rows, not {rows.count:,}; `where:` can leave rows out, or"
            raise InvalidArgumentError("design", "balanced", f"{expected} `stratified` can take its place")
        numbers, ordinals, sizes, values = self._read(rows)
        probabilities = probabilities_of(self.n, sizes)
        drawable = int(np.count_nonzero(sizes))
        decisions = iter(uniforms(remixed(numbers, 1)).tolist())
        columns = np.column_stack([probabilities, values])
        chosen = balanced_sample(probabilities, columns, lambda share: next(decisions) < share)
        notes = notes_on_size(self.n, drawable)
        return Choice(
            chosen_rows(ordinals[chosen], probabilities[chosen]),
            drawable,
            planned=self.n,
            facts={"inclusion_probabilities": "exact", "balance": self._balance(values, probabilities, chosen)},
            notes=notes,
        )

    def _read(self, rows: Rows) -> tuple[Numbers, Ordinals, Floats, Floats]:
        """Return all rows by their numbers: numbers, positions, sizes, and the columns to balance."""

        def read(batch: Batch) -> tuple[Numbers, Ordinals, Floats, Floats]:
            sizes = sizes_of(batch, self.size, "size") if self.size else np.ones(len(batch))
            values = [finite_values_of(batch, column, "balance_on") for column in self.balance_on]
            return batch.numbers, batch.ordinals, sizes, np.column_stack(values)

        parts = list(rows.map(read))
        if not parts:
            return np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0), np.empty((0, len(self.balance_on)))
        numbers = np.concatenate([one[0] for one in parts])
        ordinals = np.concatenate([one[1] for one in parts])
        order = np.lexsort((ordinals, numbers))
        sizes = np.concatenate([one[2] for one in parts])
        values = np.concatenate([one[3] for one in parts])
        return numbers[order], ordinals[order], sizes[order], values[order]

    def _balance(self, values: Floats, probabilities: Floats, chosen: Mask) -> dict[str, dict[str, float]]:
        """Return the total of each column, and the total that the sample estimates."""
        estimates = (values[chosen] / probabilities[chosen, None]).sum(axis=0).tolist()
        totals = values.sum(axis=0).tolist()
        return {
            column: {"total": total, "estimated": estimate}
            for column, total, estimate in zip(self.balance_on, totals, estimates, strict=True)
        }
