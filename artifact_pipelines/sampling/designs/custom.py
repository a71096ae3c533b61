"""Rows chosen by a condition, not at random."""

import dataclasses
from typing import Literal

import pydantic

from artifact_pipelines.sampling.engine.choice import Choice, choice_by_rule, chosen_rows
from artifact_pipelines.sampling.engine.rows import Batch, Mask, Rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.sql_expression import SqlCondition


class Custom(ISamplingDesign):
    """Take all rows that fulfil a condition: a census of them, and no sample of the others."""

    design: Literal["custom"] = "custom"
    condition: str = pydantic.Field(min_length=1, description="SQL condition in DuckDB's dialect.")

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"All rows with `{self.condition}`"

    def choose(self, rows: Rows) -> Choice:
        """Choose the rows for which the condition is true; π = 1."""
        with SqlCondition("condition", self.condition, rows.population.schema()) as condition:

            def keep(batch: Batch) -> Mask:
                return condition.evaluate(batch.read(condition.columns)).fill_null(value=False).to_numpy()

            note = "Rows are chosen by a condition, not at random: the weights are 1, and stand for no other rows."
            found = choice_by_rule(rows, keep, lambda batch: chosen_rows(batch.ordinals, 1.0), notes=[note])
        return dataclasses.replace(found, population_size=found.drawn)
