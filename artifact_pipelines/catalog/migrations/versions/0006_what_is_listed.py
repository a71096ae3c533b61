"""What `ls` lists, and what was wiped, is found however many outputs of ops there are."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_OF_NO_OP = "(run_id IS NULL OR substr(asset_key, 1, length(run_id) + 1) != run_id || '/')"
_WIPED = "wiped_at IS NOT NULL AND released_at IS NULL"


def upgrade() -> None:
    """Add the indexes. Each takes one look at every row, while nobody records anything."""
    op.create_index(
        "ix_materializations_current_of_assets",
        "materializations",
        ["asset_key", "partition_key"],
        sqlite_where=sa.text(f"is_current = 1 AND {_OF_NO_OP}"),
        postgresql_where=sa.text(f"is_current AND {_OF_NO_OP}"),
    )
    op.create_index(
        "ix_materializations_wiped",
        "materializations",
        ["asset_key"],
        sqlite_where=sa.text(_WIPED),
        postgresql_where=sa.text(_WIPED),
    )
