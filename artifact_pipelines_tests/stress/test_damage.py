"""Verification finds all random damage and nothing else, no read returns a wrong byte, and all of it heals."""

import dataclasses
import io
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import polars.testing
import pyarrow as pa
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import IntegrityError
from artifact_pipelines.core.findings import FindingKind
from artifact_pipelines.core.types import FileInfo, StoragePath
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.maintenance.verification import verify
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.tabular.parquet import write_frame
from artifact_pipelines_tests.storage.back_door import BackDoor

SHORT, LONG = 9, 1000
_SOUND = 3

Damage = Callable[[random.Random, BackDoor, FileInfo], FindingKind]


def _flip(chance: random.Random, door: BackDoor, file: FileInfo) -> FindingKind:
    data = bytearray(door.get(file.storage_path))
    for _ in range(chance.choice([1, 1, 1, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    if bytes(data) == door.get(file.storage_path):  # flipped and flipped back
        data[0] ^= 1
    door.put(file.storage_path, bytes(data))
    return FindingKind.CORRUPT


def _truncate(chance: random.Random, door: BackDoor, file: FileInfo) -> FindingKind:
    door.put(file.storage_path, door.get(file.storage_path)[: chance.randrange(file.size_bytes)])
    return FindingKind.WRONG_SIZE


def _extend(chance: random.Random, door: BackDoor, file: FileInfo) -> FindingKind:
    data = door.get(file.storage_path)
    door.put(file.storage_path, data + chance.choice([b"\0", b"\n", data]))
    return FindingKind.WRONG_SIZE


def _remove(chance: random.Random, door: BackDoor, file: FileInfo) -> FindingKind:
    door.delete(file.storage_path)
    return FindingKind.MISSING


def _blank(chance: random.Random, door: BackDoor, file: FileInfo) -> FindingKind:
    """Write a run of zeros, as a lost block of a disk reads."""
    data = door.get(file.storage_path)
    start = chance.randrange(len(data) - 1)
    length = chance.randrange(1, len(data) - start)
    blanked = data[:start] + bytes(length) + data[start + length :]
    door.put(file.storage_path, blanked if blanked != data else b"\1" + data[1:])
    return FindingKind.CORRUPT


DAMAGES: Sequence[Damage] = (_flip, _flip, _flip, _truncate, _extend, _remove, _blank)


def _swap(door: BackDoor, one: FileInfo, other: FileInfo) -> Mapping[int, FindingKind]:
    first, second = door.get(one.storage_path), door.get(other.storage_path)
    door.put(one.storage_path, second)
    door.put(other.storage_path, first)
    kind = FindingKind.CORRUPT if len(first) == len(second) else FindingKind.WRONG_SIZE
    return {one.file_id: kind, other.file_id: kind}


@dataclasses.dataclass
class Sample:
    """A stored table or run of bytes, and its content."""

    file: FileInfo
    content: bytes
    frame: pl.DataFrame | None


def _sample(chance: random.Random, producer: ArtifactProducer, catalog: Catalog, number: int) -> Sample:
    frame, content = None, chance.randbytes(chance.choice([2, 1000, 1000, 70_000]))
    if number % 3 == 0:
        rows = chance.choice([3, 3000])
        frame = pl.DataFrame({"n": range(number, number + rows), "x": [chance.random() for _ in range(rows)]})
        sink = io.BytesIO()
        write_frame(frame, sink)
        content = sink.getvalue()
    file_id = producer.create_artifact(io.BytesIO(content), "parquet" if frame is not None else "bin")
    return Sample(catalog.files.get_file(file_id), content, frame)


def _readings(producer: ArtifactProducer, sample: Sample) -> Iterator[Callable[[], Any]]:
    """Yield every way to read a whole file, with an artifact that does not know of damage found before."""
    file = sample.file

    def pieces(size: int) -> bytes:
        with producer.artifact(file).open() as stream:
            return b"".join(iter(lambda: stream.read(size), b""))

    def lines() -> bytes:
        with producer.artifact(file).open() as stream:
            return b"".join(stream)

    artifact = producer.artifact(file)
    yield from (lambda: pieces(-1), lambda: pieces(700), lambda: pieces(len(sample.content)), lines)
    yield lambda: TypeHandlers().read(artifact, bytes)
    if sample.frame is not None:
        yield lambda: TypeHandlers().read(artifact, pl.DataFrame)
        yield lambda: TypeHandlers().read(artifact, pa.Table)


def _is_right(sample: Sample, value: Any) -> bool:
    if isinstance(value, bytes):
        return value == sample.content
    assert sample.frame is not None
    polars.testing.assert_frame_equal(pl.DataFrame(value), sample.frame)
    return True


def test_random_damage_is_found_never_read_and_healed(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, back_door: BackDoor, is_stress: bool
) -> None:
    chance, done = random.Random(20130101), 0
    wanted, batch = (LONG, 20) if is_stress else (SHORT, SHORT - 2)
    while done < wanted:
        samples = [_sample(chance, producer, catalog, done + number) for number in range(batch + 2 + _SOUND)]
        damaged, sound = samples[: batch + 2], samples[batch + 2 :]
        expected = dict(_swap(back_door, damaged[0].file, damaged[1].file))
        each_kind = itertools.cycle(chance.sample(DAMAGES, len(DAMAGES)))
        for sample, damage in zip(damaged[2:], each_kind, strict=False):
            expected[sample.file.file_id] = damage(chance, back_door, sample.file)
        done += len(damaged)
        if chance.random() < 0.5:  # found by verification first, or by reading
            assert _found(catalog, backend) == expected
        for sample in damaged:
            for read in _readings(producer, sample):
                with pytest.raises(IntegrityError):
                    read()
            with pytest.raises(IntegrityError), producer.open(sample.file.file_id) as stream:
                stream.read()
        assert _found(catalog, backend) == expected
        for sample in damaged:
            assert producer.create_artifact(io.BytesIO(sample.content), "bin") == sample.file.file_id
        assert _found(catalog, backend) == {}
        for sample in (*damaged, *sound):
            assert all(_is_right(sample, read()) for read in _readings(producer, sample))


def _found(catalog: Catalog, backend: IStorageBackend) -> Mapping[int, FindingKind]:
    findings = verify(catalog, backend).findings
    found = {int(finding.file_id): finding.kind for finding in findings}
    assert len(found) == len(findings), "a file was found twice"
    return found


def test_bytes_of_another_file_of_the_same_size_are_damage(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, back_door: BackDoor
) -> None:
    one, other = (producer.create_artifact(io.BytesIO(bytes([number]) * 500), "bin") for number in range(2))
    paths: list[StoragePath] = [catalog.files.get_file(file_id).storage_path for file_id in (one, other)]
    back_door.put(paths[0], back_door.get(paths[1]))
    assert _found(catalog, backend) == {one: FindingKind.CORRUPT}
