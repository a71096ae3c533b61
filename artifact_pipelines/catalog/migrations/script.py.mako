"""${message}"""

import sqlalchemy as sa
from alembic.operations import Operations

from artifact_pipelines.catalog.tables import UtcDateTime

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade(op: Operations) -> None:
    ${upgrades if upgrades else "pass"}
