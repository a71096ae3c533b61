import dataclasses
import io

import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.storage.artifact_producer import ArtifactProducer


@pytest.mark.parametrize(
    ("size_bytes", "shown_size"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB")],
)
def test_repr_shows_type_size_and_hash_but_no_place_or_secret(
    size_bytes: int, shown_size: str, catalog: Catalog, producer: ArtifactProducer
) -> None:
    file_id = producer.create_artifact(io.BytesIO(b"x"), "csv", compression_type="gzip")
    file = dataclasses.replace(catalog.files.get_file(file_id), size_bytes=size_bytes)
    shown = f"Artifact(file {file_id}, csv.gzip, {shown_size}, blake3 {file.content_hash[:12]}...)"
    assert repr(producer.artifact(file)) == str(producer.artifact(file)) == shown
