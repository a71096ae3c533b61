"""The rows that a design can draw: those of its condition, with the numbers of its seed, identity and wave."""

import dataclasses

from artifact_pipelines.sampling.engine.population import Population
from artifact_pipelines.sampling.engine.repeats import find_repeats
from artifact_pipelines.sampling.engine.rows import Identity, Key, Rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.sql_expression import SqlCondition


def rows_of(population: Population, design: ISamplingDesign, key: Key) -> Rows:
    """Return the rows that a design can draw.

    Raises:
        SqlExpressionError: Its condition is not one SQL expression over the columns.
        InvalidArgumentError: It has a panel, and not the same share of all rows; or the columns that identify a row
            are not in the table, or nested.
    """
    rows = rows_where(Rows(population, _identity(population, design, key)), design.where)
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


def _identity(population: Population, design: ISamplingDesign, key: Key) -> Identity:
    by_all = design.identity == "row"
    columns = population.schema().names() if by_all else () if design.identity == "position" else key.columns
    Rows(population, Identity(columns, design.seed)).check_flat("identity: row" if by_all else "key", columns)
    is_unique = not columns or (key.is_unique and not by_all)
    return Identity(columns, design.seed, key, None if is_unique else find_repeats(population, columns))
