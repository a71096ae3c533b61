"""Loading: find the materialization of each partition that an input covers, and read it as the annotated type."""

import threading
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.log_lines import now_s
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import FileInfo, LoadedInput, Materialization, Publication
from artifact_pipelines.handlers.annotations import allows_none, type_names
from artifact_pipelines.handlers.containers import holds_dict, read_value
from artifact_pipelines.handlers.exceptions import MissingPartitionsError
from artifact_pipelines.handlers.partitions import LoadedPartitions, gather_partitions
from artifact_pipelines.handlers.registry import WRITTEN_AS, TypeHandlers
from artifact_pipelines.handlers.validation import check_table
from artifact_pipelines.io_manager.asked import InputAsked, why_nothing
from artifact_pipelines.io_manager.exceptions import StoresNothingError, failures_explained
from artifact_pipelines.io_manager.log_lines import log_loaded
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.io_manager.staleness import correct_input_version
from artifact_pipelines.storage.artifact import Artifact

_MOST_QUERIED = 500
"""Above this many partitions, query all candidates of the asset."""

_MOST_SEARCHED = 20
"""Materializations to search for a table whose columns an input without partitions gets."""

_NONE = "builtins.NoneType"
_OF_PARTITIONS = (
    "; the input is partitioned: dict is the value of one partition, dict[str, dict[str, T]] has dicts by partition key"
)

_loaded: WeakKeyDictionary[object, dict[str, list[LoadedInput]]] = WeakKeyDictionary()
_lock = threading.Lock()


class StepInputs:
    """The materializations of a catalog that steps have loaded, known as long as the step is. Threads may share it.

    A step is Dagster's context of one attempt at it, the same object when it loads and when it stores. Dagster loads an
    input with the IO manager of the upstream asset and stores the output with another one, so all IO managers of a
    process share what they note.

    Args:
        catalog: Identity of the catalog; IDs of other catalogs mean nothing in this one.
    """

    def __init__(self, catalog: str) -> None:
        self._catalog = catalog

    def add(self, step: object | None, loaded: Iterable[LoadedInput]) -> None:
        """Note materializations that a step has loaded. Outside of a step (None) nothing is noted."""
        if step is not None:
            with _lock:
                _loaded.setdefault(step, {}).setdefault(self._catalog, []).extend(loaded)

    def of(self, step: object | None) -> Sequence[LoadedInput]:
        """Return the materializations that a step has loaded so far."""
        with _lock:
            return tuple(_loaded.get(step, {}).get(self._catalog, ())) if step is not None else ()


def note_inputs(context: dg.AssetExecutionContext, catalog: Catalog, loaded: Iterable[LoadedInput]) -> None:
    """Note materializations that the code of an asset has read from the catalog by itself, as inputs of its output."""
    StepInputs(catalog.identity).add(context.get_step_execution_context(), loaded)


class InputLoader:
    """Loads the inputs of steps and notes which materializations they were."""

    def __init__(
        self,
        catalog: Catalog,
        artifact: Callable[[FileInfo, Materialization], Artifact],
        handlers: TypeHandlers,
        step_inputs: StepInputs,
    ) -> None:
        self._catalog = catalog
        self._artifact = artifact
        self._handlers = handlers
        self._step_inputs = step_inputs

    def load(self, asked: InputAsked) -> Any:
        """Return the value of an input."""
        started_s = now_s()
        found = self._find(asked)
        value = self._value(asked, found)
        log_loaded(asked.say, asked.name, asked.asset, [*found.values()], started_s)
        return value

    def _value(self, asked: InputAsked, found: Mapping[str | None, Materialization]) -> Any:
        if asked.partitions is None:
            return self._read(asked, found[None], asked.annotation) if found else None
        stored = [partition for partition in asked.partitions if partition in found]
        loaded = LoadedPartitions(
            input_name=asked.name,
            asset=asked.asset,
            keys=asked.partitions,
            stored=stored,
            filled=[partition for partition in stored if found[partition].metadata.get(WRITTEN_AS) != _NONE],
            read=lambda partition, annotation: self._read(asked, found[partition], annotation),
            read_any_table=lambda annotation: self._read_any_table(asked, annotation),
            holds_dict=lambda partition: holds_dict(found[partition].metadata),
        )
        return gather_partitions(loaded, asked.annotation, asked.metadata)

    def _read_any_table(self, asked: InputAsked, annotation: Any) -> Any:
        """Return the newest table of any partition of an asset; None if it holds none."""
        newest = self._catalog.materializations.history(asked.asset, limit=_MOST_SEARCHED)
        table = next((made for made in newest if made.schema is not None), None)
        return None if table is None else self._read(asked, table, annotation)

    def _find(self, asked: InputAsked) -> Mapping[str | None, Materialization]:
        """Find the materialization of each partition and note it."""
        self._publish_due(asked)
        find = self._catalog.materializations.find
        found = find(asked.asset, asked.keys, asked.selection, asked.run_read, asked.is_check)
        if len(found) < len(asked.keys):
            self._accept_missing(asked, [key for key in asked.keys if key not in found])
        if not asked.is_own_output:
            self._step_inputs.add(asked.step, [LoadedInput.of(made, asked.is_pinned) for made in found.values()])
        if asked.step is not None and asked.is_check:  # the findings of a check in another run are about those it loads
            for made in found.values():
                if made.publication == Publication.CANDIDATE and made.run_id != asked.step.run_id:
                    self._catalog.candidates.note_check(made, asked.step.run_id)
        correct_input_version(asked, found)
        return found

    def _publish_due(self, asked: InputAsked) -> None:
        """Publish candidates that have passed their checks, so that the step need not wait for a sensor.

        A check of the asset loads the asset as it is.
        """
        if asked.step is None or asked.key is None or asked.is_check:
            return
        few = asked.keys if len(asked.keys) <= _MOST_QUERIED else None
        wanted = set(asked.keys)
        due = [one for one in self._catalog.candidates.waiting(asked.asset, few) if one.partition in wanted]
        if due:
            publish_candidates(asked.step.instance, self._catalog, due)

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
                reason = None if asked.selection else why_nothing(asked)
                raise StoresNothingError(asked.asset, reason) if reason else nothing
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
            hint = _OF_PARTITIONS if made.partition is not None and typing.get_args(asked.annotation) else ""
            return f"Input {asked.name} ({name}, file {made.file.file_id}{hint}): "

        columns, written_as = asked.metadata.get("columns"), made.metadata.get(WRITTEN_AS)

        def read(wanted: Any) -> Any:
            artifacts = [self._artifact(file, made) for file in made.files]
            return read_value(self._handlers, artifacts, made.metadata, wanted, columns)

        with failures_explained(where):
            value = read(annotation)
            check_table(value, annotation)
            if asked.accepts is None or written_as in (None, *type_names(annotation)) or asked.accepts(value):
                return value
            # A type's check counts, not the class it names: that of dagster-pandera names pandas for polars frames too.
            stored = read(None)
            return stored if asked.accepts(stored) else value
