"""Which retention policy an asset's definition declares, remembered inside of somebody's transaction."""

from collections.abc import Mapping

import sqlalchemy as sa

from artifact_pipelines.catalog.tables import retention_policies
from artifact_pipelines.core.retention import RetentionPolicy

_TABLE = retention_policies.c
_POLICY = sa.select(_TABLE.policy).where(_TABLE.asset_key == sa.bindparam("asset"))


def remember_policies(connection: sa.Connection, policies: Mapping[str, RetentionPolicy | None]) -> None:
    """Remember the policy of each asset, or that it has none; the transaction has locked them."""
    for asset, policy in policies.items():
        wanted = dict(policy.to_mapping()) if policy else None
        if connection.execute(_POLICY, {"asset": asset}).scalar() == wanted:
            continue
        connection.execute(sa.delete(retention_policies).where(_TABLE.asset_key == asset))
        if wanted:
            connection.execute(sa.insert(retention_policies).values(asset_key=asset, policy=wanted))
