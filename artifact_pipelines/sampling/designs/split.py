"""Parts of a table, such as those to train and to test with.

One idea: the number of a row decides its part, so it never changes sides when the data grow.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic

from artifact_pipelines.sampling.engine.choice import Choice, choice_by_rule, chosen_rows
from artifact_pipelines.sampling.engine.rows import Batch, Mask, Rows
from artifact_pipelines.sampling.fields.sample_size import exactly
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.random_numbers import Numbers, permanent_random_numbers

_Share = Annotated[float, pydantic.Field(gt=0, le=1)]


class Split(ISamplingDesign):
    """Put each row into one of several parts, whose shares of the rows are given."""

    design: Literal["split"] = "split"
    shares: Mapping[str, _Share] = pydantic.Field(
        min_length=1, description="Share of each part by its name; if they are less than 1, the rest is left out."
    )
    part: str | None = pydantic.Field(
        default=None, description="Only the rows of this part; left out: all, with the column `split`."
    )
    together: Sequence[str] = pydantic.Field(
        default=(), description="Columns whose equal values stay in one part, such as the customer of an order."
    )

    @pydantic.field_validator("shares")
    @classmethod
    def _check_shares(cls, shares: Mapping[str, float]) -> Mapping[str, float]:
        if sum(map(exactly, shares.values())) > 1:
            raise ValueError("the shares of all parts add up to more than 1")
        return shares

    @pydantic.field_validator("part")
    @classmethod
    def _check_part(cls, part: str | None, info: pydantic.ValidationInfo) -> str | None:
        if part is not None and part not in info.data.get("shares", [part]):
            raise ValueError(f"there is no such part, but {', '.join(info.data['shares'])}")
        return part

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        shares = ", ".join(f"{name} {share:g}" for name, share in self.shares.items())
        return f"Split into {shares}" + (f", of which {self.part}" if self.part is not None else "")

    def choose(self, rows: Rows) -> Choice:
        """Choose the rows of a part, whose u is in its range of [0, 1): π is its share; of all parts their sum."""
        rows.check_flat("together", self.together)
        names = list(self.shares)
        ends = [int(end * 2**64) - 1 for end in accumulate(map(exactly, self.shares.values()), initial=Fraction(0))]
        drawn = float(sum(map(exactly, self.shares.values()))) if self.part is None else self.shares[self.part]
        last = np.array(ends[1:], np.uint64)

        def parts(batch: Batch) -> npt.NDArray[np.intp]:
            return np.searchsorted(last, self._numbers(batch, rows.identity.seed))

        def keep(batch: Batch) -> Mask:
            found: Mask = parts(batch) < len(names) if self.part is None else parts(batch) == names.index(self.part)
            return found

        def describe(batch: Batch) -> pl.DataFrame:
            split = pl.Series(names, dtype=pl.String)[parts(batch)]
            return chosen_rows(batch.ordinals, drawn, split=split)

        note = (
            "The weights are for all parts together: draw a `part` alone for weights by which it stands for all rows."
        )
        return choice_by_rule(rows, keep, describe, notes=[note] if self.part is None else [])

    def _numbers(self, batch: Batch, seed: int) -> Numbers:
        return permanent_random_numbers(batch.read(self.together), seed) if self.together else batch.numbers
