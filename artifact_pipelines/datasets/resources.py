"""The landing zone as a Dagster resource."""

import pathlib

import dagster as dg

from artifact_pipelines.core.settings import LANDING_URL, folder_from
from artifact_pipelines.io_manager.resources import ArtifactStore


class LandingZone(dg.ConfigurableResource[None]):
    """Where people drop files.

    Attributes:
        landing_url: The folder, as a path or `file:///folder`.
        store: Its catalog remembers the files and their states.
        settle_s: Seconds that a file must stay unchanged to count as complete.
    """

    landing_url: str
    store: ArtifactStore
    settle_s: float = 1.0

    @property
    def folder(self) -> pathlib.Path:
        """The landing zone's folder."""
        return folder_from(self.landing_url, LANDING_URL)
