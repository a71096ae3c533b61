"""Large values: memory is bounded in bytes, and row groups depend on values only."""

import io
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.storage.staging import hash_stream
from artifact_pipelines.tabular import parquet
from artifact_pipelines.tabular.parquet import write_batches, write_frame
from artifact_pipelines.tabular.row_groups import cut_row_groups, logical_bytes

KINDS = ["a", None, "b"]
FRAME = pl.DataFrame(
    {
        "text": [None if n % 7 == 0 else f"text {n} " * (n % 50) for n in range(3_000)],
        "kind": pl.Series([KINDS[n % 3] for n in range(3_000)], dtype=pl.Categorical),
        "enum": pl.Series([KINDS[n % 3] for n in range(3_000)], dtype=pl.Enum(["b", "a"])),
        "lists": [None if n % 5 == 0 else [[n], None, list(range(n % 9))] for n in range(3_000)],
        "record": [{"n": n, "texts": [str(n)] * (n % 4)} for n in range(3_000)],
    }
).with_columns(vector=pl.concat_list("record", "record").list.eval(pl.element().struct.field("n")).list.to_array(2))


def written(frame: pl.DataFrame | pl.LazyFrame) -> tuple[bytes, str | None]:
    sink = io.BytesIO()
    logical_hash = write_frame(frame, sink, OneThreadHasher)
    return sink.getvalue(), logical_hash


def hash_of_bytes(data: bytes) -> str:
    return hash_stream(io.BytesIO(data)).content_hash


def sizes(data: bytes) -> list[int]:
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def cut(lengths: Sequence[int], rows: int, size_bytes: int, batch_rows: int) -> list[int]:
    table = pa.table({"x": ["x" * length for length in lengths]})
    batches = itertools.chain(table.slice(0, 0).to_batches(), table.to_batches(batch_rows))
    groups = list(cut_row_groups(table.schema, batches, rows, size_bytes))
    assert pa.concat_tables(groups).equals(table)
    return [group.num_rows for group in groups]


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([1, 1, 1, 1, 1, 1], [4, 2]),
        ([5, 5, 1, 9, 1, 1], [2, 2, 2]),
        ([5, 5, 0, 0, 5, 5], [4, 2]),
        ([99, 0, 99, 99, 1], [1, 1, 1, 1, 1]),
        ([0, 99, 10, 1], [1, 1, 1, 1]),
        ([11], [1]),
    ],
)
def test_row_group_takes_as_many_rows_as_fit(lengths: list[int], groups: list[int], batch_rows: int) -> None:
    assert cut(lengths, rows=4, size_bytes=10, batch_rows=batch_rows) == groups


def _dictionary(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(range(len(values)), pa.uint8()), pa.array(values, kind))


@pytest.mark.parametrize(
    ("values", "size_bytes"),
    [
        (pa.array([1, None], pa.int16()), 4),
        (pa.array([True, None, False]), 3),
        (pa.array([b"abc", None], pa.binary(3)), 6),
        (pa.array(["ä", None, "abc"]), 5),
        (pa.array(["ä", None, "a text too long for its view"], pa.string_view()), 30),
        (pa.array(["abc", None, "abc"]).dictionary_encode(), 6),
        (_dictionary(["ä", None, "a text too long for its view"], pa.string_view()), 30),
        (_dictionary([b"abc", None], pa.binary(3)), 6),
        (_dictionary([1, None], pa.int16()), 4),
        (_dictionary(["{}", None], pa.json_()), 2),
        (pa.ListArray.from_arrays([0, 1, 3], _dictionary(["abc", None, "d"], pa.string_view())), 4),
        (pa.array([[1, None], None, []], pa.list_(pa.int32())), 8),
        (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), 16),
        (pa.array([[["a"], None], None, [["bc", "d"]]]), 4),
        (pa.array([{"a": 1, "b": "xyz"}, None]), 19),
        (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), 9),
        (pa.nulls(3), 0),
    ],
)
def test_logical_size_depends_on_values_only(values: pa.Array, size_bytes: int) -> None:
    batch = pa.record_batch({"x": values})
    assert logical_bytes(batch) == size_bytes
    assert sum(logical_bytes(batch.slice(row, 1)) for row in range(len(values))) == size_bytes
    assert logical_bytes(pa.concat_batches([batch, batch]).slice(len(values))) == size_bytes


def test_logical_size_of_a_dictionary_needs_no_decoding() -> None:
    rows = pa.array([row % 2 for row in range(100_000)], pa.int8())
    texts = pa.DictionaryArray.from_arrays(rows, pa.array(["x" * 100_000, "y" * 50_000]))
    batch = pa.record_batch({"x": texts, "lists": pa.ListArray.from_arrays(range(100_001), texts)})
    before = pa.default_memory_pool().max_memory()
    assert logical_bytes(batch) == 2 * 50_000 * 150_000, "15 GB, which Arrow must not allocate"
    assert next(cut_row_groups(batch.schema, [batch], 100_000, 1 << 20)).num_rows == 6
    assert pa.default_memory_pool().max_memory() - before < 64 << 20


def test_text_under_a_null_has_no_logical_size() -> None:
    under = pa.array(["x" * 100, "y"])
    buffers = [pa.py_buffer(b"\x02"), *under.buffers()[1:]]
    assert logical_bytes(pa.record_batch({"x": pa.StringArray.from_buffers(2, *buffers[1:], buffers[0])})) == 1


def test_frame_of_large_values_has_equal_bytes_from_any_source(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, logical_hash = written(FRAME)
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 100_000)
    data, same_hash = written(FRAME)
    assert len(set(sizes(data))) > 2
    assert (sizes(plain), same_hash) == ([FRAME.height], logical_hash)
    polars.testing.assert_frame_equal(pl.read_parquet(data), FRAME)
    pieces = pl.concat([FRAME[:1], FRAME[1:700], FRAME[700:]], rechunk=False)
    around = pl.concat([FRAME[:1], FRAME], rechunk=True).slice(1)
    for frame in (FRAME.lazy(), pieces, pieces.lazy(), around, pl.scan_parquet(plain), pl.read_parquet(data)):
        assert written(frame) == (data, logical_hash)


_WRITE = """
from artifact_pipelines.tabular import parquet
from artifact_pipelines_tests.tabular.test_large_values import FRAME, hash_of_bytes, written
parquet.ROW_GROUP_BYTES = 100_000
print(hash_of_bytes(written(FRAME.lazy())[0]))
"""


@pytest.mark.parametrize("threads", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_threads_and_processes_do_not_change_large_frames(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 100_000)
    environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
    command = [sys.executable, "-c", _WRITE]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert printed.split()[-1] == hash_of_bytes(written(FRAME)[0])


def test_cuts_of_large_batches_do_not_change_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 100_000)
    table, made = FRAME.to_arrow(), set()
    for batch_rows in (10, 999, 3_000):
        sink = io.BytesIO()
        write_batches(table.schema, table.to_batches(batch_rows), sink)
        made.add(sink.getvalue())
    [data] = made
    assert len(set(sizes(data))) > 2
    assert pl.read_parquet(data).equals(FRAME)


def test_one_large_first_row_does_not_make_all_row_groups_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1_000)
    data, _ = written(pl.DataFrame({"x": ["x" * 5_000, *["y"] * 3_000]}))
    assert sizes(data) == [1, 1_000, 1_000, 1_000]


_TEXTS = pl.Series([f"{row}" * 1_000 for row in range(3_000)])
_LARGE = {
    "texts": _TEXTS,
    "lists": _TEXTS.to_frame("x").select(pl.concat_list("x")).to_series(),
    "numbers": pl.Series([[row] * 500 for row in range(3_000)]),
    "structs": _TEXTS.to_frame("x").select(pl.struct("x", pl.concat_list("x").alias("list"))).to_series(),
    "categories": _TEXTS.cast(pl.Categorical),
    "lists of categories": _TEXTS.cast(pl.Categorical).to_frame("x").select(pl.concat_list("x")).to_series(),
}


@pytest.mark.parametrize("name", _LARGE)
def test_at_most_a_row_group_of_large_values_is_converted_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _LARGE[name].to_frame("x")
    taken: list[pa.RecordBatch] = []
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 100_000)
    monkeypatch.setattr(parquet, "write_batches", lambda schema, batches, *_: taken.extend(batches))
    for value in (frame, frame.lazy()):
        taken.clear()
        write_frame(value, io.BytesIO())
        assert sum(batch.num_rows for batch in taken) == frame.height
        assert max(batch.get_total_buffer_size() for batch in taken) < 150_000


class _Full(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError("No space left on device")


def test_errors_over_large_values_are_raised_unchanged_and_leave_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1_000)
    for frame in (FRAME, FRAME.lazy()):
        with pytest.raises(OSError, match="No space"):
            write_frame(frame, _Full(), OneThreadHasher)
    with pytest.raises(pl.exceptions.PolarsError):
        written(FRAME.lazy().with_columns(pl.col("text").str.to_integer()))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("table-hasher")]


_PEAK = """
import io, os, pathlib, sys
import polars as pl, pyarrow as pa
from polars.io.plugins import register_io_source
from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.tabular import parquet
from artifact_pipelines.tabular.parquet import write_batches, write_frame

parquet.ROW_GROUP_BYTES = 16 << 20

class Nowhere(io.RawIOBase):
    written = 0
    def writable(self):
        return True
    def tell(self):
        return self.written
    def write(self, data):
        self.written += memoryview(data).nbytes
        return memoryview(data).nbytes

block = os.urandom(4096).hex()  # texts differ in their ends only: compressing noise is slow

def batches():
    for number in range(200):
        yield pa.record_batch({"text": [f"{block}{number}-{row}" for row in range(200)]})

def frames(*_):
    yield from map(pl.from_arrow, batches())

def peak_bytes():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) << 10

list(pl.LazyFrame({"x": [1]}).collect_batches(engine="streaming"))
before = peak_bytes()
if sys.argv[1] == "reader":
    write_batches(pa.schema([("text", pa.string())]), batches(), Nowhere(), OneThreadHasher)
else:
    write_frame(register_io_source(frames, schema={"text": pl.String}), Nowhere(), OneThreadHasher)
print(peak_bytes() - before)
"""


@pytest.mark.parametrize("kind", ["reader", "frame"])
def test_long_texts_need_memory_for_a_few_row_groups_only(kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", _PEAK, kind], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 240 << 20, "328 MB were written, in row groups of 16 MiB"
