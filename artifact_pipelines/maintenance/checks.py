"""The check that reads a share of the store: wiring of `verification`."""

import collections

import dagster as dg
import pydantic

from artifact_pipelines.core.findings import Finding, shorten_hashes
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.io_manager.metadata import table_metadata
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.assets import ARTIFACT_STORE
from artifact_pipelines.maintenance.verification import VerificationReport, verify

_FINDINGS_SHOWN = 200


class VerificationConfig(dg.Config):
    """How much to verify, and whether to repair."""

    share: float = pydantic.Field(
        default=0.05, gt=0, le=1, description="Share of all files to read, those verified longest ago first."
    )
    repair: bool = pydantic.Field(
        default=False, description="Fix counts and references, and remove bytes without a row."
    )


@dg.asset_check(
    asset=ARTIFACT_STORE.key,
    description="A share of the stored files matches its content hashes, and the catalog is consistent.",
)
def bytes_intact(config: VerificationConfig, artifact_store: ArtifactStore) -> dg.AssetCheckResult:
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
        "expected": shorten_hashes(finding.expected),
        "found": shorten_hashes(finding.found),
        "where": finding.where,
    }


def _summary(report: VerificationReport) -> str:
    read = f"{report.files:,} files, {report.size_bytes:,} bytes read"
    if not report.findings:
        return f"{read}: no damage found."
    kinds = collections.Counter(finding.kind.value for finding in report.findings)
    return f"{read}: " + ", ".join(f"{kind}: {count}" for kind, count in kinds.items()) + "."
