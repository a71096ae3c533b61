"""A read of a stored file from start to end gives its bytes or an error."""

import contextlib
import io
import shutil
from collections.abc import Callable
from typing import BinaryIO

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import CatalogUnavailableError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileId, FileInfo, FileState, NewArtifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import DamagedBytesError, MissingBytesError, StorageUnavailableError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.storage.back_door import BackDoor

# Over three megabytes: several pieces.
DATA = b"".join(b"line %07d %s\n" % (number, b"." * 110) for number in range(26_000))


@pytest.fixture
def catalog_url(settings: Settings) -> str:
    """One database is enough: a stream knows none."""
    return settings.catalog_url


@pytest.fixture
def file_id(producer: ArtifactProducer) -> FileId:
    return producer.create_artifact(io.BytesIO(DATA), "txt")


@pytest.fixture
def file(catalog: Catalog, file_id: FileId) -> FileInfo:
    return catalog.files.get_file(file_id)


def in_pieces(stream: BinaryIO) -> bytes:
    return b"".join(iter(lambda: stream.read(100_000), b""))


def into_a_buffer(stream: BinaryIO) -> bytes:
    buffer, data = bytearray(70_000), b""
    while count := stream.readinto(buffer):  # type: ignore[attr-defined]
        data += buffer[:count]
    return data


def exactly(stream: BinaryIO) -> bytes:
    """All bytes in one read, and no read after it."""
    return stream.read(len(DATA))


def copied(stream: BinaryIO) -> bytes:
    shutil.copyfileobj(stream, sink := io.BytesIO())
    return sink.getvalue()


WAYS: list[Callable[[BinaryIO], bytes]] = [
    lambda stream: stream.read(),
    in_pieces,
    into_a_buffer,
    exactly,
    copied,
    lambda stream: b"".join(stream.readlines()),
    lambda stream: b"".join(stream),
    lambda stream: stream.read(5) + stream.readline() + stream.read(),
    lambda stream: (stream.seek(0, io.SEEK_END), stream.seek(0), stream.read())[2],
    lambda stream: (stream.seek(2_000_000), stream.read(10), stream.seek(0), in_pieces(stream))[3],
]
NAMES = [
    "read",
    "pieces",
    "readinto",
    "exactly",
    "copy",
    "readlines",
    "lines",
    "mixed",
    "measured first",
    "sought back",
]


def flipped(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :]


DAMAGES: dict[str, bytes] = {
    "first bit": flipped(DATA, 0),
    "last bit": flipped(DATA, len(DATA) - 1),
    "a bit in the middle": flipped(DATA, 1_500_000),
    "other bytes": bytes(len(DATA)),
}


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_a_whole_file_is_read_in_any_way(
    producer: ArtifactProducer, file_id: FileId, way: Callable[..., bytes]
) -> None:
    with producer.open(file_id) as stream:
        assert way(stream) == DATA
        assert stream.read() == b""


# Every way is tried with damage at the end; those that seek or stop are tried with every damage.
_MEETINGS = [
    pytest.param(damage, way, id=f"{damage}-{name}")
    for damage in DAMAGES
    for name, way in zip(NAMES, WAYS, strict=True)
    if damage == "last bit" or name in ("pieces", "mixed", "measured first", "sought back")
]


@pytest.mark.parametrize(("damage", "way"), _MEETINGS)
def test_a_damaged_file_is_never_read_to_its_end(
    producer: ArtifactProducer, file: FileInfo, back_door: BackDoor, damage: str, way: Callable[..., bytes]
) -> None:
    back_door.put(file.storage_path, DAMAGES[damage])
    with (
        pytest.raises(DamagedBytesError, match=f"expected blake3 {file.content_hash}"),
        producer.open(file.file_id) as stream,
    ):
        way(stream)


def test_a_kept_error_holds_no_buffer(producer: ArtifactProducer, file: FileInfo, back_door: BackDoor) -> None:
    back_door.put(file.storage_path, DATA[:-1] + b"x")
    with pytest.raises(DamagedBytesError) as raised, producer.open(file.file_id) as stream:
        stream.read(len(DATA))
    seen = [item for entry in raised.traceback for item in entry.frame.f_locals.items()]
    views = [value for name, value in seen if isinstance(value, memoryview) and name != "buffer"]  # Python's own
    assert views
    for view in views:
        with pytest.raises(ValueError, match="released"):
            view.tobytes()


@pytest.mark.parametrize(
    ("data", "found"), [(DATA[:-1], f"{len(DATA) - 1:,} bytes"), (DATA + b"x", "more bytes"), (b"", "0 bytes")]
)
@pytest.mark.everywhere
def test_a_file_whose_size_changes_after_opening_is_damaged(
    producer: ArtifactProducer,
    file: FileInfo,
    back_door: BackDoor,
    monkeypatch: pytest.MonkeyPatch,
    backend: IStorageBackend,
    data: bytes,
    found: str,
) -> None:
    back_door.put(file.storage_path, data)
    monkeypatch.setattr(backend, "size_bytes", lambda path: len(DATA))
    message = f"expected {len(DATA):,} bytes, found {found}"
    for way in (WAYS[0], in_pieces, exactly):
        with pytest.raises(DamagedBytesError, match=message), producer.artifact(file).open() as stream:
            way(stream)


def report_size_once(patch: pytest.MonkeyPatch, backend: IStorageBackend, size_bytes: int) -> None:
    """Let the next check of a size see the one from before the bytes changed."""
    find, sizes = backend.size_bytes, [size_bytes]
    patch.setattr(backend, "size_bytes", lambda path: sizes.pop() if sizes else find(path))


@pytest.mark.everywhere
def test_a_surplus_byte_after_the_last_read_is_found(
    producer: ArtifactProducer,
    catalog: Catalog,
    backend: IStorageBackend,
    back_door: BackDoor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = bytes(2 << 20)  # two buffers
    file = catalog.files.get_file(producer.create_artifact(io.BytesIO(data), "bin"))
    back_door.put(file.storage_path, data + b"x")
    with monkeypatch.context() as patch, pytest.raises(DamagedBytesError, match="more bytes"):
        report_size_once(patch, backend, file.size_bytes)
        with producer.artifact(file).open() as stream:
            in_pieces(stream)


def test_an_empty_file_that_has_grown_is_damaged(
    producer: ArtifactProducer,
    catalog: Catalog,
    backend: IStorageBackend,
    back_door: BackDoor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = catalog.files.get_file(producer.create_artifact(io.BytesIO(b""), "txt"))
    with producer.open(file.file_id) as stream:
        assert stream.read() == b""
    back_door.put(file.storage_path, b"x")
    for way in (WAYS[0], in_pieces, into_a_buffer):
        with monkeypatch.context() as patch, pytest.raises(DamagedBytesError, match="more bytes"):
            report_size_once(patch, backend, file.size_bytes)
            with producer.artifact(file).open() as stream:
                way(stream)


def test_a_reader_that_swallows_the_error_gets_no_more_bytes(
    producer: ArtifactProducer, file: FileInfo, back_door: BackDoor
) -> None:
    back_door.put(file.storage_path, DAMAGES["last bit"])
    with producer.open(file.file_id) as stream:
        for _ in range(3):
            with pytest.raises(DamagedBytesError):
                in_pieces(stream)
        with pytest.raises(DamagedBytesError):
            stream.seek(len(DATA) - 5)


@pytest.mark.everywhere
def test_partial_reads_work_and_verify_nothing(
    producer: ArtifactProducer, catalog: Catalog, file: FileInfo, back_door: BackDoor
) -> None:
    back_door.put(file.storage_path, DAMAGES["first bit"])
    with producer.open(file.file_id) as stream:
        assert stream.seekable()
        assert stream.seek(-13, io.SEEK_END) == len(DATA) - 13
        assert stream.read() == DATA[-13:]
        assert stream.seek(5) == 5
        assert stream.read() == DATA[5:]
        assert stream.tell() == len(DATA)
    assert catalog.files.get_file(file.file_id).state == FileState.STORED


def test_verification_can_be_switched_off(
    catalog: Catalog, backend: IStorageBackend, file: FileInfo, back_door: BackDoor
) -> None:
    back_door.put(file.storage_path, DAMAGES["first bit"])
    plain = ArtifactProducer(catalog.files, backend, verify_reads=False)
    with plain.open(file.file_id) as stream:
        assert stream.read() == DAMAGES["first bit"]
    with pytest.raises(DamagedBytesError), plain.open(file.file_id, verify=True) as stream:
        stream.read()
    with ArtifactProducer(catalog.files, backend).open(file.file_id, verify=False) as stream:
        assert stream.read() == DAMAGES["first bit"], "known to be damaged, and read all the same"
    assert plain.uri(catalog.files.get_file(file.file_id))


@pytest.mark.everywhere
def test_known_damage_is_refused_and_healed_by_creating_the_content_again(
    producer: ArtifactProducer, catalog: Catalog, file: FileInfo, back_door: BackDoor
) -> None:
    back_door.put(file.storage_path, DAMAGES["last bit"])
    with pytest.raises(DamagedBytesError), producer.open(file.file_id) as stream:
        stream.read()
    known = catalog.files.get_file(file.file_id)
    assert known.state == FileState.DAMAGED
    with pytest.raises(DamagedBytesError, match=file.content_hash):
        producer.open(file.file_id)
    with pytest.raises(DamagedBytesError):
        producer.uri(known)
    assert producer.create_artifact(io.BytesIO(DATA), "txt") == file.file_id
    healed = catalog.files.get_file(file.file_id)
    assert (healed.state, healed.stored_at) == (FileState.STORED, file.stored_at)
    with producer.open(file.file_id) as stream:
        assert stream.read() == DATA


def test_an_artifact_made_earlier_shows_later_damage_and_healing(
    producer: ArtifactProducer, catalog: Catalog, file: FileInfo, back_door: BackDoor
) -> None:
    back_door.put(file.storage_path, DAMAGES["last bit"])
    with pytest.raises(DamagedBytesError), producer.artifact(file).open() as stream:
        stream.read()
    damaged = catalog.files.get_file(file.file_id)
    assert damaged.state == FileState.DAMAGED
    with pytest.raises(DamagedBytesError, match=file.content_hash):
        producer.artifact(damaged).open()
    producer.create_artifact(io.BytesIO(DATA), "txt")
    for found in (file, damaged):
        with producer.artifact(found).open() as stream:
            assert stream.read() == DATA
    back_door.delete(file.storage_path)
    with pytest.raises(MissingBytesError):
        producer.artifact(file).open()


@pytest.mark.everywhere
def test_a_reader_of_old_bytes_does_not_mark_a_healed_file_damaged(
    producer: ArtifactProducer, catalog: Catalog, file: FileInfo, back_door: BackDoor
) -> None:
    back_door.put(file.storage_path, DAMAGES["last bit"])
    is_local = producer.uri(file).startswith("file:")
    with producer.open(file.file_id) as slow:
        assert catalog.files.mark_damaged(file)
        producer.create_artifact(io.BytesIO(DATA), "txt")
        # An open file keeps its bytes; on S3 each range comes from the current object.
        with pytest.raises(DamagedBytesError) if is_local else contextlib.nullcontext():
            in_pieces(slow)
    assert catalog.files.get_file(file.file_id).state == FileState.STORED


def create_one(producer: ArtifactProducer) -> None:
    producer.create_artifact(io.BytesIO(DATA), "txt")


def create_many(producer: ArtifactProducer) -> None:
    producer.create_artifacts([NewArtifact(io.BytesIO(DATA), "txt"), NewArtifact(io.BytesIO(DATA), "txt")])


@pytest.mark.parametrize("create", [create_one, create_many])
def test_a_reader_of_old_damaged_bytes_does_not_mark_new_ones_damaged(
    producer: ArtifactProducer,
    catalog: Catalog,
    file: FileInfo,
    back_door: BackDoor,
    create: Callable[[ArtifactProducer], None],
) -> None:
    read_before = catalog.files.get_file(file.file_id)
    back_door.delete(file.storage_path)
    create(producer)
    assert not catalog.files.mark_damaged(read_before)
    assert catalog.files.get_file(file.file_id).state == FileState.STORED


@pytest.mark.parametrize("create", [create_one, create_many])
def test_damage_of_old_bytes_found_between_put_and_settlement_is_dropped(
    producer: ArtifactProducer,
    catalog: Catalog,
    file: FileInfo,
    back_door: BackDoor,
    monkeypatch: pytest.MonkeyPatch,
    create: Callable[[ArtifactProducer], None],
) -> None:
    settle = catalog.files.settle_all

    def marked_meanwhile(*arguments: object) -> None:
        assert catalog.files.mark_damaged(file)
        settle(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(catalog.files, "settle_all", marked_meanwhile)
    back_door.delete(file.storage_path)
    create(producer)
    assert catalog.files.get_file(file.file_id).state == FileState.STORED


def test_a_duplicate_that_puts_no_bytes_heals_nothing(
    producer: ArtifactProducer, catalog: Catalog, file: FileInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage that is found between a writer's check and its settlement stays recorded."""
    settle = catalog.files.settle_all

    def found_meanwhile(*arguments: object) -> None:
        assert catalog.files.mark_damaged(file)
        settle(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(catalog.files, "settle_all", found_meanwhile)
    assert producer.create_artifact(io.BytesIO(DATA), "txt") == file.file_id
    assert catalog.files.get_file(file.file_id).state == FileState.DAMAGED


def test_damage_is_reported_even_if_the_catalog_does_not_answer(
    producer: ArtifactProducer, catalog: Catalog, file: FileInfo, back_door: BackDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(file: FileInfo) -> bool:
        raise CatalogUnavailableError("there", "it is away")

    back_door.put(file.storage_path, DAMAGES["last bit"])
    monkeypatch.setattr(catalog.files, "mark_damaged", away)
    with pytest.raises(DamagedBytesError), producer.open(file.file_id) as stream:
        stream.read()


def test_an_unreadable_disk_is_an_error_of_the_store(
    producer: ArtifactProducer, backend: IStorageBackend, file: FileInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(backend, "read_stream", lambda path: Broken())
    with pytest.raises(StorageUnavailableError, match="Input/output error"), producer.open(file.file_id) as stream:
        stream.read()


def test_a_pending_file_is_never_marked_damaged(catalog: Catalog, engine: sa.Engine, file: FileInfo) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE files SET state = 'pending'")
    assert not catalog.files.mark_damaged(catalog.files.get_file(file.file_id))
    assert not catalog.files.mark_damaged(file)


def test_closing_the_stream_closes_its_file(
    producer: ArtifactProducer, backend: IStorageBackend, file: FileInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = io.BytesIO(DATA)
    monkeypatch.setattr(backend, "read_stream", lambda path: inner)
    producer.open(file.file_id).close()
    assert inner.closed
