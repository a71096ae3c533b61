"""Refuse outputs whose annotated type cannot be stored, before the work.

One idea: a step with inputs loads them first, and that is when its outputs are checked. Dagster shows an IO manager
nothing of a step without inputs before it has run; `check_output_types` covers those where definitions load.
"""

from collections.abc import Collection, Sequence

import dagster as dg

from artifact_pipelines.core.exceptions import UsageError
from artifact_pipelines.handlers.exceptions import UnstorableOutputsError
from artifact_pipelines.handlers.output_types import check_output_type
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.instance.dagster_internals import StepExecutionContext


def check_outputs_of_step(step: StepExecutionContext, io_manager: object, handlers: TypeHandlers) -> None:
    """Refuse the outputs of a step that an IO manager will store, if their annotated type cannot be stored.

    Raises:
        UsageError: Outputs of the step cannot be stored.
    """
    keys = {output.io_manager_key for output in step.op_def.output_defs}
    ours = {key for key in keys if getattr(step.resources, key, None) is io_manager}
    is_partitioned = step.assets_def is not None and step.assets_def.partitions_def is not None
    raise_refusals(find_refusals(step.op_def, ours, handlers, is_partitioned))


def find_refusals(
    op: dg.OpDefinition, io_manager_keys: Collection[str], handlers: TypeHandlers, is_partitioned: bool
) -> Sequence[UsageError]:
    """Return the refusals of outputs of an op that IO managers under some keys would store."""
    found = []
    for output in op.output_defs:
        kind = output.dagster_type
        # A user's own DagsterType says what it accepts by its check, not by the class that it names.
        if output.io_manager_key in io_manager_keys and not kind.is_nothing and type(kind) is not dg.DagsterType:
            try:
                check_output_type(kind.typing_type, handlers, f"output {output.name!r} of {op.name!r}", is_partitioned)
            except UsageError as error:
                found.append(error)
    return found


def raise_refusals(found: Sequence[UsageError]) -> None:
    """Raise one error for refusals, if there are any."""
    if len(found) > 1:
        raise UnstorableOutputsError(list(map(str, found)))
    if found:
        raise found[0]
