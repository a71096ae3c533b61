"""Memory of answers: a question that was answered before, about the same files, has the answer that is stored.

The one idea: a kind's answer depends on nothing but its tables and its fields, so their digest names the answer. The
catalog finds it by this name, in whatever asset, run or dataset it was asked first. Where rows were added to a table,
the partial result of the version before saves reading the others. Must not import Dagster.
"""

from collections.abc import Mapping
from typing import Any

from artifact_pipelines.analysis.interfaces import Answer, IAnalysisKind
from artifact_pipelines.analysis.readable import first_rows
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.core.wording import counted
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.hashing import digest_of
from artifact_pipelines.storage.holding import Holding

ANSWERED_FROM = "answered_from"
"""Key of the note on a materialization: the one that first held the answer."""

CONTINUED_FROM = "continued_from"
"""Key of the note on a materialization: how many rows were not read, because their partial result was known."""


def question_of(kind: IAnalysisKind, dataset: str, tables: Mapping[str, Artifact]) -> str | None:
    """Return the digest of a question; None: its answer changes from run to run.

    Args:
        kind: Its code version stands for its code and fields.
        dataset: Its name is no part of the question.
        tables: The tables that it reads, by name.
    """
    if not kind.is_repeatable():
        return None
    named = {"" if name == dataset else name: _described(kind, table) for name, table in tables.items()}
    return digest_of([kind.code_version(), named])


def recall(catalog: Catalog, holding: Holding, question: str) -> Materialization | None:
    """Return a materialization that answers a question, its file held; None: there is none, or its bytes are gone."""
    known = catalog.materializations.find_answer(question)
    return known if known and holding.hold(known.file) else None


def partial_before(
    catalog: Catalog, producer: ArtifactProducer, holding: Holding, asset: str, partition: str | None, version: str
) -> bytes | None:
    """Return the partial result that an earlier answer left; None: there is none, or its bytes are gone.

    Args:
        asset: Asset of the partial results.
        version: Code version of the kind; it can read only its own.
    """
    made = catalog.materializations.find(asset, [partition]).get(partition)
    if made is None or made.code_version != version or not holding.hold(made.file):
        return None
    with producer.artifact(made.file).open() as stream:
        return stream.read()


def noted(found: Answer) -> dict[str, Any]:
    """Return as JSON values what is noted with an answer besides its rows."""
    checks = [
        {"name": x.name, "passed": x.passed, "is_error": x.is_error, "text": x.text, "figures": dict(x.figures)}
        for x in found.checks
    ]
    charts = [each.to_json() for each in found.charts]
    shown = [dict(row) for row in found.shown or ()]
    known = {CONTINUED_FROM: f"a partial result of {counted(found.known_rows, 'row')}"} if found.known_rows else {}
    return {
        **known,
        "page": found.page,
        "summary": found.summary,
        "shown": shown,
        "first_rows": first_rows(found.rows) if found.shown is None else [],
        "figures": dict(found.figures),
        "charts": charts,
        "check_results": checks,
    }


def noted_again(known: Materialization) -> dict[str, Any]:
    """Return the note of a known answer, with the materialization that first held it."""
    name = str(VersionName(known.asset, known.partition, known.version))
    first = f"{name}, file {known.file.file_id}, of {known.created_at:%Y-%m-%d %H:%M:%S} UTC"
    return {ANSWERED_FROM: first, **known.source}


def noted_checks(note: Mapping[str, Any]) -> list[CheckResult]:
    """Return the results of the checks of an answer."""
    return [CheckResult(**each) for each in note.get("check_results", ())]


def _described(kind: IAnalysisKind, table: Artifact) -> list[Any]:
    """Return what of a table the answer depends on."""
    made = table.materialization
    if made is None or kind.READS_ROWS_ONLY:
        return [table.info.content_hash, notes_read(kind, table)]
    return [table.info.content_hash, made.asset, made.version, dict(made.source)]


def notes_read(kind: IAnalysisKind, table: Artifact) -> dict[str, Any]:
    """Return the notes on a table that a kind reads though it reads rows only."""
    source = table.materialization.source if table.materialization else {}
    return {name: source[name] for name in kind.NOTES_READ if name in source}
