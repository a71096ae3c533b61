"""Rows that a user's SQL condition leaves in."""

from artifact_pipelines.sampling.rows import Rows
from artifact_pipelines.tabular.sql_expression import SqlCondition


def rows_where(rows: Rows, condition: str | None) -> Rows:
    """Return the rows for which a condition is true; without a condition all.

    Raises:
        SqlExpressionError: It is not one SQL expression over the columns.
    """
    if condition is None:
        return rows
    with SqlCondition("where", condition, rows.population.schema()) as checked:
        return rows.filtered(lambda batch: checked.evaluate(batch.read(checked.columns)).fill_null(False).to_numpy())
