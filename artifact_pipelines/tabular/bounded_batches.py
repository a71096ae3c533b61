"""Reads Parquet, and answers of DuckDB, in batches bounded by bytes: a file of some kB may hold texts of some GB."""

from collections.abc import Iterable, Iterator, Sequence

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_BYTES = 16 << 20
BATCH_ROWS = 8_192
DUCKDB_ROWS = 2_048
"""Rows that DuckDB holds at once anyway."""
_READ_ROWS = 512  # reading more at once is no faster
_FIRST_ROWS = 4


def read_batches(
    file: pq.ParquetFile, rows: int = BATCH_ROWS, groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file in batches of at most so many rows; where rows are large, of fewer.

    Args:
        file: The file.
        rows: Most rows of a batch.
        groups: Row groups to read; None: all of them.
    """
    return joined(_small_batches(file, range(file.num_row_groups) if groups is None else groups), rows)


def answer_reader(relation: duckdb.DuckDBPyRelation, rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
    """Return the rows of a DuckDB relation, in batches as of `read_batches`."""
    reader = relation.to_arrow_reader(DUCKDB_ROWS)
    return pa.RecordBatchReader.from_batches(reader.schema, joined(reader, rows))


def joined(
    batches: Iterable[pa.RecordBatch], rows: int = BATCH_ROWS, size_bytes: int = BATCH_BYTES
) -> Iterator[pa.RecordBatch]:
    """Join small batches up to the bounds: each costs something in every later step."""
    held, held_rows, held_bytes = list[pa.RecordBatch](), 0, 0
    for batch in batches:
        if held and (held_rows + batch.num_rows > rows or held_bytes + _size_bytes(batch) > size_bytes):
            yield pa.concat_batches(held)
            held, held_rows, held_bytes = [], 0, 0
        held.append(batch)
        held_rows, held_bytes = held_rows + batch.num_rows, held_bytes + _size_bytes(batch)
        if held_rows >= rows or held_bytes >= size_bytes:  # do not hold it while the next one is read
            yield batch if len(held) == 1 else pa.concat_batches(held)
            held, held_rows, held_bytes = [], 0, 0
    if held:
        yield pa.concat_batches(held)


def _small_batches(file: pq.ParquetFile, groups: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield few rows at once: fewer where the first rows of a row group are large."""
    for group in groups:
        first = next(file.iter_batches(_FIRST_ROWS, row_groups=[group]), None)
        fitting = _FIRST_ROWS * BATCH_BYTES // max(1, _size_bytes(first)) if first else 1
        del first
        yield from file.iter_batches(max(1, min(fitting, _READ_ROWS)), row_groups=[group])


def _size_bytes(batch: pa.RecordBatch) -> int:
    """Return the size of a batch without its dictionaries, which batches share."""
    return sum(column.nbytes for column in batch.columns if not pa.types.is_dictionary(column.type))
