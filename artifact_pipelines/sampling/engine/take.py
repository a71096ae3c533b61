"""Reads the rows of a choice: only the slices that hold some, only the columns that are asked for, in a stream."""

import collections
from collections.abc import Iterator, Sequence

import polars as pl
from polars.io.plugins import register_io_source

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.engine.choice import ORDINAL, Choice
from artifact_pipelines.sampling.engine.population import Population, in_threads
from artifact_pipelines.tabular.frame_chunks import take_rows

# polars releases its sources later, on a thread unknown to Python, where no Python object may be destroyed.
_lent: collections.deque[object] = collections.deque(maxlen=200)


def take(population: Population, choice: Choice, columns: Sequence[str]) -> pl.LazyFrame:
    """Return the chosen rows in the order of the table; they are read when the frame is.

    Raises:
        InvalidArgumentError: The table has a column of a name that the sample adds.
    """
    if taken := [name for name in choice.added if name in columns]:
        raise InvalidArgumentError("population", taken, "a table without the columns that a sample adds: rename them")
    full = population.schema()
    schema = pl.Schema({**{name: full[name] for name in columns}, **choice.added})

    def source(
        wanted: list[str] | None, predicate: pl.Expr | None, most: int | None, _batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        for frame in _taken(population, choice, schema.names() if wanted is None else wanted):
            found = frame if most is None else frame.head(most)
            most = None if most is None else most - found.height
            yield found if predicate is None else found.filter(predicate)
            if most == 0:
                return

    _lent.append(source)
    return register_io_source(source, schema=schema)


def _taken(population: Population, choice: Choice, wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the chosen rows of each slice that holds some."""
    starts = choice.starts(population.bounds)
    of_table = [name for name in wanted if name not in choice.added]
    known = choice.known.select([name for name in of_table if name in choice.known.columns])
    stored = [name for name in of_table if name not in known.columns]

    def of_slice(number: int) -> pl.DataFrame:
        rows = choice.of_slice(number, starts[number], starts[number + 1])
        positions = rows[ORDINAL] - population.bounds[number]
        found = take_rows(population.read(number, stored), positions) if stored else pl.DataFrame(height=rows.height)
        here = known[starts[number] : starts[number + 1]]
        return pl.DataFrame([*found, *here, *rows]).select(wanted)

    return in_threads(of_slice, (number for number in population.slices if starts[number] < starts[number + 1]))
