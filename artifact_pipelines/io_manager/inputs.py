"""Loading: which partitions and which version of them an input asks for, and as what type they are handed over."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from artifact_pipelines.catalog.materializations import MaterializationCatalog
from artifact_pipelines.core.types import FileInfo, LoadedInput, Materialization
from artifact_pipelines.io_manager.contexts import asset_of, is_check_of, step_of
from artifact_pipelines.io_manager.interfaces import Artifact
from artifact_pipelines.io_manager.publishing import PublishingGate, say_made_from
from artifact_pipelines.io_manager.registry import TypeHandlers
from artifact_pipelines.io_manager.selection import selection_of
from artifact_pipelines.io_manager.step_inputs import StepInputs


class InputLoader:
    """Loads what a step's input is annotated with, and notes the exact files.

    Args:
        materializations: Where to look.
        artifact: Returns a stored file as handlers read it.
        handlers: Handlers of all types.
        step_inputs: Where to note what was loaded.
        gate: Publishes what has passed its checks before it is loaded.
    """

    def __init__(
        self,
        materializations: MaterializationCatalog,
        artifact: Callable[[FileInfo], Artifact],
        handlers: TypeHandlers,
        step_inputs: StepInputs,
        gate: PublishingGate,
    ) -> None:
        self._materializations = materializations
        self._artifact = artifact
        self._handlers = handlers
        self._step_inputs = step_inputs
        self._gate = gate

    def load(self, context: dg.InputContext) -> Any:
        """Return the value of an input."""
        annotation = context.dagster_type.typing_type
        if not context.has_asset_partitions:
            return self._read(self._find(context, None), annotation, context)
        partitions = context.asset_partition_keys
        if len(partitions) == 1:
            return self._read(self._find(context, partitions[0]), annotation, context)
        return {partition: self._read(self._find(context, partition), None, context) for partition in partitions}

    def _find(self, context: dg.InputContext, partition: str | None) -> Materialization:
        """Find what to load, and note it."""
        step, asset, selection = step_of(context), asset_of(context), selection_of(context)
        may_be_older = self._gate.open(context)
        run_id, to_check = step[0] if step else None, is_check_of(context)
        found = self._materializations.find(asset, [partition], selection, run_id, to_check).get(partition)
        if found is None:
            raise self._materializations.nothing_found(asset, partition, selection)
        self._step_inputs.add(
            step, [LoadedInput(found.asset, partition, file.file_id, found.version) for file in found.files]
        )
        self._gate.note(context, found)
        if may_be_older:
            say_made_from(context, found)
        return found

    def _read(self, found: Materialization, annotation: Any, context: dg.InputContext) -> Any:
        columns = (context.definition_metadata or {}).get("columns")
        return self._handlers.read(self._artifact(found.file), annotation, columns)
