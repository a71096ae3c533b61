"""The store as an asset of its own, with a check that scrubs a share of it: wiring of `verification`."""

import collections
import re
from collections.abc import Sequence

import dagster as dg
import pydantic

from artifact_pipelines.core.findings import Finding
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.io_manager.metadata import table_metadata
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.verification import VerificationReport, verify

GROUP = "maintenance"
_FINDINGS_SHOWN = 200
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")

ARTIFACT_STORE = dg.AssetSpec(
    "artifact_store",
    description=(
        "All stored files of all assets, and the catalog that knows them.\n\nCaveats: no run makes it; its check "
        "`bytes_intact` reads a share of the files a day, the longest unverified first, and compares them with their "
        "content hashes."
    ),
    group_name=GROUP,
    owners=["team:data-platform"],
    kinds={"storage"},
    code_version="1",
)


class Scrub(dg.Config):
    """How much to verify, and what to mend."""

    share: float = pydantic.Field(default=0.05, gt=0, le=1, description="Share of all files, longest unverified first.")
    repair: bool = pydantic.Field(default=False, description="Mend counts and references, remove bytes without a row.")


@dg.asset_check(
    asset=ARTIFACT_STORE.key,
    description="A share of all stored files hashes to what the catalog says, and the catalog agrees with itself.",
)
def bytes_intact(config: Scrub, artifact_store: ArtifactStore) -> dg.AssetCheckResult:
    """Verify a share of the store."""
    with failures_explained(), artifact_store.open() as (catalog, backend):
        report = verify(catalog, backend, share=config.share, repair=config.repair)
    return dg.AssetCheckResult(
        passed=report.is_clean,
        description=_summary(report),
        metadata={
            "files": report.files,
            "size_bytes": report.size_bytes,
            "findings": len(report.findings),
            "what_was_found": table_metadata(
                [_row(finding) for finding in report.findings[:_FINDINGS_SHOWN]], cell_characters=200
            ),
        },
    )


def _row(finding: Finding) -> dict[str, object]:
    return {
        "finding": finding.kind.value,
        "file": finding.file_id,
        "hits": ", ".join(finding.holders),
        "what_to_do": "repaired" if finding.is_repaired else finding.kind.remedy,
        "expected": _HASH.sub(r"\1", finding.expected),
        "found": _HASH.sub(r"\1", finding.found),
        "where": finding.where,
    }


def _summary(report: VerificationReport) -> str:
    read = f"{report.files:,} files, {report.size_bytes:,} bytes read"
    if not report.findings:
        return f"{read}: all is well."
    kinds = collections.Counter(finding.kind.value for finding in report.findings)
    return f"{read}: " + ", ".join(f"{kind}: {count}" for kind, count in kinds.items()) + "."


def build_verification() -> dg.Definitions:
    """Return the asset of the store, its check, and a job and a daily schedule for it, which is off by default."""
    job = dg.define_asset_job(
        "verify_artifact_store",
        selection=dg.AssetSelection.checks(bytes_intact),
        description="Verifies a share of all stored files, the longest unverified first.",
    )
    schedules: Sequence[dg.ScheduleDefinition] = [
        dg.ScheduleDefinition(
            name="verify_artifact_store_daily",
            job=job,
            cron_schedule="17 3 * * *",
            default_status=dg.DefaultScheduleStatus.STOPPED,
        )
    ]
    return dg.Definitions(assets=[ARTIFACT_STORE], asset_checks=[bytes_intact], jobs=[job], schedules=schedules)
