"""Opens the landing zone that a URL names."""

from artifact_pipelines.core.settings import LANDING_URL, S3Settings, folder_from
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.datasets.landing.folder import LandingFolder


def open_landing_zone(landing_url: str, s3: S3Settings | None = None) -> ILandingZone:
    """Return the landing zone in a folder (a path or `file:///folder`), or in a bucket (`s3://bucket/prefix`).

    Raises:
        ConfigurationError: The URL has another form.
    """
    if landing_url.startswith("s3://"):
        from artifact_pipelines.datasets.landing.bucket import LandingBucket  # loads slowly, and most are folders

        return LandingBucket(landing_url, s3 or S3Settings())
    return LandingFolder(folder_from(landing_url, LANDING_URL))
