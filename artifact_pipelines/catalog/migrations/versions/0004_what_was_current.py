"""When a wipe ended that something was current stays known after the wipe is taken back."""

import sqlalchemy as sa
from alembic import op

from artifact_pipelines.catalog.clock import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; what is wiped now ended to be current then, unless something else had ended it before."""
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
