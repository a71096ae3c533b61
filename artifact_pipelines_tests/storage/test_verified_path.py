"""Readers that take a path never return a result of wrong bytes."""

import gc
import io
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileInfo, FileState
from artifact_pipelines.handlers import scanning
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import DamagedBytesError, MissingBytesError
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.local_paths import verified_path
from artifact_pipelines.store import Store
from artifact_pipelines.tabular.parquet import write_frame
from artifact_pipelines_tests.handlers.writing import write_value
from artifact_pipelines_tests.storage.back_door import BackDoor

FRAME = pl.DataFrame({"x": range(50_000), "y": [f"row {number}" for number in range(50_000)]})


@pytest.fixture
def file(store: Store) -> FileInfo:
    sink = io.BytesIO()
    write_frame(FRAME, sink)
    return store.info(store.create_artifact(io.BytesIO(sink.getvalue()), "parquet"))


def artifact(store: Store, file: FileInfo, verify: bool = True) -> Artifact:
    return ArtifactProducer(
        store.catalog.files, open_backend(Settings.from_environment().storage_url), verify
    ).artifact(file)


def load(store: Store, file: FileInfo, annotation: Any) -> Any:
    return TypeHandlers().read(artifact(store, file), annotation)


READERS: list[tuple[Any, Callable[[Any], int]]] = [
    (pl.DataFrame, lambda frame: frame.height),
    (pa.Table, lambda table: table.num_rows),
    (pa.RecordBatchReader, lambda reader: reader.read_all().num_rows),
    (pathlib.Path, lambda path: pl.read_parquet(path).height),
    (bytes, lambda data: pl.read_parquet(data).height),
    (pl.LazyFrame, lambda lazy: lazy.collect().height),
    (pyarrow.dataset.Dataset, lambda dataset: dataset.count_rows()),
    (duckdb.DuckDBPyRelation, len),
]


@pytest.mark.parametrize(("annotation", "rows"), READERS)
def test_a_sound_file_is_read(store: Store, file: FileInfo, annotation: Any, rows: Callable[[Any], int]) -> None:
    assert rows(load(store, file, annotation)) == FRAME.height


@pytest.mark.parametrize(("annotation", "rows"), READERS)
@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_damage_is_reported_instead_of_the_error_of_its_reader(
    store: Store, file: FileInfo, back_door: BackDoor, annotation: Any, rows: Callable[[Any], int], place: float
) -> None:
    data = bytearray(back_door.get(file.storage_path))
    data[int(place * len(data))] ^= 1
    back_door.put(file.storage_path, bytes(data))
    with pytest.raises(DamagedBytesError, match=file.content_hash):
        rows(load(store, file, annotation))
    assert store.info(file.file_id).state == FileState.DAMAGED


def test_known_damage_is_refused_at_once_whoever_asks(store: Store, file: FileInfo, back_door: BackDoor) -> None:
    damaged = bytearray(back_door.get(file.storage_path))
    damaged[0] ^= 1
    back_door.put(file.storage_path, bytes(damaged))
    with pytest.raises(DamagedBytesError):
        load(store, file, bytes)
    for kind, rows in READERS:
        with pytest.raises(DamagedBytesError):
            rows(load(store, store.info(file.file_id), kind))


@pytest.mark.parametrize("annotation", [pl.LazyFrame, pyarrow.dataset.Dataset, duckdb.DuckDBPyRelation])
def test_only_small_files_are_verified_before_a_scan(
    store: Store, file: FileInfo, back_door: BackDoor, annotation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(back_door.get(file.storage_path))
    data[len(data) // 2] ^= 1
    back_door.put(file.storage_path, bytes(data))
    monkeypatch.setattr(scanning, "VERIFIED_BYTES", file.size_bytes - 1)
    load(store, file, annotation)
    monkeypatch.setattr(scanning, "VERIFIED_BYTES", file.size_bytes)
    with pytest.raises(DamagedBytesError):
        load(store, file, annotation)


@pytest.mark.parametrize("content", ["text ü" * 100, {"a": [1, 2]}])
def test_text_and_json_are_verified_before_they_are_decoded(store: Store, back_door: BackDoor, content: Any) -> None:
    handler, sink = TypeHandlers().find_writer(content)[0], io.BytesIO()
    write_value(content, sink)
    file = store.info(store.create_artifact(io.BytesIO(sink.getvalue()), handler.describe(content).file_type))
    back_door.put(file.storage_path, bytes([sink.getvalue()[0] ^ 0x80]) + sink.getvalue()[1:])
    with pytest.raises(DamagedBytesError):
        load(store, file, type(content))


def test_paths_are_not_verified_when_verification_is_off(store: Store, file: FileInfo, back_door: BackDoor) -> None:
    back_door.put(file.storage_path, back_door.get(file.storage_path).replace(b"polars", b"POLARS", 1))
    unverified = artifact(store, file, verify=False)
    assert isinstance(TypeHandlers().read(unverified, pathlib.Path), pathlib.Path)
    with verified_path(unverified) as read:
        read.check()


def test_damage_replaces_any_error_of_a_reader(store: Store, file: FileInfo, back_door: BackDoor) -> None:
    class Panic(BaseException):
        pass

    for error in (ValueError("bad footer"), Panic("index out of bounds")):
        with pytest.raises(type(error)), verified_path(artifact(store, file)):
            raise error
    back_door.put(file.storage_path, bytes(file.size_bytes))
    with pytest.raises(DamagedBytesError) as caught, verified_path(artifact(store, file)):
        raise Panic("index out of bounds")
    assert isinstance(caught.value.__cause__, Panic)


def test_every_reader_reports_missing_bytes(store: Store, file: FileInfo, back_door: BackDoor) -> None:
    back_door.delete(file.storage_path)
    for kind, rows in READERS:
        with pytest.raises(MissingBytesError):
            rows(load(store, file, kind))


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, SystemExit])
@pytest.mark.local
def test_an_early_exit_does_not_wait_for_the_hash(store: Store, file: FileInfo, error: type[BaseException]) -> None:
    class Endless(io.RawIOBase):
        def readinto(self, _: object) -> int:
            time.sleep(0.01)
            return 1 if time.monotonic() < until else 0

    until = time.monotonic() + 20
    endless = Artifact(file, artifact(store, file).uri, lambda verify: cast("BinaryIO", Endless()))
    with pytest.raises(error), verified_path(endless):
        raise error
    assert time.monotonic() < until


def test_batches_are_verified_at_their_end(store: Store, file: FileInfo, back_door: BackDoor) -> None:
    def batches(fail: bool) -> Any:
        yield pa.record_batch({"x": [1]})
        if fail:
            raise ValueError("bad page")

    def wrapped(fail: bool, file: Any) -> pa.RecordBatchReader:
        return file.batches(pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), batches(fail)))

    with verified_path(artifact(store, file)) as read:
        assert wrapped(False, read).read_all().num_rows == 1
        with pytest.raises(ValueError, match="bad page"):
            wrapped(True, read).read_all()
    back_door.put(file.storage_path, bytes(file.size_bytes))
    at_the_end = []
    for fail in (False, True):
        store.catalog.audit.mark_verified([store.info(file.file_id)])  # or the second would be refused at once
        with pytest.raises(DamagedBytesError), verified_path(artifact(store, file)) as read:
            try:
                wrapped(fail, read).read_all()
            except DamagedBytesError as error:
                at_the_end.append(error)
    assert len(at_the_end) == 2, "at the end of the batches, not only at the end of the block"


def test_a_reader_dropped_midway_leaves_no_thread(store: Store, file: FileInfo) -> None:
    reader = load(store, file, pa.RecordBatchReader)
    reader.read_next_batch()
    del reader
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("content-verifier")]
