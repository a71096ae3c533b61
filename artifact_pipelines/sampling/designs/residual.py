"""The rows that other samples leave."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pydantic

from artifact_pipelines.sampling.engine.choice import Choice, choice_by_rule, chosen_rows
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.fields.excluding import IExcludingDesign, OtherSample


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
        return choice_by_rule(
            self.rest(rows),
            lambda batch: np.ones(len(batch), np.bool_),
            lambda batch: chosen_rows(batch.ordinals, 1.0),
        )
