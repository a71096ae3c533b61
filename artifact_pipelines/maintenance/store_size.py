"""How large a store is: what its assets hold, what is stored for that, and what clean-up could free."""

import dataclasses
from collections.abc import Mapping, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import Amount, AssetSize


@dataclasses.dataclass(frozen=True, slots=True)
class StoreSize:
    """The size of a store.

    Attributes:
        stored: The stored files.
        logical_bytes: What all kept versions hold, each counted whole although versions share files.
        reclaimable: What nothing holds: clean-up deletes it after the grace period.
        by_asset: What each asset holds, the largest first.
    """

    stored: Amount
    logical_bytes: int
    reclaimable: Amount
    by_asset: Sequence[AssetSize]

    @property
    def logical_to_stored(self) -> float | None:
        """How many times the stored bytes all kept versions hold; None: nothing is stored."""
        return round(self.logical_bytes / self.stored.size_bytes, 2) if self.stored.size_bytes else None

    def facts(self) -> Mapping[str, int | float | None]:
        """Return the numbers by their names."""
        return {
            "stored_files": self.stored.files,
            "stored_bytes": self.stored.size_bytes,
            "logical_bytes": self.logical_bytes,
            "logical_to_stored": self.logical_to_stored,
            "reclaimable_files": self.reclaimable.files,
            "reclaimable_bytes": self.reclaimable.size_bytes,
        }

    def largest(self, limit: int) -> Sequence[Mapping[str, str | int]]:
        """Return the rows of the largest assets."""
        some = self.by_asset[:limit]
        return [{"asset": one.asset, "versions": one.versions, "logical_bytes": one.size_bytes} for one in some]


def measure(catalog: Catalog) -> StoreSize:
    """Return the size of the store, as the catalog knows it. No byte is read."""
    by_asset = catalog.collection.sizes_by_asset()
    return StoreSize(
        stored=catalog.collection.stored_amount(),
        logical_bytes=sum(each.size_bytes for each in by_asset),
        reclaimable=catalog.collection.garbage_amount(0),
        by_asset=by_asset,
    )
