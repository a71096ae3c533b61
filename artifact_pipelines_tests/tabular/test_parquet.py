import contextlib
import gc
import io
import threading
from collections.abc import Iterator
from typing import Any

import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.tabular import parquet
from artifact_pipelines.tabular.footer import describe_parquet
from artifact_pipelines.tabular.logical_hash import TableHasher
from artifact_pipelines.tabular.parquet import row_group_rows, write_batches, write_frame

ROWS = 300_000
FRAME = pl.DataFrame(
    {
        "number": range(ROWS),
        "text": [f"row {i % 977}" if i % 13 else None for i in range(ROWS)],
        "share": [i / 7 for i in range(ROWS)],
    }
)


def written(frame: pl.DataFrame | pl.LazyFrame) -> bytes:
    sink = io.BytesIO()
    write_frame(frame, sink)
    return sink.getvalue()


def written_batches(schema: pa.Schema, batches: Any) -> bytes:
    sink = io.BytesIO()
    write_batches(schema, batches, sink)
    return sink.getvalue()


def test_frame_comes_back() -> None:
    polars.testing.assert_frame_equal(pl.read_parquet(written(FRAME)), FRAME)


def test_memory_layout_of_a_frame_does_not_change_the_bytes() -> None:
    chunks = pl.concat([FRAME[:1], FRAME[1:70_000], FRAME[70_000:]], rechunk=False)
    assert chunks.n_chunks() == 3
    assert written(chunks) == written(FRAME) == written(FRAME.lazy()) == written(chunks.lazy())


def test_cuts_of_batches_do_not_change_the_bytes() -> None:
    table = FRAME.to_arrow()
    layouts = [table.to_batches(max_chunksize=size) for size in (1_000, 65_536, ROWS)]
    layouts.append([table.to_batches()[0].slice(0, 0), *table.to_batches(max_chunksize=122_880)])
    first, *others = [written_batches(table.schema, layout) for layout in layouts]
    assert all(other == first for other in others)
    assert pq.read_table(io.BytesIO(first)).equals(table)


@pytest.mark.parametrize("columns", [0, 1, 30, 31, 1000, 5000])
def test_row_group_is_bounded_in_rows_and_values(columns: int) -> None:
    rows = row_group_rows(columns)
    assert 1024 <= rows <= parquet.ROW_GROUP_ROWS
    assert rows == 1024 or rows * columns <= parquet.ROW_GROUP_VALUES


def test_row_groups_have_row_group_rows() -> None:
    for data in (written(FRAME), written_batches(FRAME.to_arrow().schema, FRAME.to_arrow().to_batches())):
        metadata = pq.ParquetFile(io.BytesIO(data)).metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        assert sizes == [122_880, 122_880, 54_240]


def test_few_row_groups_are_in_memory_at_a_time() -> None:
    schema = pa.schema([("x", pa.int64())])
    alive: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, 2_000_000, 100_000):
            alive.append(pa.total_allocated_bytes())
            yield pa.record_batch([pa.array(range(start, start + 100_000), pa.int64())], schema)

    written_batches(schema, batches())
    assert max(alive) - alive[0] < 8 << 20, "16 MB were written, with at most two row groups of 1 MB in memory"


def test_error_of_the_sink_is_raised_unchanged() -> None:
    class FullError(Exception):
        pass

    class Full(io.RawIOBase):
        def write(self, data: Any) -> int:
            raise FullError

    sink: Any = Full()
    with pytest.raises(FullError):
        write_frame(FRAME, sink)
    with pytest.raises(FullError):
        write_batches(FRAME.to_arrow().schema, FRAME.to_arrow().to_batches(), sink)


def test_error_of_the_query_is_raised_unchanged() -> None:
    broken = FRAME.lazy().with_columns(pl.col("text").str.to_integer())
    with pytest.raises(pl.exceptions.PolarsError):
        written(broken)


@pytest.mark.parametrize("frame", [FRAME.head(0), pl.DataFrame(), pl.DataFrame({"only": []})])
def test_table_without_rows_or_columns_is_written(frame: pl.DataFrame) -> None:
    data = written(frame)
    summary = describe_parquet(io.BytesIO(data))
    assert summary.row_count == 0
    assert [column.name for column in summary.columns] == frame.columns
    assert pl.read_parquet(data).columns == frame.columns


class _Full(io.BytesIO):
    def write(self, data: Any) -> int:
        raise OSError("No space left on device")


@pytest.mark.parametrize("frame", [pl.DataFrame({"x": range(400_000)}), pl.LazyFrame({"x": range(400_000)})])
@pytest.mark.parametrize("sink", [io.BytesIO, _Full])
def test_no_thread_is_left_after_success_or_failure(frame: pl.DataFrame | pl.LazyFrame, sink: type[io.BytesIO]) -> None:
    with contextlib.suppress(OSError):
        write_frame(frame, sink(), OneThreadHasher)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("table-hasher")]


def test_objects_that_polars_keeps_hold_no_hasher_and_no_frame() -> None:
    frame = pl.DataFrame({f"c{number}": [number] for number in range(100)})
    before = _alive()
    for _ in range(3):
        write_frame(frame, io.BytesIO(), OneThreadHasher)
        write_frame(frame.lazy(), io.BytesIO(), OneThreadHasher)
    assert _alive() == before


def _alive() -> int:
    gc.collect()
    return sum(type(thing) in (TableHasher, OneThreadHasher, pl.DataFrame) for thing in gc.get_objects())


def test_only_columns_whose_values_repeat_have_dictionaries() -> None:
    count = 20_000
    columns: dict[str, Any] = {
        "id": range(count),
        "half": [i // 2 for i in range(count)],
        "a.b": [f"row {i % 977}" for i in range(count)],
        "nothing": pa.nulls(count),
    }
    table = pa.table(columns)
    group = pq.ParquetFile(io.BytesIO(written_batches(table.schema, table.to_batches()))).metadata.row_group(0)
    encoded = {group.column(i).path_in_schema for i in range(4) if group.column(i).has_dictionary_page}
    assert encoded >= {"half", "a.b"}
    assert "id" not in encoded
    lists = pa.table({"id": range(count), "days": [[i % 7] for i in range(count)]})
    group = pq.ParquetFile(io.BytesIO(written_batches(lists.schema, lists.to_batches()))).metadata.row_group(0)
    assert group.column(1).has_dictionary_page
