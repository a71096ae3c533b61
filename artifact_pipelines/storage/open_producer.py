"""From a storage URL to a producer: picks the backend."""

from artifact_pipelines.core.interfaces import IFileCatalog
from artifact_pipelines.core.settings import STORAGE_URL, folder_from
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.local import LocalStorage


def open_producer(catalog: IFileCatalog, storage_url: str) -> ArtifactProducer:
    """Return a producer that stores at a folder: a path or `file:///folder`.

    Raises:
        ConfigurationError: The URL is of another kind.
    """
    return ArtifactProducer(catalog, LocalStorage(folder_from(storage_url, STORAGE_URL)))
