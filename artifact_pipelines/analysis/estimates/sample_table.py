"""The rows of a sample, read column by column."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import polars as pl

from artifact_pipelines.analysis.estimates.influences import Codes, Floats
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.tabular.sql_expression import SqlExpression

_CODE = "__code"


@dataclasses.dataclass(frozen=True)
class Variable:
    """A number for each row.

    Attributes:
        values: (rows,) 0 where there is none.
        is_given: (rows,) False where the value is null.
    """

    values: Floats
    is_given: np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclasses.dataclass(frozen=True)
class SampleTable:
    """The rows of a sample, or of one of its rounds, in the order of its table.

    Only the columns that an estimate needs are in memory, with 8 bytes a row each.
    """

    scan: pl.LazyFrame
    round: int | None = None

    def read(self, columns: Sequence[str], parameter: str) -> pl.DataFrame:
        """Return some columns.

        Raises:
            InvalidArgumentError: The sample lacks one, which the parameter names.
        """
        schema = self.scan.collect_schema()
        if missing := [name for name in columns if name not in schema]:
            raise InvalidArgumentError(parameter, missing, f"among the columns of the sample: {', '.join(schema)}")
        rows = self.scan if self.round is None else self.scan.filter(pl.col("round") == self.round)
        return rows.select(columns).collect(engine="in-memory")

    def numbers(self, name: str) -> Floats:
        """Return a column of numbers without nulls that the sample's design has added."""
        return self.read([name], "sample")[name].cast(pl.Float64).to_numpy()

    def variable(self, sql: str, parameter: str) -> Variable:
        """Return a column, or a SQL expression, as numbers; true is 1 and false 0.

        Raises:
            InvalidArgumentError: It is no number, or a value is NaN or infinite.
            SqlExpressionError: It is no expression over the columns.
        """
        schema = self.scan.collect_schema()
        if sql in schema:
            found = self.read([sql], parameter)[sql]
        else:
            with SqlExpression(parameter, sql, schema) as expression:
                found = expression.evaluate(self.read(expression.columns or schema.names()[:1], parameter))
        if not (found.dtype.is_numeric() or found.dtype in (pl.Boolean, pl.Null)):
            raise InvalidArgumentError(parameter, f"{sql!r}, of type {found.dtype}", "a number for each row")
        numbers = found.cast(pl.Float64)
        finite = numbers.is_finite().fill_null(value=True)
        if not finite.all():
            row = int(finite.arg_min() or 0)
            place = f"{parameter}: `{sql}` in row {row + 1:,} of the sample"
            raise InvalidArgumentError(place, numbers[row], "finite; an expression can make null of it")
        return Variable(numbers.fill_null(0.0).to_numpy(), numbers.is_not_null().to_numpy())


def coded(columns: pl.DataFrame) -> tuple[Codes, pl.DataFrame]:
    """Return the code of each row's values, and the different values in order, nulls last."""
    names = [f"c{number}" for number in range(columns.width)]
    renamed = columns.rename(dict(zip(columns.columns, names, strict=True)))
    distinct = renamed.unique().sort(names, nulls_last=True)
    joined = renamed.join(distinct.with_row_index(_CODE), on=names, how="left", nulls_equal=True, maintain_order="left")
    return joined[_CODE].to_numpy().astype(np.int64), distinct.rename(dict(zip(names, columns.columns, strict=True)))
