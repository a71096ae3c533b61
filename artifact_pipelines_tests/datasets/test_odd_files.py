"""A collection of odd files per format: each is read as it says, or refused with the reason."""

import bz2
import datetime
import gzip
import io
import lzma
import pathlib
import zipfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pydantic
import pytest

from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.csv_dialect import CsvDialect
from artifact_pipelines.datasets.reading.csv_text import CsvText
from artifact_pipelines.datasets.reading.limits import Limits, limited
from artifact_pipelines_tests.datasets.reading import FORMAT, read

MOMENT = "2024-01-31T10:30:00"


def outcome(folder: pathlib.Path, data: str | bytes, file_type: str = "csv", **options: Any) -> str:
    """Return the type and the values of column x, or the error."""
    try:
        column = read(folder, data, file_type, **options)["x"]
    except ArtifactError as error:
        return f"refused: {error}"
    return f"{column.type}: {column.to_pylist()}"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (None, f"{MOMENT}+05:30", "string: "),
        (None, f"{MOMENT}+15:00", "string: "),
        (None, f"{MOMENT}+99:99", "string: "),
        (None, f"{MOMENT}+02:00:30", "string: "),
        (None, f"{MOMENT}-00:00", "string: "),
        (None, f"{MOMENT}z", "string: "),
        (None, "2024-W05-3", "string: "),
        (None, "2024-060", "string: "),
        ("TIMESTAMPTZ", f"{MOMENT}+05:30", "timestamp[us, tz=UTC]: "),
        ("DOUBLE", "1e-400", "refused: "),
        ("DOUBLE", "5e-324", "double: [5e-324]"),
        ("FLOAT", "1e-50", "refused: "),
        ("DOUBLE", "01.5", "refused: "),
        ("DOUBLE", "0.000", "double: [0.0]"),
        ("VARCHAR(3)", "abcd", "refused: column type must be"),
        ("JSON", "{}", "refused: column type must be"),
    ],
)
def test_text_of_an_odd_value(tmp_path: pathlib.Path, kind: str | None, text: str, expected: str) -> None:
    columns = {"x": kind} if kind else None
    found = outcome(tmp_path, f"x,n\n{text},1\n", columns=columns)
    assert found.startswith(expected)
    assert expected != "string: " or found == f"string: [{text!r}]"


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"date_format": "%Y%m%d"}, "20240131", datetime.date(2024, 1, 31)),
        ({"date_format": "%Y%m%d"}, "20241301", 20241301),
        ({"date_format": "%d %b %Y"}, "31 jan 2024", "31 jan 2024"),
        ({"true_values": ["1"], "false_values": ["0"]}, "1", True),
        ({"timestamp_format": "%d.%m.%Y %H:%M:%S.%f"}, "31.01.2024 10:30:00.5", f"{MOMENT}.500000"),
        ({"timestamp_format": "%d.%m.%Y %H:%M:%S.%f"}, "31.01.2024 10:30:00", MOMENT),
        ({"timestamp_format": "%d.%m.%Y %H:%M:%S %z"}, "31.01.2024 10:30:00 +0200", f"{MOMENT}+02:00"),
        ({"timestamp_format": "%d.%m.%Y %H:%M:%S %z"}, "31.01.2024 10:30:00 +0530", "31.01.2024 10:30:00 +0530"),
        ({"timestamp_format": "%I:%M %p, %d/%m/%Y"}, '"10:30 PM, 31/01/2024"', "2024-01-31T22:30:00"),
        ({"timestamp_format": "%I:%M %p, %d/%m/%Y"}, '"13:30 PM, 31/01/2024"', "13:30 PM, 31/01/2024"),
    ],
)
def test_declared_spelling_comes_first_and_is_kept_to_the_letter(
    tmp_path: pathlib.Path, options: Any, text: str, expected: object
) -> None:
    [found] = read(tmp_path, f"x,n\n{text},2\n", **options)["x"].to_pylist()
    assert (found.isoformat() if isinstance(found, datetime.datetime) else found) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"date_format": "%m/%Y"},
        {"date_format": "%d/%m"},
        {"date_format": "%H:%M"},
        {"date_format": "soon"},
        {"timestamp_format": "%d/%m/%Y %I:%M"},
        {"timestamp_format": "%d/%m/%Y %H:%M %Z"},
        {"timestamp_format": "%H:%M"},
        {"timestamp_format": "%f %d/%m/%Y"},
        {"thousands_mark": "."},
        {"decimal_mark": ",", "thousands_mark": ","},
        {"true_values": ["y", "x"], "false_values": ["n", "x"]},
    ],
)
def test_spelling_that_leaves_something_open_is_refused(options: Any) -> None:
    with pytest.raises(pydantic.ValidationError, match="must be"):
        FORMAT.validate_python(options)


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        ("x;b\n1;p\x1eq\n2;z\n", {}, "int64: [1, 2]"),
        ("x;b\n1;p\x85q\n", {}, "int64: [1]"),
        ("x;b\n1;2\n3\n", {}, "refused: flights.csv, line 3: 1 value, 2 expected"),
        ("x|b,c\n1|2,3\n", {}, "refused: flights.csv cannot be read as csv: its rows can be cut by ',' and '|'"),
        ("x|b,c\n1|2,3\n", {"delimiter": "|"}, "int64: [1]"),
        ("x\np;q\nr;s\n", {}, "refused: flights.csv cannot be read as a table: its first line, 'x', is one value"),
        ("top\x0c\nx,b\n1,2\n", {"skip_lines": 1}, "int64: [1]"),
        ("x,b\n1,2\n".encode("utf-16-be"), {"encoding": "utf-16"}, "refused: flights.csv cannot be read as text: it"),
        ("x,b\n1,2\n".encode("utf-16-be"), {"encoding": "utf-16-be"}, "int64: [1]"),
        (b"x,b\n1,\n3,\x80\n", {"encoding": "latin-1"}, "refused: flights.csv cannot be read as text: line 3"),
        (b"x,b\n1,\x80\n", {"encoding": "windows-1252"}, "int64: [1]"),
        ("<!DOCTYPE html>\n<p>x", {}, "refused: flights.csv cannot be read as csv: its content is HTML"),
        ("%PDF-1.4\n1 0 obj\n", {}, "refused: flights.csv cannot be read as csv: its content is PDF"),
        ("<?xml version='1.0'?>\n", {}, "refused: flights.csv cannot be read as csv: its content is XML"),
        ("<Error><Code>NoSuchKey</Code></Error>", {}, "refused: flights.csv cannot be read as csv: its content is XML"),
        ("$FL2@(#) SPSS DATA FILE", {}, "refused: flights.csv cannot be read as csv: its content is SPSS"),
        ("Rar!\x1a\7\0", {}, "refused: flights.csv cannot be read as csv: its content is RAR"),
        ('{"x": 1}\n', {}, "refused: flights.csv cannot be read as csv: its content is JSON; set format.type"),
        ("x,b\r1,2\r3,4\r", {}, "refused: flights.csv, line 1: lines end with '\\r' alone"),
        ("x,b,,\n1,2,,\n", {}, "refused: flights.csv does not have the columns of its dataset: columns 3, 4 "),
        ("x,b\n名,1\n".encode("iso2022_jp"), {}, "refused: flights.csv is not utf-8: line 2, byte 1"),
        ("x,b\n名,1\n".encode("iso2022_jp"), {"encoding": "iso2022_jp"}, "string: ['名']"),
        (bz2.compress(b"x\n1\n") + bz2.compress(b"2\n"), {}, "int64: [1, 2]"),
        (bz2.compress(b"x\n1\n") + b"garbage", {}, "refused: "),
        (lzma.compress(b"x\n1\n") + b"garbage", {}, "refused: "),
        (gzip.compress(b"x\n1\n", mtime=0) + b"garbage", {}, "refused: "),
        (gzip.compress(gzip.compress(b"x\n1\n", mtime=0), mtime=0), {}, "refused: "),
    ],
)  # fmt: skip
def test_odd_csv(tmp_path: pathlib.Path, data: str | bytes, options: Any, expected: str) -> None:
    assert outcome(tmp_path, data, **options).startswith(expected)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (r'{"x": "\ud83d\ude00"}', "string: ['😀']"),
        (r'{"x": "\ud83d"}', r"refused: flights.csv, line 1: half of a character: '\ud83d'"),
        (r'{"y": 1, "\ude00": 1}', "refused: flights.csv, line 1: half of a character"),
        ('{"x": ' + "[" * 900 + "]" * 900 + "}", "refused: flights.csv, line 1: it has more than 100 levels"),
        ('{"x": ' + "[" * 99 + "]" * 99 + "}", "list<item: "),
        ('{"x": {"a": 1, "A": 2}}', """string: ['{"a": 1, "A": 2}']"""),
        ("{}\n{}", "refused: flights.csv holds no data"),
        ('{"x": 1}{"x": 2}', "refused: flights.csv, line 1: "),
        ('{"x": 1},\n{"x": 2}', "refused: flights.csv, line 1: "),
        ('\x1e{"x": 1}', "refused: flights.csv, line 1: "),
        ('\ufeff{"x": "p\u2028q"}\r\n', "string: ['p\\u2028q']"),
    ],
)
def test_odd_json(tmp_path: pathlib.Path, rows: str, expected: str) -> None:
    assert outcome(tmp_path, rows, "ndjson").startswith(expected)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ('[{"x": 1},\n{"x": 2}]', "int64: [1, 2]"),
        ('[{"x": 1},\n{"x": 2},\n', "refused: flights.csv, line 3: no value follows the last comma"),
        ('[{"x": 1},\n{"x": 2}\n', "refused: flights.csv, line 3: a comma or the end of the array is missing"),
        ("[\n", "refused: flights.csv, line 2: the end of the array is missing"),
    ],
)
def test_json_array_is_whole_or_refused(tmp_path: pathlib.Path, rows: str, expected: str) -> None:
    assert outcome(tmp_path, rows, "json").startswith(expected)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("TIMESTAMP", pa.array([1], pa.timestamp("us", "Europe/Berlin")), "refused: flights.csv, row 1, column 'x'"),
        ("TIMESTAMPTZ", pa.array([None, 1], pa.timestamp("us")), "refused: flights.csv, row 2, column 'x'"),
        ("TIMESTAMPTZ", pa.array([1], pa.timestamp("us", "Europe/Berlin")), "timestamp[us, tz=UTC]"),
        ("BOOLEAN", pa.array([1]), "refused: flights.csv, row 1, column 'x'"),
        ("BIGINT", pa.array([True]), "refused: flights.csv, row 1, column 'x'"),
        ("TIMESTAMP", pa.array([None, True]), "refused: flights.csv, row 2, column 'x'"),
        ("FLOAT", pa.array([float("nan"), 0.5]), "float: [nan, 0.5]"),
        ("TIMESTAMP", pa.array([MOMENT]), "timestamp[us]: "),
        ("TIMESTAMP", pa.array([f"{MOMENT}+02:00"]), "refused: flights.csv, row 1, column 'x'"),
        ("BOOLEAN", pa.array(["true", None]).dictionary_encode(), "bool: [True, None]"),
        ("DOUBLE", pa.array(["1e-400"]), "refused: flights.csv, row 1, column 'x'"),
        (None, pa.array([None, 2**31 - 1], pa.date32()), "refused: flights.csv, row 2, column 'x': '<value"),
        (None, pa.array([0, 86_400_000], pa.time32("ms")), "refused: flights.csv, row 2, column 'x'"),
        (None, pa.array([1], pa.timestamp("us", "Mars/Base")), "refused: flights.csv does not have the columns"),
        (None, pa.array([[1]], pa.list_view(pa.int8())), "refused: flights.csv does not have the columns"),
        (
            None,
            pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
            "refused: flights.csv does not have the columns of its dataset: column 'x' is struct",
        ),
    ],
)  # fmt: skip
def test_odd_parquet(tmp_path: pathlib.Path, kind: str | None, values: pa.Array, expected: str) -> None:
    data = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"x": values}), data)
    columns = {"x": kind} if kind else None
    assert outcome(tmp_path, data.getvalue(), "parquet", columns=columns).startswith(expected)


def test_periods_of_pandas_and_a_table_without_columns_are_refused(tmp_path: pathlib.Path) -> None:
    data = io.BytesIO()
    extension = {"ARROW:extension:name": "pandas.period", "ARROW:extension:metadata": '{"freq": "M"}'}
    months = pa.field("x", pa.int64(), metadata=extension)
    pyarrow.parquet.write_table(pa.table([[648]], schema=pa.schema([months])), data)
    assert "column 'x' holds periods of pandas" in outcome(tmp_path, data.getvalue(), "parquet")
    pyarrow.parquet.write_table(pa.table({}), data := io.BytesIO())
    assert "it has no columns" in outcome(tmp_path, data.getvalue(), "parquet")


def test_files_of_spark_beside_the_data_are_no_tables(tmp_path: pathlib.Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in {
            "out/part-0.csv": "x\n1\n",
            "out/_SUCCESS": "",
            "out/_started_7": "{}",
            "Thumbs.db": "?",
        }.items():
            archive.writestr(name, text)
    assert outcome(tmp_path, data.getvalue()) == "int64: [1]"


def arrow_stream(batches: int) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"x": [1]})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        for _ in range(batches):
            stream.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (arrow_stream(3), "int64: [1, 1, 1]"),
        (arrow_stream(0), "int64: []"),
        (arrow_stream(3)[:-8], "refused: flights.csv cannot be read as Arrow IPC: the mark of its end is missing"),
        (arrow_stream(2) + arrow_stream(1), "refused: flights.csv cannot be read as Arrow IPC: there is more after"),
    ],
)
def test_arrow_stream_is_whole_or_refused(tmp_path: pathlib.Path, data: bytes, expected: str) -> None:
    assert outcome(tmp_path, data, "arrows").startswith(expected)


@pytest.mark.parametrize("data", [b"B", b"BZ", b"PK", b"PAR", b"Obj", b"ARROW", b"\x1f", gzip.compress(b"PA", mtime=0)])
def test_file_that_was_cut_within_its_first_bytes_is_refused(tmp_path: pathlib.Path, data: bytes) -> None:
    assert "the beginning of another format, so it is cut off" in outcome(tmp_path, data)
    assert outcome(tmp_path, b"x,BZ\n1,P") == "int64: [1]"


def test_a_long_value_is_no_fault_even_where_another_row_is_one(tmp_path: pathlib.Path) -> None:
    long = "x" * 200_000
    assert outcome(tmp_path, f"x,{long}\n1,2\n") == "int64: [1]"
    assert outcome(tmp_path, f"x,b\n1,{long}\n3\n").startswith("refused: flights.csv, line 3: 1 value, 2 expected")


@pytest.mark.parametrize(
    ("text", "file_type", "line"),
    [
        ("x,y\n1,2\n{},2\n3,4\n", "csv", 3),
        ('x,y\n1,"{}\n{}"\n', "csv", 2),
        ('{{"x": 1}}\n{{"x": "{}"}}\n', "ndjson", 2),
    ],
)
def test_row_is_as_long_as_its_limit_wherever_it_stands(
    tmp_path: pathlib.Path, text: str, file_type: str, line: int
) -> None:
    contract = Contract(limits=Limits(row_bytes=1024))
    assert not outcome(tmp_path, text.format("a" * 500, "a" * 500), file_type, contract=contract).startswith("refused")
    refused = outcome(tmp_path, text.format("a" * 1024, "a" * 500), file_type, contract=contract)
    assert refused.startswith(f"refused: flights.csv, line {line}: ")
    assert "`limits.row_bytes`" in refused


def test_zip_with_a_folder_named_like_that_of_spreadsheets_is_an_archive(tmp_path: pathlib.Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("xl/flights.csv", "x\n1\n")
    assert outcome(tmp_path, data.getvalue()) == "int64: [1]"


def test_lines_beyond_the_limit_are_refused_where_the_last_ones_are_skipped(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"x" * (5 << 20))
    dialect = CsvDialect(",", header_lines=0, skip_last_lines=1)
    with (
        pytest.raises(UnparsableSourceError, match="lines are longer than `limits.row_bytes`"),
        limited(path, Limits(row_bytes=1 << 20)),
    ):
        CsvText(path, "long.csv", dialect, [])


@pytest.mark.parametrize(
    "text",
    ["id,name\n--,-------\n1,Rome\n", "id;name\n=== ;:----\n1;2\n", "id\n---\nx\n", " ID NAME\n--- ----\n  1 x\n"],
)
def test_line_of_dashes_below_the_header_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    assert "line 2: a line of dashes below the header is no row" in outcome(tmp_path, text.encode())


@pytest.mark.parametrize("second", ["\ufeff", "ï»¿"])
def test_second_byte_order_mark_is_no_part_of_a_name(tmp_path: pathlib.Path, second: str) -> None:
    assert "line 1: a second byte order mark stands before" in outcome(tmp_path, f"\ufeff{second}x,n\n1,2\n")


def test_dashes_for_missing_values_are_read(tmp_path: pathlib.Path) -> None:
    assert outcome(tmp_path, "x,name\n-,-\n1,Rome\n") == "string: ['-', '1']"
    assert outcome(tmp_path, "x,name\n---,---\n1,Rome\n", type="csv", null_values=["---"]) == "int64: [None, 1]"


UNITS = "time,site,x\ns,,m/s\n" + "".join(f"{second},Rome,0.5\n" for second in range(3))


def test_line_of_units_below_the_header_is_refused(tmp_path: pathlib.Path) -> None:
    assert "line 2 seems to hold units or labels: above numbers or dates it has 's', 'm/s'" in outcome(tmp_path, UNITS)
    table = read(tmp_path, UNITS, type="csv", header=2)
    assert [str(kind) for kind in table.schema.types] == ["int64", "string", "decimal128(18, 1)"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (UNITS, {"columns": {"site": "VARCHAR"}}),
        ("x,y\nm,s\n1,2\n3,4\n", {}),  # few rows
        ("x,y\nm,Rome\n1,Oslo\n3,Bonn\n5,Rome\n", {}),
        ("x,y\nm,s\n1,2\n3,4\n5,s\n", {}),
        ("x,y,z\nm,s,1\n1,2,3\n3,4,5\n5,6,7\n", {}),
    ],
)
def test_other_first_row_of_texts_is_a_row(tmp_path: pathlib.Path, text: str, options: Any) -> None:
    assert outcome(tmp_path, text, **options).startswith("string: ['m")


def test_numbers_above_numbers_are_a_row_though_texts_follow_in_a_later_block(tmp_path: pathlib.Path) -> None:
    text = "street,postcode,house\n" + f"{'x' * 1000},10115,12\n" * 10_000 + "y,SW1A,12a\n"
    table = read(tmp_path, text)
    assert {str(kind) for kind in table.schema.types} == {"string"}
    assert table.num_rows == 10_001


@pytest.mark.parametrize(
    ("text", "file_type", "problem"),
    [
        ("<table><tr><td>x</td></tr></table>", "xls", "its content is HTML"),
        ("<rows>\n  <row><x>1</x></row>\n</rows>\n", "csv", "its content is XML"),
        ('[\n  {"x": 1}\n]', "csv", "its content is JSON"),
        ("NAME      AGE\nRome      five\nOslo      12\n", "csv", "has one column.*`type: fixed` if spaces align"),
        ('{"x": 1},\n{"x": 2}\n', "json", r"line 1: no JSON: ',.n{\"x\": 2}"),
    ],
)
def test_file_of_another_kind_is_called_what_it_is(
    tmp_path: pathlib.Path, text: str, file_type: str, problem: str
) -> None:
    with pytest.raises(ArtifactError, match=problem):
        read(tmp_path, text, file_type)


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_tags_as_names_of_columns_are_names(tmp_path: pathlib.Path, delimiter: str) -> None:
    table = read(tmp_path, f"<TICKER>{delimiter}<PER>\nA{delimiter}D\n")
    assert table.column_names == ["<TICKER>", "<PER>"]
