"""Two partitions of equal content can both be inputs, and a materialization may be one that is not published."""

import sqlalchemy as sa
from alembic import op

from artifact_pipelines.catalog.clock import UtcDateTime

revision = "0003"
down_revision = "0002"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COLUMNS = "materialization_id, asset_key, partition_key, file_id"
# Written by hand: alembic would make the table anew on SQLite for a constraint, and lose its highest ID.
_PUBLICATION = """
ALTER TABLE materializations ADD COLUMN publication VARCHAR(16) DEFAULT 'published' NOT NULL
CONSTRAINT ck_materializations_publication_known CHECK (publication IN ('published', 'candidate', 'rejected'))
"""


def upgrade() -> None:
    """Give inputs a key of their own, keeping all rows, and add the columns; what there is is published."""
    op.execute(f"CREATE TABLE earlier_inputs AS SELECT {_COLUMNS} FROM materialization_inputs")  # noqa: S608
    op.drop_table("materialization_inputs")
    op.create_table(
        "materialization_inputs",
        sa.Column("input_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("materialization_id", _KEY, nullable=False),
        sa.Column("asset_key", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=True),
        sa.Column("file_id", _KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["materialization_id"],
            ["materializations.materialization_id"],
            name=op.f("fk_materialization_inputs_materialization_id"),
        ),
        sa.PrimaryKeyConstraint("input_id", name=op.f("pk_materialization_inputs")),
        sqlite_autoincrement=True,
    )
    op.execute(
        f"INSERT INTO materialization_inputs ({_COLUMNS}) SELECT {_COLUMNS} FROM earlier_inputs "  # noqa: S608
        "ORDER BY materialization_id, asset_key, file_id"
    )
    op.drop_table("earlier_inputs")
    op.create_index("ix_materialization_inputs_materialization_id", "materialization_inputs", ["materialization_id"])
    op.create_index(
        "ix_materialization_inputs_file_id_materialization_id",
        "materialization_inputs",
        ["file_id", "materialization_id"],
    )
    op.execute(_PUBLICATION)
    op.add_column("materializations", sa.Column("publication_reason", sa.Text(), nullable=True))
    op.add_column(
        "materializations",
        sa.Column("current_since", UtcDateTime(), nullable=True, comment="when it came to be current; null: never"),
    )
    op.execute("UPDATE materializations SET current_since = created_at")
    op.create_index(
        "ix_materializations_current_since",
        "materializations",
        ["asset_key", "partition_key", "current_since", "materialization_id"],
        sqlite_where=sa.text("current_since IS NOT NULL"),
        postgresql_where=sa.text("current_since IS NOT NULL"),
    )
    is_candidate = sa.text("publication = 'candidate'")
    op.create_index(
        "ix_materializations_candidates",
        "materializations",
        ["asset_key", "partition_key"],
        sqlite_where=is_candidate,
        postgresql_where=is_candidate,
    )
    # Made anew, because of indexes that serve alike SQLite takes the last one made; this has the fewest rows.
    op.drop_index("ix_materializations_current", "materializations")
    op.create_index(
        "ix_materializations_current",
        "materializations",
        ["asset_key", "partition_key"],
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )
