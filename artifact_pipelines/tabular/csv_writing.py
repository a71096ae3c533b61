"""Writes a table as CSV that reads back as it was: texts in quotes, null as nothing, times in ISO format."""

from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv

from artifact_pipelines.tabular.exceptions import NoCsvError

_FORMULA = r"^[=+\-@\t\r]"


def write_csv(table: pa.RecordBatchReader, sink: BinaryIO, for_spreadsheets: bool = False) -> None:
    """Write a table batch by batch.

    Args:
        for_spreadsheets: Put `'` before each text that a spreadsheet would run as a formula, and a byte order mark,
            by which it recognizes UTF-8.

    Raises:
        NoCsvError: A column has values that CSV has no form for, such as lists.
    """
    shown = _neutral if for_spreadsheets else lambda batch: batch
    schema = shown(table.schema.empty_table()).schema
    if for_spreadsheets:
        sink.write(b"\xef\xbb\xbf")
    try:
        with pa.csv.CSVWriter(sink, schema) as writer:
            for batch in table:
                writer.write_table(shown(pa.Table.from_batches([batch])))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise NoCsvError(
            [f"{field.name} ({field.type})" for field in schema if pa.types.is_nested(field.type)]
        ) from error


def _neutral(table: pa.Table) -> pa.Table:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # of a table
    text = pl.col(pl.String)
    frame = frame.with_columns(pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).name.keep())
    names = pl.Series(frame.columns)
    frame.columns = list(
        pl.select(pl.when(names.str.contains(_FORMULA)).then("'" + names).otherwise(names)).to_series()
    )
    return frame.to_arrow()
