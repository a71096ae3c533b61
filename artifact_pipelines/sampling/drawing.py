"""Draws a sample in two steps: a design chooses rows from few columns or none, then only the chosen rows are read.

Must not import Dagster.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import polars as pl
import polars.selectors as cs

from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.sampling.choice import Choice
from artifact_pipelines.sampling.conditions import rows_of
from artifact_pipelines.sampling.drawn_design import DrawnDesign, Frame, strata_drawn
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.population import Population, population_of_frame, population_of_scan
from artifact_pipelines.sampling.rows import Identity, Rows
from artifact_pipelines.sampling.take import take


@dataclasses.dataclass(frozen=True)
class Sample:
    """A drawn sample.

    Attributes:
        rows: The rows in the order of the table; they are read when this frame is.
        design: How they were drawn.
    """

    rows: pl.LazyFrame
    design: DrawnDesign


def draw(table: pl.DataFrame | pathlib.Path | str, design: ISamplingDesign, key: Sequence[str] = ()) -> Sample:
    """Draw a sample from a frame, or from a Parquet file of any size.

    The same rows are drawn on every machine, with any threads, from any cut into row groups, and, with a key, in any
    order of the rows.

    Args:
        table: A frame in memory, or the path of a Parquet file.
        key: Columns that identify a row; without one, its position does.

    Raises:
        UsageError: The table does not fit the design or the key.
    """
    if isinstance(table, pl.DataFrame):
        return draw_from(population_of_frame(table), design, key)
    path = pathlib.Path(table)
    return draw_from(population_of_scan(pl.scan_parquet(path, glob=False), path), design, key)


def draw_from(
    population: Population, design: ISamplingDesign, key: Sequence[str], file: FileInfo | None = None
) -> Sample:
    """Draw a sample from a population.

    Args:
        file: The stored file that the population is.
    """
    every = Rows(population, Identity(key, design.seed))
    every.check_columns("key", key)
    every.check_columns("order_by", design.order_by)
    columns = list(every.check_columns("columns", design.columns or population.schema().names()))
    choice = design.choose(rows_of(population, design, key))
    rows = take(population, choice, list(dict.fromkeys([*columns, *design.order_by])))
    if design.order_by:
        shown = cs.by_name(*columns, *choice.added)
        rows = rows.sort(design.order_by, maintain_order=True).select(shown)
    return Sample(rows, _drawn(population, design, key, choice, file))


def _drawn(
    population: Population, design: ISamplingDesign, key: Sequence[str], choice: Choice, file: FileInfo | None
) -> DrawnDesign:
    return DrawnDesign(
        design=design.tag(),
        parameters=design.model_dump(mode="json", exclude_defaults=True),
        seed=design.seed,
        key=list(key),
        frame=Frame(
            rows=population.row_count,
            population_size=choice.population_size,
            file_id=file.file_id if file else None,
            content_hash=file.content_hash if file else None,
        ),
        planned=choice.planned,
        drawn=choice.drawn,
        strata=strata_drawn(choice),
        facts=choice.facts,
        notes=list(choice.notes),
    )
