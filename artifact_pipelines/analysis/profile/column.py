"""What the measures of all types of columns have in common."""

import abc
import dataclasses

import numpy as np
import pyarrow as pa

from artifact_pipelines.analysis.profile.distinct import Limit
from artifact_pipelines.analysis.profile.summary import ColumnSummary, merge_columns
from artifact_pipelines.tabular.random_numbers import Numbers


class Column(abc.ABC):
    """A column of a unit. Takes its batches, and has a summary at the end."""

    def __init__(self, kind: pa.DataType, limit: Limit) -> None:
        self._kind = kind
        self._limit = limit
        self._summary = self._empty()

    def add(self, column: pa.Array) -> Numbers | None:
        """Take a batch, and return the numbers of its values that are not null: equal ones have the same number."""
        nulls = column.null_count
        present = column.drop_null() if nulls else column
        measured, numbers = self._measure(present) if len(present) else (self._empty(), np.empty(0, np.uint64))
        batch = dataclasses.replace(measured, rows=len(column), nulls=nulls)
        self._summary = merge_columns(self._summary, batch)
        return numbers

    @abc.abstractmethod
    def _empty(self) -> ColumnSummary: ...

    @abc.abstractmethod
    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers | None]:
        """Return the statistics, and the number, of at least one value."""

    def finish(self) -> ColumnSummary:
        """Return the statistics of all batches."""
        return self._summary


class OtherColumn(Column):
    """Nested values and columns of the null type: only rows and nulls are counted."""

    def _empty(self) -> ColumnSummary:
        return ColumnSummary()

    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers | None]:
        return ColumnSummary(), None
