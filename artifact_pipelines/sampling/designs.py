"""Sampling designs as rules on permanent random numbers.

One idea: a row's number does not depend on other rows, so samples nest when they grow and hardly change when data do.
"""

from collections.abc import Sequence

import polars as pl

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

_NUMBER = "__permanent_random_number"
_ORDINAL = "__ordinal"
ADDED_COLUMNS = ("inclusion_probability", "sampling_weight")


def simple_random_sample(population: pl.LazyFrame, n: int, seed: int, key: Sequence[str] = ()) -> pl.LazyFrame:
    """Draw n rows without replacement, each subset of n rows being equally likely over the seeds.

    One pass; the n rows are all that is held of the population.

    Args:
        population: N rows.
        n: Rows to draw, at least 1; a population of fewer rows is taken whole.
        seed: 0 to 2**63 - 1: which of all possible samples.
        key: Columns that identify a row; none: its position does.

    Returns:
        min(n, N) rows in the order of their permanent random numbers, so that a smaller sample with the same seed is
        the head of a larger one. Added columns: `inclusion_probability` π = min(n, N) / N, and `sampling_weight` 1 / π.

    Raises:
        InvalidArgumentError: n or seed is out of range, a key column is missing, or an added column is there already.
        UnsupportedTypeError: A key column has a type that identifies nothing.

    Source:
        Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.3.
    """
    schema = population.collect_schema()
    columns = schema.names()
    _check(n, seed, key, columns)
    # Refuses a column that identifies nothing here, where the error is still ours, and not inside of polars' engine.
    permanent_random_numbers(pl.DataFrame(schema={name: schema[name] for name in key}), seed)
    population_size = int(population.select(pl.len()).collect().item())
    share = min(n, population_size) / population_size if population_size else 1.0

    def draw(identity: pl.Series) -> pl.Series:
        return permanent_random_numbers(identity.struct.unnest(), seed)

    return (
        population.with_row_index(_ORDINAL)
        .with_columns(
            pl.struct(*(key or [_ORDINAL]))
            .map_batches(draw, return_dtype=pl.UInt64, is_elementwise=True)
            .alias(_NUMBER)
        )
        .bottom_k(n, by=[_NUMBER, _ORDINAL])
        .sort(_NUMBER, _ORDINAL)
        .select(
            *columns,
            pl.lit(share, dtype=pl.Float64).alias(ADDED_COLUMNS[0]),
            pl.lit(1 / share, dtype=pl.Float64).alias(ADDED_COLUMNS[1]),
        )
    )


def _check(n: int, seed: int, key: Sequence[str], columns: Sequence[str]) -> None:
    if n < 1:
        raise InvalidArgumentError("n", n, "a whole number from 1 up")
    if not 0 <= seed < 2**63:
        raise InvalidArgumentError("seed", seed, "a whole number from 0 to 2**63 - 1")
    if missing := [name for name in key if name not in columns]:
        raise InvalidArgumentError("key", missing, f"among the columns: {', '.join(columns)}")
    if taken := [name for name in (*ADDED_COLUMNS, _NUMBER, _ORDINAL) if name in columns]:
        raise InvalidArgumentError("population", taken, "a table without the columns that a sample adds: rename them")
