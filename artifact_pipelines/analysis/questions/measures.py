"""Named measures of columns, such as the mean of `delay`: their SQL and what they mean."""

from collections.abc import Mapping
from typing import Annotated, Literal

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.questions.ready_made import Column, IReadyMade, Types
from artifact_pipelines.tabular.locked_duckdb import quoted

Function = Literal["count", "distinct", "sum", "mean", "median", "min", "max"]


def _one_function(measure: Mapping[Function, str]) -> Mapping[Function, str]:
    if len(measure) != 1:
        raise ValueError("a measure is `count`, or one function of one column, such as {mean: delay}")
    return measure


Measure = Literal["count"] | Annotated[Mapping[Function, Column], pydantic.AfterValidator(_one_function)]
_COUNT: Measure = "count"
_MEANINGS: Mapping[Function, str] = {
    "count": "Rows in which {} is not null",
    "distinct": "Different values of {}, null not counted",
    "sum": "Sum of {}, in its unit; null left out",
    "mean": "Mean of {}, in its unit; null left out",
    "median": "Median of {}, in its unit; null left out",
    "min": "Smallest value of {}, in its unit; NaN is above all others",
    "max": "Largest value of {}, in its unit; NaN is above all others",
}


class IMeasured(IReadyMade):
    """A ready-made question that has measures of rows."""

    measures: Annotated[Mapping[Column, Measure], pydantic.Field(min_length=1)] = pydantic.Field(
        default={"rows": _COUNT},
        description="By name: `count`, or {mean: column}; also sum, median, min, max, distinct, count of a column.",
    )

    def measured_columns(self) -> list[str]:
        """Return the columns that the measures read."""
        given = (measure for measure in self.measures.values() if not isinstance(measure, str))
        return [column for measure in given for column in measure.values()]

    def measured(self, types: Types) -> str:
        """Return SQL for the measures."""
        return ", ".join(f"{_sql_of(measure, types)} AS {quoted(name)}" for name, measure in self.measures.items())

    def counts(self) -> list[str]:
        """Return the names of the measures that are 0, not null, where there are no rows."""
        return [name for name, each in self.measures.items() if {"count", "distinct"} & set(_names(each))]

    def measured_meanings(self) -> dict[str, str]:
        """Return meaning and unit of each measure."""
        return {
            name: "Rows" if isinstance(each, str) else _MEANINGS[next(iter(each))].format(*each.values())
            for name, each in self.measures.items()
        }


def _names(measure: Measure) -> list[str]:
    return [measure] if isinstance(measure, str) else list(measure)


def _sql_of(measure: Measure, types: Types) -> str:
    if isinstance(measure, str):
        return "count(*)"
    [(function, column)] = measure.items()
    name, kind = quoted(column), types[column]
    if function in ("sum", "mean") and pa.types.is_floating(kind):
        return f"fsum({name})" if function == "sum" else f"favg({name})"  # compensated
    if function == "sum" and pa.types.is_integer(kind):
        return f"CAST(sum({name}) AS DECIMAL(38, 0))"  # exact
    if function == "distinct":
        return f"count(DISTINCT {name})"
    return f"avg({name})" if function == "mean" else f"{function}({name})"
