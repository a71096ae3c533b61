"""The rows that a design can draw: those of its condition, with the numbers of its seed and wave."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.sampling.engine.population import Population
from artifact_pipelines.sampling.engine.rows import Identity, Rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.sql_expression import SqlCondition


def rows_of(population: Population, design: ISamplingDesign, key: Sequence[str]) -> Rows:
    """Return the rows that a design can draw.

    Raises:
        SqlExpressionError: Its condition is not one SQL expression over the columns.
        InvalidArgumentError: It has a panel, and not the same share of all rows.
    """
    rows = rows_where(Rows(population, Identity(key, design.seed)), design.where)
    if design.panel is None:
        return rows
    shift = design.panel.shift(design.share())
    return dataclasses.replace(rows, identity=dataclasses.replace(rows.identity, shift=shift))


def rows_where(rows: Rows, condition: str | None) -> Rows:
    """Return the rows for which a condition is true; without a condition all.

    Raises:
        SqlExpressionError: It is not one SQL expression over the columns.
    """
    if condition is None:
        return rows
    with SqlCondition("where", condition, rows.population.schema()) as checked:
        return rows.filtered(lambda batch: checked.evaluate(batch.read(checked.columns)).fill_null(False).to_numpy())
