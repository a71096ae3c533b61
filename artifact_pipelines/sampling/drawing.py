"""Draws a sample in two steps: a design chooses rows from few columns or none, then only the chosen rows are read.

Must not import Dagster.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import polars.selectors as cs
import pydantic

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.conditions import rows_of
from artifact_pipelines.sampling.drawn_design import DrawnDesign, Frame
from artifact_pipelines.sampling.engine.choice import Choice
from artifact_pipelines.sampling.engine.population import Population, population_of_frame, population_of_scan
from artifact_pipelines.sampling.engine.rows import Identity, Key, Rows
from artifact_pipelines.sampling.engine.take import take
from artifact_pipelines.sampling.exceptions import InvalidDesignError
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign
from artifact_pipelines.tabular.given_tables import GivenTable, scan_given
from artifact_pipelines.tabular.parquet import write_frame
from artifact_pipelines.yaml_errors import Place, checked

_DESIGNS: pydantic.TypeAdapter[ISamplingDesign] = pydantic.TypeAdapter(SamplingDesign)


@dataclasses.dataclass(frozen=True)
class Sample:
    """A drawn sample.

    Attributes:
        rows: The rows in the order of the table, or of `order_by`; they are read when this frame is.
        design: How they were drawn.
        choice: Which rows they are.
        frame: The rows that could be drawn, those of excluded samples included.
    """

    rows: pl.LazyFrame
    design: DrawnDesign
    choice: Choice = dataclasses.field(repr=False)
    frame: Rows = dataclasses.field(repr=False)


def draw(
    table: GivenTable,
    design: ISamplingDesign | Mapping[str, Any],
    key: Sequence[str] | str = (),
    is_unique: bool = False,
) -> Sample:
    """Draw a sample from a frame, or from a Parquet file of any size.

    The same rows are drawn on every machine, with any threads, from any cut into row groups, and, with a key, in any
    order of the rows.

    Args:
        table: A frame in memory; the path of a Parquet file; or a query, which runs once, into a temporary file.
        design: A design, or its fields as in YAML, such as `{"design": "bernoulli", "probability": 0.1}`.
        key: Columns that identify a row, or the only one; without one, its position does.
        is_unique: True if you know that no key stands twice, which saves a search for repeated keys.

    Raises:
        UsageError: The fields are not those of a design, or the table does not fit the design or the key.
    """
    known = design if isinstance(design, ISamplingDesign) else design_from(design)
    table_key = Key([key] if isinstance(key, str) else key, is_unique)
    if isinstance(table, pl.DataFrame):
        return draw_from(population_of_frame(table), known, table_key)
    given = _stored(table) if isinstance(table, pl.LazyFrame) else table
    scan = scan_given("table", given)
    return draw_from(population_of_scan(scan, pathlib.Path(given)), known, table_key)


def design_from(fields: object) -> ISamplingDesign:
    """Return the design that fields declare, as in YAML; here those that it excludes may be fields too, not only names.

    So `{"design": drawn.design, **drawn.parameters}` of a stored design draws the same sample again.

    Raises:
        InvalidDesignError: The fields are not those of a design.
    """
    return _design_at((), fields)


def _design_at(place: Place, fields: object) -> ISamplingDesign:
    if isinstance(fields, Mapping) and isinstance(excluded := fields.get("exclude"), list):
        designs = [
            _design_at((*place, "exclude", at), one) if isinstance(one, Mapping) else one
            for at, one in enumerate(excluded)
        ]
        fields = {**fields, "exclude": designs}
    return checked(_DESIGNS, fields, InvalidDesignError, place)


def _stored(query: pl.LazyFrame) -> pathlib.Path:
    """Return a file with the result of a query, which lasts until the process ends."""
    with tempfile.NamedTemporaryFile(dir=scratch_folder(), suffix=".parquet", delete=False) as file:
        write_frame(query, file)  # type: ignore[arg-type]  # a file that is written to
        return pathlib.Path(file.name)


def draw_from(population: Population, design: ISamplingDesign, key: Key, file: FileInfo | None = None) -> Sample:
    """Draw a sample from a population.

    Args:
        file: The stored file that the population is.
    """
    every = Rows(population, Identity((), design.seed))
    every.check_columns("order_by", design.order_by)
    columns = list(every.check_columns("columns", design.columns or population.schema().names()))
    drawable = rows_of(population, design, key)
    choice = design.choose(drawable)
    rows = take(population, choice, list(dict.fromkeys([*columns, *design.order_by])))
    if design.order_by:
        shown = cs.by_name(*columns, *choice.added)
        rows = rows.sort(design.order_by, maintain_order=True, nulls_last=True).select(shown)
    return Sample(rows, _drawn(population, design, drawable.identity, choice, file), choice, drawable)


def _drawn(
    population: Population, design: ISamplingDesign, identity: Identity, choice: Choice, file: FileInfo | None
) -> DrawnDesign:
    return DrawnDesign(
        design=design.tag(),
        parameters=design.model_dump(mode="json", exclude_defaults=True),
        seed=design.seed,
        key=list(identity.columns),
        partition=identity.key.partition,
        frame=Frame(
            rows=population.row_count,
            population_size=choice.population_size,
            file_id=file.file_id if file else None,
            content_hash=file.content_hash if file else None,
        ),
        planned=choice.planned,
        drawn=choice.drawn,
        strata=list(choice.strata),
        facts=choice.facts,
        notes=_notes(population, design, choice) + _notes_on_repeats(design, identity),
    )


def _notes(population: Population, design: ISamplingDesign, choice: Choice) -> list[str]:
    if choice.population_size:
        return list(choice.notes)
    if not population.row_count:
        cause = "no rows"
    elif design.where:
        cause = f"no row with `{design.where}`"
    else:
        cause = "none left by other samples" if getattr(design, "exclude", ()) else "no size above 0"
    return [f"No row could be drawn: the table has {cause}."]


def _notes_on_repeats(design: ISamplingDesign, identity: Identity) -> list[str]:
    if identity.repeats is None:
        return []
    count = len(identity.repeats.ordinals)
    if design.identity == "row":
        one, many = "row equals a row before it: it is", "rows equal a row before them: they are"
        return [f"{counted(count, one, many)} told apart by the number among equal ones."]
    one, many = "row, whose key stands before it: it is", "rows, whose key stands before them: they are"
    return [f"The key does not identify {counted(count, one, many)} told apart by position."]
