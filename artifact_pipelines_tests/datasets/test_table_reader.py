import gzip
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pydantic
import pytest

from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile
from artifact_pipelines.datasets.registry import FileFormat
from artifact_pipelines.datasets.table_reader import open_table

FORMAT: pydantic.TypeAdapter[IFileFormat] = pydantic.TypeAdapter(FileFormat)
CSV = "carrier,delay,day\nUA,5,2013-01-01\nAA,NA,2013-01-02\n"


def read(
    folder: pathlib.Path,
    data: str | bytes,
    file_type: str = "csv",
    compression: str | None = None,
    columns: Mapping[str, str] | None = None,
    key: Sequence[str] = (),
    **file_format: Any,
) -> pa.Table:
    path = folder / "stored"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    file = RawFile(path, file_type, compression, "flights/raw (file 1)")
    with open_table(file, FORMAT.validate_python(file_format), columns or {}, key) as batches:
        return batches.read_all()


def test_csv_values_determine_the_types(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, CSV, null_values=("NA",))
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "date32[day]"]
    assert table["delay"].to_pylist() == [5, None]


def test_types_depend_on_all_rows(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, "x\n" + "1\n" * 50_000 + "text\n")
    assert str(table.schema.field("x").type) == "string"


@pytest.mark.parametrize(
    ("data", "file_type", "compression", "contract"),
    [
        (CSV.replace(",", "\t"), "tsv", None, {}),
        (CSV.replace(",", ";"), "csv", None, {"delimiter": ";"}),
        (gzip.compress(CSV.encode(), mtime=0), "csv", "gzip", {}),
        (CSV, "txt", None, {"type": "csv"}),
        ('{"carrier": "UA", "delay": 5}\n{"carrier": "AA", "delay": null}\n', "ndjson", None, {}),
        ('{"carrier": "UA", "delay": 5}\n{"carrier": "AA", "delay": null}\n', "jsonl", None, {}),
    ],
)
def test_every_format_gives_the_same_table(
    tmp_path: pathlib.Path, data: str | bytes, file_type: str, compression: str | None, contract: Any
) -> None:
    contract = {"null_values": ("NA",), **contract}
    table = read(tmp_path, data, file_type, compression, **contract)
    assert table.select(["carrier", "delay"]).to_pylist() == [
        {"carrier": "UA", "delay": 5},
        {"carrier": "AA", "delay": None},
    ]


@pytest.mark.parametrize(
    ("file_type", "data"),
    [("csv", "x,y\n1,2\n"), ("tsv", "x\ty\n1\t2\n"), ("ndjson", '{"x": 1, "y": 2}\n'), ("parquet", None)],
)
def test_folder_name_never_becomes_a_column(tmp_path: pathlib.Path, file_type: str, data: str | None) -> None:
    folder = tmp_path / "env=prod" / "x=5"
    folder.mkdir(parents=True)
    if data is None:
        pl.DataFrame({"x": [1], "y": [2]}).write_parquet(tmp_path / "made")
    table = read(folder, data or (tmp_path / "made").read_bytes(), file_type)
    assert table.to_pylist() == [{"x": 1, "y": 2}]


def test_parquet_keeps_its_types_unless_others_are_declared(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"x": [1, 2]}).write_parquet(tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    assert read(tmp_path, data, "parquet")["x"].to_pylist() == [1, 2]
    assert str(read(tmp_path, data, "parquet", columns={"x": "VARCHAR"}).schema.field("x").type) == "string"


def test_rows_keep_their_order(tmp_path: pathlib.Path) -> None:
    numbers = [(i * 7919) % 200_003 for i in range(200_003)]
    table = read(tmp_path, "x\n" + "".join(f"{number}\n" for number in numbers))
    assert table["x"].to_pylist() == numbers


def test_declared_types_override_detected_ones(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, CSV, columns={"delay": "DOUBLE", "day": "VARCHAR"}, null_values=("NA",))
    assert [str(kind) for kind in table.schema.types] == ["string", "double", "string"]


@pytest.mark.parametrize(
    ("data", "contract", "message"),
    [
        (CSV, {"columns": {"nothing": "INT"}}, '"nothing" do not exist'),
        (CSV, {"key": ("nothing",)}, "missing nothing; found carrier, delay, day"),
        (CSV.replace(",", ";"), {}, "one column named 'carrier;delay;day'; set format.delimiter"),
        ('{"x": 1}\n', {"columns": {"y": "INT"}, "type": "ndjson"}, "y"),
    ],
)
def test_file_that_breaks_the_contract_is_refused_with_the_problem(
    tmp_path: pathlib.Path, data: str, contract: Any, message: str
) -> None:
    with pytest.raises(SchemaMismatchError, match="flights/raw") as caught:
        read(tmp_path, data, **contract)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "file_type", "contract"),
    [
        ("carrier,delay\nUA,5\nAA\n", "csv", {}),
        ("carrier,delay\nUA,5,6\n", "csv", {}),
        ('carrier,delay\nUA,"5\nAA,6\n', "csv", {}),
        ("carrier,delay\nUA,five\n", "csv", {"columns": {"delay": "INT"}}),
        (b"carrier\n\xff\xfe\n", "csv", {}),
        ("not json", "ndjson", {}),
        ("not parquet at all", "parquet", {}),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "parquet", {}),
        ("<html>", "html", {}),
    ],
)
def test_torn_or_foreign_file_is_refused_with_the_whole_reason(
    tmp_path: pathlib.Path, data: str | bytes, file_type: str, contract: Any
) -> None:
    with pytest.raises(UnparsableSourceError, match="flights/raw") as caught:
        read(tmp_path, data, file_type, **contract)
    assert "Fix the file" in str(caught.value)
    assert not re.search(r"[.:]\. Fix", str(caught.value)), "the reason is cut off"


def test_unsupported_compression_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnparsableSourceError, match=r"csv\.zip: compressed files are supported as \.gz only"):
        read(tmp_path, b"PK", "csv", "zip")


def test_names_and_values_are_never_run_as_sql_or_opened_as_paths(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, '"a""b\'c","../x"\n\'; DROP TABLE x; --,2\n', columns={"a\"b'c": "VARCHAR"})
    assert table.to_pylist() == [{"a\"b'c": "'; DROP TABLE x; --", "../x": 2}]
