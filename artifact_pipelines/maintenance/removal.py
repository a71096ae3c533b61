"""Releases everything of assets that are no longer needed. It can be taken back until the files are deleted."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.retention import Verdict, Version
from artifact_pipelines.core.types import Amount
from artifact_pipelines.maintenance.exceptions import HeldVersionsError
from artifact_pipelines.maintenance.retention import plan_retention, release_versions

RemovalPlan = Mapping[str, Sequence[Version]]
"""The kept versions of each asset to remove."""


@dataclasses.dataclass(frozen=True, slots=True)
class Removal:
    """Outcome of a removal.

    Attributes:
        kept: Verdicts on versions that are not released, because something kept was made from them.
        freed: What nothing holds any longer: clean-up deletes it after the grace period.
    """

    kept: Sequence[Verdict]
    freed: Amount


def plan_removal(catalog: Catalog, patterns: Sequence[str]) -> RemovalPlan:
    """Return what would be released. Changes nothing.

    Raises:
        NeverMaterializedError: Nothing matches a pattern; see `AssetNameCatalog.matching`.
        HeldVersionsError: A version is pinned or tagged.
    """
    plan: dict[str, Sequence[Version]] = {}
    for pattern in patterns:
        names = catalog.asset_names.matching(pattern)
        if not names:
            raise catalog.materializations.nothing_found(pattern)
        plan |= {name: catalog.retention.versions(name) for name in names}
    held = [version for versions in plan.values() for version in versions if version.is_pinned or version.tags]
    if held:
        raise HeldVersionsError([str(version.name) for version in held], [_remedy(version) for version in held])
    return plan


def remove(catalog: Catalog, plan: RemovalPlan) -> Removal:
    """Wipe the assets of a plan and release their versions, but for those that something kept was made from."""
    before = catalog.collection.garbage_amount(0)
    for asset in plan:
        catalog.retention.wipe(asset)
    verdicts = plan_retention(catalog, list(plan))
    release_versions(catalog, verdicts)
    after = catalog.collection.garbage_amount(0)
    freed = Amount(after.files - before.files, after.size_bytes - before.size_bytes)
    return Removal([verdict for verdict in verdicts if verdict.is_kept], freed)


def _remedy(version: Version) -> str:
    name = version.name
    which = [name.asset] if name.partition is None else [name.asset, "--partition", name.partition]
    words = (
        ["unpin", *which, "--version", str(name.version)] if version.is_pinned else ["untag", *which, version.tags[0]]
    )
    return shlex.join(["artifact-pipelines", *words])
