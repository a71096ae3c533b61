"""The schema of the catalog. Every later change of `tables.py` needs a migration of its own."""

import sqlalchemy as sa
from alembic.operations import Operations

from artifact_pipelines.catalog.tables import UtcDateTime

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade(op: Operations) -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "datasets",
        sa.Column("dataset_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "files",
        sa.Column("file_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("hash_algorithm", sa.String(length=16), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_type", sa.String(length=32), nullable=False),
        sa.Column("mime_type", sa.String(length=255)),
        sa.Column("compression_type", sa.String(length=32)),
        sa.Column("storage_key", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reference_count", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("stored_at", UtcDateTime()),
        sa.Column("verified_at", UtcDateTime()),
        sa.Column("unreferenced_at", UtcDateTime()),
        sa.CheckConstraint("state IN ('pending', 'stored', 'damaged')", name=op.f("ck_files_state_known")),
        sa.CheckConstraint("reference_count >= 0", name=op.f("ck_files_reference_count_not_negative")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_files_size_not_negative")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_files")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_files_content_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_files_size_bytes", "files", ["size_bytes"])
    op.create_index("ix_files_unreferenced_at", "files", ["unreferenced_at"])
    op.create_index("ix_files_verified_at_file_id", "files", ["verified_at", "file_id"])
    op.create_table(
        "followed_wipes",
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False, comment="as Dagster noted it: it names the wipe"),
        sa.PrimaryKeyConstraint("asset_key", "happened_at", name=op.f("pk_followed_wipes")),
    )
    op.create_table(
        "host_clock",
        sa.Column("boot_id", sa.String(length=64), nullable=False, comment="names a boot of the host"),
        sa.Column("boot_s", sa.Double(), nullable=False, comment="seconds since the boot"),
        sa.Column("shown_at", UtcDateTime(), nullable=False, comment="the time that the clock showed"),
        sa.PrimaryKeyConstraint("boot_id", name=op.f("pk_host_clock")),
    )
    op.create_table(
        "landing_files",
        sa.Column("landing_file_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False, comment="below the landing zone"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64)),
        sa.Column("run_key", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('seen', 'requested', 'ingested', 'duplicate', 'quarantined', 'discarded')",
            name=op.f("ck_landing_files_state_known"),
        ),
        sa.PrimaryKeyConstraint("landing_file_id", name=op.f("pk_landing_files")),
        sa.UniqueConstraint("dataset", "path", name=op.f("uq_landing_files_dataset_path")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "materializations",
        sa.Column("materialization_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), comment="null: not partitioned"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="counts the changes of content, from 1"),
        sa.Column("run_id", sa.Text()),
        sa.Column("step_key", sa.Text()),
        sa.Column("data_version", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text()),
        sa.Column("row_count", sa.BigInteger()),
        sa.Column("bytes_added", sa.BigInteger(), nullable=False),
        sa.Column("schema", sa.JSON()),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column(
            "is_current",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="what readers get",
        ),
        sa.Column("pinned_at", UtcDateTime(), comment="not null: kept until it is unpinned"),
        sa.Column("wiped_at", UtcDateTime(), comment="not null: its asset or partition was wiped"),
        sa.Column("released_at", UtcDateTime(), comment="not null: it no longer holds its files"),
        sa.Column("release_reason", sa.Text()),
        sa.Column("publication", sa.String(length=16), server_default="published", nullable=False),
        sa.Column("publication_reason", sa.Text()),
        sa.Column("current_since", UtcDateTime(), comment="when it became current; null: never"),
        sa.Column(
            "current_until",
            UtcDateTime(),
            comment="when a wipe or release ended that; else null",
        ),
        sa.Column("is_op_output", sa.Boolean(), nullable=False, comment="made by an op that is no asset"),
        sa.Column("question", sa.String(length=64), comment="digest of what it answers; null: nothing"),
        sa.CheckConstraint(
            "publication IN ('published', 'candidate', 'rejected', 'withdrawn')",
            name=op.f("ck_materializations_publication_known"),
        ),
        sa.PrimaryKeyConstraint("materialization_id", name=op.f("pk_materializations")),
        sqlite_autoincrement=True,
    )
    # SQLite prefers the index made last among those that serve a query alike: those with the fewest rows come last.
    op.create_index(
        "ix_materializations_asset_key_partition_key_materialization_id",
        "materializations",
        ["asset_key", "partition_key", "materialization_id"],
    )
    op.create_index(
        "ix_materializations_asset_key_materialization_id", "materializations", ["asset_key", "materialization_id"]
    )
    op.create_index(
        "ix_materializations_version",
        "materializations",
        ["asset_key", "partition_key", "version", "materialization_id"],
    )
    op.create_index(
        "ix_materializations_run_id_asset_key_partition_key",
        "materializations",
        ["run_id", "asset_key", "partition_key"],
    )
    op.create_index(
        "ix_materializations_question",
        "materializations",
        ["question", "materialization_id"],
        sqlite_where=sa.text("question IS NOT NULL"),
        postgresql_where=sa.text("question IS NOT NULL"),
    )
    op.create_index(
        "ix_materializations_current_since",
        "materializations",
        ["asset_key", "partition_key", "current_since", "materialization_id"],
        sqlite_where=sa.text("current_since IS NOT NULL"),
        postgresql_where=sa.text("current_since IS NOT NULL"),
    )
    op.create_index(
        "ix_materializations_candidates",
        "materializations",
        ["asset_key", "partition_key"],
        sqlite_where=sa.text("publication = 'candidate'"),
        postgresql_where=sa.text("publication = 'candidate'"),
    )
    op.create_index(
        "ix_materializations_withdrawn",
        "materializations",
        ["asset_key", "partition_key"],
        sqlite_where=sa.text("publication = 'withdrawn'"),
        postgresql_where=sa.text("publication = 'withdrawn'"),
    )
    op.create_index(
        "ix_materializations_current",
        "materializations",
        ["asset_key", "partition_key"],
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )
    op.create_index(
        "ix_materializations_current_unpartitioned",
        "materializations",
        ["asset_key"],
        unique=True,
        sqlite_where=sa.text("is_current = 1 AND partition_key IS NULL"),
        postgresql_where=sa.text("is_current AND partition_key IS NULL"),
    )
    op.create_index(
        "ix_materializations_current_of_assets",
        "materializations",
        ["asset_key", "partition_key"],
        sqlite_where=sa.text("is_current = 1 AND is_op_output = 0"),
        postgresql_where=sa.text("is_current AND NOT is_op_output"),
    )
    op.create_index(
        "ix_materializations_wiped",
        "materializations",
        ["asset_key"],
        sqlite_where=sa.text("wiped_at IS NOT NULL AND released_at IS NULL"),
        postgresql_where=sa.text("wiped_at IS NOT NULL AND released_at IS NULL"),
    )
    op.create_table(
        "retention_policies",
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("asset_key", name=op.f("pk_retention_policies")),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("version_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("dataset_id", _KEY, nullable=False),
        sa.Column("partition_key", sa.Text(), comment="null: not partitioned"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("materialization_id", _KEY, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.dataset_id"], name=op.f("fk_dataset_versions_dataset_id")),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_dataset_versions_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_dataset_versions")),
        sa.UniqueConstraint(
            "dataset_id", "partition_key", "number", name=op.f("uq_dataset_versions_dataset_id_partition_key_number")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dataset_versions_materialization_id", "dataset_versions", ["materialization_id"])
    op.create_index(
        "ix_dataset_versions_unpartitioned",
        "dataset_versions",
        ["dataset_id", "number"],
        unique=True,
        sqlite_where=sa.text("partition_key IS NULL"),
        postgresql_where=sa.text("partition_key IS NULL"),
    )
    op.create_table(
        "file_references",
        sa.Column("reference_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("file_id", _KEY, nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), comment="null: a lasting reference; else a lease"),
        sa.ForeignKeyConstraint(["file_id"], ["files.file_id"], name=op.f("fk_file_references_file_id")),
        sa.PrimaryKeyConstraint("reference_id", name=op.f("pk_file_references")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_file_references_expires_at", "file_references", ["expires_at"])
    op.create_index(
        "ix_file_references_file_id_holder_reference_id", "file_references", ["file_id", "holder", "reference_id"]
    )
    op.create_table(
        "materialization_files",
        sa.Column("materialization_id", _KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_id", _KEY, nullable=False),
        sa.Column("file_type", sa.String(length=32), nullable=False),
        sa.Column("mime_type", sa.Text()),
        sa.Column("compression_type", sa.String(length=32)),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_materialization_files_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("materialization_id", "position", name=op.f("pk_materialization_files")),
    )
    op.create_index("ix_materialization_files_file_id", "materialization_files", ["file_id"])
    op.create_table(
        "materialization_inputs",
        sa.Column("materialization_id", _KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("input_id", _KEY, nullable=False, comment="the materialization that was loaded"),
        sa.ForeignKeyConstraint(
            ["input_id"], ["materializations.materialization_id"], name=op.f("fk_materialization_inputs_input_id")
        ),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_materialization_inputs_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("materialization_id", "position", name=op.f("pk_materialization_inputs")),
    )
    op.create_index(
        "ix_materialization_inputs_input_id_materialization_id",
        "materialization_inputs",
        ["input_id", "materialization_id"],
    )
    op.create_table(
        "tags",
        sa.Column("tag_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("materialization_id", _KEY, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["materialization_id"], ["materializations.materialization_id"], name=op.f("fk_tags_materialization_id")
        ),
        sa.PrimaryKeyConstraint("tag_id", name=op.f("pk_tags")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tags_asset_key_name", "tags", ["asset_key", "name"])
    op.create_index("ix_tags_materialization_id", "tags", ["materialization_id"])
