"""A value is stored as it is written, or refused by file, line, column and value."""

import datetime
import pathlib
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import (
    MalformedRowError,
    RefusedValueError,
    RepeatedValuesError,
    SchemaMismatchError,
)
from artifact_pipelines.datasets.reading import csv_blocks, json_rows
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore
from artifact_pipelines.datasets.reading.limits import Limits
from artifact_pipelines_tests.datasets.reading import read


def column(folder: pathlib.Path, *texts: str, **options: Any) -> tuple[str, list[Any]]:
    """Return type and values of a column with these texts."""
    table = read(folder, "x,n\n" + "".join(f"{text},1\n" for text in texts), **options)
    return str(table.schema.field("x").type), table["x"].to_pylist()


@pytest.mark.parametrize(
    "texts",
    [
        ("1234567890123456789012345678901234567890",),
        ("999999999999999999999999999999999999999",),
        ("02134", "10"),
        ("-0",),
        ("+5",),
        ("10E5", "1"),
        ("1e-05",),
        ("0x1F",),
        ("1_000",),
        ("1.",),
        (".5",),
        ("-0.0",),
        ("NaN",),
        ("inf",),
        ("1 000",),
        (" 1",),
        ("1 ",),
        ("10.1.1",),
        ("1/2/03",),
        ("01-02-24",),
        ("01/02/2024", "03/04/2024"),
        ("2024-02-30",),
        ("2024-1-01",),
        ("0000-01-01",),
        ("20201-03-04", "2020-03-04"),
        ("-0044-03-15",),
        ("2024-01-01T25:00:00",),
        ("2024-01-01T00:00:60",),
        ("2024-01-01T24:00:00",),
        ("2024-01-01T10:00:00+01:00", "2024-07-01T10:00:00+02:00"),
        ("2024-01-01T10:00:00", "2024-01-01T10:00:00Z"),
        ("2024-01-01", "2024-01-01T00:00:00"),
        ("2024-01-01T00:00:00.1234567891",),
        ("9999-12-31T00:00:00.123456789",),
        ("10:30:00",),
        ("True", "False"),
        ("yes", "no"),
        ("true", "1"),
        ("t",),
        ("NA", "1"),
        ("null",),
        ("6F9619FF-8B86-D011-B42D-00CF4FC964FF",),
        ("1", "x"),
        ("12345678901234567890123456789012345678.5",),
    ],
)
def test_everything_that_follows_no_rule_to_the_letter_is_text_as_written(
    tmp_path: pathlib.Path, texts: tuple[str, ...]
) -> None:
    assert column(tmp_path, *texts) == ("string", list(texts))


@pytest.mark.parametrize(
    ("texts", "kind", "shown"),
    [
        (("1", "", "-20"), "int64", ["1", "None", "-20"]),
        (('"1"', "", '"-20"'), "int64", ["1", "None", "-20"]),
        (("9223372036854775807", "-9223372036854775808"), "int64", ["9223372036854775807", "-9223372036854775808"]),
        (("12345678901234567890", "1"), "decimal128(38, 0)", ["12345678901234567890", "1"]),
        (("1.10", "2"), "decimal128(18, 2)", ["1.10", "2.00"]),
        (("0.1", "-0.25"), "decimal128(18, 2)", ["0.10", "-0.25"]),
        (("12345678901234567.25",), "decimal128(38, 2)", ["12345678901234567.25"]),
        (("true", "false"), "bool", ["True", "False"]),
        (("2024-02-29", "0001-01-01"), "date32[day]", ["2024-02-29", "0001-01-01"]),
        (("2024-01-31T10:30:00", "2024-01-31 10:30:00.5"), "timestamp[us]", ["10:30:00", "10:30:00.500000"]),
        (("2024-01-31T10:30:00Z", "2024-01-31T10:30:00+00:00"), "timestamp[us, tz=UTC]", ["10:30:00+00:00"] * 2),
        (("2024-01-31T10:30:00+02:00",), "timestamp[us, tz=+02:00]", ["10:30:00+02:00"]),
        (("2024-01-31T10:30:00.123456789",), "timestamp[ns]", ["10:30:00.123456789"]),
    ],
)
def test_texts_that_all_follow_a_rule_get_its_type(
    tmp_path: pathlib.Path, texts: tuple[str, ...], kind: str, shown: list[str]
) -> None:
    found, values = column(tmp_path, *texts)
    assert found == kind
    assert [str(value).removeprefix("2024-01-31 ") for value in values] == shown


def test_a_type_holds_for_all_rows_however_late_a_text_comes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 1_000)
    rows = ["1"] * 1_000
    assert column(tmp_path, *rows, "1.5")[0] == "decimal128(18, 1)"
    assert column(tmp_path, *rows, "x")[0] == "string"


DECLARED = [
    ("BIGINT", "1.5"),
    ("BIGINT", "007"),
    ("TINYINT", "128"),
    ("UBIGINT", "-1"),
    ("DECIMAL(10,2)", "1.239"),
    ("DECIMAL(10,2)", "123456789.1"),
    ("DECIMAL(38,0)", "123456789012345678901234567890123456789"),
    ("DATE", "2024-01-01T00:00:00"),
    ("DATE", "01/02/2024"),
    ("TIMESTAMP", "2024-01-01T00:00:00+02:00"),
    ("TIMESTAMP", "2024-01-01"),
    ("TIMESTAMPTZ", "2024-01-01T00:00:00"),
    ("BOOLEAN", "1"),
    ("DOUBLE", "9007199254740993"),
    ("DOUBLE", "0.1234567890123456789"),
    ("DOUBLE", "1e999"),
    ("FLOAT", "16777217"),
    ("TIME", "24:00:00"),
]


@pytest.mark.parametrize(("kind", "text"), DECLARED)
@pytest.mark.parametrize("file_type", ["csv", "ndjson"])
def test_value_without_its_declared_type_is_refused_by_line_column_and_value(
    tmp_path: pathlib.Path, kind: str, text: str, file_type: str
) -> None:
    data = f'x,n\n,1\n"{text}",2\n' if file_type == "csv" else f'{{"n": 0}}\n{{"n": 1}}\n{{"x": "{text}"}}\n'
    with pytest.raises(RefusedValueError) as caught:
        read(tmp_path, data, file_type, columns={"x": kind})
    error = caught.value
    assert (error.path, error.line, error.column, error.value) == ("flights.csv", 3, "x", text)
    assert "columns: {x: VARCHAR}" in str(error)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("DOUBLE", "0.1", 0.1),
        ("DOUBLE", "10.357019999999999", 10.357019999999999),
        ("DOUBLE", "1e-05", 1e-05),
        ("DOUBLE", "10E5", 1e6),
        ("DECIMAL(10,2)", "1.2", pa.scalar("1.20").cast(pa.decimal128(10, 2)).as_py()),
        ("VARCHAR", "007", "007"),
        ("SMALLINT", "-5", -5),
    ],
)
def test_declared_types_are_those_of_the_table(tmp_path: pathlib.Path, kind: str, text: str, value: object) -> None:
    assert column(tmp_path, text, columns={"x": kind})[1] == [value]


def test_timestamps_of_any_offset_are_moments_if_declared(tmp_path: pathlib.Path) -> None:
    texts = ("2024-01-01T10:00:00+01:00", "2024-07-01T10:00:00Z")
    kind, values = column(tmp_path, *texts, columns={"x": "TIMESTAMPTZ"})
    assert kind == "timestamp[us, tz=UTC]"
    assert [str(value) for value in values] == ["2024-01-01 09:00:00+00:00", "2024-07-01 10:00:00+00:00"]


def test_quoted_empty_text_is_no_null(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, 'a,b\n"",1\n,2\nx,3\n')["a"].to_pylist() == ["", None, "x"]


def test_blank_line_is_null_in_a_table_of_one_column_and_no_row_elsewhere(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, "a\n1\n\n2\n")["a"].to_pylist() == [1, None, 2]
    assert read(tmp_path, "a,b\n1,2\n\n3,4\n")["a"].to_pylist() == [1, 3]


@pytest.mark.parametrize("mark", ["#", "//", ";"])
def test_no_row_is_a_comment_unless_declared(tmp_path: pathlib.Path, mark: str) -> None:
    assert read(tmp_path, f"a,b\n{mark}x,1\n{mark},2\n")["a"].to_pylist() == [f"{mark}x", mark]


MALFORMED = [
    ("a,b\n1,2\n3\n", 3, "1 value, 2 expected"),
    ("a,b\n1,2\n3,4,5\n", 3, "3 values, 2 expected"),
    ("a,b\n#1,2\n#3\n", 3, "1 value, 2 expected"),
    ('a,b\n"x\ny",2\n\n3\n', 5, "1 value, 2 expected"),
    ('a,b\n1,"2\n3,4\n', 2, "a quote is never closed"),
    ('a,b\n1,x"y\n', 2, "a quote stands inside a value"),
    ('a,b\n1,"x"y\n', 2, "a quote stands inside a value"),
    ('a,b\n1, "x"\n', 2, "a quote stands inside a value"),
    ('a,b\n"say \\"hi\\"",1\n', 2, "a quote stands inside a value"),
    ("a,b\n1,x\0y\n", 2, "a NUL character"),
    ("a,b\n1,x\ry\n", 2, "a line end unlike the first one"),
    ("a,b\n1,x\r\n", 2, "a line end unlike the first one"),
    ("a,b\r\n1,x\n", 2, "a line end unlike the first one"),
    ('a,b\r\n"x\ny",2\r\n3,4\n', 4, "a line end unlike the first one"),
]


@pytest.mark.parametrize(("data", "line", "problem"), MALFORMED)
def test_row_that_can_be_read_in_two_ways_is_refused_by_line(
    tmp_path: pathlib.Path, data: str | bytes, line: int, problem: str
) -> None:
    with pytest.raises(MalformedRowError, match=f"flights.csv, line {line}: .*{problem}"):
        read(tmp_path, data)


@pytest.mark.parametrize(("data", "line", "problem"), MALFORMED[:4])
def test_line_of_a_fault_is_right_in_later_blocks(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, data: str, line: int, problem: str
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 7)
    with pytest.raises(MalformedRowError, match=f"line {line}: .*{problem}"):
        read(tmp_path, data)


def test_endless_row_is_refused_in_bounded_memory(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 1 << 18)
    contract = Contract(limits=Limits(row_bytes=1 << 20))
    with pytest.raises(MalformedRowError, match=r"line 3: the row that begins here is longer than 1 MiB"):
        read(tmp_path, "a,b\n1,2\n" + '3,"' + "x" * (2 << 20), contract=contract)


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        (["99999999999999999999", "1"], "decimal128(38, 0)", ["99999999999999999999", "1"]),
        (["123456789012345678.12", "1"], "decimal128(38, 2)", ["123456789012345678.12", "1.00"]),
        (['"x"', "5"], "string", ["x", "5"]),
        (["[1]", '{"c": 1.50}'], "string", ["[1]", '{"c": 1.50}']),
        (['"007"', '"1"'], "string", ["007", "1"]),
        (["true", "1"], "string", ["true", "1"]),
        (["1e5", "1"], "string", ["1e5", "1"]),
        (["-0.0", "1"], "string", ["-0.0", "1"]),
        (["9" * 39, "1"], "string", ["9" * 39, "1"]),
        (['{"c": 1}', '{"d": "y"}'], "struct<c: int64, d: string>", [{"c": 1, "d": None}, {"c": None, "d": "y"}]),
        (["null", "[1, null]"], "list<item: int64>", [None, [1, None]]),
        (['[{"c": 1}]', "[]"], "list<item: struct<c: int64>>", [[{"c": 1}], []]),
        (["{}", "{}"], "string", ["{}", "{}"]),
        (['"2024-01-01"', "null"], "date32[day]", ["2024-01-01", None]),
    ],
)  # fmt: skip
def test_json_values_keep_what_they_say_on_all_rows(
    tmp_path: pathlib.Path, values: list[str], kind: str, shown: list[Any]
) -> None:
    found = read(tmp_path, "".join(f'{{"b": {value}}}\n' for value in values), "ndjson")["b"]
    assert str(found.type) == kind
    assert list(map(str, found.to_pylist())) == list(map(str, shown))


@pytest.mark.parametrize(("late", "kind", "value"), [('"b": 1', "int64", 1), ('"b": "x"', "string", "x")])
def test_json_key_or_kind_that_comes_late_counts(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, late: str, kind: str, value: object
) -> None:
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", 1_000)
    found = read(tmp_path, '{"a": 0}\n' * 500 + f"{{{late}}}\n", "ndjson")["b"]
    assert (str(found.type), found.null_count, found[-1].as_py()) == (kind, 500, value)


def test_sparse_keys_are_columns_up_to_a_limit(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f'{{"ts": "{i}", "p_{i}": {i}}}\n' for i in range(40))
    assert read(tmp_path, rows, "ndjson", columns={"ts": "VARCHAR"}).num_columns == 41
    monkeypatch.setattr(json_rows, "MOST_COLUMNS", 40)
    with pytest.raises(MalformedRowError, match="line 40: the rows have more than 40 different keys"):
        read(tmp_path, rows, "ndjson")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "no JSON"),
        ('{"a": 1,}', "no JSON"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ("[1]", "no JSON object"),
        ("5", "no JSON object"),
        ("[" * 100_000, "nest"),
    ],
)
@pytest.mark.parametrize("file_type", ["ndjson", "json"])
def test_malformed_json_is_refused_by_line(tmp_path: pathlib.Path, row: str, problem: str, file_type: str) -> None:
    with pytest.raises(MalformedRowError) as caught:
        read(tmp_path, f'{{"a": 1}}\n\n{row}\n', file_type)
    assert caught.value.line == 3


@pytest.mark.parametrize("data", ['[{"a": 1}', '[{"a": 1} {"a": 2}]', '[{"a": 1}] 5', '[{"a": 1},]', '[{"a": 1},,{}]'])
def test_torn_json_array_is_refused(tmp_path: pathlib.Path, data: str) -> None:
    with pytest.raises(SourceError, match="flights.csv, line 1"):
        read(tmp_path, data, "json")


def parquet(folder: pathlib.Path, values: pa.Array, **options: Any) -> bytes:
    pyarrow.parquet.write_table(pa.table({"x": values}), folder / "made", **options)
    return (folder / "made").read_bytes()


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3_600_000_000], pa.duration("us")),
        pa.array([1_704_067_200_123_456_789], pa.timestamp("ns")),
        pa.array([1], pa.timestamp("us", "Europe/Berlin")),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), ["b", "a"], ordered=True),
        pa.array([b"\0"], pa.binary()),
        pa.array([1], pa.uint8()),
        pa.array([[{"a": 1}]], pa.list_(pa.struct([("a", pa.int8())]))),
    ],
    ids=lambda values: str(values.type)[:20],
)
@pytest.mark.parametrize("file_type", ["parquet", "arrow"])
def test_typed_formats_keep_their_types(tmp_path: pathlib.Path, values: pa.Array, file_type: str) -> None:
    data = parquet(tmp_path, values)
    if file_type == "arrow":
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, pa.schema([("x", values.type)])) as writer:
            writer.write_batch(pa.record_batch({"x": values}))
        data = sink.getvalue().to_pybytes()
    table = read(tmp_path, data, file_type)
    assert table.schema.field("x").type == values.type
    assert table["x"].to_pylist() == values.to_pylist()


def test_ordered_categories_that_change_within_a_file_are_refused(tmp_path: pathlib.Path) -> None:
    def some(texts: list[str]) -> pa.RecordBatch:
        return pa.record_batch({"x": pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), texts, ordered=True)})

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, some(["a"]).schema) as writer:
        writer.write_batch(some(["small", "large"]))
        writer.write_batch(some(["large", "small"]))
    with pytest.raises(SchemaMismatchError, match="ordered categories of column 'x' change"):
        read(tmp_path, sink.getvalue().to_pybytes(), "arrow")


def test_int96_keeps_its_nanoseconds(tmp_path: pathlib.Path) -> None:
    nanoseconds = pa.array([1_704_067_200_123_456_789], pa.timestamp("ns"))
    data = parquet(tmp_path, nanoseconds, use_deprecated_int96_timestamps=True)
    assert read(tmp_path, data, "parquet")["x"].cast(pa.int64()).to_pylist() == [1_704_067_200_123_456_789]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([1.0, 1.5]), "BIGINT"),
        (pa.array([1, 300]), "TINYINT"),
        (pa.array(["1.239"]).cast(pa.decimal128(10, 3)), "DECIMAL(10,2)"),
        (pa.array([1], pa.timestamp("us")), "DATE"),
        (pa.array([0], pa.timestamp("us", "Europe/Berlin")), "DATE"),
        (pa.array([1], pa.timestamp("us")), "BIGINT"),
        (pa.array([1], pa.duration("us")), "BIGINT"),
        (pa.array([datetime.datetime(1900, 1, 1, 0, 0, 0, 1)]), "DATE"),
        (pa.array([datetime.date(9999, 12, 31)]), "TIMESTAMP_NS"),
        (pa.array([1], pa.date32()), "TIMESTAMPTZ"),
        (pa.array([1_700_000_000]), "TIMESTAMP"),
        (pa.array([1], pa.int32()), "DATE"),
        (pa.array([1]), "TIME"),
        (pa.array([0.0, -0.0]), "BIGINT"),
        (pa.array([300_000_000_000_000_000], pa.timestamp("us")), "TIMESTAMP_NS"),
        (pa.array([(1 << 53) + 1]), "DOUBLE"),
        (pa.array([1], pa.timestamp("ns")), "TIMESTAMP"),
        (pa.array(["007"]), "BIGINT"),
    ],
)
def test_parquet_value_without_its_declared_type_is_refused_by_row(
    tmp_path: pathlib.Path, values: pa.Array, kind: str
) -> None:
    with pytest.raises(RefusedValueError) as caught:
        read(tmp_path, parquet(tmp_path, values), "parquet", columns={"x": kind})
    assert (caught.value.place, caught.value.line, caught.value.column) == ("row", len(values), "x")


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_day_and_midnight_without_a_zone_mean_the_same(tmp_path: pathlib.Path, unit: str) -> None:
    days = pa.array([datetime.date(1900, 1, 1), None, datetime.date(2024, 2, 29)])
    midnights = days.cast(pa.timestamp(unit))
    before = Contract(before=VersionBefore(4, {"x": "date32[day]"}))
    for data in (parquet(tmp_path, days), parquet(tmp_path, midnights)):
        assert read(tmp_path, data, "parquet", columns={"x": "DATE"})["x"].combine_chunks().equals(days)
        assert read(tmp_path, data, "parquet", contract=before)["x"].combine_chunks().equals(days)
        moments = read(tmp_path, data, "parquet", columns={"x": "TIMESTAMP"})["x"].combine_chunks()
        assert moments.equals(days.cast(pa.timestamp("us")))


FAR = datetime.datetime(9999, 12, 31, 23, 59, 59)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.list_(pa.timestamp("us"))])
def test_int96_of_far_years_is_read_in_microseconds(tmp_path: pathlib.Path, kind: pa.DataType) -> None:
    values = [FAR, datetime.datetime(1, 1, 1)]
    array = pa.array(values if pa.types.is_timestamp(kind) else [values], kind)
    data = parquet(tmp_path, array, use_deprecated_int96_timestamps=True)
    assert read(tmp_path, data, "parquet")["x"].to_pylist() == array.to_pylist()


def test_int96_that_no_unit_holds_is_refused(tmp_path: pathlib.Path) -> None:
    far, fine = pa.array([FAR, None], pa.timestamp("us")), pa.array([None, 1], pa.timestamp("ns"))
    pyarrow.parquet.write_table(
        pa.table({"far": far, "fine": fine}), tmp_path / "made", use_deprecated_int96_timestamps=True
    )
    with pytest.raises(SchemaMismatchError, match="INT96 moments of far, fine have nanoseconds, and years"):
        read(tmp_path, (tmp_path / "made").read_bytes(), "parquet")


def test_intervals_are_refused_rather_than_read_as_bytes(tmp_path: pathlib.Path) -> None:
    duckdb.sql(f"COPY (SELECT INTERVAL '1 month' AS x) TO '{tmp_path / 'made'}' (FORMAT parquet)")
    with pytest.raises(SchemaMismatchError, match="column 'x' holds intervals"):
        read(tmp_path, (tmp_path / "made").read_bytes(), "parquet")


def test_key_of_years_that_python_lacks_is_compared_and_shown(tmp_path: pathlib.Path) -> None:
    data = parquet(tmp_path, pa.array([300_000_000_000_000_000] * 2, pa.timestamp("us")))
    with pytest.raises(RepeatedValuesError, match=r"row 2: x = '11476-08-15 05:20:00\.000000' stands in row 1"):
        read(tmp_path, data, "parquet", key=["x"])


@pytest.mark.parametrize("text", ["0001-01-01T00:30:00+02:00", "9999-12-31T23:30:00-02:00"])
def test_moment_whose_year_in_utc_no_calendar_has_is_text_or_refused(tmp_path: pathlib.Path, text: str) -> None:
    assert column(tmp_path, text) == ("string", [text])
    with pytest.raises(RefusedValueError, match="in UTC of the years 1 to 9999"):
        column(tmp_path, text, columns={"x": "TIMESTAMPTZ"})
    assert column(tmp_path, text[:-6] + "+00:00", columns={"x": "TIMESTAMPTZ"})[1][0].year in (1, 9999)


def test_corrupt_page_is_refused(tmp_path: pathlib.Path) -> None:
    data = bytearray(parquet(tmp_path, pa.array(range(1_000)), write_page_checksum=True, compression=None))
    data[200] ^= 1
    with pytest.raises(SourceError, match=r"flights.csv cannot be read as Parquet: its data are damaged"):
        read(tmp_path, bytes(data), "parquet")
