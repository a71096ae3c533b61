"""A materialization says itself of what types its files are, and an input of which materialization it is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; of what was recorded before they are null, and what was said until now holds."""
    file_type = "null: as `files` has it, and so its other types"
    op.add_column("materialization_files", sa.Column("file_type", sa.String(32), nullable=True, comment=file_type))
    op.add_column("materialization_files", sa.Column("mime_type", sa.Text(), nullable=True))
    op.add_column("materialization_files", sa.Column("compression_type", sa.String(32), nullable=True))
    op.add_column(
        "materialization_inputs",
        sa.Column(
            "source_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the materialization that was loaded; null: recorded before that was known",
        ),
    )
