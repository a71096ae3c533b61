"""Poisson sampling: each row is drawn by itself, with a probability of its own."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.engine.choice import Choice, choice_by_rule, chosen_rows
from artifact_pipelines.sampling.engine.rows import Batch, Mask, Rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.sql_expression import SqlExpression


class Poisson(ISamplingDesign):
    """Draw each row with a probability of its own, independently of all others. The size of the sample is random."""

    design: Literal["poisson"] = "poisson"
    probability: str = pydantic.Field(
        min_length=1, description="SQL expression of a row's probability, such as a column; 0 is never drawn."
    )

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"Poisson sample: each row with probability `{self.probability}`"

    def choose(self, rows: Rows) -> Choice:
        """Choose the rows with u < π.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.5.
        """
        values = self._values(rows.population.schema())

        def probabilities(batch: Batch) -> npt.NDArray[np.float64]:
            return _checked(values(batch), batch, self.probability)

        def keep(batch: Batch) -> Mask:
            shares = probabilities(batch)
            below = np.minimum(shares, np.nextafter(1.0, 0.0)) * 2.0**64  # exact
            drawn: Mask = (batch.numbers < below.astype(np.uint64)) | (shares == 1)
            return drawn

        return choice_by_rule(rows, keep, lambda batch: chosen_rows(batch.ordinals, probabilities(batch)))

    def _values(self, schema: pl.Schema) -> Callable[[Batch], pl.Series]:
        if self.probability in schema:  # as most are; DuckDB would only return it
            return lambda batch: batch.read([self.probability]).to_series()
        expression = SqlExpression("probability", self.probability, schema)
        return lambda batch: expression.evaluate(batch.read(expression.columns))


def _checked(values: pl.Series, batch: Batch, expression: str) -> npt.NDArray[np.float64]:
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
