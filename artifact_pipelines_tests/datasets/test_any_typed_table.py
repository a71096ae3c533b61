"""Any table with types that another program writes comes back with the same values and types."""

import datetime
import io
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import duckdb
import fastavro
import hypothesis.strategies as st
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import xlsxwriter
from hypothesis import given, settings

from artifact_pipelines_tests.datasets.reading import read
from artifact_pipelines_tests.datasets.test_any_table import CELL, QUICK

FEW = settings(QUICK, max_examples=settings().max_examples // 3)  # of the profile: more under stress
INT64 = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.integers(-(10**12) + 1, 10**12 - 1).map(lambda digits: Decimal(digits).scaleb(-3))
MOMENTS = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30), timezones=st.just(datetime.UTC))
STRUCTS = st.fixed_dictionaries({"n": st.none() | INT64, "at": st.none() | MOMENTS})
COLUMNS: Mapping[str, tuple[pa.DataType, Any, st.SearchStrategy[Any]]] = {
    "whole": (pa.int64(), "long", INT64),
    "text": (pa.string(), "string", CELL),
    "truth": (pa.bool_(), "boolean", st.booleans()),
    "real": (pa.float64(), "double", st.floats(allow_nan=False)),
    "bytes": (pa.binary(), "bytes", st.binary(max_size=5)),
    "day": (pa.date32(), {"type": "int", "logicalType": "date"}, st.dates()),
    "at": (pa.timestamp("us", "UTC"), {"type": "long", "logicalType": "timestamp-micros"}, MOMENTS),
    "price": (
        pa.decimal128(12, 3),
        {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
        DECIMALS,
    ),
    "list": (
        pa.list_(pa.int64()),
        {"type": "array", "items": ["null", "long"]},
        st.lists(st.none() | INT64, max_size=3),
    ),
    "struct": (
        pa.struct([("n", pa.int64()), ("at", pa.timestamp("us", "UTC"))]),
        {
            "type": "record",
            "name": "inner",
            "fields": [
                {"name": "n", "type": ["null", "long"]},
                {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
            ],
        },
        STRUCTS,
    ),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _, _) in COLUMNS.items()])
AVRO: dict[str, Any] = {
    "type": "record",
    "name": "row",
    "fields": [{"name": name, "type": ["null", kind]} for name, (_, kind, _) in COLUMNS.items()],
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, _, values) in COLUMNS.items()}),
    min_size=1,
    max_size=8,
)


def read_bytes(data: bytes, file_type: str) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        return read(pathlib.Path(folder), data, file_type)


@FEW
@given(ROWS, st.sampled_from(["none", "snappy", "zstd"]), st.booleans())
def test_table_written_by_pyarrow_as_parquet(rows: Sequence[Any], compression: str, has_dictionary: bool) -> None:
    data = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, SCHEMA)
    pa.parquet.write_table(table, data, compression=compression, use_dictionary=has_dictionary, row_group_size=3)
    found = read_bytes(data.getvalue().to_pybytes(), "parquet")
    assert found.to_pylist() == rows
    assert found.schema.equals(SCHEMA)


@FEW
@given(ROWS)
def test_table_written_by_duckdb_as_parquet(rows: Sequence[Any]) -> None:
    table = pa.Table.from_pylist(rows, SCHEMA)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        path = pathlib.Path(folder, "x.parquet")
        database.from_arrow(table).write_parquet(str(path))
        assert read_bytes(path.read_bytes(), "parquet").to_pylist() == rows


@FEW
@given(ROWS, st.booleans())
def test_table_written_by_polars_as_arrow(rows: Sequence[Any], is_stream: bool) -> None:
    data = io.BytesIO()
    frame = pl.DataFrame(pa.Table.from_pylist(rows, SCHEMA))
    frame.write_ipc_stream(data) if is_stream else frame.write_ipc(data)
    assert read_bytes(data.getvalue(), "arrow").to_pylist() == rows


@FEW
@given(ROWS, st.sampled_from(["null", "deflate", "bzip2", "xz"]))
def test_table_written_by_fastavro(rows: Sequence[Any], codec: str) -> None:
    data = io.BytesIO()
    fastavro.writer(data, AVRO, rows, codec=codec, sync_interval=50)
    found = read_bytes(data.getvalue(), "avro")
    assert found.to_pylist() == rows == list(fastavro.reader(io.BytesIO(data.getvalue())))
    assert found.schema.equals(SCHEMA)


SHEET_CELLS: Mapping[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9).map(lambda number: float(f"{number:.9g}")),
    "text": st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=8),
    "truth": st.booleans(),
    "day": st.dates(datetime.date(1900, 3, 1)),
}


@FEW
@given(st.lists(st.fixed_dictionaries(dict(SHEET_CELLS)), min_size=1, max_size=6))
def test_table_written_by_xlsxwriter(rows: Sequence[Mapping[str, Any]]) -> None:
    data = io.BytesIO()
    with xlsxwriter.Workbook(data) as book:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, list(SHEET_CELLS))
        for place, row in enumerate(rows, 1):
            sheet.write_number(place, 0, row["number"])
            sheet.write_string(place, 1, row["text"])
            sheet.write_boolean(place, 2, row["truth"])
            sheet.write_datetime(place, 3, row["day"], day)
    found = read_bytes(data.getvalue(), "xlsx").to_pylist()
    assert [{**row, "number": float(row["number"])} for row in found] == [
        {**row, "number": float(row["number"])} for row in rows
    ]
