"""The list that a systematic sample runs through: all rows, in the order of the table or of some columns.

DuckDB sorts outside of memory, so a list may be of any length. Nulls come last, equal rows in the order of the table.
"""

from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow as pa

from artifact_pipelines.sampling.engine.choice import ORDINAL
from artifact_pipelines.sampling.engine.rows import Batch, Ordinals, Rows
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb

_MEMORY_BYTES = 256 << 20
_BATCH_ROWS = 122_880


def ordinals_in_order(rows: Rows, columns: Sequence[str]) -> Iterator[Ordinals]:
    """Yield the positions of all rows in the order of some columns; of none: in the order of the table."""
    if not columns:
        yield from rows.map(lambda batch: batch.ordinals)
        return
    rows.check_columns("order_by", columns)

    def listed(batch: Batch) -> pl.DataFrame:
        keys = batch.read(columns)
        renamed = keys.rename({name: f"k{number}" for number, name in enumerate(keys.columns)})
        return renamed.with_columns(pl.Series(ORDINAL, batch.ordinals))

    keys = ", ".join(f"k{number}" for number in range(len(columns)))
    schema = next(rows.map(listed)).clear().to_arrow().schema
    batches = (part for frame in rows.map(listed) for part in frame.to_arrow().to_batches())
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    with locked_duckdb([], _MEMORY_BYTES) as connection:
        connection.register("list", reader)
        query = f"SELECT {ORDINAL} FROM list ORDER BY {keys}, {ORDINAL}"  # noqa: S608 - names are ours
        for batch in connection.sql(query).to_arrow_reader(_BATCH_ROWS):
            yield batch.column(0).to_numpy()
