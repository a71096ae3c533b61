"""A catalog and a store as processes pass them to each other: their URLs."""

import contextlib
import dataclasses
import io
from collections.abc import Iterator, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.findings import Finding
from artifact_pipelines.core.types import FileDescription, FileId, MaterializationFacts, NewArtifact, StoragePath
from artifact_pipelines.maintenance.clean_up import clean_up
from artifact_pipelines.maintenance.verification import verify
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.storage.settling import put_and_settle


class OpenPlace:
    """A catalog and a store, opened by one process."""

    def __init__(self, place: "Place") -> None:
        self.catalog = Catalog(place.catalog_url)
        self.backend = open_backend(place.storage_url)
        self.producer = ArtifactProducer(self.catalog.files, self.backend)

    def read(self, file_id: FileId) -> bytes:
        with self.producer.open(file_id) as stream:
            return stream.read()

    def create_many(self, contents: Sequence[bytes]) -> Sequence[FileId]:
        return self.producer.create_artifacts(NewArtifact(io.BytesIO(data), "bin") for data in contents)

    def materialize(self, asset: str, data: bytes) -> FileId:
        """Store content and record it as a materialization of an asset, as the IO manager does."""
        facts = MaterializationFacts(asset, data_version=data.hex())
        record = self.catalog.materializations.record
        stream, description = io.BytesIO(data), FileDescription("bin")
        return put_and_settle(self.producer, stream, description, lambda lease: record(facts, [lease])).file.file_id

    def clean_up(self) -> int:
        """Collect everything without a holder, with no grace period. Return the number of collected files."""
        return len(clean_up(self.catalog, self.backend, grace_s=0, max_share=1).collected)

    def verify(self) -> Sequence[Finding]:
        """Read all stored files and return the findings. Bytes without a row are no finding."""
        report = verify(self.catalog, self.backend)
        return () if report.is_clean else report.findings


@dataclasses.dataclass(frozen=True)
class Place:
    """The URLs of a catalog and a store. Each method opens them anew, as another process would."""

    catalog_url: str
    storage_url: str

    @property
    def is_fast(self) -> bool:
        """True if nothing waits for a server, so that the short form of a test can do more."""
        return self.catalog_url.startswith("sqlite") and not self.storage_url.startswith("s3")

    @contextlib.contextmanager
    def open(self) -> Iterator[OpenPlace]:
        opened = OpenPlace(self)
        with opened.catalog:
            yield opened

    def create(self, data: bytes) -> FileId:
        with self.open() as opened:
            return opened.producer.create_artifact(io.BytesIO(data), "bin")

    def read(self, file_id: FileId) -> bytes:
        with self.open() as opened:
            return opened.read(file_id)

    def release_all(self, file_id: FileId) -> None:
        with self.open() as opened:
            for _ in opened.catalog.files.holders(file_id):
                opened.producer.release(file_id)

    def clean_up(self) -> None:
        with self.open() as opened:
            opened.clean_up()

    def verify(self) -> Sequence[Finding]:
        with self.open() as opened:
            return opened.verify()


def create_and_collect(producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend) -> None:
    """Make a producer's first create, which checks that the store belongs to the catalog, and remove the file."""
    producer.release(producer.create_artifact(io.BytesIO(b"the first of all"), "bin"))
    for garbage in catalog.collection.collect(grace_s=0, limit=1000):
        backend.delete_file(garbage.storage_path)


def put(backend: IStorageBackend, data: bytes, path: StoragePath) -> None:
    """Put bytes under a path, without the catalog."""
    with backend.stage() as sink:
        sink.write(data)
        staged = sink.finish()
    backend.write_stream(staged, path)
    staged.discard()
