"""Large texts in a small Parquet file: memory is bounded in bytes, whatever the rows hold."""

import pathlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.datasets.formats.parquet import Parquet
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.limits import Limits
from artifact_pipelines.datasets.reading.typed_table import open_typed
from artifact_pipelines.datasets.sandbox import open_in_child


def raw(path: pathlib.Path, table: pa.Table, rows_of_group: int = 1 << 20) -> RawFile:
    pq.write_table(table, path / "stored", row_group_size=rows_of_group, store_schema=False)
    return RawFile(path / "stored", "parquet", "inbox/texts.parquet")


def repeated(size_bytes: int, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * size_bytes])


@pytest.mark.parametrize(("size_bytes", "rows"), [(200_000, 2_500), (3_000_000, 170)])
def test_large_texts_of_a_small_file_need_little_memory(tmp_path: pathlib.Path, size_bytes: int, rows: int) -> None:
    file = raw(tmp_path, pa.table({"text": repeated(size_bytes, rows)}))
    assert file.path.stat().st_size < 200_000
    found = 0
    with open_in_child(Parquet(), file, Contract(), Limits(memory_bytes=500 << 20)) as table:
        for batch in table.batches:
            assert batch.nbytes < 17 << 20
            found += batch.num_rows
    assert found == rows


@pytest.mark.parametrize("rows_of_group", [100, 700, 5_000])
def test_small_rows_come_in_few_batches(tmp_path: pathlib.Path, rows_of_group: int) -> None:
    kinds = pa.array([["a", None, "b"][row % 3] for row in range(20_000)]).dictionary_encode()
    table = pa.table({"n": range(20_000), "kind": kinds, "lists": [[row, None] for row in range(20_000)]})
    pq.write_table(table, tmp_path / "stored", row_group_size=rows_of_group)
    with Parquet().open(RawFile(tmp_path / "stored", "parquet", "few.parquet"), Contract()) as opened:
        batches = list(opened.batches)
    assert pa.Table.from_batches(batches).to_pylist() == table.to_pylist()
    assert len(batches) <= 4


def test_row_group_without_rows_is_read(tmp_path: pathlib.Path) -> None:
    file = raw(tmp_path, pa.table({"x": pa.array([], pa.string())}))
    with Parquet().open(file, Contract()) as opened:
        assert opened.batches.read_all().num_rows == 0


def test_lack_of_memory_is_not_called_damage() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        raise pa.lib.ArrowMemoryError("malloc of size 5000000000 failed")
        yield

    schema = pa.schema([("x", pa.string())])
    with pytest.raises(MemoryError):
        open_typed(schema, batches(), Contract(), "inbox/x.parquet", "Parquet").batches.read_all()
