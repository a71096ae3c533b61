"""When a wipe ended that something was current stays known, and the database sees to it that one at most is current."""

import sqlalchemy as sa
from alembic import op

from artifact_pipelines.catalog.clock import UtcDateTime

revision = "0004"
down_revision = "0003"

# What every load took until now, should there be more than one.
_NEWEST_ONLY = """
UPDATE materializations SET is_current = false WHERE is_current AND materialization_id NOT IN (
    SELECT max(materialization_id) FROM materializations WHERE is_current GROUP BY asset_key, partition_key
)
"""


def upgrade() -> None:
    """Add the column and the indexes; what is wiped ended to be current then, if nothing had ended that before."""
    op.add_column(
        "materializations",
        sa.Column(
            "current_until",
            UtcDateTime(),
            nullable=True,
            comment="when a wipe ended that; null: none did, only what came after it",
        ),
    )
    op.execute("UPDATE materializations SET current_until = wiped_at WHERE wiped_at IS NOT NULL")
    op.execute(_NEWEST_ONLY)
    op.drop_index("ix_materializations_current", "materializations")
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
