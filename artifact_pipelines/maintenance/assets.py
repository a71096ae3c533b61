"""The store and the catalog's backup as assets, and the check that reads a share of the store."""

import collections

import dagster as dg
import pydantic

from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.core.retention import RETENTION_METADATA_KEY
from artifact_pipelines.core.wording import counted
from artifact_pipelines.instance.page import table_metadata
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.backup import BACKUP_ASSET, RETENTION, back_up
from artifact_pipelines.maintenance.store_size import measure
from artifact_pipelines.maintenance.verification import VerificationReport, verify
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

_GROUP = "maintenance"
_OWNERS = ["team:data-platform"]
_CODE_VERSION = "1"
_FINDINGS_SHOWN = 200
_LARGEST_SHOWN = 20

ARTIFACT_STORE = dg.AssetSpec(
    "artifact_store",
    description=(
        "The stored files of all assets, and the catalog that describes them.\n\nCaveats: no run materializes it. Its "
        "check `bytes_intact` reads a share of the files a day, those verified longest ago first, and compares them "
        "with their content hashes."
    ),
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"storage"},
    code_version=_CODE_VERSION,
)


@dg.asset(
    key=BACKUP_ASSET.split("/"),
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"gzip"},
    code_version=_CODE_VERSION,
    metadata={RETENTION_METADATA_KEY: RETENTION.to_mapping()},
    description=(
        "All rows of the catalog as they were at one moment, as gzipped JSON lines with one row each.\n\n"
        "Caveats: `artifact-pipelines catalog restore` restores a lost catalog from the newest backup. It finds the "
        "backup in the store without a catalog."
    ),
)
def catalog_backup(context: dg.AssetExecutionContext, artifact_store: ArtifactStore) -> dg.MaterializeResult[None]:
    """Store a backup and report its contents to Dagster."""
    started_s = now_s()
    with failures_explained(), artifact_store.open() as (catalog, backend):
        producer = ArtifactProducer(catalog.files, backend)
        made = back_up(catalog, producer, run_id=context.run.run_id, code_version=_CODE_VERSION)
    facts = {"file_id": made.file.file_id, "rows": made.row_count, "bytes": made.file.size_bytes}
    log_done(context.log.info, "backed_up", started_s, asset=BACKUP_ASSET, **facts)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.data_version),
        metadata={
            "artifact/file_id": str(made.file.file_id),
            "dagster/size_bytes": made.file.size_bytes,
            "backup/rows_by_table": dict(made.metadata["rows"]),
            "dagster/row_count": made.row_count,
        },
    )


@dg.asset(
    key=["artifact_store", "size"],
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"storage"},
    code_version=_CODE_VERSION,
    description=(
        "How large the store is, over time: bytes stored, bytes that all kept versions hold, how many times the one is "
        "the other, and what clean-up could free.\n\nCaveats: the numbers are the catalog's; no file is read. "
        "`artifact-pipelines stats` prints the same."
    ),
)
def artifact_store_size(context: dg.AssetExecutionContext, artifact_store: ArtifactStore) -> dg.MaterializeResult[None]:
    """Measure the store and report its size to Dagster, which plots each number."""
    started_s = now_s()
    with failures_explained(), artifact_store.open() as (catalog, _):
        size = measure(catalog)
    stored = {"files": size.stored.files, "bytes": size.stored.size_bytes}
    log_done(context.log.info, "measured", started_s, **stored)
    metadata = {name: value for name, value in size.facts().items() if value is not None}
    return dg.MaterializeResult(metadata={**metadata, "largest_assets": table_metadata(size.largest(_LARGEST_SHOWN))})


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
def bytes_intact(
    context: dg.AssetCheckExecutionContext, config: VerificationConfig, artifact_store: ArtifactStore
) -> dg.AssetCheckResult:
    """Verify a share of the store."""
    started_s = now_s()
    with failures_explained(), artifact_store.open() as (catalog, backend):
        report = verify(catalog, backend, share=config.share, repair=config.repair)
    facts = {"files": report.files, "bytes": report.size_bytes, "findings": len(report.findings)}
    log_done(context.op_execution_context.log.info, "verified", started_s, **facts)
    return dg.AssetCheckResult(
        passed=report.is_clean,
        description=_summary(report),
        metadata={
            "verify/files": report.files,
            "verify/bytes": report.size_bytes,
            "verify/findings": len(report.findings),
            "verify/what_was_found": table_metadata(
                [finding.row() for finding in report.findings[:_FINDINGS_SHOWN]], cell_characters=200
            ),
        },
    )


def _summary(report: VerificationReport) -> str:
    read = f"{counted(report.files, 'file')}, {report.size_bytes:,} bytes read"
    if not report.findings:
        return f"{read}: no damage found."
    kinds = collections.Counter(finding.kind.value for finding in report.findings)
    return f"{read}: " + ", ".join(f"{kind}: {count}" for kind, count in kinds.items()) + "."
