"""The first schema."""

import sqlalchemy as sa
from alembic import op

from artifact_pipelines.catalog.clock import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "datasets",
        sa.Column(
            "dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "files",
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("hash_algorithm", sa.String(length=16), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_type", sa.String(length=32), nullable=False),
        sa.Column("mime_type", sa.String(length=255), nullable=True),
        sa.Column("compression_type", sa.String(length=32), nullable=True),
        sa.Column("storage_key", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reference_count", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("stored_at", UtcDateTime(), nullable=True),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.Column("unreferenced_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'stored', 'damaged')", name=op.f("ck_files_state_known")),
        sa.CheckConstraint("reference_count >= 0", name=op.f("ck_files_reference_count_not_negative")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_files_size_not_negative")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_files")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_files_content_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_files_size_bytes", "files", ["size_bytes"], unique=False)
    op.create_index("ix_files_unreferenced_at", "files", ["unreferenced_at"], unique=False)
    op.create_index("ix_files_verified_at", "files", ["verified_at"], unique=False)

    op.create_table(
        "landing_files",
        sa.Column(
            "landing_file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False, comment="below the landing zone"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("run_key", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('seen', 'requested', 'ingested', 'duplicate', 'failed')",
            name=op.f("ck_landing_files_state_known"),
        ),
        sa.PrimaryKeyConstraint("landing_file_id", name=op.f("pk_landing_files")),
        sa.UniqueConstraint("dataset", "path", name=op.f("uq_landing_files_dataset_path")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "materializations",
        sa.Column(
            "materialization_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=True, comment="null: not partitioned"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="counts the changes of content, from 1"),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("step_key", sa.Text(), nullable=True),
        sa.Column("data_version", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("bytes_added", sa.BigInteger(), nullable=False),
        sa.Column("schema", sa.JSON(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("materialization_id", name=op.f("pk_materializations")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_materializations_asset_key_partition_key_materialization_id",
        "materializations",
        ["asset_key", "partition_key", "materialization_id"],
        unique=False,
    )
    op.create_index("ix_materializations_run_id", "materializations", ["run_id"], unique=False)

    op.create_table(
        "dataset_versions",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("materialization_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.dataset_id"], name=op.f("fk_dataset_versions_dataset_id")),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_dataset_versions_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_dataset_versions")),
        sa.UniqueConstraint("dataset_id", "number", name=op.f("uq_dataset_versions_dataset_id_number")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dataset_versions_materialization_id", "dataset_versions", ["materialization_id"], unique=False)

    op.create_table(
        "file_references",
        sa.Column(
            "reference_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True, comment="null: a lasting reference; else a lease"),
        sa.ForeignKeyConstraint(["file_id"], ["files.file_id"], name=op.f("fk_file_references_file_id")),
        sa.PrimaryKeyConstraint("reference_id", name=op.f("pk_file_references")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_file_references_expires_at", "file_references", ["expires_at"], unique=False)
    op.create_index("ix_file_references_file_id_holder", "file_references", ["file_id", "holder"], unique=False)

    op.create_table(
        "materialization_files",
        sa.Column("materialization_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.file_id"], name=op.f("fk_materialization_files_file_id")),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_materialization_files_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("materialization_id", "position", name=op.f("pk_materialization_files")),
    )
    op.create_index("ix_materialization_files_file_id", "materialization_files", ["file_id"], unique=False)

    op.create_table(
        "materialization_inputs",
        sa.Column("materialization_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["files.file_id"], name=op.f("fk_materialization_inputs_file_id")),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_materialization_inputs_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("materialization_id", "asset_key", "file_id", name=op.f("pk_materialization_inputs")),
    )
    op.create_index("ix_materialization_inputs_file_id", "materialization_inputs", ["file_id"], unique=False)
