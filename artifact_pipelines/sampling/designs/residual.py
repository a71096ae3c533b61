"""The rows that other samples leave."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pydantic

from artifact_pipelines.sampling.choice import Choice, chosen_rows
from artifact_pipelines.sampling.excluding import IExcludingDesign, OtherSample
from artifact_pipelines.sampling.rows import Rows


class Residual(IExcludingDesign):
    """Take all rows that are in none of some other samples of the same table."""

    design: Literal["residual"] = "residual"
    exclude: Sequence[OtherSample] = pydantic.Field(
        min_length=1, description="Samples of the same dataset; their rows are left out. In Python also designs."
    )

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return "All rows that other samples leave"

    def choose(self, rows: Rows) -> Choice:
        """Choose every row; π = 1, as it is of the rows that are left."""
        left = self.rest(rows)
        ordinals = np.concatenate([np.empty(0, np.int64), *left.map(lambda batch: batch.ordinals)])
        return Choice(chosen_rows(ordinals, 1.0), left.count)
