"""What is current, and what is kept: pins, tags, wipes, releases and retention."""

import sqlalchemy as sa
from alembic import op

from artifact_pipelines.catalog.clock import UtcDateTime

revision = "0002"
down_revision = "0001"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NEWEST = """
UPDATE materializations SET is_current = true WHERE materialization_id IN (
    SELECT max(materialization_id) FROM materializations GROUP BY asset_key, partition_key)
"""
_INDEXES = (
    (
        "ix_materializations_asset_key_materialization_id",
        "materializations",
        ["asset_key", "materialization_id"],
    ),
    (
        "ix_materializations_version",
        "materializations",
        ["asset_key", "partition_key", "version", "materialization_id"],
    ),
    (
        "ix_materializations_run_id_asset_key_partition_key",
        "materializations",
        ["run_id", "asset_key", "partition_key"],
    ),
    (
        "ix_file_references_file_id_holder_reference_id",
        "file_references",
        ["file_id", "holder", "reference_id"],
    ),
    ("ix_files_verified_at_file_id", "files", ["verified_at", "file_id"]),
)


def upgrade() -> None:
    """Add the columns and tables; what is newest becomes what is current."""
    op.add_column(
        "materializations",
        sa.Column(
            "is_current",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="what the asset or partition holds now",
        ),
    )
    for name, comment in (
        ("pinned_at", "not null: kept until it is unpinned"),
        ("wiped_at", "not null: its asset or partition was wiped"),
        ("released_at", "not null: it holds its files no more"),
    ):
        op.add_column("materializations", sa.Column(name, UtcDateTime(), nullable=True, comment=comment))
    op.add_column("materializations", sa.Column("release_reason", sa.Text(), nullable=True))
    op.execute(_NEWEST)
    op.create_index(
        "ix_materializations_current",
        "materializations",
        ["asset_key", "partition_key"],
        unique=False,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )
    op.drop_index("ix_materializations_run_id", "materializations")
    op.drop_index("ix_file_references_file_id_holder", "file_references")
    op.drop_index("ix_files_verified_at", "files")
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns, unique=False)
    # A materialization's files and inputs stay known when the files themselves are collected.
    for table in ("materialization_files", "materialization_inputs"):
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"fk_{table}_file_id", type_="foreignkey")
    op.create_table(
        "tags",
        sa.Column("tag_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("materialization_id", _KEY, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_tags_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("tag_id", name=op.f("pk_tags")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tags_asset_key_name", "tags", ["asset_key", "name"], unique=False)
    op.create_index("ix_tags_materialization_id", "tags", ["materialization_id"], unique=False)
    op.create_table(
        "retention_policies",
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("asset_key", name=op.f("pk_retention_policies")),
    )
    op.create_table(
        "followed_wipes",
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False, comment="as Dagster noted it: it names the wipe"),
        sa.PrimaryKeyConstraint("asset_key", "happened_at", name=op.f("pk_followed_wipes")),
    )
