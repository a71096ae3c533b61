"""Poisson sampling: each row is drawn by itself, with a probability of its own."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import polars as pl
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.engine.choice import Choice, choice_by_rule, chosen_rows
from artifact_pipelines.sampling.engine.rows import Batch, Mask, Rows
from artifact_pipelines.sampling.engine.sizes import Floats, notes_on_sizes, rule_for_sizes, sizes_of
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.sql_expression import SqlExpression


class Poisson(ISamplingDesign):
    """Draw each row with a probability of its own, independently of all others. The size of the sample is random."""

    design: Literal["poisson"] = "poisson"
    probability: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="SQL expression of a row's probability, such as a column; 0 is never drawn.",
    )
    n: int | None = pydantic.Field(
        default=None, gt=0, description="Rows expected, in place of `probability`: proportional to `size`."
    )
    size: str | None = pydantic.Field(
        default=None, validate_default=True, description="Column of the sizes; rows of size 0 are never drawn."
    )

    @pydantic.field_validator("size")
    @classmethod
    def _check_size(cls, size: str | None, info: pydantic.ValidationInfo) -> str | None:
        """Refuse anything but a probability, or a number of rows and a size."""
        given = [info.data[name] is not None for name in ("probability", "n") if name in info.data]
        if len(given) == 2 and [*given, size is not None] not in ([True, False, False], [False, True, True]):
            raise ValueError("give either probability, or n, the rows to expect, and size")
        return size

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        if self.probability is None:
            return (
                f"Poisson sample: about {counted(self.n or 0, 'row')}, with probabilities proportional to `{self.size}`"
            )
        return f"Poisson sample: each row with probability `{self.probability}`"

    def choose(self, rows: Rows) -> Choice:
        """Choose the rows with u < π.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.5.
        """
        if self.size is not None and self.n is not None:
            return self._by_size(rows, self.size, self.n)
        probabilities = _stated(self.probability or "", rows.population.schema())
        return _drawn(rows, probabilities)

    def _by_size(self, rows: Rows, size: str, n: int) -> Choice:
        rows.check_columns("size", [size])
        rule, sized = rule_for_sizes(rows, size, n)
        found = _drawn(rows, lambda batch: rule.probabilities(sizes_of(batch, size, "size")))
        facts = {
            "expected_size": min(n, sized),
            "certain_rows": rule.certain,
            "certain_from_size": rule.certain_from if rule.certain else None,
            "rows_without_size": rows.count - sized,
        }
        return dataclasses.replace(
            found, population_size=sized, facts=facts, notes=notes_on_sizes(n, sized, rows.count, "size")
        )


def _drawn(rows: Rows, probabilities: Callable[[Batch], Floats]) -> Choice:
    def keep(batch: Batch) -> Mask:
        shares = probabilities(batch)
        below = np.minimum(shares, np.nextafter(1.0, 0.0)) * 2.0**64  # exact
        drawn: Mask = (batch.numbers < below.astype(np.uint64)) | (shares == 1)
        return drawn

    return choice_by_rule(rows, keep, lambda batch: chosen_rows(batch.ordinals, probabilities(batch)))


def _stated(expression: str, schema: pl.Schema) -> Callable[[Batch], Floats]:
    """Return the probabilities that a column or an expression says."""
    if expression in schema:  # as most are; DuckDB would only return it
        return lambda batch: _checked(batch.read([expression]).to_series(), batch, expression)
    sql = SqlExpression("probability", expression, schema)
    return lambda batch: _checked(sql.evaluate(batch.read(sql.columns)), batch, expression)


def _checked(values: pl.Series, batch: Batch, expression: str) -> Floats:
    """Return probabilities.

    Raises:
        InvalidArgumentError: One is none.
    """
    if not values.dtype.is_numeric():
        raise InvalidArgumentError("probability", f"{expression!r}, of type {values.dtype}", "a number for each row")
    shares = values.cast(pl.Float64).to_numpy()
    good = (shares >= 0) & (shares <= 1)
    if not good.all():
        row = int(np.argmin(good))
        place = f"probability: `{expression}` in row {batch.ordinals[row] + 1:,}"
        raise InvalidArgumentError(place, values[row], "from 0 to 1 (`where:` can leave rows out)")
    return shares
