"""A sample's design as it is stored with the sample, for estimates from it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from artifact_pipelines.sampling.engine.choice import Stratum


class Frame(pydantic.BaseModel):
    """The table that a sample was drawn from.

    Attributes:
        rows: Rows of the table.
        population_size: N, those of them that the design could draw.
        file_id: Its file in the store, and its hash; None: it is not from a store.
    """

    model_config = pydantic.ConfigDict(frozen=True)
    rows: int
    population_size: int
    file_id: int | None = None
    content_hash: str | None = None


class DrawnDesign(pydantic.BaseModel):
    """How a sample was drawn.

    Attributes:
        design: Name of the design, such as `stratified`.
        parameters: Its fields that differ from their defaults.
        key: Columns that identify a row; empty: its position does.
        partition: Partition of the dataset; None: the table is whole.
        planned: n, the rows that the design fixes; None if their number is random.
        drawn: Rows of the sample.
        facts: What else estimates need to know.
        notes: Sentences on what a reader would not expect.
    """

    model_config = pydantic.ConfigDict(frozen=True)
    design: str
    parameters: Mapping[str, Any]
    seed: int
    key: Sequence[str]
    frame: Frame
    planned: int | None
    drawn: int
    strata: Sequence[Stratum] = ()
    facts: Mapping[str, Any] = {}
    notes: Sequence[str] = ()
    partition: str | None = None

    @property
    def exhausted(self) -> Sequence[Stratum]:
        """Return the strata with fewer rows than planned."""
        return [each for each in self.strata if each.planned is not None and each.drawn < each.planned]
