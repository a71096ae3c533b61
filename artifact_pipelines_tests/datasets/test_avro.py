"""A value of an Avro file is stored as it is, with its logical type, or the file is refused by column."""

import bz2
import datetime
import gzip
import io
import json
import lzma
import pathlib
import uuid
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.formats.avro import Avro
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.registry import ByExtension
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines_tests.datasets.reading import read

IDENTITY = uuid.UUID("12345678-1234-5678-1234-567812345678")


def logical(kind: str, logical_type: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical_type, **fields}


def avro(kind: Any, *values: Any, codec: str = "null", **options: Any) -> bytes:
    """Return a file with a column `x` of a type."""
    schema = {"type": "record", "name": "row", "fields": [{"name": "x", "type": kind}]}
    data = io.BytesIO()
    fastavro.writer(data, schema, [{"x": value} for value in values], codec=codec, **options)
    return data.getvalue()


NAIVE = datetime.datetime(2024, 1, 31, 10, 30, 0, 123_000)
FIXED = {"type": "fixed", "name": "two", "size": 2}
INNER = {
    "type": "record",
    "name": "inner",
    "fields": [{"name": "day", "type": ["null", logical("int", "date")]}, {"name": "n", "type": "long"}],
}


@pytest.mark.parametrize(
    ("kind", "values", "stored", "read_values"),
    [
        ("boolean", [True, False], "bool", None),
        ("int", [-(2**31), 2**31 - 1], "int32", None),
        ("long", [-(2**63), 2**63 - 1], "int64", None),
        ("float", [0.5, float("inf")], "float", None),
        ("double", [0.1, 1e300], "double", None),
        ("bytes", [b"\0\xff", b""], "binary", None),
        ("string", ["007", "", "ü"], "string", None),
        (["null", "string"], ["a", None], "string", None),
        (["long", "null"], [1, None], "int64", None),
        (["string"], ["a"], "string", None),
        (FIXED, [b"ab"], "fixed_size_binary[2]", None),
        ({"type": "enum", "name": "e", "symbols": ["low", "high"]}, ["high", "low"], "string", None),
        ({"type": "array", "items": ["null", "int"]}, [[1, None], []], "list<element: int32>", None),
        ({"type": "map", "values": "long"}, [{"b": 1, "a": 2}], "map<string, int64>", [[("b", 1), ("a", 2)]]),
        (logical("int", "date"), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)], "date32[day]", None),
        (logical("int", "time-millis"), [datetime.time(10, 30, 0, 5000)], "time32[ms]", None),
        (logical("long", "time-micros"), [datetime.time(23, 59, 59, 999_999)], "time64[us]", None),
        (
            logical("long", "timestamp-millis"),
            [NAIVE.replace(tzinfo=datetime.UTC)],
            "timestamp[ms, tz=UTC]",
            None,
        ),
        (
            logical("long", "timestamp-micros"),
            [NAIVE.replace(tzinfo=datetime.UTC)],
            "timestamp[us, tz=UTC]",
            None,
        ),
        (logical("long", "local-timestamp-millis"), [NAIVE], "timestamp[ms]", None),
        (logical("long", "local-timestamp-micros"), [NAIVE], "timestamp[us]", None),
        (logical("string", "uuid"), [IDENTITY], "string", [str(IDENTITY)]),
        (
            logical("bytes", "decimal", precision=38, scale=2),
            [Decimal("-" + "9" * 36 + ".99"), Decimal("0.10")],
            "decimal128(38, 2)",
            None,
        ),
        (
            logical("fixed", "decimal", name="d", size=4, precision=9, scale=3),
            [Decimal("-123456.789")],
            "decimal128(9, 3)",
            None,
        ),
        (
            {"type": "array", "items": logical("bytes", "decimal", precision=4, scale=1)},
            [[Decimal("1.5")]],
            "list<element: decimal128(4, 1)>",
            None,
        ),
        (
            INNER,
            [{"day": None, "n": 1}, {"day": datetime.date(2024, 1, 31), "n": 2}],
            "struct<day: date32[day], n: int64>",
            None,
        ),
        (logical("string", "unheard-of"), ["a"], "string", None),
    ],
    ids=str,
)
def test_value_keeps_its_type(tmp_path: pathlib.Path, kind: Any, values: Any, stored: str, read_values: Any) -> None:
    column = read(tmp_path, avro(kind, *values), "avro")["x"]
    assert str(column.type).replace("item:", "element:") == stored
    assert column.to_pylist() == (read_values or values)


@pytest.mark.parametrize(("name", "zone"), [("timestamp-nanos", "UTC"), ("local-timestamp-nanos", None)])
def test_nanoseconds_are_kept(tmp_path: pathlib.Path, name: str, zone: str | None) -> None:
    column = read(tmp_path, container(logical("long", name), zigzag(1_706_697_000_123_456_789)), "avro")["x"]
    assert column.type == pa.timestamp("ns", zone)
    assert column.cast(pa.int64()).to_pylist() == [1_706_697_000_123_456_789]


def test_day_that_python_does_not_know_is_kept(tmp_path: pathlib.Path) -> None:
    column = read(tmp_path, container(logical("int", "date"), zigzag(4_000_000)), "avro")["x"]
    assert column.cast(pa.int32()).to_pylist() == [4_000_000]


def test_identity_of_sixteen_bytes_is_text(tmp_path: pathlib.Path) -> None:
    kind = logical("fixed", "uuid", name="id", size=16)
    assert read(tmp_path, container(kind, IDENTITY.bytes), "avro")["x"].to_pylist() == [str(IDENTITY)]


def zigzag(value: int) -> bytes:
    """Return a number as Avro writes it."""
    data = io.BytesIO()
    fastavro.schemaless_writer(data, "long", value)
    return data.getvalue()


def container(kind: Any, block: bytes, codec: str = "null", rows: int = 1) -> bytes:
    """Return a file with a column `x` of a type, and one block with these bytes."""
    fields = [{"name": "x", "type": kind}]
    meta = {"avro.schema": {"type": "record", "name": "row", "fields": fields}, "avro.codec": codec}
    head = io.BytesIO()
    texts = {name: (value if isinstance(value, str) else json.dumps(value)).encode() for name, value in meta.items()}
    fastavro.schemaless_writer(head, {"type": "map", "values": "bytes"}, texts)
    return b"Obj\1" + head.getvalue() + b"#" * 16 + zigzag(rows) + zigzag(len(block)) + block + b"#" * 16


TEXT = b"abcdefgh" * 9
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda data: data,
    "deflate": lambda data: zlib.compress(data)[2:-4],
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": lambda data: pa.compress(data, "zstd", asbytes=True),
    "snappy": lambda data: pa.compress(data, "snappy", asbytes=True) + zlib.crc32(data).to_bytes(4, "big"),
}


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_blocks_are_read(tmp_path: pathlib.Path, codec: str) -> None:
    block = CODECS[codec](zigzag(len(TEXT)) + TEXT)
    assert read(tmp_path, container("string", block, codec), "avro")["x"].to_pylist() == [TEXT.decode()]


RECURSIVE = {"type": "record", "name": "node", "fields": [{"name": "next", "type": ["null", "node"]}]}


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (["null", "int", "string"], "column 'x' is or holds a union of several types"),
        ({"type": "array", "items": ["int", "string"]}, "column 'x' is or holds a union of several types"),
        (RECURSIVE, "column 'x' is or holds a record that contains itself"),
        (logical("bytes", "decimal", precision=39, scale=2), "a decimal of 39 digits, 2 of them after the point"),
        ({"type": "record", "name": "none", "fields": []}, "column 'x' is struct<>"),
        ({"type": "fixed", "name": "d", "size": 12, "logicalType": "duration"}, "a duration of months, days and"),
    ],
)
def test_type_that_no_column_can_have_is_refused_by_name(tmp_path: pathlib.Path, kind: Any, problem: str) -> None:
    with pytest.raises(SchemaMismatchError, match=problem):
        read(tmp_path, container(kind, b""), "avro")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (container("long", zigzag(5))[:-3], "cut off"),
        (container("long", zigzag(5))[:30], "damaged"),
        (container("long", zigzag(5), rows=2), "damaged"),
        (container("long", zigzag(5) * 2), "longer than its records"),
        (container("string", b"\x02\xff"), "damaged"),
        (container("int", zigzag(2**40)), "damaged"),
        (container(logical("bytes", "decimal", precision=2), b"\x04\x7f\xff"), "damaged"),
        (container("long", b"nonsense", "deflate"), "damaged"),
        (container("long", b"\x05\x10nonsense", "snappy"), "damaged"),
        (container("long", zigzag(5), "lzo"), "compressed with 'lzo'; known are null, deflate"),
        (container("strange", zigzag(5)), "damaged"),
    ],
)
def test_damaged_file_is_refused(tmp_path: pathlib.Path, data: bytes, reason: str) -> None:
    with pytest.raises(UnparsableSourceError, match=f"^flights.csv cannot be read as Avro: .*{reason}"):
        read(tmp_path, data, "avro")


def test_named_type_may_be_used_again(tmp_path: pathlib.Path) -> None:
    fields = [{"name": "a", "type": FIXED}, {"name": "b", "type": ["null", "two"]}]
    schema = {"type": "record", "name": "row", "namespace": "org.example", "fields": fields}
    data = io.BytesIO()
    fastavro.writer(data, schema, [{"a": b"ab", "b": b"cd"}, {"a": b"ef", "b": None}])
    assert read(tmp_path, data.getvalue(), "avro").to_pylist() == [{"a": b"ab", "b": b"cd"}, {"a": b"ef", "b": None}]


def test_content_decides_in_a_process_of_its_own(tmp_path: pathlib.Path) -> None:
    (tmp_path / "stored").write_bytes(gzip.compress(avro("long", *range(10_000), codec="deflate")))
    file = RawFile(tmp_path / "stored", "dat", "x.dat")
    with open_table(file, ByExtension(), Contract({"x": "DECIMAL(10,2)"})) as table:
        found = table.batches.read_all()
    assert found["x"].to_pylist() == list(map(Decimal, range(10_000)))


def test_large_records_come_in_small_batches(tmp_path: pathlib.Path) -> None:
    (tmp_path / "stored").write_bytes(avro("bytes", *[bytes(1 << 20)] * 40, sync_interval=1 << 27, codec="deflate"))
    with open_table(RawFile(tmp_path / "stored", "avro", "x"), Avro(), Contract(), trusted=True) as table:
        assert max(batch.nbytes for batch in table.batches) <= 17 << 20
