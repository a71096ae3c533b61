"""The asset of a sample of any design."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dagster as dg
import polars as pl

from artifact_pipelines.charts.kinds import planned_drawn
from artifact_pipelines.charts.markdown import escaped
from artifact_pipelines.charts.small import small_image
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.core.wording import counted
from artifact_pipelines.handlers.scanning import scan_with_polars
from artifact_pipelines.instance.check_results import reported
from artifact_pipelines.instance.page import digits_that_wrap, inline_markdown
from artifact_pipelines.io_manager.asked_outputs import MEANINGS_METADATA_KEY, SOURCE_METADATA_KEY
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.sampling.drawing import draw_from
from artifact_pipelines.sampling.drawn_design import DrawnDesign
from artifact_pipelines.sampling.engine.population import population_of_scan
from artifact_pipelines.sampling.engine.rows import Key
from artifact_pipelines.sampling.findings import (
    REPRESENTATIVENESS,
    checks_of,
    findings,
    representativeness,
    strata_table,
    tally,
)
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.representativeness.comparison import (
    ColumnDistance,
    compare_with_frame,
    distances_table,
)
from artifact_pipelines.storage.artifact import Artifact

DESIGN_METADATA_KEY = "artifact/design"
ADDED_COLUMNS = {
    "inclusion_probability": "Probability that the row is drawn, above 0 and up to 1",
    "sampling_weight": "Rows of the table that the row stands for, in sums and means",
    "stratum": "Part of the table that the row was drawn from",
    "cluster": "Cluster of rows that were drawn together",
    "cluster_probability": "Probability that the row's cluster is drawn, above 0 and up to 1",
    "round": "Round in which the row was drawn, from 1 on",
    "split": "Part of the split that the row is in",
    "draws": "How often the row was drawn",
}
"""What the columns mean that a sample adds to those of its table."""


def build_sample_asset(
    dataset: str,
    sample: str,
    design: ISamplingDesign,
    key: Sequence[str],
    attributes: Mapping[str, Any],
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> dg.AssetsDefinition:
    """Return the asset that draws a sample from a dataset's table.

    Args:
        meanings: What the columns of the table mean, as far as the dataset says.
    """
    asset_key = dg.AssetKey([dataset, "samples", sample])

    @dg.asset(
        key=asset_key,
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=design.description(dataset, key),
        kinds={"sample", "parquet", "polars"},
        code_version=_code_version(design, key, is_partitioned="partitions_def" in attributes),
        metadata={DESIGN_METADATA_KEY: {**design.model_dump(mode="json", exclude_none=True), "key": list(key)}},
        check_specs=[dg.AssetCheckSpec(name, asset=asset_key) for name in checks_of(design)],
        **attributes,
    )
    def drawn(
        context: dg.AssetExecutionContext, table: Artifact
    ) -> Iterator[dg.Output[pl.LazyFrame] | dg.AssetCheckResult]:
        started_s = now_s()
        with failures_explained():
            with table.open(verify=False) as file:
                population = population_of_scan(scan_with_polars(table), file)
            partition = context.partition_key if context.has_partition_key else None
            found = draw_from(population, design, Key(key, is_unique=True, partition=partition), table.info)
            results = list(findings(found.design, tally(found.choice), found.choice.added.names()))
            distances = compare_with_frame(found) if design.representativeness else []
            if design.representativeness:
                results.append(representativeness(found.design, distances))
        said = {MEANINGS_METADATA_KEY: {**meanings, **ADDED_COLUMNS}}
        shown = {**_metadata(found.design, results), **_compared(distances)}
        yield dg.Output(found.rows, metadata={**shown, **said})
        yield from map(reported, results)
        log_done(
            context.log.info,
            "sampled",
            started_s,
            asset=asset_key.to_user_string(),
            partition=partition,
            design=design.tag(),
            rows=found.design.drawn,
            population=found.design.frame.population_size,
        )

    return drawn


def _code_version(design: ISamplingDesign, key: Sequence[str], is_partitioned: bool) -> str:
    numbers_of_partitions = " by partition" if is_partitioned else ""  # positions draw other numbers in each
    return f"{design.code_version()} key={list(key)}{numbers_of_partitions}"


def _metadata(design: DrawnDesign, results: Sequence[CheckResult]) -> dict[str, Any]:
    said = design.model_dump(mode="json")
    frame = said["frame"]
    fitting = {**said, "frame": {**frame, "content_hash": digits_that_wrap(frame["content_hash"] or "")}}
    shown: dict[str, Any] = {DESIGN_METADATA_KEY: fitting, SOURCE_METADATA_KEY: {"design": said}}
    shown["artifact/summary"] = inline_markdown(_summary(design, results))
    if (chart := _strata_image(design)) is not None:
        shown["chart/planned → drawn"] = dg.MetadataValue.md(chart)
    if design.strata:
        shown["sample/strata"] = dg.MetadataValue.md(strata_table(design.strata))
    return shown


def _summary(design: DrawnDesign, results: Sequence[CheckResult]) -> str:
    """Return what to know first: how many rows, which checks failed, and whether the sample is as its frame."""
    drawn = f"{design.drawn:,} of {counted(design.frame.population_size, 'row')}"
    lines = [f"**{drawn}**, {design.design.replace('_', ' ')}", ""]
    lines += [f"- **{each.name} failed**: {escaped(each.text)}" for each in results if not each.passed]
    is_like_frame = [each.text for each in results if each.passed and each.name == REPRESENTATIVENESS]
    lines += [f"- Represents the rows that could be drawn: {escaped(text)}" for text in is_like_frame]
    return "\n".join([*lines, *(f"- {escaped(note)}" for note in design.notes)])


def _strata_image(design: DrawnDesign) -> str | None:
    """Return a chart of the rows planned and drawn in each stratum; None: nothing is planned by stratum."""
    strata = [each for each in design.strata if each.planned is not None]
    titles, drawn = [each.title for each in strata], [each.drawn for each in strata]
    planned = [each.planned for each in strata]
    return small_image(planned_drawn("Strata", titles, planned, drawn)) if strata else None


def _compared(distances: Sequence[ColumnDistance]) -> dict[str, Any]:
    return {"sample/representativeness": dg.MetadataValue.md(distances_table(distances))} if distances else {}
