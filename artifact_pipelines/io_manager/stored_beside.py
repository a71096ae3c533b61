"""Stores a table that a step makes beside its outputs, such as the rows that broke a check."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.log_lines import now_s
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.instance.dagster_internals import StepExecutionContext
from artifact_pipelines.io_manager.asked_outputs import OutputAsked
from artifact_pipelines.io_manager.inputs import StepInputs
from artifact_pipelines.io_manager.log_lines import log_stored
from artifact_pipelines.io_manager.outputs import OutputWriter
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

if TYPE_CHECKING:
    import pyarrow as pa


def store_beside(
    step: StepExecutionContext,
    catalog: Catalog,
    producer: ArtifactProducer,
    key: dg.AssetKey,
    rows: "pa.Table",
    retention: RetentionPolicy | None = None,
    meanings: Mapping[str, str] | None = None,
) -> tuple[Materialization, dg.AssetMaterialization]:
    """Store a table as a version of an asset that no step makes; return it, and the event to report to Dagster.

    It is made from all that the step has loaded so far, and has the partition of the step, if that has one. Its page
    shows the meanings of its columns.
    """
    started_s = now_s()
    partition = step.partition_key if step.has_partition_key else None
    asked = OutputAsked(
        asset=key.to_user_string(),
        key=key,
        partitions=None if partition is None else (partition,),
        may_cover_several=False,
        partition_column=None,
        upstream={},
        annotation=Any,
        metadata={},
        row_key=None,
        dataset=None,
        retention=retention,
        publish_after=(),
        code_version=None,
        source={},
        made_after=None,
        question=None,
        meanings=meanings or {},
        run_id=step.run_id,
        step_key=step.step.key,
        step=step,
    )
    writer = OutputWriter(catalog, producer, TypeHandlers(), StepInputs(catalog.identity))
    [(made, metadata)] = writer.write(asked, rows)
    log_stored(step.log.info, asked.asset, [made], started_s)
    return made, dg.AssetMaterialization(key, metadata=metadata, partition=partition)
