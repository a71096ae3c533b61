"""The sources that sensors look for. Some catalogs of 0001 have this table with fewer columns, or without it."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"


def upgrade(op: Operations) -> None:
    """Create the table anew: the sensors fill it at their next look."""
    op.drop_table("landing_sources", if_exists=True)
    op.create_table(
        "landing_sources",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="glob of its files, as its sensor knows it"),
        sa.Column("ignored", sa.JSON(), nullable=False, comment="globs of names that its sensor ignores"),
        sa.PrimaryKeyConstraint("dataset", name=op.f("pk_landing_sources")),
    )
