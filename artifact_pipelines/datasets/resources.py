"""The landing zone as a resource of Dagster."""

from collections.abc import Mapping
from typing import Annotated, BinaryIO

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import LANDING_URL, check_place
from artifact_pipelines.core.types import LandingFile, StoragePath
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.datasets.landing.places import open_landing_zone
from artifact_pipelines.io_manager.resources import ArtifactStore, checked_url
from artifact_pipelines.storage.factory import open_backend


class LandingZone(dg.ConfigurableResource[None]):
    """Where people drop files.

    Attributes:
        landing_url: A folder, as a path or `file:///folder`, or `s3://bucket/prefix` on the server of the store.
        store: Its catalog remembers the files and their states.
        settle_s: Seconds that a file must stay unchanged to count as complete.
        watch_s: Seconds for which a tick of the sensor goes on looking; Dagster starts a tick every five. At most 4.5
            where Dagster evaluates its sensors one after the other, so that others need not wait.
    """

    landing_url: Annotated[str, checked_url(check_place, LANDING_URL)]
    store: ArtifactStore
    settle_s: float = 1.0
    watch_s: float = 14.5

    def open(self) -> ILandingZone:
        """Return the landing zone."""
        return open_landing_zone(self.landing_url, self.store.s3.settings())

    def known_files(self, dataset: str) -> Mapping[str, LandingFile]:
        """Return the files of a dataset as the catalog knows them, by path."""
        with Catalog(self.store.catalog_url) as catalog:
            return catalog.landing.files_of(dataset)

    def read_stored(self, path: StoragePath) -> BinaryIO:
        """Open stored bytes, to check that they are there."""
        return open_backend(self.store.storage_url, self.store.s3.settings()).read_stream(path)
