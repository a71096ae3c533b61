"""Loading: which partitions and which version of them an input asks for, and as what type they are handed over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.catalog.materializations import MaterializationCatalog
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import FileInfo, LoadedInput, Materialization, Selection
from artifact_pipelines.handlers.annotations import allows_none
from artifact_pipelines.handlers.exceptions import MissingPartitionsError
from artifact_pipelines.handlers.partitions import LoadedPartitions, gather_partitions
from artifact_pipelines.handlers.registry import WRITTEN_AS, TypeHandlers
from artifact_pipelines.io_manager.contexts import (
    annotation_of,
    asset_of,
    input_name_of,
    is_check_of,
    is_own_by_hand,
    metadata_of,
    partitions_of,
    run_read_by,
    step_of,
)
from artifact_pipelines.io_manager.failures import explained, failures_explained
from artifact_pipelines.io_manager.publishing import PublishingGate
from artifact_pipelines.io_manager.selection import selection_of_input, selection_of_run
from artifact_pipelines.io_manager.staleness import say_made_from
from artifact_pipelines.io_manager.step_inputs import StepInputs
from artifact_pipelines.storage.artifact import Artifact


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
        annotation = annotation_of(context)
        if not context.has_asset_partitions:
            held = self._find(context, [None], annotation)
            return self._read(held[None], annotation, context) if held else None
        partitions = partitions_of(context)
        found = self._find(context, partitions, annotation)

        def values(value_annotation: Any) -> Iterator[tuple[str, Any]]:
            held = (partition for partition in partitions if partition in found)
            return explained((key, self._read(found[key], value_annotation, context)) for key in held)

        loaded = LoadedPartitions(input_name_of(context), asset_of(context), partitions, len(found), values)
        return gather_partitions(loaded, annotation, metadata_of(context))

    def _find(
        self, context: dg.InputContext, partitions: Sequence[str] | Sequence[None], annotation: Any
    ) -> Mapping[str | None, Materialization]:
        """Find what to load, and note it."""
        step, asset, of_run = step_of(context), asset_of(context), selection_of_run(context)
        selection = of_run or selection_of_input(context)
        # Keys of several dimensions are a kind of text that a database need not know.
        keys = [None if partition is None else str(partition) for partition in partitions]
        self._gate.open(context, keys)
        found = self._materializations.find(asset, keys, selection, run_read_by(context), is_check_of(context))
        missing = [key for key in keys if key not in found]
        if missing:
            self._accept_missing(context, missing, len(keys), selection, allows_none(annotation))
        if not is_own_by_hand(context):
            self._step_inputs.add(step, map(LoadedInput.of, found.values()))
        for made in found.values():
            self._gate.note(context, made)
        if selection is None or of_run:  # what an input pins for every run would be stale for ever
            say_made_from(context, keys, found)
        return found

    def _accept_missing(
        self,
        context: dg.InputContext,
        missing: Sequence[str | None],
        wanted: int,
        selection: Selection | None,
        may_be_none: bool,
    ) -> None:
        """Warn of what holds nothing where the input's metadata or its annotation (`Optional[T]`) allow it.

        Raises:
            NotFoundError: It does not.
        """
        partitions = [key for key in missing if key is not None]
        if not partitions or (wanted == 1 and not _allows_missing(context)):
            nothing = self._materializations.nothing_found(asset_of(context), missing[0], selection)
            if selection is not None or not may_be_none:
                raise nothing
            context.log.warning(f"{nothing} Until then the input is None, as its annotation allows.")
            return
        selected = None if selection is None else str(selection)
        error = MissingPartitionsError(asset_of(context), partitions, wanted, selection=selected)
        if not _allows_missing(context):
            raise error
        context.log.warning(f"{error.what}. Skipped, for the input's metadata has allow_missing_partitions.")

    def _read(self, found: Materialization, annotation: Any, context: dg.InputContext) -> Any:
        columns, written_as = metadata_of(context).get("columns"), found.metadata.get(WRITTEN_AS)
        what = VersionName(found.asset, found.partition, found.version)
        with failures_explained(f"Input {input_name_of(context)} ({what}, file {found.file.file_id}): "):
            return self._handlers.read(self._artifact(found.file), annotation, columns, written_as)


def _allows_missing(context: dg.InputContext) -> bool:
    return bool(metadata_of(context).get("allow_missing_partitions", False))
