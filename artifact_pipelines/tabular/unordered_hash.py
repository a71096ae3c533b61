"""The logical hash of a table whose rows have no order: the hash of its rows sorted by all columns.

The one idea: sort what the hash reads, not what the columns mean. Times sort as the integers that they are, so DuckDB
rounds nothing, and rows that compare equal have equal hashes. DuckDB sorts in bounded memory and spills to disk.
"""

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.tabular.arrow_types import change_types, entries_type
from artifact_pipelines.tabular.bounded_batches import answer_reader, read_batches
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb
from artifact_pipelines.tabular.logical_hash import MakeHasher, TableHasher

MEMORY_LIMIT_BYTES = 1 << 30
_WORD_BITS = 64
_DUCKDB_DIGITS = 38
_SORT = "SELECT * FROM numbered ORDER BY ALL ASC NULLS LAST"


def unordered_hash(source: BinaryIO, make_hasher: MakeHasher, memory_limit_bytes: int = MEMORY_LIMIT_BYTES) -> str:
    """Return a hash of a Parquet file's table that does not depend on the order of its rows.

    Rows sort by their columns from first to last, ascending: text by its bytes, NaN after all numbers, null after all.

    Beyond `memory_limit_bytes`, the sort spills to the system's folder for temporary files.
    """
    file = pq.ParquetFile(source, pre_buffer=False)
    hasher = TableHasher(file.schema_arrow, make_hasher)
    schema = _sortable_schema(file.schema_arrow)
    if not len(schema):
        return hasher.hexdigest()

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in read_batches(file):
            yield batch.rename_columns(schema.names).cast(schema)

    with locked_duckdb([], memory_limit_bytes) as connection:
        connection.register("numbered", pa.RecordBatchReader.from_batches(schema, batches()))
        for batch in answer_reader(connection.sql(_SORT)):
            hasher.update(batch)
    return hasher.hexdigest()


def _sortable_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema with types that DuckDB holds and compares exactly, and columns named by number."""
    exact = change_types(schema, _sortable_type)
    return pa.schema([pa.field(str(number), field.type) for number, field in enumerate(exact)])


def _sortable_type(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _sortable_type(kind.storage_type)
    if types.is_dictionary(kind):
        return _sortable_type(kind.value_type)
    if types.is_map(kind):  # DuckDB refuses a map with a duplicate key
        return entries_type(kind)
    if types.is_temporal(kind):
        return pa.int64() if kind.bit_width == _WORD_BITS else pa.int32()
    if types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= _DUCKDB_DIGITS else pa.string()
    if types.is_fixed_size_binary(kind):
        return pa.binary()
    if types.is_null(kind):
        return pa.int8()
    return pa.float32() if kind == pa.float16() else kind
