"""The asset of an analysis of any kind."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import dagster as dg
import pyarrow as pa

from artifact_pipelines.analysis.interfaces import BEFORE, Answer, IAnalysisKind, Table
from artifact_pipelines.analysis.memory import (
    ANSWERED_FROM,
    CONTINUED_FROM,
    noted,
    noted_again,
    noted_checks,
    notes_read,
    partial_before,
    question_of,
    recall,
)
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.materializations import MaterializationCatalog
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.markdown import images
from artifact_pipelines.charts.small import small_image
from artifact_pipelines.core.log_lines import Fact, log_done, now_s
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import LoadedInput, Materialization, Selection
from artifact_pipelines.instance.check_results import reported
from artifact_pipelines.instance.page import fits_inline, fitting_table, inline_markdown, table_metadata
from artifact_pipelines.io_manager.asked_outputs import QUESTION_METADATA_KEY, SOURCE_METADATA_KEY
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import note_inputs
from artifact_pipelines.io_manager.outputs import KnownAnswer
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.io_manager.side_outputs import store_beside
from artifact_pipelines.io_manager.version_history import FIGURES
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.holding import Holding
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.local_paths import VerifiedPath, verified_path

ANSWER_METADATA_KEY = "artifact/answer"
MOST_SMALL_CHARTS = 50
"""Charts that the asset's page shows without a click."""
REMEMBER_TAG = "artifact/remember"
"""Tag of a run: `false` computes every answer again."""
_NEWEST = RetentionPolicy(keep_last=1)
_ARTIFACT = dg.PythonObjectDagsterType(Artifact)
_Results = Iterator[dg.Output[Any] | dg.AssetCheckResult]


def build_analysis_asset(
    dataset: str, analysis: str, kind: IAnalysisKind, attributes: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Return the asset that answers an analysis. It requires `artifact_store`."""
    asset_key = dg.AssetKey([dataset, "analyses", analysis])
    inputs = kind.inputs(dataset)

    @dg.asset(
        key=asset_key,
        ins={_argument(name): dg.AssetIn(key.split("/"), dagster_type=_ARTIFACT) for name, key in inputs.items()},
        description=kind.description(dataset),
        kinds={kind.tag(), "parquet", *kind.ENGINES},
        code_version=kind.code_version(),
        check_specs=[dg.AssetCheckSpec(name, asset=asset_key) for name in kind.checks()],
        required_resource_keys={"artifact_store"},
        **attributes,
    )
    def answer(context: dg.AssetExecutionContext, **artifacts: Artifact) -> _Results:
        started_s, known, before = now_s(), None, None
        with failures_explained(), ExitStack() as stack:
            store: ArtifactStore = context.resources.artifact_store
            catalog, backend = stack.enter_context(store.open())
            producer = ArtifactProducer(catalog.files, backend)
            tables = {name: artifacts[_argument(name)] for name in inputs}
            if kind.compares() and (compared := _baseline(context, catalog, tables, kind.baseline_tag())):
                tables[BEFORE] = producer.artifact(compared.file, compared)
            question = question_of(kind, dataset, tables)
            partials = _PartialResults(context, (catalog, backend), kind)
            remembers = question and kind.remember and context.run.tags.get(REMEMBER_TAG) != "false"
            if question and remembers:
                holding = stack.enter_context(producer.holding(is_brief=True))
                known = recall(catalog, holding, question)
                before = None if known else partials.before(holding)
            if known:
                yield from _outputs(KnownAnswer(known), noted_again(known), question)
            else:
                files = {name: stack.enter_context(verified_path(each)) for name, each in tables.items()}
                asked = {name: _table(file, kind, tables[name], before) for name, file in files.items()}
                found = stack.enter_context(kind.answer(asked))
                yield from _outputs(_rows(found, files), noted(found) if isinstance(found, Answer) else {}, question)
                if remembers:
                    partials.keep(found)
        facts: dict[str, Fact] = {"kind": kind.tag(), "tables": len(tables), "remembered": known is not None}
        log_done(context.log.info, "answered", started_s, asset=asset_key.to_user_string(), **facts)

    return answer


class _PartialResults:
    """The partial results of an analysis whose kind keeps them: an asset beside it, in the catalog only."""

    def __init__(
        self, context: dg.AssetExecutionContext, store: tuple[Catalog, IStorageBackend], kind: IAnalysisKind
    ) -> None:
        self._step = context.get_step_execution_context()
        self._key = dg.AssetKey([*context.asset_key.path, "partial"])
        self._partition = context.partition_key if context.has_partition_key else None
        self._store = store
        self._kind = kind

    def before(self, holding: Holding) -> bytes | None:
        """Return that of the version before; None: there is none."""
        if not self._kind.KEEPS_PARTIAL:
            return None
        catalog, backend = self._store
        producer, version = ArtifactProducer(catalog.files, backend), self._kind.code_version()
        return partial_before(catalog, producer, holding, self._key.to_user_string(), self._partition, version)

    def keep(self, found: Any) -> None:
        """Store that of an answer in the place of the one before."""
        if isinstance(found, Answer) and found.partial is not None:
            partitions = None if self._partition is None else (self._partition,)
            options: dict[str, Any] = {"retention": _NEWEST, "code_version": self._kind.code_version()}
            store_beside(self._step, self._store, self._key, found.partial, partitions, **options)


def _argument(name: str) -> str:
    """Return the argument for an input, whose name may have a dot."""
    return name.replace(".", "__")


def _baseline(
    context: dg.AssetExecutionContext, catalog: Catalog, tables: Mapping[str, Artifact], tag: str | None
) -> Materialization | None:
    """Return the version that the first table is compared with, noted as an input; None: there is none."""
    made = next(iter(tables.values())).materialization
    before = _version(catalog.materializations, made, tag) if made else None
    if before:
        note_inputs(context, catalog, [LoadedInput.of(before)])
    return before


def _version(versions: MaterializationCatalog, made: Materialization, tag: str | None) -> Materialization | None:
    if tag is None:
        return versions.version_before(made)
    return versions.find(made.asset, [made.partition], Selection(tag=tag)).get(made.partition)


def _table(file: VerifiedPath, kind: IAnalysisKind, artifact: Artifact, partial: bytes | None) -> Table:
    made = artifact.materialization
    if made is None or kind.READS_ROWS_ONLY:
        return Table(file.path, source=notes_read(kind, artifact), partial=partial)
    return Table(file.path, made.asset, made.version, made.source, partial)


def _rows(found: Any, files: Mapping[str, VerifiedPath]) -> Any:
    """Return the rows of an answer; no row of damaged tables is stored."""
    for file in files.values():
        if isinstance(found, pa.RecordBatchReader):
            found = file.batches(found)
        else:
            file.check()
    return found.rows if isinstance(found, Answer) else found


def _outputs(value: Any, note: Mapping[str, Any], question: str | None) -> _Results:
    yield dg.Output(value, metadata=_metadata(note, question))
    yield from map(reported, noted_checks(note))


def _page(note: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer shows without a click: a summary, its rows and small charts; and all of it behind one."""
    charts = [Chart.from_json(each) for each in note["charts"]]
    page, is_short = note["page"], fits_inline(note["page"])
    shown: dict[str, Any] = {}
    if summary := page if is_short else note.get("summary"):
        shown["artifact/summary"] = inline_markdown(summary)
    if not is_short and note.get("shown"):
        shown["artifact/rows"] = table_metadata(note["shown"])
    elif not is_short and note.get("first_rows"):
        shown["artifact/rows"] = fitting_table(note["first_rows"])
    small = {f"chart/{each.title}": small_image(each) for each in charts[:MOST_SMALL_CHARTS]}
    shown |= {name: dg.MetadataValue.md(image) for name, image in small.items() if image is not None}
    if charts or not is_short:
        page = "\n\n".join(filter(None, (images(charts), page)))
        shown[ANSWER_METADATA_KEY] = dg.MetadataValue.md(page)
    return shown


def _rounded(number: float) -> float:
    """Return a figure with six digits that matter; the artifact has all of them."""
    return float(f"{number:.6g}") if isinstance(number, float) else number


def _metadata(note: Mapping[str, Any], question: str | None) -> dict[str, Any]:
    """Return what the asset's page shows, and what the report and the memory read back from the catalog."""
    shown = _page(note) if "page" in note else {}
    shown |= {name: _rounded(number) for name, number in note.get(FIGURES, {}).items()}
    for known in (ANSWERED_FROM, CONTINUED_FROM):
        if known in note:
            shown[f"artifact/{known}"] = dg.MetadataValue.text(note[known])
    if note:
        shown[SOURCE_METADATA_KEY] = dict(note)
    if question:
        shown[QUESTION_METADATA_KEY] = question
    return shown
