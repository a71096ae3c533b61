"""The work of child processes. Each function runs in a separate process, which imports only this module."""

import collections
import io
import random
import time
from collections.abc import Sequence
from typing import Any

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import S3Settings
from artifact_pipelines.core.types import Content, FileDescription, FileId
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.s3 import S3Storage
from artifact_pipelines_tests.stress.children import Gate
from artifact_pipelines_tests.stress.place import Place


def create(gate: Gate, place: Place, data: bytes) -> None:
    with place.open() as opened:
        gate.wait()
        gate.acknowledge(opened.producer.create_artifact(io.BytesIO(data), "bin"))


def create_from_pipe(gate: Gate, place: Place, data: bytes) -> None:
    with place.open() as opened:
        gate.wait()
        gate.acknowledge(opened.producer.create_artifact(Unseekable(data), "bin"))


def create_each(gate: Gate, place: Place, contents: Sequence[bytes]) -> None:
    with place.open() as opened:
        gate.wait()
        for data in contents:
            gate.acknowledge(opened.producer.create_artifact(io.BytesIO(data), "bin"))


def create_many(gate: Gate, place: Place, contents: Sequence[bytes]) -> None:
    with place.open() as opened:
        gate.wait()
        gate.acknowledge(opened.create_many(contents))


def create_in_parts(gate: Gate, place: Place, data: bytes, part_bytes: int) -> None:
    """Create an artifact on S3, with small parts."""
    with Catalog(place.catalog_url) as catalog:
        producer = ArtifactProducer(catalog.files, S3Storage(place.storage_url, S3Settings(), part_bytes=part_bytes))
        gate.wait()
        gate.acknowledge(producer.create_artifact(io.BytesIO(data), "bin"))


def open_catalog(gate: Gate, url: str) -> None:
    gate.wait()
    with Catalog(url) as catalog:
        catalog.files.list_files(1)


def lease_at_random(gate: Gate, url: str, seed: int, seconds: float) -> None:
    """Lease, settle, give back and release files of shared contents; acknowledge how many are held and were leased."""
    chance, holder = random.Random(seed), f"writer {seed}"
    held = leased = 0
    gate.wait()
    end = time.monotonic() + seconds
    while time.monotonic() < end or leased < 20:
        with Catalog(url) as catalog:
            for _ in range(chance.randint(1, 20)):
                leased += 1
                number = chance.randrange(SHARED_CONTENTS)
                content = Content(f"{number:064x}", number)
                [lease] = catalog.files.acquire_all([(content, FileDescription("bin"))], "blake3")
                if chance.random() < 0.2:
                    catalog.files.abandon_all([lease])
                    continue
                catalog.files.settle_all([lease], holder)
                held += 1
                assert catalog.files.get_file(lease.file.file_id).reference_count > 0
                if chance.random() < 0.5:
                    catalog.files.release(lease.file.file_id, holder)
                    held -= 1
    gate.acknowledge((held, leased))


def open_and_create(gate: Gate, place: Place, data: bytes) -> None:
    """Create an artifact as the first process of all, which also creates the catalog and the store."""
    gate.wait()
    with place.open() as opened:
        gate.acknowledge(opened.producer.create_artifact(io.BytesIO(data), "bin"))


def materialize(gate: Gate, place: Place, asset: str, data: bytes) -> None:
    with place.open() as opened:
        gate.wait()
        gate.acknowledge(opened.materialize(asset, data))


def release(gate: Gate, place: Place, file_id: FileId) -> None:
    with place.open() as opened:
        gate.wait()
        opened.producer.release(file_id)
        gate.acknowledge(file_id)


def collect(gate: Gate, place: Place) -> None:
    with place.open() as opened:
        gate.wait()
        gate.acknowledge(opened.clean_up())


SHARED_CONTENTS = 50
STEPS = ["create", "read", "release", "clean up", "verify"]


def shared_content(number: int) -> bytes:
    return random.Random(number).randbytes(1 + number * 700)


def mix(gate: Gate, place: Place, seed: int, seconds: float) -> None:
    """Do all steps in random order, each at least once; acknowledge the held files and the number of each step."""
    chance = random.Random(seed)
    held: list[tuple[FileId, int]] = []
    done = collections.Counter[str]()
    with place.open() as opened:
        gate.wait()
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(done) < len(STEPS):
            step = chance.choices(STEPS, [8, 8, 7, 1, 1])[0]
            if step == "create":
                number = chance.randrange(SHARED_CONTENTS)
                data = shared_content(number)
                stream = chance.choice([io.BytesIO, Unseekable])(data)
                held.append((opened.producer.create_artifact(stream, "bin"), number))
            elif step == "clean up":
                opened.clean_up()
            elif step == "verify":
                assert not opened.verify()
            elif not held:
                continue
            else:
                file_id, number = held.pop(chance.randrange(len(held)))
                if step == "release":
                    opened.producer.release(file_id)
                else:
                    assert opened.read(file_id) == shared_content(number), f"file {file_id} has wrong bytes"
                    held.append((file_id, number))
            done[step] += 1
        gate.acknowledge((held, done))


class Unseekable(io.BytesIO):
    """A stream that can be read only once, like a pipe."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation("seek")
