"""From a storage URL to a backend and a producer on it."""

from artifact_pipelines.core.interfaces import IFileCatalog
from artifact_pipelines.core.settings import STORAGE_URL, folder_from
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.local import LocalStorage
from artifact_pipelines.storage.interfaces import IStorageBackend


def open_backend(storage_url: str) -> IStorageBackend:
    """Return the backend for a folder: a path or `file:///folder`.

    Raises:
        ConfigurationError: The URL is of another kind.
    """
    return LocalStorage(folder_from(storage_url, STORAGE_URL))


def open_producer(catalog: IFileCatalog, storage_url: str, verify_reads: bool = True) -> ArtifactProducer:
    """Return a producer that stores at a URL, as `open_backend` takes it.

    Args:
        verify_reads: Whether reading a whole file checks its hash.

    Raises:
        ConfigurationError: The URL is of another kind.
    """
    return ArtifactProducer(catalog, open_backend(storage_url), verify_reads)
