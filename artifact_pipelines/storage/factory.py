"""Opens the backend of a storage URL, and a producer on it."""

from urllib.parse import urlsplit

from artifact_pipelines.core.interfaces import IFileCatalog
from artifact_pipelines.core.settings import STORAGE_URL, S3Settings, folder_from, refuse_password
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.local import LocalStorage
from artifact_pipelines.storage.interfaces import IStorageBackend


def open_backend(storage_url: str, s3: S3Settings | None = None) -> IStorageBackend:
    """Return the backend for a folder (a path or `file:///folder`) or for `s3://bucket/prefix`.

    Args:
        s3: How to reach the S3 server; the standard AWS variables give the settings it omits.

    Raises:
        ConfigurationError: The URL has an unknown form, or contains a password.
    """
    refuse_password(storage_url, STORAGE_URL)
    if urlsplit(storage_url).scheme == "s3":
        from artifact_pipelines.storage.backends.s3 import S3Storage  # loads slowly, and most stores are local

        return S3Storage(storage_url, s3 or S3Settings())
    return LocalStorage(folder_from(storage_url, STORAGE_URL))


def open_producer(
    catalog: IFileCatalog, storage_url: str, verify_reads: bool = True, s3: S3Settings | None = None
) -> ArtifactProducer:
    """Return a producer on the backend of a URL; see `open_backend`."""
    return ArtifactProducer(catalog, open_backend(storage_url, s3), verify_reads)
