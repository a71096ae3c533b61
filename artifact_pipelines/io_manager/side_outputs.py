"""Stores values that a step makes beside its outputs: partitions or versions of an asset, rows that broke a check.

One idea: they are written as an output is, by `OutputWriter`, and the step reports them to Dagster as events.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.log_lines import now_s
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.instance.dagster_internals import StepExecutionContext
from artifact_pipelines.instance.event_log import DATA_VERSION_TAG
from artifact_pipelines.io_manager.asked_outputs import OutputAsked
from artifact_pipelines.io_manager.inputs import StepInputs
from artifact_pipelines.io_manager.log_lines import log_stored
from artifact_pipelines.io_manager.outputs import OutputWriter
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.interfaces import IStorageBackend


def store_beside(
    step: StepExecutionContext,
    store: tuple[Catalog, IStorageBackend],
    key: dg.AssetKey,
    values: Iterator[tuple[str, Any]] | Any,
    partitions: tuple[str, ...] | None,
    *,
    row_key: tuple[str, ...] | None = None,
    dataset: str | None = None,
    retention: RetentionPolicy | None = None,
    code_version: str | None = None,
    source: Mapping[str, Any] = MappingProxyType({}),
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> Sequence[tuple[Materialization, dg.AssetMaterialization]]:
    """Store values of an asset, all or none, made from what the step has loaded; return each with the event to log.

    Args:
        store: Catalog and storage.
        values: The value; of several partitions, an iterator of pairs of partition and value.
        partitions: Of the asset; None: it has none.
        row_key, dataset, retention, code_version, source, meanings: See `OutputAsked`.
    """
    started_s = now_s()
    catalog, backend = store
    asked = OutputAsked(
        asset=key.to_user_string(),
        key=key,
        partitions=partitions,
        may_cover_several=isinstance(values, Iterator),
        row_key=row_key,
        dataset=dataset,
        retention=retention,
        code_version=code_version,
        source=source,
        meanings=meanings,
        run_id=step.run_id,
        step_key=step.step.key,
        step=step,
    )
    producer = ArtifactProducer(catalog.files, backend)
    writer = OutputWriter(catalog, producer, TypeHandlers(), StepInputs(catalog.identity))
    written = writer.write(asked, values)
    log_stored(step.log.info, asked.asset, [made for made, _ in written], started_s)
    return [(made, _event(key, made, metadata)) for made, metadata in written]


def _event(key: dg.AssetKey, made: Materialization, metadata: Mapping[str, Any]) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(key, None, metadata, made.partition, {DATA_VERSION_TAG: made.data_version})
