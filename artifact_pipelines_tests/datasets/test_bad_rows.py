"""A bad row is left out of the table and kept with line, text, column, value and reason; the others are its rows."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import xlsxwriter

from artifact_pipelines.core.exceptions import ArtifactError, InvalidArgumentError
from artifact_pipelines.datasets.exceptions import (
    MalformedRowError,
    RepeatedValuesError,
    SchemaMismatchError,
    TooManyBadRowsError,
    WrongEncodingError,
)
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.reading import bad_rows, repetitions
from artifact_pipelines.datasets.reading.column_declaration import ColumnDeclaration
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines_tests.datasets.reading import FORMAT

COLUMNS: Mapping[str, Any] = {
    "id": "BIGINT",
    "delay": {"type": "BIGINT", "min": 0},
    "carrier": {"allowed": ["UA", "A\nA"]},
}


def quarantining(columns: Mapping[str, Any] = COLUMNS, key: Sequence[str] = (), most: float = 1.0) -> Contract:
    declared = {name: ColumnDeclaration.model_validate(each) for name, each in columns.items()}
    return Contract.declared(declared, key, "widen", "quarantine", most)


def read(
    folder: pathlib.Path,
    data: str | bytes,
    contract: Contract,
    file_type: str = "csv",
    trusted: bool = True,
    **file_format: Any,
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return the table and its bad rows, without the name of their file."""
    path = folder / "stored"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    file = RawFile(path, file_type, f"flights.{file_type}")
    with open_table(file, FORMAT.validate_python(file_format), contract, trusted) as opened:
        table = opened.batches.read_all()
        assert opened.bad is not None
        bad = opened.bad.reader().read_all()
        assert bad.num_rows == opened.bad.count
        assert set(bad["file"].to_pylist()) <= {file.label}
        return table, bad.drop_columns("file").to_pylist()


CSV = """preamble
id,delay,carrier
# a comment
1,5,UA
"2","7","A
A"
3,x,UA
4,5

5,-1,UA
6,7,"A
A",more
7,8,AA
8,9,UA"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_bad_rows_of_csv_have_their_line_and_text(tmp_path: pathlib.Path, end: str) -> None:
    text = CSV.replace("\n", end)
    columns = {**COLUMNS, "carrier": {"allowed": ["UA", f"A{end}A"]}}
    table, bad = read(tmp_path, text, quarantining(columns), skip_lines=1, comment="#")
    assert table["id"].to_pylist() == [1, 2, 8]
    assert [(row["line"], row["column"], row["value"], row["row"]) for row in bad] == [
        (7, "delay", "x", "3,x,UA"),
        (8, None, None, "4,5"),
        (10, "delay", "-1", "5,-1,UA"),
        (11, None, None, f'6,7,"A{end}A",more'),
        (13, "carrier", "AA", "7,8,AA"),
    ]
    assert "is not a whole number" in bad[0]["reason"]
    assert "2 values, 3 expected" in bad[1]["reason"]
    assert bad[2]["reason"] == "is less than 0"


@pytest.mark.parametrize(
    ("data", "options", "where", "likely"),
    [
        (b"id,name\n1,a\n2,caf\xe9\n3\n", {}, "utf-8: line 3, byte 6", "windows-1252"),
        (b"id,name\n1,a\nx\n2,\xed\xa0\x80\n", {}, "utf-8: line 4, byte 3", "windows-1252"),
        (b"id,caf\xe9\n1,a\n", {}, "utf-8: line 1, byte 7", "windows-1252"),
        (b"id,name\n1,a\n2,\x81\n", {"encoding": "windows-1252"}, "cp1252: line 3, byte 3", "latin-1"),
        ("id,name\n1,a\n2,café\n".encode(), {"encoding": "windows-1252"}, "cp1252: line 3, byte 6", "utf-8"),
        ("id,name\n1,é\n".encode(), {"encoding": "latin-1"}, "iso8859-1: line 2, byte 3", "utf-8"),
        ("id,name\n1,a\n2,b\n".encode("utf-16-le"), {}, "utf-8: line 1, byte 2", "utf-16-le"),
        ("id,name\n1,a\n2,b\n".encode("utf-16-be"), {}, "utf-8: line 1, byte 1", "utf-16-be"),
        (b'{"id": 1, "name": "a"}\n{"id": 2, "name": "caf\xe9"}\n', {}, "utf-8: line 2, byte 23", "windows-1252"),
        (b"0001a\n0002\xe9\n", {"type": "fixed", "widths": {"id": 4, "name": 1}}, "line 2, byte 5", "windows-1252"),
    ],
)
def test_file_in_another_encoding_is_refused_as_a_whole(
    tmp_path: pathlib.Path, data: bytes, options: Any, where: str, likely: str
) -> None:
    file_type = "ndjson" if data.startswith(b"{") else "csv"
    with pytest.raises(WrongEncodingError, match=f"{where}.*encoding: {likely}"):
        read(tmp_path, data, quarantining({"id": "VARCHAR"}), file_type, **options)


def test_lines_are_right_in_every_block(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifact_pipelines.datasets.reading.csv_blocks.BLOCK_BYTES", 64)
    monkeypatch.setattr(bad_rows, "_HELD_BYTES", 1_000)
    lines = ["id,delay,carrier"]
    expected = []
    for number in range(500):
        wrong = {3: "x,5,UA", 5: "1,2", 7: f"{number},-3,UA", 9: f"{number},1,ZZ"}.get(number % 11)
        if wrong:
            expected.append((len(lines) + 1, wrong))
        lines += wrong.split("\n") if wrong else [f'{number},1,"A', 'A"']
    table, bad = read(tmp_path, "\n".join(lines), quarantining())
    assert table.num_rows == 500 - len(expected)
    assert sorted((row["line"], row["row"]) for row in bad) == expected


def test_bad_rows_of_ndjson(tmp_path: pathlib.Path) -> None:
    lines = [
        '{"id": 1, "delay": 5, "carrier": "UA"}',
        "",
        '{"id": "x", "delay": 5, "carrier": "UA"}',
        '{"id": 3, "delay": -5, "carrier": "UA"}',
        "no JSON",
        "[1]",
        '{"id": 4, "id": 4}',
        '{"id": 5, "delay": null, "carrier": "UA"}',
    ]
    table, bad = read(tmp_path, "\n".join(lines), quarantining(), "ndjson")
    assert table["id"].to_pylist() == [1, 5]
    assert [(row["line"], row["column"], row["value"]) for row in bad] == [
        (3, "id", "x"),
        (4, "delay", "-5"),
        (5, None, None),
        (6, None, None),
        (7, None, None),
    ]
    assert [row["row"] for row in bad] == lines[2:7]


def test_elements_of_a_json_array_that_are_no_objects_are_bad_rows(tmp_path: pathlib.Path) -> None:
    table, bad = read(tmp_path, '[{"id": 1,\n"delay": 2}, 7,\n{"id": "x"}]', quarantining({"id": "BIGINT"}), "json")
    assert table.num_rows == 1
    assert [(row["line"], row["row"]) for row in bad] == [(2, "7"), (3, '{"id": "x"}')]
    with pytest.raises(MalformedRowError):
        read(tmp_path, '[{"id": 1}, {"id": ', quarantining({"id": "BIGINT"}), "json")


@pytest.mark.parametrize("trusted", [True, False], ids=["in process", "in child"])
def test_bad_rows_of_a_sheet_have_their_row(tmp_path: pathlib.Path, trusted: bool) -> None:
    with xlsxwriter.Workbook(tmp_path / "flights.xlsx") as book:
        sheet = book.add_worksheet()
        for place, row in enumerate([["id", "delay"], [1, 5], [], ["x", 5], [3, -5], [4, 7]]):
            sheet.write_row(place, 0, row)
        sheet.write_formula(6, 0, "=NA()", None, "#N/A")
        sheet.write(6, 1, 8)
    data = (tmp_path / "flights.xlsx").read_bytes()
    contract = quarantining({"id": "BIGINT", "delay": {"type": "BIGINT", "min": 0}})
    table, bad = read(tmp_path, data, contract, "xlsx", trusted)
    assert table["id"].to_pylist() == [1, 4]
    assert [(row["line"], row["column"], row["value"]) for row in bad] == [
        (4, "id", "x"),
        (5, "delay", "-5"),
        (7, "id", "#N/A"),
    ]
    assert json.loads(bad[0]["row"]) == {"id": "x", "delay": "5"}


@pytest.mark.parametrize("trusted", [True, False], ids=["in process", "in child"])
def test_bad_rows_of_parquet_have_their_number(tmp_path: pathlib.Path, trusted: bool) -> None:
    pyarrow.parquet.write_table(pa.table({"id": [1, 2, None, 1], "delay": [1, -2, 3, 4]}), tmp_path / "x")
    data = (tmp_path / "x").read_bytes()
    table, bad = read(tmp_path, data, quarantining({"delay": {"min": 0}}, ("id",)), "parquet", trusted)
    assert table.to_pylist() == [{"id": 1, "delay": 1}]
    assert [(row["line"], row["column"], row["reason"]) for row in bad] == [
        (2, "delay", "is less than 0"),
        (3, "id", "is null in a column of the key"),
        (4, "id", "stands in row 1 already (`key`)"),
    ]
    assert json.loads(bad[1]["row"]) == {"id": None, "delay": "3"}


def test_of_equal_keys_the_first_good_row_stays(tmp_path: pathlib.Path) -> None:
    text = "id,delay,carrier\n1,-1,UA\n1,5,UA\n2,5,UA\n1,6,UA\n2,5,UA\n"
    table, bad = read(tmp_path, text, quarantining(key=["id"]))
    assert table.select(["id", "delay"]).to_pylist() == [{"id": 1, "delay": 5}, {"id": 2, "delay": 5}]
    assert [(row["line"], row["reason"]) for row in bad] == [
        (2, "is less than 0"),
        (5, "stands in line 3 already (`key`)"),
        (6, "stands in line 4 already (`key`)"),
    ]


def test_value_left_out_for_one_reason_does_not_forbid_another(tmp_path: pathlib.Path) -> None:
    columns = {"a": {"type": "BIGINT", "unique": True}, "b": {"type": "BIGINT", "unique": True}}
    table, bad = read(tmp_path, "a,b\n1,1\n1,2\n3,2\n", quarantining(columns))
    assert table["a"].to_pylist() == [1, 3]
    assert [row["line"] for row in bad] == [3]


def test_texts_that_fit_no_type_of_the_version_before_are_bad_rows(tmp_path: pathlib.Path) -> None:
    before = Contract(before=VersionBefore(4, {"a": "int64"}), on_bad_rows="quarantine", max_bad_rows=1)
    for file_type, text in {"csv": "a,b\n1,x\ny,x\n", "ndjson": '{"a": 1, "b": "x"}\n{"a": "y", "b": "x"}\n'}.items():
        table, bad = read(tmp_path, text, before, file_type)
        assert table["a"].to_pylist() == [1]
        assert "as in version 4" in bad[0]["reason"]
    table, bad = read(tmp_path, "a,b\n1,x\n2.5,x\n", before)
    assert not bad
    assert [str(value) for value in table["a"]] == ["1.0", "2.5"]


def test_too_large_a_share_of_bad_rows_refuses_the_file(tmp_path: pathlib.Path) -> None:
    text = "id,delay,carrier\n1,5,UA\n2,x,UA\n3,5,UA\n"
    assert read(tmp_path, text, quarantining(most=0.34))[0].num_rows == 2
    with pytest.raises(TooManyBadRowsError, match=r"1 of 3 rows is bad.*line 3, column 'delay': 'x' is not") as caught:
        read(tmp_path, text, quarantining(most=0.33))
    assert (caught.value.bad, caught.value.rows) == (1, 3)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("id,delay\n1,2\n", SchemaMismatchError),
        ('id,delay,carrier\n1,2,"U\n3,4,UA\n', MalformedRowError),
        ("id,delay,carrier\n1,2,U\0\n", MalformedRowError),
    ],
    ids=["missing column", "open quote", "NUL"],
)
def test_fault_of_the_whole_file_is_no_bad_row(tmp_path: pathlib.Path, text: str, error: type[ArtifactError]) -> None:
    with pytest.raises(error):
        read(tmp_path, text, quarantining())


def test_delimiter_in_a_table_of_one_column_refuses_the_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MalformedRowError, match="line 3"):
        read(tmp_path, "id\n1\n2,3\n", quarantining({"id": "BIGINT"}))


def test_hashes_of_keys_spill_to_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repetitions, "_HELD_HASHES", 10)
    monkeypatch.setattr("artifact_pipelines.datasets.reading.csv_blocks.BLOCK_BYTES", 100)
    text = "id\n" + "".join(f"{number}\n" for number in [*range(500), 77, 12])
    table, bad = read(tmp_path, text, quarantining({"id": "BIGINT"}, ["id"]))
    assert table["id"].to_pylist() == list(range(500))
    assert [row["value"] for row in bad] == ["77", "12"]


def test_too_many_repeated_values_refuse_the_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifact_pipelines.datasets.reading.repetitions.MOST_REPEATED", 3)
    monkeypatch.setattr("artifact_pipelines.datasets.checked_rows.MOST_REPEATED", 3)
    text = "id\n" + "".join(f"{number % 50}\n" for number in range(100))
    with pytest.raises(RepeatedValuesError):
        read(tmp_path, text, quarantining({"id": "BIGINT"}, ["id"]))


def test_nested_values_cannot_be_a_key(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidArgumentError, match="plain values"):
        read(tmp_path, '{"a": [1]}\n', quarantining({}, ["a"]), "ndjson")
