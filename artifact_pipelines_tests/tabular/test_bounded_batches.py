"""Batches have a bound in bytes, and hold the same rows."""

import io

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.tabular.bounded_batches import BATCH_BYTES, BATCH_ROWS, answer_reader, read_batches

TEXT = "x" * 200_000


def stored(table: pa.Table) -> pq.ParquetFile:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=1_000)
    return pq.ParquetFile(sink)


def test_batches_of_a_file_are_bounded_by_bytes() -> None:
    batches = list(read_batches(stored(pa.table({"text": [TEXT] * 500}))))
    assert sum(batch.num_rows for batch in batches) == 500
    assert max(batch.nbytes for batch in batches) < BATCH_BYTES * 1.1


def test_batches_of_an_answer_are_bounded_by_bytes_above_what_duckdb_holds_at_once() -> None:
    relation = duckdb.sql("SELECT repeat('x', 20_000) AS text FROM range(10_000)")
    assert relation
    batches = list(answer_reader(relation))
    assert sum(batch.num_rows for batch in batches) == 10_000
    assert max(batch.num_rows for batch in batches) == 2_048


def test_small_rows_are_joined_over_row_groups_and_dictionaries() -> None:
    lists = [pa.array([[f"{part}{row % 7}", None] for row in range(3_000)]) for part in "abc"]
    kinds = [each.cast(pa.list_(pa.dictionary(pa.int32(), pa.string()))) for each in lists]
    table = pa.concat_tables([pa.table({"kinds": each, "kind": pa.array(["k"] * 3_000)}) for each in kinds])
    batches = list(read_batches(stored(table)))
    assert [batch.num_rows for batch in batches] == [8_000, 1_000]
    assert BATCH_ROWS >= 8_000
    assert pa.Table.from_batches(batches).to_pylist() == table.to_pylist()
