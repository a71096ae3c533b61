"""The IO manager: every materialization becomes a stored file and a row in the catalog, in one transaction.

One idea: the content hash is the data version, so content that did not change makes nothing downstream run again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.interfaces import IArtifactProducer
from artifact_pipelines.core.log_lines import now_s
from artifact_pipelines.core.types import FileId, FileInfo, NewArtifact
from artifact_pipelines.handlers.interfaces import ITypeHandler
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.io_manager.asked import read_input_context
from artifact_pipelines.io_manager.asked_outputs import read_output_context
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import InputLoader, StepInputs
from artifact_pipelines.io_manager.log_lines import log_stored, sayer
from artifact_pipelines.io_manager.output_types import check_outputs_of_step
from artifact_pipelines.io_manager.outputs import OutputWriter
from artifact_pipelines.io_manager.reporting import report_written
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer


class ArtifactIOManager(dg.IOManager, IArtifactProducer):
    """Stores outputs as artifacts and loads inputs from them.

    Args:
        catalog: Where materializations are recorded.
        producer: The one place that creates files.
        handlers: Handlers for your own types, for this IO manager only; see `register_type_handler`.
    """

    def __init__(self, catalog: Catalog, producer: ArtifactProducer, handlers: Sequence[ITypeHandler] = ()) -> None:
        self._producer = producer
        self._handlers, step_inputs = TypeHandlers(handlers), StepInputs(catalog.identity)
        self._inputs = InputLoader(catalog, producer.artifact, self._handlers, step_inputs)
        self._outputs = OutputWriter(catalog, producer, self._handlers, step_inputs)

    def create_artifact(
        self,
        content_stream: BinaryIO,
        file_type: str,
        mime_type: str | None = None,
        compression_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileId:
        """See `IArtifactProducer`."""
        return self._producer.create_artifact(content_stream, file_type, mime_type, compression_type, metadata)

    def create_artifacts(self, items: Iterable[NewArtifact]) -> Sequence[FileId]:
        """See `IArtifactProducer`."""
        return self._producer.create_artifacts(items)

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Store a value, record its materialization, and report its data version and metadata to Dagster."""
        started_s = now_s()
        with failures_explained():
            asked = read_output_context(context)
            written = self._outputs.write(asked, obj)
            report_written(context, asked, written)
        log_stored(sayer(context, asked.step), asked.asset, [made for made, _ in written], started_s)

    def load_input(self, context: dg.InputContext) -> Any:
        """Load the artifact of an upstream asset as the type that the input is annotated with."""
        with failures_explained():
            asked = read_input_context(context)
            if asked.step is not None and asked.is_declared:
                check_outputs_of_step(asked.step, self, self._handlers)
            return self._inputs.load(asked)

    def artifact(self, file: FileInfo) -> Artifact:
        """Return a stored file as handlers read it."""
        return self._producer.artifact(file)
