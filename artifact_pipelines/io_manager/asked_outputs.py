"""Reads an `OutputContext` of Dagster into an `OutputAsked`: what a step asks to store, and how."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dagster as dg

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import RETENTION_METADATA_KEY, RetentionPolicy
from artifact_pipelines.handlers.partitions import PARTITION_COLUMN_METADATA_KEY, check_partition_column
from artifact_pipelines.handlers.table_handlers import ROW_ORDER_METADATA_KEY
from artifact_pipelines.instance.dagster_internals import (
    RUN_ID_PLACEHOLDER,
    StepExecutionContext,
)
from artifact_pipelines.io_manager.asked import (
    checked_metadata,
    covered_partitions,
    known,
    name_of_op_output,
    partitions_in_order,
    plain_value,
    whole_asset_graph,
)
from artifact_pipelines.io_manager.changes import KEY_METADATA_KEY, check_key
from artifact_pipelines.io_manager.exceptions import NoBlockingChecksError

DATASET_METADATA_KEY = "artifact/dataset"
"""Asset metadata: the name of the dataset whose raw content the asset is."""

PUBLISH_METADATA_KEY = "artifact/publish"
"""Asset metadata: `after_checks` lets outputs become current only after the blocking checks have passed."""

SOURCE_METADATA_KEY = "artifact/source"
"""Metadata of an output: a mapping about its source, recorded with the version in the catalog."""
QUESTION_METADATA_KEY = "artifact/question"
"""Metadata of an output: digest of the question that it answers, by which the catalog finds it again."""

MADE_AFTER_METADATA_KEY = "artifact/made_after"
"""Metadata of an output: see `MaterializationFacts.made_after`; as text, for Dagster plots each number over time."""

MEANINGS_METADATA_KEY = "artifact/meanings"
"""Metadata of an output: what the columns of its table mean, by name; for the asset's page."""

RECORDED = (SOURCE_METADATA_KEY, QUESTION_METADATA_KEY, MADE_AFTER_METADATA_KEY, MEANINGS_METADATA_KEY)
"""Metadata of an output that are for the catalog and the IO manager; the asset's page does not show them."""

AFTER_CHECKS = "after_checks"

_DECLARED = (
    DATASET_METADATA_KEY,
    KEY_METADATA_KEY,
    PARTITION_COLUMN_METADATA_KEY,
    PUBLISH_METADATA_KEY,
    RETENTION_METADATA_KEY,
    ROW_ORDER_METADATA_KEY,
    "artifact/design",  # of a sample, for people
)

Upstream = Callable[[str], Iterable[str]]
"""Returns the partitions of an upstream asset that a partition of the output depends on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OutputAsked:
    """One value to store, or one value for each of several partitions.

    Attributes:
        asset: Asset key as text; for the output of an op its run, step and name, joined by `/`.
        key: Asset key; None for the output of an op that is no asset.
        partitions: Partition keys in the order of their definition; None: the asset has no partitions.
        may_cover_several: True if the asset's backfill policy lets one run cover several partitions.
        partition_column: Name of the column with the partition key, if the asset returns its partitions as one table.
        upstream: By upstream asset, which of its partitions a partition of the output depends on, if not the same.
        metadata: Metadata of the asset as plain values.
        row_key: Columns that identify a row of the table, to compare it with the version before; None: not compared.
        dataset: The dataset whose raw content the asset is.
        publish_after: Names of the checks that must pass before the output becomes current.
        source: What the output's metadata say about its source.
        meanings: What they say about the columns of its table, by name.
        made_after, question: See `MaterializationFacts`; as the output's metadata say.
        run_id: None outside of a run, as are the next two.
        step: The running step, one object for each attempt.
    """

    asset: str
    key: dg.AssetKey | None
    partitions: tuple[str, ...] | None
    may_cover_several: bool = False
    partition_column: str | None = None
    upstream: Mapping[str, Upstream] = dataclasses.field(default_factory=dict)
    annotation: Any = Any
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    row_key: tuple[str, ...] | None = None
    dataset: str | None = None
    retention: RetentionPolicy | None = None
    publish_after: tuple[str, ...] = ()
    code_version: str | None = None
    source: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    meanings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    made_after: int | None = None
    question: str | None = None
    run_id: str | None = None
    step_key: str | None = None
    step: StepExecutionContext | None = None


def read_output_context(context: dg.OutputContext) -> OutputAsked:
    """Return the request that an output makes.

    Raises:
        InvalidArgumentError: The asset's metadata are not of the required form, or the context names nothing.
        NoBlockingChecksError: The asset is to be published after its checks, and no check of it is blocking.
    """
    step: StepExecutionContext | None = known(lambda: context.step_context)
    key = context.asset_key if context.has_asset_key else None
    asset = key.to_user_string() if key else name_of_op_output(context)
    spec = known(lambda: context.asset_spec)
    declared = (spec.metadata if spec else context.definition_metadata) if key else {}
    metadata = checked_metadata(f"metadata artifact/… of asset {asset}", declared, _DECLARED)
    partitions = None
    if context.has_asset_partitions:
        definition = context.asset_partitions_def if step else None
        partitions = partitions_in_order(covered_partitions(context), definition, step.instance if step else None)
    dataset = metadata.get(DATASET_METADATA_KEY)
    column = metadata.get(PARTITION_COLUMN_METADATA_KEY)
    if column is not None and not partitions:
        raise InvalidArgumentError(PARTITION_COLUMN_METADATA_KEY, column, "left out: the asset has no partitions")
    policy = step.assets_def.backfill_policy if step and step.assets_def else None
    return OutputAsked(
        asset=asset,
        key=key,
        partitions=partitions,
        may_cover_several=policy is not None and policy.max_partitions_per_run != 1,
        partition_column=None if column is None else check_partition_column(column),
        upstream=_upstream(context, step) if step and partitions and len(partitions) > 1 else {},
        annotation=known(lambda: context.dagster_type.typing_type, Any),
        metadata=metadata,
        row_key=check_key(metadata[KEY_METADATA_KEY]) if KEY_METADATA_KEY in metadata else None,
        dataset=dataset,
        retention=retention_policy(metadata),
        publish_after=_required_checks(key, metadata, step),
        code_version=spec.code_version if spec else None,
        source=plain_value(context.output_metadata.get(SOURCE_METADATA_KEY)) or {},
        meanings=plain_value(context.output_metadata.get(MEANINGS_METADATA_KEY)) or {},
        made_after=_number(context.output_metadata.get(MADE_AFTER_METADATA_KEY)),
        question=plain_value(context.output_metadata.get(QUESTION_METADATA_KEY)),
        run_id=None if context.run_id == RUN_ID_PLACEHOLDER else context.run_id,
        step_key=known(lambda: context.step_key),
        step=step,
    )


def retention_policy(asset_metadata: Mapping[str, Any]) -> RetentionPolicy | None:
    """Return the retention policy that an asset's metadata declare, if they declare one.

    Raises:
        InvalidArgumentError: It is not of the form that a policy has.
    """
    declared = plain_value(asset_metadata.get(RETENTION_METADATA_KEY))
    return None if declared is None else RetentionPolicy.from_mapping(declared)


def _required_checks(
    key: dg.AssetKey | None, metadata: Mapping[str, Any], step: StepExecutionContext | None
) -> tuple[str, ...]:
    """Return the names of all blocking checks of an asset in its code location, whichever of them the run executes."""
    wanted = metadata.get(PUBLISH_METADATA_KEY)
    if wanted is None or key is None:
        return ()
    if wanted != AFTER_CHECKS:
        raise InvalidArgumentError(PUBLISH_METADATA_KEY, wanted, repr(AFTER_CHECKS))
    names = []
    if step is not None:
        graph = whole_asset_graph(step)
        specs = [graph.get_check_spec(check) for check in graph.get_check_keys_for_assets({key})]
        names = sorted(spec.name for spec in specs if spec.blocking)
    if not names:
        raise NoBlockingChecksError(key.to_user_string())
    return tuple(names)


def _upstream(context: dg.OutputContext, step: StepExecutionContext) -> Mapping[str, Upstream]:
    """Return how the partitions of an output depend on those of its step's declared inputs; left out where the same."""
    layer, assets = step.job_def.asset_layer, step.assets_def
    assert assets is not None  # an output with partitions is of an asset
    found: dict[str, Upstream] = {}
    for name in step.op_def.input_dict:
        key = layer.get_asset_key_for_node_input(step.node_handle, name)
        definition = layer.get(key).partitions_def if key and layer.has(key) else None
        if key is not None and definition is not None:
            mapping = assets.infer_partition_mapping(context.asset_key, key, definition)
            if not isinstance(mapping, dg.IdentityPartitionMapping):  # for it Dagster may list all partitions each time
                options = (mapping, context.asset_partitions_def, definition, step.instance)
                found[key.to_user_string()] = functools.partial(_mapped, *options)
    return found


def _mapped(
    mapping: dg.PartitionMapping,
    definition: dg.PartitionsDefinition[str],
    upstream: dg.PartitionsDefinition[str],
    instance: dg.DagsterInstance,
    partition: str,
) -> Iterable[str]:
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        definition.subset_with_partition_keys([partition]), definition, upstream, dynamic_partitions_store=instance
    )
    return map(str, found.partitions_subset.get_partition_keys())  # keys of several dimensions are a kind of text


def _number(numeral: Any) -> int | None:
    """Return the number that metadata hold as text, for Dagster plots each number over time."""
    return None if numeral is None else int(plain_value(numeral))
