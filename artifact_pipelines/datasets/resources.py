"""The landing zone as a Dagster resource."""

import pathlib

import dagster as dg

from artifact_pipelines.core.settings import LANDING_URL, folder_from
from artifact_pipelines.io_manager.catalog_url import CatalogUrl, ShowsNoSecret


class LandingZone(ShowsNoSecret, dg.ConfigurableResource[None]):
    """Where people drop files.

    Attributes:
        landing_url: The folder, as a path or `file:///folder`.
        catalog_url: The catalog, which remembers what lies in the landing zone.
        settle_s: How long a file must rest to count as complete, in seconds.
    """

    landing_url: str
    catalog_url: CatalogUrl
    settle_s: float = 1.0

    @property
    def folder(self) -> pathlib.Path:
        """The landing zone's folder."""
        return folder_from(self.landing_url, LANDING_URL)
