"""A catalog with rows in every table, and functions that compare it with a copy."""

import datetime
import io
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.landing import LandingSource
from artifact_pipelines.catalog.tables import host_clock, materializations, metadata, retention_policies, tags, utc_now
from artifact_pipelines.core.types import (
    Content,
    FileDescription,
    FileId,
    LandingFile,
    LandingState,
    Lease,
    LoadedInput,
    Materialization,
    MaterializationFacts,
    Publication,
)
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines_tests.storage.settling import put_and_settle


def materialize(
    catalog: Catalog, producer: ArtifactProducer, content: bytes, asset: str = "flights/table", **facts: Any
) -> Materialization:
    """Store a content and record it as a materialization of an asset."""

    def record(lease: Lease) -> Materialization:
        made = MaterializationFacts(asset, data_version=lease.file.content_hash, **facts)
        return catalog.materializations.record(made, [lease])

    return put_and_settle(producer, io.BytesIO(content), describe("csv", metadata={"from": "é ☃", "n": 1.5}), record)


def inputs_of(catalog: Catalog, materialization_id: int) -> list[LoadedInput]:
    """Return the recorded inputs of a materialization, by name."""
    found = [made for _, made in catalog.lineage.inputs([materialization_id], 100)]
    found.sort(key=lambda made: (made.asset, made.partition or "", made.materialization_id))
    return [LoadedInput(m.materialization_id, m.asset, m.partition, m.version, m.file_id) for m in found]


def fill(catalog: Catalog, engine: sa.Engine, producer: ArtifactProducer) -> Lease:
    """Fill every table, leave gaps between IDs, and one write unfinished. Returns its lease."""
    raw = materialize(catalog, producer, b"raw", "flights/raw", dataset="flights", row_count=3, schema={"a": "int64"})
    loaded = (LoadedInput.of(raw),)
    for number, partition in enumerate([None, None, "p", "q", None]):
        materialize(catalog, producer, b"table %d" % number, partition=partition, inputs=loaded, run_id=f"run {number}")
    producer.create_artifact(io.BytesIO(b"a caller's"), "txt")
    catalog.retention.wipe("never made", happened_at=datetime.datetime(2026, 1, 1, microsecond=1, tzinfo=datetime.UTC))
    catalog.landing.note_sources({"flights": LandingSource("flights*.csv")})
    catalog.landing.save("flights", [LandingFile("flights", "flights.csv", 3, 10**18, LandingState.INGESTED)])
    with engine.begin() as connection:
        row = {"asset_key": "flights/table", "name": "good", "materialization_id": 2}
        connection.execute(sa.insert(tags).values(**row))
        connection.execute(sa.insert(retention_policies).values(asset_key="flights/raw", policy={"keep_last": 2}))
        pinned = sa.update(materializations).where(materializations.c.materialization_id == 3)
        connection.execute(pinned.values(pinned_at=utc_now()))
        rejected = sa.update(materializations).where(materializations.c.materialization_id == 2)
        connection.execute(rejected.values(publication=Publication.REJECTED, publication_reason="a check failed"))
    gone = catalog.files.acquire_all([(Content("e" * 64, 1), FileDescription("bin"))], "blake3")[0]
    lease = catalog.files.acquire_all([(Content("f" * 64, 1), FileDescription("bin"))], "blake3")[0]
    later = catalog.files.acquire_all([(Content("d" * 64, 1), FileDescription("bin"))], "blake3")[0]
    catalog.files.abandon_all([gone, later])
    return lease


def rows_of(engine: sa.Engine) -> Mapping[str, Any]:
    """Return all rows of a catalog that a copy has too, by table."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table is not host_clock
        }


def next_file_id(catalog: Catalog) -> FileId:
    """Create a file and return its ID."""
    return catalog.files.acquire_all([(Content("9" * 64, 1), FileDescription("bin"))], "blake3")[0].file.file_id
