"""Gathers what a report says from the catalog. Must not import Dagster.

One idea: nothing is asked that changes while the version stays the same, such as which version is current, so that the
same results give the same report.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow.parquet as pq

from artifact_pipelines.analysis.memory import noted_checks
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import UnknownDatasetError
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.types import FileInfo, Materialization, Publication
from artifact_pipelines.handlers.table_handlers import ParquetHandler
from artifact_pipelines.report.facts import Analysis, Edge, MadeCheck, ReportFacts, TableVersion
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.footer import preview

MOST_VERSIONS = 50
"""Versions that a report lists."""

_MOST_FILES = 1000
_MOST_MADE = 5000
_ANSWER_ROWS = 20
_DEPTH = 3  # column partitions are made from a table that is made from raw files

ArtifactOf = Callable[[FileInfo], Artifact]
"""Returns a stored file as readers take it."""

Checks = Callable[[Materialization], Sequence[CheckResult]]
"""Returns the results of the checks of a materialization."""


def checks_in_catalog(made: Materialization) -> Sequence[CheckResult]:
    """Return the results that are noted with an answer; Dagster alone has those of tables and samples."""
    return noted_checks(made.source)


def gather(
    catalog: Catalog,
    artifact_of: ArtifactOf,
    dataset: str,
    table: Materialization,
    checks_of: Checks | None = None,
    expected: Iterable[str] = (),
    description: str = "",
) -> ReportFacts:
    """Return all that a report of a version says.

    Args:
        artifact_of: Reads files of the store.
        table: The table of the version, or a partition of it.
        checks_of: Finds the results of all checks; None: only those that the catalog has.
        expected: Asset keys of the declared samples and analyses.
        description: What the dataset is, in Markdown.

    Raises:
        IntegrityError: Bytes of the table or of an answer are missing or damaged.
    """
    made = _made_from(catalog, dataset, table)
    samples = [each for each in made if each.asset.startswith(f"{dataset}/samples/")]
    analyses = [_analysis(artifact_of, dataset, each) for each in made if each.asset.startswith(f"{dataset}/analyses/")]
    profile = next((each for each in analyses if each.kind == "profile"), None)
    files = _raw_files(catalog, dataset, table)
    facts = ParquetHandler().facts(artifact_of(table.file))
    found = {each.asset for each in made}
    results_of = checks_of or checks_in_catalog
    return ReportFacts(
        dataset=dataset,
        description=description,
        versions=_versions(catalog, dataset, table),
        files=files,
        columns=facts["columns"],
        first_rows=facts["preview"],
        profile=_rows(artifact_of, profile.made) if profile else (),
        samples=samples,
        analyses=analyses,
        checks=[MadeCheck(each.asset, result) for each in (table, *made) for result in results_of(each)],
        has_all_checks=checks_of is not None,
        stored_reports=_stored_reports(catalog, dataset) if checks_of is None else "",
        missing=[asset for asset in expected if asset not in found],
        edges=_edges(catalog, [table, *made]),
        figures=profile.figures if profile else {},
    )


def _stored_reports(catalog: Catalog, dataset: str) -> str:
    """Return the asset of a dataset's stored reports; empty: there is none, as of a table that is no dataset's."""
    asset = f"{dataset}/report"
    return asset if catalog.asset_names.exists(asset) else ""


def _versions(catalog: Catalog, dataset: str, table: Materialization) -> Sequence[TableVersion]:
    """Return the version of a table and the published ones before it, newest first."""
    try:
        listed = catalog.datasets.versions(dataset, partition=table.partition)
    except UnknownDatasetError:
        listed = ()
    numbers = {each.table.version: each.number for each in listed if each.table and each.is_in_table}
    kept: dict[int, list[Materialization]] = {table.version: [table]}
    for made in catalog.materializations.history(table.asset, table.partition):
        is_before = made.version < table.version and made.publication == Publication.PUBLISHED
        if is_before or made.version == table.version:
            kept.setdefault(made.version, []).append(made)
    newest_first = sorted(kept, reverse=True)[:MOST_VERSIONS]
    is_numbered = table.asset == f"{dataset}/table"
    return [
        TableVersion(
            numbers.get(version) if is_numbered else None,
            kept[version][0],
            min(each.created_at for each in kept[version]),
        )
        for version in newest_first
    ]


def _raw_files(catalog: Catalog, dataset: str, table: Materialization) -> Sequence[Materialization]:
    level = [table.materialization_id]
    for _ in range(_DEPTH):
        inputs = [made for _, made in catalog.lineage.inputs(level, _MOST_FILES)] if level else []
        if raw := [made.materialization_id for made in inputs if made.asset == f"{dataset}/raw"]:
            return catalog.materializations.with_ids(list(dict.fromkeys(raw)))
        level = [made.materialization_id for made in inputs]
    return ()


def _made_from(catalog: Catalog, dataset: str, table: Materialization) -> Sequence[Materialization]:
    """Return the samples and analyses of a table by name, and the analyses of these samples."""
    direct = _newest_of_each(catalog, table.asset, dataset, [table])
    samples = [each for each in direct if each.asset.startswith(f"{dataset}/samples/")]
    further = _newest_of_each(catalog, "", dataset, samples) if samples else []
    known = {each.asset for each in direct}
    return sorted([*direct, *(each for each in further if each.asset not in known)], key=lambda each: each.asset)


def _newest_of_each(
    catalog: Catalog, table: str, dataset: str, sources: Sequence[Materialization]
) -> list[Materialization]:
    """Return the newest sample or analysis of each asset that was made from some materializations.

    One that was also made from a later version of the table is about that one: a comparison reads two.
    """
    wanted = (f"{dataset}/samples/", f"{dataset}/analyses/")
    newest = max(each.version for each in sources)
    consumers = catalog.lineage.consumers([each.materialization_id for each in sources], _MOST_MADE)
    ids = [made.materialization_id for _, made in consumers if made.asset.startswith(wanted)]
    inputs = catalog.lineage.inputs(ids, _MOST_MADE)
    later = {consumer for consumer, used in inputs if used.asset == table and used.version > newest}
    found = {each.asset: each for each in catalog.materializations.with_ids(sorted(set(ids) - later))}
    return [each for each in found.values() if each.partition == sources[0].partition]


def _analysis(artifact_of: ArtifactOf, dataset: str, made: Materialization) -> Analysis:
    kind = (made.code_version or "").split(" ")[0]
    rows: Sequence[Any] = ()
    if not made.source.get("page"):
        with artifact_of(made.file).open() as stream:
            rows = preview(stream, _ANSWER_ROWS)
    return Analysis(made.asset.removeprefix(f"{dataset}/analyses/"), kind, made, rows)


def _rows(artifact_of: ArtifactOf, made: Materialization) -> Sequence[dict[str, Any]]:
    with artifact_of(made.file).open() as stream:
        rows: list[dict[str, Any]] = pq.read_table(stream).to_pylist()
    return rows


def _edges(catalog: Catalog, made: Sequence[Materialization]) -> Sequence[Edge]:
    inputs = catalog.lineage.inputs([each.materialization_id for each in made], _MOST_MADE)
    sources: dict[int, list[str]] = {}
    for consumer, used in inputs:
        partition = "" if used.partition is None else f"[{used.partition}]"
        sources.setdefault(consumer, []).append(f"{used.asset}{partition}@v{used.version}")
    return [Edge(each, sources.get(each.materialization_id, ())) for each in made]
