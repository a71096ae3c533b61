"""Reports results of checks to Dagster."""

import dagster as dg

from artifact_pipelines.core.check_results import CheckResult

FAILING_ROWS = "artifact/failing_rows"
"""Metadata of an evaluation: the asset with the rows that broke the check, its version, and their number."""

FIRST_FAILING_ROWS = "artifact/first_failing_rows"
"""Metadata of an evaluation: the first of them, as a table."""


def reported(result: CheckResult, asset: dg.AssetKey | None = None) -> dg.AssetCheckResult:
    """Return a result as Dagster takes it; without an asset, of the one asset that the step makes."""
    severity = dg.AssetCheckSeverity.ERROR if result.is_error else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=result.name,
        passed=result.passed,
        severity=severity,
        description=result.text,
        metadata=dict(result.figures),
    )
