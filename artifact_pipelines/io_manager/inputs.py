"""Loading: find the materialization of each partition that an input covers, and read it as the annotated type."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import FileInfo, LoadedInput, Materialization
from artifact_pipelines.handlers.annotations import allows_none
from artifact_pipelines.handlers.exceptions import MissingPartitionsError
from artifact_pipelines.handlers.partitions import LoadedPartitions, gather_partitions
from artifact_pipelines.handlers.registry import WRITTEN_AS, TypeHandlers
from artifact_pipelines.io_manager.asked import InputAsked
from artifact_pipelines.io_manager.failures import explained, failures_explained
from artifact_pipelines.io_manager.loaded_inputs import StepInputs
from artifact_pipelines.io_manager.publishing import note_checked, publish_due
from artifact_pipelines.io_manager.staleness import correct_input_version
from artifact_pipelines.storage.artifact import Artifact


class InputLoader:
    """Loads the inputs of steps and notes which materializations they were.

    Args:
        catalog: Where to look.
        artifact: Returns a stored file as handlers read it.
        handlers: Handlers of all types.
        step_inputs: Notes the loaded materializations.
    """

    def __init__(
        self,
        catalog: Catalog,
        artifact: Callable[[FileInfo], Artifact],
        handlers: TypeHandlers,
        step_inputs: StepInputs,
    ) -> None:
        self._catalog = catalog
        self._artifact = artifact
        self._handlers = handlers
        self._step_inputs = step_inputs

    def load(self, asked: InputAsked) -> Any:
        """Return the value of an input."""
        found = self._find(asked)
        if asked.partitions is None:
            return self._read(asked, found[None], asked.annotation) if found else None
        partitions = [partition for partition in asked.partitions if partition in found]

        def values(annotation: Any) -> Iterator[tuple[str, Any]]:
            return explained((key, self._read(asked, found[key], annotation)) for key in partitions)

        loaded = LoadedPartitions(asked.name, asked.asset, asked.partitions, len(found), values)
        return gather_partitions(loaded, asked.annotation, asked.metadata)

    def _find(self, asked: InputAsked) -> Mapping[str | None, Materialization]:
        """Find the materialization of each partition and note it."""
        publish_due(self._catalog, asked)
        find = self._catalog.materializations.find
        found = find(asked.asset, asked.keys, asked.selection, asked.run_read, asked.is_check)
        if len(found) < len(asked.keys):
            self._accept_missing(asked, [key for key in asked.keys if key not in found])
        if not asked.is_own_output:
            self._step_inputs.add(asked.step, map(LoadedInput.of, found.values()))
        note_checked(self._catalog, asked, found.values())
        correct_input_version(asked, found)
        return found

    def _accept_missing(self, asked: InputAsked, missing: Sequence[str | None]) -> None:
        """Warn about missing values where the input's metadata or its annotation (`Optional[T]`) allow them.

        Raises:
            NotFoundError: They do not.
        """
        may_be_missing = bool(asked.metadata.get("allow_missing_partitions", False))
        partitions = [key for key in missing if key is not None]
        if not partitions or (len(asked.keys) == 1 and not may_be_missing):
            nothing = self._catalog.materializations.nothing_found(asked.asset, missing[0], asked.selection)
            if asked.selection is not None or not allows_none(asked.annotation):
                raise nothing
            asked.warn(f"{nothing} Until then the input is None, as its annotation allows.")
            return
        selected = None if asked.selection is None else str(asked.selection)
        error = MissingPartitionsError(asked.asset, partitions, len(asked.keys), selection=selected)
        if not may_be_missing:
            raise error
        asked.warn(f"{error.what}. Skipped, for the input's metadata has allow_missing_partitions.")

    def _read(self, asked: InputAsked, made: Materialization, annotation: Any) -> Any:
        def where() -> str:
            name = VersionName(made.asset, made.partition, made.version)
            return f"Input {asked.name} ({name}, file {made.file.file_id}): "

        with failures_explained(where):
            columns, written_as = asked.metadata.get("columns"), made.metadata.get(WRITTEN_AS)
            return self._handlers.read(self._artifact(made.file), annotation, columns, written_as)
