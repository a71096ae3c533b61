"""The asset of an analysis of any kind."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg
import pyarrow as pa

from artifact_pipelines.analysis.interfaces import BEFORE, Answer, IAnalysisKind, Table
from artifact_pipelines.charts.markdown import images
from artifact_pipelines.core.types import LoadedInput, Materialization
from artifact_pipelines.io_manager.asked_outputs import SOURCE_METADATA_KEY
from artifact_pipelines.io_manager.check_results import reported
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import note_inputs
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.local_paths import VerifiedPath, verified_path

ANSWER_METADATA_KEY = "artifact/answer"
_ARTIFACT = dg.PythonObjectDagsterType(Artifact)


def build_analysis_asset(
    dataset: str, analysis: str, kind: IAnalysisKind, attributes: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Return the asset that answers an analysis. If the kind compares versions, it requires `artifact_store`."""
    asset_key = dg.AssetKey([dataset, "analyses", analysis])
    inputs = kind.inputs(dataset)

    @dg.asset(
        key=asset_key,
        ins={_argument(name): dg.AssetIn(key.split("/"), dagster_type=_ARTIFACT) for name, key in inputs.items()},
        description=kind.description(dataset),
        kinds={"parquet", *kind.ENGINES},
        code_version=kind.code_version(),
        check_specs=[dg.AssetCheckSpec(name, asset=asset_key) for name in kind.checks()],
        required_resource_keys={"artifact_store"} if kind.compares() else set(),
        **attributes,
    )
    def answer(
        context: dg.AssetExecutionContext, **artifacts: Artifact
    ) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
        with failures_explained(), ExitStack() as stack:
            found_inputs = {name: artifacts[_argument(name)] for name in inputs}
            files = {name: stack.enter_context(verified_path(each)) for name, each in found_inputs.items()}
            made = {name: each.materialization for name, each in found_inputs.items()}
            if kind.compares():
                before = stack.enter_context(_version_before(context, made[next(iter(inputs))]))
                if before:
                    made[BEFORE], files[BEFORE] = before
            found = stack.enter_context(kind.answer({name: _table(file, made[name]) for name, file in files.items()}))
            yield from _outputs(found, files)

    return answer


def _argument(name: str) -> str:
    """Return the argument for an input, whose name may have a dot."""
    return name.replace(".", "__")


@contextmanager
def _version_before(
    context: dg.AssetExecutionContext, made: Materialization | None
) -> Iterator[tuple[Materialization, VerifiedPath] | None]:
    store: ArtifactStore = context.resources.artifact_store
    with store.open() as (catalog, backend):
        before = catalog.materializations.version_before(made) if made else None
        if before is None:
            yield None
            return
        note_inputs(context, catalog, [LoadedInput.of(before)])
        with verified_path(ArtifactProducer(catalog.files, backend).artifact(before.file, before)) as file:
            yield before, file


def _table(file: VerifiedPath, made: Materialization | None) -> Table:
    return Table(file.path, made.asset, made.version, made.source) if made else Table(file.path)


def _outputs(found: Any, files: Mapping[str, VerifiedPath]) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    if isinstance(found, pa.RecordBatchReader):
        for file in files.values():
            found = file.batches(found)
        yield dg.Output(found)
        return
    for file in files.values():
        file.check()  # before the answer is stored, not after
    if not isinstance(found, Answer):
        yield dg.Output(found)
        return
    yield dg.Output(found.rows, metadata=_metadata(found))
    yield from map(reported, found.checks)


def _metadata(found: Answer) -> dict[str, Any]:
    """Return what the asset's page shows, and what the report reads back from the catalog."""
    page = "\n\n".join(filter(None, (images(found.charts), found.page)))
    charts = [each.to_json() for each in found.charts]
    noted = {"page": found.page, "figures": dict(found.figures), "charts": charts}
    return {ANSWER_METADATA_KEY: dg.MetadataValue.md(page), SOURCE_METADATA_KEY: noted, **found.figures}
