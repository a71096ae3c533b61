"""Stores values that a step makes beside its output: partitions of another asset, or further versions of its own.

One idea: they are written as an output is, by `OutputWriter`, and reported as events of the step.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.log_lines import now_s
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.instance.event_log import DATA_VERSION_TAG
from artifact_pipelines.io_manager.asked_outputs import DATASET_METADATA_KEY, OutputAsked, retention_policy
from artifact_pipelines.io_manager.inputs import StepInputs
from artifact_pipelines.io_manager.log_lines import log_stored
from artifact_pipelines.io_manager.outputs import OutputWriter
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.interfaces import IStorageBackend


def store_beside(
    context: dg.AssetExecutionContext,
    store: tuple[Catalog, IStorageBackend],
    key: dg.AssetKey,
    values: Iterator[tuple[str, Any]] | Any,
    partitions: tuple[str, ...] | None = None,
    row_key: tuple[str, ...] | None = None,
    source: Mapping[str, Any] | None = None,
    meanings: Mapping[str, str] | None = None,
) -> None:
    """Store values of an asset, all or none, record them with what the step has loaded, and report them.

    Args:
        store: Catalog and storage.
        values: The value; of several partitions, a generator of pairs of partition and value.
        partitions: Of the asset; None: it has none.
        row_key: Columns that identify a row.
        source: What is recorded about its source.
        meanings: What the columns of its table mean, for the asset's page.
    """
    started_s = now_s()
    catalog, backend = store
    step = context.get_step_execution_context()
    declared = context.assets_def.metadata_by_key[context.asset_key]
    asked = OutputAsked(
        asset=key.to_user_string(),
        key=key,
        partitions=partitions,
        may_cover_several=isinstance(values, Iterator),
        partition_column=None,
        upstream={},
        annotation=Any,
        metadata={},
        row_key=row_key,
        dataset=declared.get(DATASET_METADATA_KEY) if key == context.asset_key else None,
        retention=retention_policy(declared),
        publish_after=(),
        code_version=context.assets_def.code_versions_by_key[key] if key == context.asset_key else None,
        source=source or {},
        question=None,
        meanings=meanings or {},
        made_after=None,
        run_id=context.run.run_id,
        step_key=step.step.key,
        step=step,
    )
    producer = ArtifactProducer(catalog.files, backend)
    writer = OutputWriter(catalog, producer, TypeHandlers(), StepInputs(catalog.identity))
    written = writer.write(asked, values)
    log_stored(context.log.info, asked.asset, [made for made, _ in written], started_s)
    for made, metadata in written:
        tags = {DATA_VERSION_TAG: made.data_version}
        context.log_event(dg.AssetMaterialization(key, None, metadata, made.partition, tags))
