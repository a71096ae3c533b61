"""Simple random sampling without replacement.

One idea: a row's permanent random number does not depend on other rows, so a larger sample contains the smaller one,
and a sample hardly changes when the data grow.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

_NUMBER = "__permanent_random_number"
_ORDINAL = "__ordinal"
ADDED_COLUMNS = ("inclusion_probability", "sampling_weight")


class SimpleRandom(ISamplingDesign):
    """Draw n rows without replacement: over the seeds, each subset of n rows is equally likely."""

    design: Literal["simple_random"] = "simple_random"
    n: int = pydantic.Field(gt=0, description="Rows to draw; a smaller table is taken whole.")
    seed: int = pydantic.Field(default=0, ge=0, lt=2**63, description="Chooses one of all possible samples.")

    def description(self, dataset: str, key: Sequence[str]) -> str:
        """See `ISamplingDesign`."""
        return (
            f"Simple random sample of {self.n:,} rows of {dataset} without replacement, by permanent random numbers "
            f"(seed {self.seed}). Rows are identified by {', '.join(key) or 'their position'}.\n\nColumns: those of "
            "the table, then `inclusion_probability` and `sampling_weight`.\n\nCaveats: a larger sample with the same "
            "seed contains this one."
        )

    def draw(self, population: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
        """Draw in one pass with only n rows in memory; see `ISamplingDesign`.

        Returns:
            min(n, N) of the N rows, ordered by their permanent random numbers, so that a smaller sample with the same
            seed is the head of a larger one. Added columns: `inclusion_probability` π = min(n, N) / N, and
            `sampling_weight` 1 / π.

        Raises:
            InvalidArgumentError: A key column is missing, or the table already has an added column.
            UnsupportedTypeError: A key column has a type that identifies nothing.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.3.
        """
        schema = population.collect_schema()
        columns = schema.names()
        _check(key, columns)
        # Refuses an unsuitable column here with our own error; inside polars' engine it would be another.
        permanent_random_numbers(pl.DataFrame(schema={name: schema[name] for name in key}), self.seed)
        population_size = int(population.select(pl.len()).collect().item())
        share = min(self.n, population_size) / population_size if population_size else 1.0

        def draw(identity: pl.Series) -> pl.Series:
            return permanent_random_numbers(identity.struct.unnest(), self.seed)

        return (
            population.with_row_index(_ORDINAL)
            .with_columns(
                pl.struct(*(key or [_ORDINAL]))
                .map_batches(draw, return_dtype=pl.UInt64, is_elementwise=True)
                .alias(_NUMBER)
            )
            .bottom_k(self.n, by=[_NUMBER, _ORDINAL])
            .sort(_NUMBER, _ORDINAL)
            .select(
                *columns,
                pl.lit(share, dtype=pl.Float64).alias(ADDED_COLUMNS[0]),
                pl.lit(1 / share, dtype=pl.Float64).alias(ADDED_COLUMNS[1]),
            )
        )


def _check(key: Sequence[str], columns: Sequence[str]) -> None:
    if missing := [name for name in key if name not in columns]:
        raise InvalidArgumentError("key", missing, f"among the columns: {', '.join(columns)}")
    if taken := [name for name in (*ADDED_COLUMNS, _NUMBER, _ORDINAL) if name in columns]:
        raise InvalidArgumentError("population", taken, "a table without the columns that a sample adds: rename them")
