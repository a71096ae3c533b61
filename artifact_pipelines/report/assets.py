"""The asset of a dataset's report."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.types import LoadedInput, Materialization
from artifact_pipelines.instance.check_findings import CheckFindings
from artifact_pipelines.instance.event_log import key_of
from artifact_pipelines.instance.page import inline_markdown
from artifact_pipelines.io_manager.asked import whole_asset_graph
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import note_inputs
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.report.facts import ReportFacts
from artifact_pipelines.report.gathering import Checks, checks_in_catalog, gather
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

CODE_VERSION = "1"
SUMMARY_METADATA_KEY = "artifact/report"


def report_key(dataset: str) -> dg.AssetKey:
    """Return the key of the asset of a dataset's report."""
    return dg.AssetKey([dataset, "report"])


def build_report_asset(
    dataset: str, description: str, results: Sequence[dg.AssetKey], attributes: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Return the asset that makes the report of the newest version. It requires `artifact_store`.

    Args:
        description: What the dataset is, in Markdown.
        results: Keys of the dataset's samples and analyses; one that has failed is missing in the report.
        attributes: Further arguments of `dg.asset`, such as the group and the automation condition.
    """
    expected = sorted(key.to_user_string() for key in results)

    @dg.asset(
        key=report_key(dataset),
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        deps=list(results),
        description=(
            f"The report of {dataset}: one HTML file that opens without a network.\n\n"
            f"To read it: `artifact-pipelines report {dataset} --open`"
        ),
        kinds={"html"},
        code_version=CODE_VERSION,
        required_resource_keys={"artifact_store"},
        **attributes,
    )
    def report(context: dg.AssetExecutionContext, table: Artifact) -> dg.Output[Any]:
        from artifact_pipelines.report.page import render

        store: ArtifactStore = context.resources.artifact_store
        with failures_explained(), store.open() as (catalog, backend):
            artifact_of = ArtifactProducer(catalog.files, backend).artifact
            made = table.materialization
            assert made is not None  # it is an input
            checks = _checks_in_event_log(context, catalog)
            facts = gather(catalog, artifact_of, dataset, made, checks, expected, description)
            note_inputs(context, catalog, [LoadedInput.of(each.made) for each in facts.edges[1:]])
            page = io.BytesIO(render(facts))
        page.name = f"{facts.file_stem}.html"
        return dg.Output(page, metadata=_metadata(facts))

    return report


def _checks_in_event_log(context: dg.AssetExecutionContext, catalog: Catalog) -> Checks:
    """Return how to find the results of the checks that are about a materialization."""
    graph = whole_asset_graph(context.get_step_execution_context())
    findings = CheckFindings(context.instance, catalog)

    def checks_of(made: Materialization) -> Sequence[CheckResult]:
        names = sorted(key.name for key in graph.get_check_keys_for_assets({key_of(made)}))
        checked = catalog.materializations.origin(made)  # a rollback makes a copy, which nothing has checked
        found = {name: findings.of(checked, name) for name in names}
        noted = {each.name: each for each in checks_in_catalog(made)}
        results = {name: _result(name, evaluation) for name, evaluation in found.items() if evaluation}
        return list({**noted, **results}.values())

    return checks_of


def _result(name: str, evaluation: dg.AssetCheckEvaluation) -> CheckResult:
    is_error = evaluation.severity == dg.AssetCheckSeverity.ERROR
    return CheckResult(name, evaluation.passed, is_error, evaluation.description or "")


def _metadata(facts: ReportFacts) -> dict[str, Any]:
    from artifact_pipelines.report.attention import attention_page

    return {
        SUMMARY_METADATA_KEY: inline_markdown(attention_page(facts)),
        "report/failed_checks": sum(not each.result.passed for each in facts.checks),
        "report/missing_results": len(facts.missing),
    }
