"""Refuse outputs whose annotated type cannot be stored, before the work.

One idea: a step with inputs loads them first, and that is when its outputs are checked. Dagster shows an IO manager
nothing of a step without inputs before it has run; `check_output_types` covers those where definitions load.
"""

from collections.abc import Collection

import dagster as dg

from artifact_pipelines.handlers.output_types import check_output_type
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.io_manager.dagster_internals import StepExecutionContext


def check_outputs_of_step(step: StepExecutionContext, io_manager: object, handlers: TypeHandlers) -> None:
    """Refuse the outputs of a step that an IO manager will store, if their annotated type cannot be stored.

    Raises:
        UnsupportedTypeError: No handler stores the type of an output.
    """
    keys = {output.io_manager_key for output in step.op_def.output_defs}
    check_outputs(step.op_def, {key for key in keys if getattr(step.resources, key, None) is io_manager}, handlers)


def check_outputs(op: dg.OpDefinition, io_manager_keys: Collection[str], handlers: TypeHandlers) -> None:
    """Refuse the outputs of an op that IO managers under some keys store, as `check_outputs_of_step` does."""
    for output in op.output_defs:
        kind = output.dagster_type
        # A user's own DagsterType says what it accepts by its check, not by the class that it names.
        if output.io_manager_key in io_manager_keys and not kind.is_nothing and type(kind) is not dg.DagsterType:
            where = f"annotated as output {output.name!r} of {op.name!r}"
            check_output_type(kind.typing_type, handlers.written_types, where)
