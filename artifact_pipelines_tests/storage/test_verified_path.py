"""What is read by its path is never handed over with wrong bytes."""

import gc
import io
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from artifact_pipelines.core.types import FileInfo, FileState
from artifact_pipelines.handlers import scanning
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage import verified_path as module
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.exceptions import DamagedBytesError, MissingBytesError
from artifact_pipelines.storage.verified_path import verified_path
from artifact_pipelines.store import Store, open_store
from artifact_pipelines.tabular.parquet import write_frame
from artifact_pipelines_tests.handlers.writing import write_value
from artifact_pipelines_tests.storage.back_door import BackDoor

FRAME = pl.DataFrame({"x": range(50_000), "y": [f"row {number}" for number in range(50_000)]})


@pytest.fixture
def file(store: Store) -> FileInfo:
    sink = io.BytesIO()
    write_frame(FRAME, sink)
    return store.info(store.create_artifact(io.BytesIO(sink.getvalue()), "parquet"))


def artifact(store: Store, file: FileInfo) -> Artifact:
    return store._producer.artifact(file)


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
def test_a_damaged_file_is_damage_whatever_its_reader_says(
    store: Store, file: FileInfo, back_door: BackDoor, annotation: Any, rows: Callable[[Any], int], place: float
) -> None:
    data = bytearray(back_door.get(file.storage_path))
    data[int(place * len(data))] ^= 1
    back_door.put(file.storage_path, bytes(data))
    with pytest.raises(DamagedBytesError, match=file.content_hash):
        rows(load(store, file, annotation))
    assert store.info(file.file_id).state == FileState.DAMAGED
    for kind, _ in READERS:
        with pytest.raises(DamagedBytesError):  # known by now: refused at once, whoever asks
            rows(load(store, store.info(file.file_id), kind))


@pytest.mark.parametrize("annotation", [pl.LazyFrame, pyarrow.dataset.Dataset, duckdb.DuckDBPyRelation])
def test_only_a_small_file_is_read_before_it_is_scanned(
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
def test_text_and_json_are_verified_before_they_are_understood(store: Store, back_door: BackDoor, content: Any) -> None:
    handler, sink = TypeHandlers().for_value(content), io.BytesIO()
    write_value(content, sink)
    file = store.info(store.create_artifact(io.BytesIO(sink.getvalue()), handler.describe(content).file_type))
    back_door.put(file.storage_path, bytes([sink.getvalue()[0] ^ 0x80]) + sink.getvalue()[1:])
    with pytest.raises(DamagedBytesError):
        load(store, file, type(content))


def test_what_can_be_read_from_damaged_bytes_is_not_verified_when_that_is_switched_off(
    store: Store, file: FileInfo, back_door: BackDoor
) -> None:
    back_door.put(file.storage_path, back_door.get(file.storage_path).replace(b"polars", b"POLARS", 1))
    with open_store(verify_reads=False) as plain:
        assert isinstance(load(plain, file, pathlib.Path), pathlib.Path)
        with verified_path(artifact(plain, file)) as read:
            read.check()


def test_any_error_of_a_reader_over_damaged_bytes_becomes_the_damage(
    store: Store, file: FileInfo, back_door: BackDoor
) -> None:
    class Panic(BaseException):
        pass

    for error in (ValueError("bad footer"), Panic("index out of bounds")):
        with pytest.raises(type(error)), verified_path(artifact(store, file)):
            raise error
    back_door.put(file.storage_path, bytes(file.size_bytes))
    with pytest.raises(DamagedBytesError) as caught, verified_path(artifact(store, file)):
        raise Panic("index out of bounds")
    assert isinstance(caught.value.__cause__, Panic)


def test_bytes_that_are_gone_are_missing(store: Store, file: FileInfo, back_door: BackDoor) -> None:
    back_door.delete(file.storage_path)
    for kind, rows in READERS:
        with pytest.raises(MissingBytesError):
            rows(load(store, file, kind))


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, SystemExit])
@pytest.mark.local
def test_who_leaves_early_waits_for_no_hash(
    store: Store, file: FileInfo, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()

    def read(stream: object, stop: threading.Event) -> None:
        if stop.wait(20):
            stopped.set()

    monkeypatch.setattr(module, "_read_to_end", read)
    with pytest.raises(error), verified_path(artifact(store, file)):
        raise error
    assert stopped.is_set()


def test_batches_that_are_read_to_their_end_are_verified(store: Store, file: FileInfo, back_door: BackDoor) -> None:
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


def test_a_reader_that_is_dropped_midway_leaves_no_thread_behind(store: Store, file: FileInfo) -> None:
    reader = load(store, file, pa.RecordBatchReader)
    reader.read_next_batch()
    del reader
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("content-verifier")]
