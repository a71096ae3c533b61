"""When a wipe ended that something was current stays known, and the database sees to it that one at most is current."""

import sqlalchemy as sa
from alembic import op

from artifact_pipelines.catalog.clock import UtcDateTime

revision = "0004"
down_revision = "0003"

# What every load took until now, should there be more than one.
_NEWEST_ONLY = """
UPDATE materializations SET is_current = false WHERE is_current AND {of_this} AND EXISTS (
    SELECT 1 FROM materializations AS later
    WHERE later.is_current AND later.asset_key = materializations.asset_key AND {of_later}
    AND later.materialization_id > materializations.materialization_id
)
"""
_OF_A_PARTITION = {
    "of_this": "materializations.partition_key IS NOT NULL",
    "of_later": "later.partition_key = materializations.partition_key",
}
_UNPARTITIONED = {"of_this": "materializations.partition_key IS NULL", "of_later": "later.partition_key IS NULL"}


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
    op.execute(
        "UPDATE materializations SET current_until = wiped_at WHERE wiped_at IS NOT NULL AND current_since IS NOT NULL"
    )
    for which in (_OF_A_PARTITION, _UNPARTITIONED):
        op.execute(_NEWEST_ONLY.format(**which))
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
