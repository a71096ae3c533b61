import bz2
import decimal
import gzip
import io
import lzma
import pathlib
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import RepeatedValuesError, SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.reading import raw_stream
from artifact_pipelines_tests.datasets.reading import read

NUMBERS = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(9_999))
ROWS = '{"carrier": "UA", "delay": 5}\n{"carrier": "AA", "delay": null}\n'
CSV = "carrier,delay,day\nUA,5,2013-01-01\nAA,NA,2013-01-02\n"


def test_csv_values_determine_the_types(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, CSV, null_values=("NA",))
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "date32[day]"]
    assert table["delay"].to_pylist() == [5, None]


def test_types_depend_on_all_rows(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, "x\n" + "1\n" * 50_000 + "text\n")
    assert str(table.schema.field("x").type) == "string"


@pytest.mark.parametrize(
    ("data", "file_type", "contract"),
    [
        (CSV.replace(",", "\t"), "tsv", {}),
        (CSV.replace(",", ";"), "csv", {"delimiter": ";"}),
        (CSV.replace(",", ";"), "csv", {}),
        (CSV.replace(",", "|"), "csv", {}),
        (CSV.encode("utf-16"), "csv", {}),
        (CSV.encode("utf-8-sig"), "csv", {}),
        (gzip.compress(CSV.encode(), mtime=0), "csv", {}),
        (bz2.compress(CSV.encode()), "csv", {}),
        (lzma.compress(CSV.encode()), "csv", {}),
        (pa.compress(CSV.encode(), "zstd", asbytes=True), "csv", {}),
        (CSV, "txt", {"type": "csv"}),
        (ROWS, "ndjson", {}),
        (ROWS, "jsonl", {}),
        (f"[{ROWS.strip()}]".replace("}\n", "},\n"), "json", {}),
        (ROWS, "json", {}),
    ],
)
def test_every_format_gives_the_same_table(
    tmp_path: pathlib.Path, data: str | bytes, file_type: str, contract: Any
) -> None:
    contract = {"null_values": ("NA",), **contract}
    table = read(tmp_path, data, file_type, **contract)
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
        (CSV, {"columns": {"nothing": "INT"}}, "missing 'nothing', which the dataset declares"),
        (
            CSV,
            {"key": ("nothing",)},
            "missing 'nothing', which the dataset declares; found 'carrier' (such as 'UA', 'AA'), ",
        ),
        (CSV, {"columns": {"Delay": "INT"}}, "'Delay' may be 'delay'"),
        (CSV.replace(",", ";"), {"key": ("day",), "delimiter": ","}, "more than one column, set format.delimiter"),
        ("a,a\n1,2\n", {}, "same name, or differ in case only: 'a' (such as '1'), 'a' (such as '2')"),
        ("id,ID\n1,2\n", {}, "same name, or differ in case only: 'id' (such as '1'), 'ID' (such as '2')"),
        ('{"x": 1}\n', {"columns": {"y": "INT"}, "type": "ndjson"}, "y"),
    ],
)
def test_file_that_breaks_the_contract_is_refused_with_the_problem(
    tmp_path: pathlib.Path, data: str, contract: Any, message: str
) -> None:
    with pytest.raises(SchemaMismatchError, match="flights.csv") as caught:
        read(tmp_path, data, **contract)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "file_type", "problem"),
    [
        ("not parquet at all", "parquet", "does not begin as that of parquet"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "parquet", "footer is damaged"),
        (b"ARROW1\0\0" + b"\0" * 100, "arrow", "damaged"),
        ("<html>", "html", "supported are csv, tsv"),
        (b"PK\x03\x04" + b"\0" * 100, "csv", "no spreadsheet"),
        (gzip.compress(NUMBERS, mtime=0)[:-20], "csv", "compressed data are damaged or end too early"),
        (pa.compress(NUMBERS, "zstd", asbytes=True)[:-1], "csv", "damaged or end too early"),
        (lzma.compress(NUMBERS)[:-40], "csv", "damaged or end too early"),
        (bz2.compress(NUMBERS)[:-20], "csv", "damaged or end too early"),
    ],
    ids=["text", "hollow parquet", "hollow arrow", "html", "zip", "gzip", "zstd", "xz", "bzip2"],
)
def test_foreign_or_damaged_file_is_refused_with_the_reason(
    tmp_path: pathlib.Path, data: str | bytes, file_type: str, problem: str
) -> None:
    with pytest.raises(UnparsableSourceError, match="flights.csv") as caught:
        read(tmp_path, data, file_type)
    assert problem in str(caught.value)
    assert "Fix the file" in str(caught.value)


def zipped(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name.replace("_", "."), member)
    return data.getvalue()


PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
    "zip": lambda data: zipped(flights_dat=data, _DS_Store=b""),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("file_format", ["csv", "json", "parquet", "arrow", "excel"])
def test_each_format_may_be_in_each_compression(tmp_path: pathlib.Path, file_format: str, packing: str) -> None:
    frame = pl.DataFrame({"x": [1, 2]})
    if file_format == "parquet":
        frame.write_parquet(tmp_path / "made")
    elif file_format == "arrow":
        frame.write_ipc(tmp_path / "made")
    elif file_format == "excel":
        with xlsxwriter.Workbook(tmp_path / "made") as book:
            book.add_worksheet().write_column(0, 0, ["x", 1, 2])
    else:
        (tmp_path / "made").write_text({"csv": "x\n1\n2\n", "json": '[{"x": 1}, {"x": 2}]'}[file_format])
    data = PACKINGS[packing]((tmp_path / "made").read_bytes())
    assert read(tmp_path, data, "dat", type=file_format)["x"].to_pylist() == [1, 2]


def test_name_of_the_file_in_an_archive_chooses_the_format(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, zipped(data_ndjson=b'{"x": 1}'), "bin")["x"].to_pylist() == [1]


def test_archive_of_several_files_is_the_union_of_their_rows(tmp_path: pathlib.Path) -> None:
    data = zipped(b_ndjson=b'{"x": 2.5, "y": "b"}', a_csv=b"x,y\n1,a\n")
    assert read(tmp_path, data, "bin").to_pylist() == [{"x": 1, "y": "a"}, {"x": decimal.Decimal("2.5"), "y": "b"}]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (b"x\n1\n", "flights.csv/b.csv does not have the columns of its dataset: missing 'y'"),
        (b"x,y\nq,b\n", "flights.csv/b.csv, line 2, column 'x': 'q' is not a whole number"),
        (b"", "flights.csv/b.csv holds no data"),
    ],
)
def test_file_of_an_archive_that_does_not_fit_is_named(tmp_path: pathlib.Path, second: bytes, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        read(tmp_path, zipped(a_csv=b"x,y\n1,a\n", b_csv=second), "bin")


def test_key_stands_in_one_file_of_an_archive_only(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RepeatedValuesError, match=r"flights.csv/b.csv, line 3: x = '1' stands in flights.csv/a.csv"):
        read(tmp_path, zipped(a_csv=b"x\n1\n2\n", b_csv=b"x\n2.5\n1\n", c_csv=b"x\n3\n"), "bin", key=["x"])


def test_archive_whose_directory_hides_a_file_is_refused(tmp_path: pathlib.Path) -> None:
    data = bytearray(zipped(a_csv=b"x\n1\n", b_csv=b"x\n2\n"))
    first, second = data.find(b"PK\x01\x02"), data.rfind(b"PK\x01\x02")
    end = data.rfind(b"PK\x05\x06")
    data[first + 32 : first + 34] = (end - second).to_bytes(2, "little")  # a comment as long as the second entry
    with pytest.raises(UnparsableSourceError):
        read(tmp_path, bytes(data), "bin")


def test_archives_in_archives_are_read_to_two_levels(tmp_path: pathlib.Path) -> None:
    inner = zipped(c_csv=b"x\n1\n", d_csv=b"x\n2\n")
    assert read(tmp_path, zipped(a_csv=b"x\n0\n", b_zip=inner), "bin")["x"].to_pylist() == [0, 1, 2]
    with pytest.raises(UnparsableSourceError, match="flights.csv/b.zip/b.zip cannot be read as zip: it lies in 2"):
        read(tmp_path, zipped(a_csv=b"x\n0\n", b_zip=zipped(a_csv=b"x\n0\n", b_zip=inner)), "bin")


@pytest.mark.parametrize("packing", PACKINGS)
def test_only_file_of_an_archive_may_be_compressed(tmp_path: pathlib.Path, packing: str) -> None:
    inner = zipped(a_csv=b"x\n1\n") if packing == "zip" else PACKINGS[packing](b"x\n1\n")
    assert read(tmp_path, zipped(a_csv=inner), "zip")["x"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (zipped(), "its content is a zip archive without files"),
        (zipped(_DS_Store=b"x"), "cannot be read as zip: it holds no files, apart from hidden ones"),
        (gzip.compress(gzip.compress(NUMBERS)), r"compressed twice \(gzip in gzip\); unpack it once"),
        (gzip.compress(lzma.compress(NUMBERS)), r"compressed twice \(xz in gzip\); unpack it once"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n", "a pointer of Git LFS"),
        (b"a.csv".ljust(257, b"\0") + b"ustar\0", "a tar archive; put the files into a zip archive"),
    ],
)
@pytest.mark.parametrize("file_type", ["csv", "zip", "gz"])
def test_archive_that_cannot_be_read_says_what_it_is(
    tmp_path: pathlib.Path, data: bytes, problem: str, file_type: str
) -> None:
    with pytest.raises(UnparsableSourceError, match=problem):
        read(tmp_path, data, file_type)


@pytest.mark.parametrize("packing", PACKINGS)
def test_bomb_is_refused_after_a_bounded_number_of_bytes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, packing: str
) -> None:
    monkeypatch.setattr(raw_stream, "FREE_BYTES", 1 << 18)
    rows = b"x\n" + b"1\n" * 300_000
    with pytest.raises(UnparsableSourceError, match="becomes larger than .* MiB, the limit for a file so compressed"):
        read(tmp_path, PACKINGS[packing](rows), type="csv")


@pytest.mark.parametrize("declared", ["csv", "excel", "ndjson"])
def test_content_of_another_format_than_the_declared_one_is_refused_with_both(
    tmp_path: pathlib.Path, declared: str
) -> None:
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "made")
    with pytest.raises(UnparsableSourceError, match=f"cannot be read as {declared}: its content is parquet"):
        read(tmp_path, (tmp_path / "made").read_bytes(), "csv", type=declared)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("<html><table><tr><td>1</td></tr></table></html>", "cannot be read as excel: its content is HTML"),
        ("a\tb\n1\t2\n", "not begin as that of excel; if it is text, set format.type to csv or tsv"),
    ],
)
def test_text_called_a_spreadsheet_is_refused_with_what_it_is(tmp_path: pathlib.Path, data: str, problem: str) -> None:
    with pytest.raises(UnparsableSourceError, match=problem):
        read(tmp_path, data, "xls")


def test_content_chooses_the_format_before_the_extension(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "made")
    assert read(tmp_path, (tmp_path / "made").read_bytes(), "csv").to_pylist() == [{"x": 1}]


def test_names_and_values_are_never_run_as_sql_or_opened_as_paths(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, '"a""b\'c","../x"\n\'; DROP TABLE x; --,2\n', columns={"a\"b'c": "VARCHAR"})
    assert table.to_pylist() == [{"a\"b'c": "'; DROP TABLE x; --", "../x": 2}]
