"""What Dagster's contexts say: the name of an asset, its partitions, an input's annotation, the step that asks."""

import datetime
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.handlers.annotations import without_none
from artifact_pipelines.io_manager.dagster_internals import FromMultipleSources, StepExecutionContext


def asset_of(context: dg.OutputContext | dg.InputContext) -> str:
    """Return the asset key as text, its parts joined by `/`; for the output of an op, where it came from."""
    if context.has_asset_key:
        return context.asset_key.to_user_string()
    output = context if isinstance(context, dg.OutputContext) else context.upstream_output
    assert output is not None  # an input without an asset key comes from an output
    return "/".join(output.get_identifier())


def is_check_of(context: dg.InputContext) -> bool:
    """Tell whether who loads an asset is a step that does nothing but check it."""
    step = step_of(context)
    if step is None or not context.has_asset_key:
        return False
    layer = step.job_def.asset_layer
    keys = [layer.get_asset_check_key_for_node_output(step.node_handle, out.name) for out in step.step.step_outputs]
    return any(key and key.asset_key == context.asset_key for key in keys) and all(keys)


def metadata_of(context: dg.OutputContext | dg.InputContext) -> Mapping[str, Any]:
    """Return what the code declares of an output's asset, or of an input, as plain values."""
    if isinstance(context, dg.InputContext):
        return plain_metadata(context.definition_metadata or {})
    return plain_metadata(context.asset_spec.metadata) if context.has_asset_key else {}


def check_known(what: str, metadata: Mapping[str, Any], known: Sequence[str]) -> None:
    """See to it that nothing that is declared is passed over because it is misspelled.

    Raises:
        InvalidArgumentError: A key of ours is not known.
    """
    for key in metadata:
        if key.startswith("artifact/") and key not in known:
            raise InvalidArgumentError(what, key, f"one of {', '.join(known)}")


def plain_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return metadata as plain values, which people may wrap as Dagster's."""
    return {key: _plain(value) for key, value in metadata.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dg.TimestampMetadataValue):
        return datetime.datetime.fromtimestamp(value.value, datetime.UTC)
    return value.value if isinstance(value, dg.MetadataValue) else value


def step_of(context: dg.OutputContext | dg.InputContext) -> StepExecutionContext | None:
    """Return Dagster's context of the step, one for each attempt at it; None outside of a run.

    What a step loads by itself (`context.load_asset_value`) comes without it. Then Dagster knows which step runs, on
    the step's own thread and in coroutines that it awaits.
    """
    try:
        return context.step_context
    except dg.DagsterInvariantViolationError:
        return _running_step() if isinstance(context, dg.InputContext) else None


def is_loaded_by_hand(context: dg.InputContext) -> bool:
    """Tell whether it is no input of a step that asks, but the code of a step, or someone outside of a run."""
    return not context.has_input_name


def is_own_by_hand(context: dg.InputContext) -> bool:
    """Tell whether a step loads what it makes itself, such as a total that it goes on with.

    That is no input: each version would be made from the one before, and so be kept for ever.
    """
    step = step_of(context) if is_loaded_by_hand(context) else None
    return step is not None and step.assets_def is not None and context.asset_key in step.assets_def.keys


def _running_step() -> StepExecutionContext | None:
    try:
        return dg.OpExecutionContext.get().get_step_execution_context()
    except dg.DagsterInvariantViolationError:
        return None


def run_read_by(context: dg.InputContext) -> str | None:
    """Return the run whose writes an input reads before what is current; None outside of a run.

    It is the step's own, or, where that executes steps again without what is upstream of them, the run that Dagster
    takes this from: the parent, or a parent of that.
    """
    step = step_of(context)
    if step is None:
        return None
    try:
        return context.upstream_output.run_id if context.upstream_output else step.run_id
    except dg.DagsterInvariantViolationError:  # what is upstream is no step of the job, or of no run that is known
        return step.run_id


def partitions_of(context: dg.OutputContext | dg.InputContext) -> Sequence[str]:
    """Return the partition keys that an input or output covers, in the order that their definition gives them.

    Dagster hands over some of them as a set, in another order in every process.
    """
    partitions = context.asset_partition_keys
    if len(partitions) < 2:
        return partitions
    definition = context.asset_partitions_def
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):  # keys in order of time, and they may be many
        return partitions
    instance = context.instance if isinstance(context, dg.InputContext) else context.step_context.instance
    place = {key: number for number, key in enumerate(definition.get_partition_keys(dynamic_partitions_store=instance))}
    return sorted(partitions, key=lambda partition: place.get(partition, len(place)))


def input_name_of(context: dg.InputContext) -> str:
    """Return the name of an input; what is loaded by hand has none, and its asset stands for it."""
    return asset_of(context) if is_loaded_by_hand(context) else context.name


def annotation_of(context: dg.InputContext) -> Any:
    """Return what an input is annotated with; where it collects several outputs, what each of them is to be.

    Dagster takes `Iterator[T]` only beside `AssetIn(dagster_type=dg.Any)`. Then the function is asked itself.
    """
    annotation = context.dagster_type.typing_type
    if step_of(context) is None or is_loaded_by_hand(context):
        return annotation
    if isinstance(context.step_context.step.step_input_named(context.name).source, FromMultipleSources):
        [each] = typing.get_args(without_none(annotation)) or [Any]
        return each
    if annotation is not Any:
        return annotation
    function = getattr(context.op_def.compute_fn, "decorated_fn", None)
    return typing.get_type_hints(function).get(context.name, Any) if function else Any
