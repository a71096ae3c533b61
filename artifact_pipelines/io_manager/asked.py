"""Reads an `InputContext` of Dagster into an `InputAsked`: which value a step asks to load.

One idea: this module and `asked_outputs` alone read Dagster's contexts, once for each load and each write, and return
frozen objects of plain values and the running step. Values that exist only inside a run are None or empty for contexts
that people build by hand, such as `dg.build_input_context(asset_key="a")`.
"""

import dataclasses
import datetime
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.selection import SELECT_TAG, SELECTION_KEYS, selection_from, selections_from_tag
from artifact_pipelines.core.types import Selection
from artifact_pipelines.handlers.annotations import without_none
from artifact_pipelines.handlers.partitions import PARTITION_COLUMN_METADATA_KEY
from artifact_pipelines.instance.dagster_internals import (
    RUN_ID_PLACEHOLDER,
    FromMultipleSources,
    JobScopedAssetGraph,
    StepExecutionContext,
    StepInput,
)
from artifact_pipelines.io_manager.log_lines import sayer

_DECLARED = (PARTITION_COLUMN_METADATA_KEY, *(f"artifact/{key}" for key in SELECTION_KEYS))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InputAsked:
    """One value to load.

    Attributes:
        name: Name of the input, for messages; the asset's where the load is not of a declared input.
        asset: Asset key as text; for the output of an op its run, step and name, joined by `/`.
        key: Asset key; None for the output of an op that is no asset.
        partitions: Partition keys in the order of their definition; None: the asset has no partitions.
        keys: The partition keys as plain text for the catalog; `(None,)`: no partitions.
        annotation: Type to load; of an input that collects several outputs, the type of each.
        accepts: True for a value that the input's own `DagsterType` accepts; None if it has no such type.
        metadata: As plain values.
        selection: Which materialization to load; None: the current one.
        is_pinned: True if the selection comes from the input's metadata, and so holds for every run.
        run_read: The run whose own writes come before the current materialization; None outside of a run.
        is_check: True if the loading step only runs checks on this asset.
        is_declared: True if a step loads one of its inputs; false for `context.load_asset_value` and outside of a run.
        is_own_output: True if the code of a step loads an asset that the same step makes.
        step: The running step, one object for each attempt; None outside of a run.
        warn: Writes a warning into the log of the run.
        say: Writes a line into the log of the run; outside of a run, into that of the package.
    """

    name: str
    asset: str
    key: dg.AssetKey | None
    partitions: tuple[str, ...] | None
    keys: tuple[str | None, ...]
    annotation: Any
    accepts: Callable[[Any], bool] | None
    metadata: Mapping[str, Any]
    selection: Selection | None
    is_pinned: bool
    run_read: str | None
    is_check: bool
    is_declared: bool
    is_own_output: bool
    step: StepExecutionContext | None
    warn: Callable[[str], None]
    say: Callable[[str], object]


def read_input_context(context: dg.InputContext) -> InputAsked:
    """Return the request that an input makes.

    Raises:
        InvalidArgumentError: The input's metadata or the run's tag `artifact/select` are not of the required form.
    """
    step = _step_of_input(context)
    declared = _declared_input(context, step)
    key, asset = _name_of_input(context)
    name = context.name if declared else asset
    partitions = _partitions_of_input(context, key, step)
    where = f"metadata artifact/… of an input of {asset}"
    metadata = checked_metadata(where, context.definition_metadata or {}, _DECLARED)
    # The run's tag comes first. It may serve many jobs, so assets in it that the run does not load are no error.
    tag = step.run_tags.get(SELECT_TAG) if step else None
    of_run = None if tag is None else selections_from_tag(tag).get(asset)
    given = {how: metadata[f"artifact/{how}"] for how in SELECTION_KEYS if f"artifact/{how}" in metadata}
    of_input = selection_from(given, f"metadata artifact/… of input {name}") if given else None
    return InputAsked(
        name=name,
        asset=asset,
        key=key,
        partitions=partitions,
        keys=(None,) if partitions is None else tuple(map(str, partitions)),
        annotation=_annotation(context, declared),
        accepts=_type_check(context, step) if declared else None,
        metadata=metadata,
        selection=of_run or of_input,
        is_pinned=of_run is None and of_input is not None,
        run_read=_run_read(context, step),
        is_check=context.has_asset_key and step is not None and _only_checks(step, context.asset_key),
        is_declared=declared is not None,
        is_own_output=not declared and step is not None and step.assets_def is not None and key in step.assets_def.keys,
        step=step,
        warn=context.log.warning,
        say=sayer(context, step),
    )


def why_nothing(asked: InputAsked) -> str | None:
    """Return why the asset of an input stores nothing, if it returns no value; else None."""
    if asked.step is None or asked.key is None:
        return None
    if _is_of_nothing(asked.step, asked.key):
        return "it returns no value, as its annotation says"
    event = asked.step.instance.get_latest_materialization_event(asked.key)
    made = event.asset_materialization if event else None
    if made is None or any(name.startswith("artifact/file_id") for name in made.metadata):
        return None
    return "its last run returned no value, such as a MaterializeResult without one, or another IO manager stored it"


def _is_of_nothing(step: StepExecutionContext, key: dg.AssetKey) -> bool:
    graph = whole_asset_graph(step)
    asset = graph.get(key).assets_def if graph.has(key) else None
    if asset is None or not asset.is_executable:
        return False
    name = asset.get_output_name_for_asset_key(key)
    return bool(asset.node_def.output_def_named(name).dagster_type.is_nothing)


def whole_asset_graph(step: StepExecutionContext) -> Any:
    """Return the assets and checks of a step's code location; a job's own graph has its selection only."""
    graph = step.job_def.asset_layer.asset_graph
    return graph.source_asset_graph if isinstance(graph, JobScopedAssetGraph) else graph


def known(read: Callable[[], Any], otherwise: Any = None) -> Any:
    """Return an attribute of a context, or something else where the context was built without it."""
    try:
        return read()
    except dg.DagsterInvariantViolationError:
        return otherwise


def name_of_op_output(context: dg.OutputContext) -> str:
    """Return the name under which the output of an op is stored; refuse a context built by hand without its parts."""
    parts = known(context.get_identifier)
    if parts is None:
        expected = "one with an asset_key, or with the step_key and the name of an op's output"
        raise InvalidArgumentError("context", "one that names no value", expected)
    return "/".join(parts)


def checked_metadata(where: str, declared: Mapping[str, Any], known_keys: Sequence[str]) -> Mapping[str, Any]:
    """Return metadata as plain values; users may wrap them as Dagster's.

    Raises:
        InvalidArgumentError: A key begins with `artifact/` and is not known: misspelled, it would have no effect.
    """
    for key in declared:
        if key.startswith("artifact/") and key not in known_keys:
            raise InvalidArgumentError(where, key, f"one of {', '.join(known_keys)}")
    return {key: plain_value(value) for key, value in declared.items()}


def covered_partitions(context: dg.InputContext | dg.OutputContext) -> Sequence[str]:
    """Return the partitions of a context; refuse one that was built with a range and without its definition."""
    try:
        return context.asset_partition_keys
    except NotImplementedError:
        expected = "built with asset_partitions_def beside asset_partition_key_range"
        raise InvalidArgumentError("context", "a range of unknown partitions", expected) from None


def partitions_in_order(
    partitions: Sequence[str], definition: dg.PartitionsDefinition[str] | None, instance: dg.DagsterInstance | None
) -> tuple[str, ...]:
    """Return partition keys in the order of their definition: Dagster may have them as a set, in any order."""
    is_in_order = isinstance(definition, dg.TimeWindowPartitionsDefinition)  # by time; and they may be many
    if len(partitions) < 2 or definition is None or is_in_order:
        return tuple(partitions)
    place = {key: number for number, key in enumerate(definition.get_partition_keys(dynamic_partitions_store=instance))}
    return tuple(sorted(partitions, key=lambda partition: place.get(partition, len(place))))


def plain_value(value: Any) -> Any:
    """Return a metadata value without Dagster's wrapper, if it has one."""
    if isinstance(value, dg.TimestampMetadataValue):
        return datetime.datetime.fromtimestamp(value.value, datetime.UTC)
    return value.value if isinstance(value, dg.MetadataValue) else value


def _name_of_input(context: dg.InputContext) -> tuple[dg.AssetKey | None, str]:
    """Return asset key and name of an input; Dagster's `output_for_node` gives only the key of the output."""
    upstream = context.upstream_output
    if context.has_asset_key or (upstream and upstream.has_asset_key):
        key = context.asset_key if context.has_asset_key else typing.cast("dg.OutputContext", upstream).asset_key
        return key, key.to_user_string()
    if upstream is None:
        raise InvalidArgumentError("context", "one that names no value", "one with an asset_key or an upstream_output")
    return None, name_of_op_output(upstream)


def _step_of_input(context: dg.InputContext) -> StepExecutionContext | None:
    """Return the step that loads an input.

    `context.load_asset_value` has none, but Dagster knows which step runs on a thread, and in coroutines it awaits.
    """
    step: StepExecutionContext | None = known(lambda: context.step_context)
    return step or known(lambda: dg.OpExecutionContext.get().get_step_execution_context())


def _declared_input(context: dg.InputContext, step: StepExecutionContext | None) -> StepInput | None:
    """Return the step's input that is being loaded; `output_for_node` names one that the step does not have."""
    if step is None or not context.has_input_name:
        return None
    return next((one for one in step.step.step_inputs if one.name == context.name), None)


def _only_checks(step: StepExecutionContext, key: dg.AssetKey) -> bool:
    """True if a step only runs checks on an asset."""
    layer = step.job_def.asset_layer
    checks = [layer.get_asset_check_key_for_node_output(step.node_handle, out.name) for out in step.step.step_outputs]
    return any(check and check.asset_key == key for check in checks) and all(checks)


def _run_read(context: dg.InputContext, step: StepExecutionContext | None) -> str | None:
    """Return the run whose writes an input reads first.

    That is the step's own, or where a run executes again without the steps upstream, the run whose outputs it takes.
    """
    if step is None:
        return None
    upstream = context.upstream_output
    run_id = known(lambda: upstream.run_id) if upstream else None  # a run that Dagster does not know has no ID
    return step.run_id if run_id in (None, RUN_ID_PLACEHOLDER) else run_id


def _annotation(context: dg.InputContext, declared: StepInput | None) -> Any:
    """Return the type of an input; of one that collects several outputs, the type of each.

    Dagster takes `Iterator[T]` only beside `AssetIn(dagster_type=dg.Any)`: then the type hints of the function count.
    """
    annotation = known(lambda: context.dagster_type.typing_type, Any)
    if declared is None:
        return annotation
    if isinstance(declared.source, FromMultipleSources):
        [each] = typing.get_args(without_none(annotation)) or [Any]
        return each
    if annotation is not Any:
        return annotation
    function = getattr(context.op_def.compute_fn, "decorated_fn", None)
    return typing.get_type_hints(function).get(context.name, Any) if function else Any


def _type_check(context: dg.InputContext, step: StepExecutionContext | None) -> Callable[[Any], bool] | None:
    kind = context.dagster_type
    if step is None or type(kind) is not dg.DagsterType:  # its subclasses are made from annotations
        return None
    return lambda value: kind.type_check(step.for_type(kind), value).success


def _partitions_of_input(
    context: dg.InputContext, key: dg.AssetKey | None, step: StepExecutionContext | None
) -> tuple[str, ...] | None:
    if context.has_asset_partitions:
        definition = known(lambda: context.asset_partitions_def)
        return partitions_in_order(covered_partitions(context), definition, known(lambda: context.instance))
    upstream = context.upstream_output
    if step is None and upstream and not context.has_asset_key and upstream.has_asset_partitions:
        return tuple(covered_partitions(upstream))
    if context.has_asset_key or not key or not step or not upstream or not step.has_partitions:
        return None
    definition = step.job_def.asset_layer.get(key).partitions_def  # `output_for_node` of an asset's step
    if definition is None:
        return None
    covered = step.asset_partition_key_range_for_output(upstream.name)
    is_one = covered.start == covered.end
    return (covered.start,) if is_one else tuple(definition.get_partition_keys_in_range(covered))
