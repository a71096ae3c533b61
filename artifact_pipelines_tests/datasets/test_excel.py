"""A cell of a spreadsheet is stored as it says, or the file is refused by row and column."""

import datetime
import io
import pathlib
import re
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from xml.parsers import expat

import pytest
import xlsxwriter

from artifact_pipelines.datasets.exceptions import (
    EmptySourceError,
    RefusedValueError,
    SchemaMismatchError,
    SeveralSheetsError,
    UnitsError,
    UnparsableSourceError,
)
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore
from artifact_pipelines.datasets.reading.sheet_scan import doubtful_cells
from artifact_pipelines_tests.datasets.reading import read
from artifact_pipelines_tests.datasets.xls_example import XLS

DAY, MOMENT = datetime.date(2024, 1, 31), datetime.datetime(2024, 1, 31, 10, 30, 0, 500_000)
FORMATS = {
    datetime.date: "yyyy-mm-dd",
    datetime.datetime: "dd/mm/yyyy hh:mm:ss",
    datetime.time: "hh:mm:ss",
    datetime.timedelta: "[h]:mm:ss",
}


def workbook(**sheets: Sequence[Sequence[Any]]) -> bytes:
    """Return a workbook; a cell that begins with `=#` is a formula with this error, and None is no cell."""
    data = io.BytesIO()
    with xlsxwriter.Workbook(data) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for row, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    if kind := FORMATS.get(type(cell)):
                        sheet.write_datetime(row, column, cell, book.add_format({"num_format": kind}))
                    elif isinstance(cell, str) and cell.startswith("=#"):
                        sheet.write_formula(row, column, "=X", None, cell[1:])
                    elif isinstance(cell, str):
                        sheet.write_string(row, column, cell)
                    elif cell is not None:
                        sheet.write(row, column, cell)
    return data.getvalue()


def read_column(folder: pathlib.Path, *cells: Any, **options: Any) -> tuple[str, list[Any]]:
    """Return the type and values of a column that stands beside one that is never empty."""
    rows = [["x", "beside"], *([cell, "filled"] for cell in cells)]
    column = read(folder, workbook(A=rows), "xlsx", **options)["x"]
    return str(column.type), column.to_pylist()


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        ([1, -3, 2**53], "int64", [1, -3, 2**53]),
        ([0.1, 12, None], "decimal128(18, 1)", [Decimal("0.1"), Decimal(12), None]),
        ([1e-7], "decimal128(18, 7)", [Decimal("0.0000001")]),
        ([True, False], "bool", [True, False]),
        ([DAY, datetime.date(1900, 1, 1)], "date32[day]", [DAY, datetime.date(1900, 1, 1)]),
        ([MOMENT, DAY], "timestamp[us]", [MOMENT, datetime.datetime(2024, 1, 31)]),
        ([datetime.time(10, 30), datetime.time(0)], "string", ["10:30:00", "00:00:00"]),
        ([datetime.timedelta(hours=30, minutes=1)], "string", ["30:01:00"]),
        (["02134", " padded ", "ü"], "string", ["02134", " padded ", "ü"]),
        (["2134", "7"], "string", ["2134", "7"]),
        (["2024-01-31"], "string", ["2024-01-31"]),
        ([5, "x", True], "string", ["5", "x", "true"]),
        ([5, True, 2.5], "string", ["5", "true", "2.5"]),
        ([1 / 3], "decimal128(18, 16)", [Decimal("0.3333333333333333")]),
        ([1 / 3, "x", "007", "1e5", "0.10"], "string", ["0.3333333333333333", "x", "007", "1e5", "0.10"]),
        ([1, "n/a", 2.5], "string", ["1", "n/a", "2.5"]),
        ([1, "NULL"], "string", ["1", "NULL"]),
        ([DAY, "NA"], "string", ["2024-01-31 00:00:00", "NA"]),
        ([True, "NaN"], "string", ["true", "NaN"]),
        (["0", "NaN"], "string", ["0", "NaN"]),
        ([0.5, "Infinity", "-Infinity", "nan"], "string", ["0.5", "Infinity", "-Infinity", "nan"]),
        ([datetime.timedelta(hours=30), "n/a"], "string", ["30:00:00", "n/a"]),
        ([1e300], "string", ["1e+300"]),
        ([5e-324], "string", ["5e-324"]),
        ([MOMENT, datetime.time(10, 30)], "string", ["2024-01-31 10:30:00.500", "10:30:00"]),
    ],
)
def test_column_has_the_type_of_its_cells(
    tmp_path: pathlib.Path, cells: Sequence[Any], kind: str, values: Sequence[Any]
) -> None:
    assert read_column(tmp_path, *cells) == (kind, values)


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        (1.5, "DECIMAL(10,2)", Decimal("1.50")),
        (datetime.time(10, 30), "TIME", datetime.time(10, 30)),
        (DAY, "TIMESTAMP", datetime.datetime(2024, 1, 31)),
        ("2134", "BIGINT", 2134),
        (2134, "VARCHAR", "2134"),
    ],
)
def test_declared_type_is_that_of_the_column(tmp_path: pathlib.Path, cell: Any, kind: str, value: Any) -> None:
    assert read_column(tmp_path, cell, columns={"x": kind})[1] == [value]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [(1.5, "BIGINT"), (1.239, "DECIMAL(10,2)"), (MOMENT, "DATE"), ("x", "BIGINT")],
)
def test_cell_without_its_declared_type_is_refused_by_row(tmp_path: pathlib.Path, cell: Any, kind: str) -> None:
    with pytest.raises(RefusedValueError) as caught:
        read_column(tmp_path, cell, columns={"x": kind})
    assert (caught.value.line, caught.value.column) == (2, "x")


def test_day_that_a_spreadsheet_counts_twice_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RefusedValueError, match="row 3, column 'x': '1900-02-28"):
        read_column(tmp_path, DAY, datetime.date(1900, 2, 28))


def test_time_of_day_that_a_workbook_from_1904_makes_a_moment_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RefusedValueError, match="row 3, column 'x': '1904-01-01 10:30:00'"):
        read_column(tmp_path, DAY, datetime.datetime(1904, 1, 1, 10, 30))
    assert read_column(tmp_path, datetime.date(1904, 1, 1))[1] == [datetime.date(1904, 1, 1)]


@pytest.mark.parametrize("beside", [1, "text", DAY])
def test_error_in_a_cell_is_refused_unless_it_is_declared_as_null(tmp_path: pathlib.Path, beside: Any) -> None:
    with pytest.raises(RefusedValueError, match="row 3, column 'x': '#N/A' is not a value") as caught:
        read_column(tmp_path, beside, "=#N/A")
    assert caught.value.line == 3
    assert read_column(tmp_path, beside, "=#N/A", null_values=["#N/A"])[1] == [beside, None]
    with pytest.raises(RefusedValueError, match="#DIV/0!"):
        read_column(tmp_path, beside, "=#DIV/0!", null_values=["#N/A"])


def test_durations_among_other_values_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnparsableSourceError, match="mixes durations with other values"):
        read_column(tmp_path, datetime.timedelta(hours=30), "none")


def test_range_and_sheet_say_where_the_table_is(tmp_path: pathlib.Path) -> None:
    rows: list[list[Any]] = [
        ["A report"],
        [],
        [None, "id", "city", "note"],
        [None, 1, "Bonn"],
        [],
        [None, 2, "Köln", "x"],
        ["Total", 3],
    ]
    data = workbook(Notes=[["hello"]], Data=rows)
    table = read(tmp_path, data, "xlsx", type="excel", sheet="Data", range="B3:C6")
    assert table.to_pylist() == [{"id": 1, "city": "Bonn"}, {"id": 2, "city": "Köln"}]
    without = read(tmp_path, data, "xlsx", type="excel", sheet="Data", range="B4:C", header=False)
    assert without["column_1"].to_pylist() == [1, 2, 3]


def test_number_of_a_refused_row_is_that_of_the_sheet(tmp_path: pathlib.Path) -> None:
    data = workbook(Data=[[], [], ["id", "x"], [1, 1], [], [2, "two"]])
    with pytest.raises(RefusedValueError) as caught:
        read(tmp_path, data, "xlsx", columns={"x": "BIGINT"})
    assert caught.value.line == 6
    contract = Contract(before=VersionBefore(1, {"x": "int64"}))
    with pytest.raises(RefusedValueError, match="row 3, column 'x': 'n/a' is not"):
        read(tmp_path, workbook(A=[["x"], [1], ["n/a"]]), "xlsx", contract=contract)


@pytest.mark.parametrize(
    ("sheets", "options", "error", "problem"),
    [
        ({"A": [["x"]], "B": [["y"]]}, {}, SeveralSheetsError, "several sheets: 'A', 'B'. Name one"),
        ({"A": [["x"]]}, {"sheet": "C", "type": "excel"}, UnparsableSourceError, "no sheet 'C'"),
        ({"A": []}, {}, EmptySourceError, ""),
        ({"A": [["x", "X"], [1, 2]]}, {}, SchemaMismatchError, "differ in case only"),
        (
            {"A": [["x", None], [1, 2]]},
            {},
            SchemaMismatchError,
            "no name. Name it in the first row, or set format.range; if the first row is a title, to A2:Z",
        ),
    ],
)
def test_sheet_that_is_no_table_is_refused(
    tmp_path: pathlib.Path, sheets: Any, options: Any, error: type[Exception], problem: str
) -> None:
    with pytest.raises(error) as caught:
        read(tmp_path, workbook(**sheets), "xlsx", **options)
    assert problem in str(caught.value)


UNITS: Sequence[Sequence[Any]] = [
    ["time", "site", "speed"],
    ["s", None, "m/s"],
    *([second, "Rome", 0.5] for second in range(3)),
]


def test_row_of_units_below_the_header_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        UnitsError, match="row 2 seems to hold units or labels: above numbers or dates it has 's', 'm/s'"
    ):
        read(tmp_path, workbook(A=UNITS), "xlsx")
    as_texts = read(tmp_path, workbook(A=UNITS), "xlsx", columns={"site": "VARCHAR"})
    assert as_texts["time"].to_pylist() == ["s", "0", "1", "2"]


def test_several_header_rows_are_joined(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, workbook(A=((), *UNITS)), "xlsx", type="excel", header=2)
    assert table.column_names == ["time_s", "site", "speed_m/s"]
    assert [str(kind) for kind in table.schema.types] == ["int64", "string", "decimal128(18, 1)"]
    under_a_year = workbook(A=[["id", 2024, None], [None, "a", "b"], [1, 2, 3]])
    names = read(tmp_path, under_a_year, "xlsx", type="excel", header=2).column_names
    assert names == ["id", "2024_a", "b"]


def test_other_empty_sheets_and_hidden_ones_do_not_count(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, workbook(A=[["x"], [1]], B=[]), "xlsx")["x"].to_pylist() == [1]


OPEN_DOCUMENT = """
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
    xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">
  <office:body><office:spreadsheet><table:table table:name="A">
    <table:table-row>
      <table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>
      <table:table-cell office:value-type="string"><text:p>day</text:p></table:table-cell>
    </table:table-row>
    <table:table-row>
      <table:table-cell office:value-type="float" office:value="1.5"/>
      <table:table-cell office:value-type="date" office:date-value="2024-01-31"/>
    </table:table-row>
  </table:table></office:spreadsheet></office:body>
</office:document-content>"""


def opendocument(content: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", re.sub(r">\s+<", "><", content.strip()))
    return data.getvalue()


def test_opendocument_is_read(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, opendocument(OPEN_DOCUMENT), "ods").to_pylist() == [{"x": Decimal("1.5"), "day": DAY}]


@pytest.mark.parametrize("cut", [10, 300, 2_000])
def test_damaged_workbook_is_refused(tmp_path: pathlib.Path, cut: int) -> None:
    with pytest.raises(UnparsableSourceError, match="no spreadsheet, or it is damaged or has a password"):
        read(tmp_path, workbook(A=[["x"], [1]])[:-cut], "xlsx")


def test_workbook_of_excel_97_is_read(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, XLS, "dat").to_pydict() == {
        "id": [1, 2, -3],
        "price": [Decimal("0.10"), Decimal("12.25"), None],
        "day": [DAY, datetime.date(1900, 3, 1), None],
        "at": [datetime.datetime(2024, 1, 31, 10, 30), datetime.datetime(1999, 12, 31, 23, 59, 59), None],
        "name": ["02134", "Zürich", " padded "],
        "open": [True, False, None],
        "mixed": ["5", "x", None],
    }


def edited(data: bytes, **changes: tuple[str, str]) -> bytes:
    """Return a workbook with replaced text in its parts `sheet` and `workbook`."""
    parts = {"sheet": "xl/worksheets/sheet1.xml", "workbook": "xl/workbook.xml"}
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        texts = {name: old.read(name) for name in old.namelist()}
        for part, (before, after) in changes.items():
            assert before.encode() in texts[parts[part]]
            texts[parts[part]] = texts[parts[part]].replace(before.encode(), after.encode())
        for name, text in texts.items():
            new.writestr(name, text)
    return sink.getvalue()


NO_FLAG = ('fullCalcOnLoad="1"', "")
FORMULA = workbook(A=[["x", "y"], ["=#7", "a"]])  # XlsxWriter stores a result that it was given, else 0


@pytest.mark.parametrize(
    ("cell", "flag"),
    [("", NO_FLAG), ("<v></v>", NO_FLAG), ("<v/>", NO_FLAG), ("<v>0</v>", ("<x", "<x"))],
)
def test_formula_without_a_stored_result_is_refused(tmp_path: pathlib.Path, cell: str, flag: tuple[str, str]) -> None:
    """Programs that cannot calculate store no result, or 0 and a flag that nothing is calculated yet."""
    written = '<c r="A2" t="str"><f>X</f><v>#7</v></c>'
    changes = {"sheet": (written, f'<c r="A2"><f>X</f>{cell}</c>'), **({} if flag[1] else {"workbook": flag})}
    with pytest.raises(RefusedValueError, match="row 2, column 'x': '=X' is not a value: its formula has no stored"):
        read(tmp_path, edited(FORMULA, **changes), "xlsx")


@pytest.mark.parametrize(("cell", "value"), [("<v>0</v>", 0), ("<v>7</v>", 7)])
def test_stored_result_of_a_formula_is_its_value(tmp_path: pathlib.Path, cell: str, value: int) -> None:
    written = '<c r="A2" t="str"><f>X</f><v>#7</v></c>'
    data = edited(FORMULA, sheet=(written, f'<c r="A2"><f>X</f>{cell}</c>'), workbook=NO_FLAG)
    assert read(tmp_path, data, "xlsx")["x"].to_pylist() == [value]


def test_formula_without_a_result_is_a_bad_row_where_these_are_left_out(tmp_path: pathlib.Path) -> None:
    data = workbook(A=[["x"], [1], ["=#7"]])
    data = edited(data, sheet=('t="str"><f>X</f><v>#7</v>', "><f>X</f>"))
    contract = Contract(on_bad_rows="quarantine")
    assert read(tmp_path, data, "xlsx", contract=contract)["x"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.10000000000000001", Decimal("0.1")),
        ("0.30000000000000004", Decimal("0.30000000000000004")),
        ("100000000000000000000", Decimal(10**20)),
        ("9007199254740992", 2**53),
        ("9007199254740993", None),
        ("0.1234567890123456789", None),
    ],
)
def test_number_with_more_digits_than_a_float_keeps_is_refused(tmp_path: pathlib.Path, text: str, value: Any) -> None:
    data = edited(workbook(A=[["x"], [5]]), sheet=("<v>5</v>", f"<v>{text}</v>"))
    if value is not None:
        assert read(tmp_path, data, "xlsx")["x"].to_pylist() == [value]
        return
    with pytest.raises(
        RefusedValueError, match=f"row 2, column 'x': '{text}' is not a number that a spreadsheet keeps"
    ):
        read(tmp_path, data, "xlsx")


def test_day_before_1900_that_is_a_number_is_refused(tmp_path: pathlib.Path) -> None:
    data = edited(workbook(A=[["x"], [DAY]]), sheet=("<v>45322</v>", "<v>-1</v>"))
    with pytest.raises(RefusedValueError, match="because programs count earlier days in different ways"):
        read(tmp_path, data, "xlsx")


def test_error_in_a_column_without_a_name_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SchemaMismatchError, match="the column at place 3 of the sheet has values but no name"):
        read(tmp_path, workbook(A=[["x", "y"], [1, 2, "=#N/A"]]), "xlsx")


FORMULA_CELL = '<table:table-cell table:formula="of:=1/0" '
ERROR = f'{FORMULA_CELL}office:value-type="string" office:string-value="" calcext:value-type="error"'


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        (f"{ERROR}><text:p>#DIV/0!</text:p></table:table-cell>", "'#DIV/0!' is not a value; if it means null"),
        (
            f'{FORMULA_CELL}office:value-type="float" office:value="0"><text:p>Err:502</text:p></table:table-cell>',
            "'Err:502' is not a value; if it means null",
        ),
        (f"{FORMULA_CELL}/>", "its formula has no stored result"),
        ('<table:table-cell office:value-type="float" office:value="9007199254740993"/>', "that a spreadsheet keeps"),
        (
            '<table:table-cell office:value-type="string"><text:p>a<text:tab/>b</text:p></table:table-cell>',
            "is not a text without tabs",
        ),
    ],
)
def test_opendocument_cell_that_would_be_lost_is_refused(tmp_path: pathlib.Path, cell: str, problem: str) -> None:
    document = OPEN_DOCUMENT.replace('<table:table-cell office:value-type="float" office:value="1.5"/>', cell)
    space = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" xmlns:office='
    with pytest.raises(RefusedValueError, match="row 2, column 'x'") as caught:
        read(tmp_path, opendocument(document.replace("xmlns:office=", space)), "ods")
    assert problem in str(caught.value)


COMMENT = "<office:annotation><text:p>#1<text:line-break/>two<text:tab/>three</text:p></office:annotation>"


def test_comment_of_an_opendocument_cell_is_not_its_text(tmp_path: pathlib.Path) -> None:
    cell = (
        f'<table:table-cell office:value-type="float" office:value="5">{COMMENT}<text:p>5</text:p></table:table-cell>'
    )
    document = OPEN_DOCUMENT.replace('<table:table-cell office:value-type="float" office:value="1.5"/>', cell)
    assert read(tmp_path, opendocument(document), "ods")["x"].to_pylist() == [5]
    error = cell.replace("office:value-type", 'table:formula="of:=1/0" office:value-type').replace(
        "<text:p>5", "<text:p>#N/A"
    )
    document = document.replace(cell, error)
    with pytest.raises(RefusedValueError, match="row 2, column 'x': '#N/A' is not a value"):
        read(tmp_path, opendocument(document), "ods")


def test_cells_are_found_while_a_sheet_is_read(tmp_path: pathlib.Path) -> None:
    rows = f"<table:table-row>{FORMULA_CELL}/></table:table-row>" * 15_000
    path = tmp_path / "a.ods"
    path.write_bytes(opendocument(OPEN_DOCUMENT.replace("</table:table>", f"{rows}</damaged>")))
    found = doubtful_cells(path, "A")
    assert (next(found).row, next(found).row) == (2, 3)
    with pytest.raises(expat.ExpatError):
        list(found)


@pytest.mark.parametrize(
    ("days", "duration", "moment"),
    [
        ("1E-9", "0:00:00.000086", "00:00:00.000086"),
        ("1.0000000115", "24:00:00.000994", "1900-01-01 00:00:00.000994"),
        ("45000.9999999999", "1080023:59:59.999991", "2023-03-15 23:59:59.999991"),
        ("45000.43750000000", "1080010:30:00", "2023-03-15 10:30:00"),
        ("45000.43750000001", "1080010:30:00", "2023-03-15 10:30:00"),
    ],
)
def test_time_has_the_microseconds_of_its_number(tmp_path: pathlib.Path, days: str, duration: str, moment: str) -> None:
    for cell, shown in ((datetime.timedelta(days=7), duration), (datetime.datetime(1900, 1, 7), moment)):
        data = edited(workbook(A=[["x"], [cell]]), sheet=("<v>7</v>", f"<v>{days}</v>"))
        assert str(read(tmp_path, data, "xlsx", columns={"x": "VARCHAR"})["x"][0]) == shown


@pytest.mark.parametrize(
    ("iso", "text"),
    [
        ("PT10H30M00S", "10:30:00"),
        ("PT09H05M00.123456S", "09:05:00.123456"),
        ("PT30H1M", "30:01:00"),
        ("-PT1H", "-01:00:00"),
    ],
)
def test_time_of_opendocument_is_text(tmp_path: pathlib.Path, iso: str, text: str) -> None:
    cell = f'<table:table-cell office:value-type="time" office:time-value="{iso}"/>'
    content = OPEN_DOCUMENT.replace('<table:table-cell office:value-type="date" office:date-value="2024-01-31"/>', cell)
    assert read(tmp_path, opendocument(content), "ods")["day"].to_pylist() == [text]


def test_number_that_is_no_date_is_refused_as_it_is_written(tmp_path: pathlib.Path) -> None:
    data = edited(workbook(A=[["x"], [datetime.datetime(1900, 1, 7)]]), sheet=("<v>7</v>", "<v>1000000000000</v>"))
    with pytest.raises(
        RefusedValueError, match="row 2, column 'x': '1000000000000.0' is not a date or time that exists"
    ):
        read(tmp_path, data, "xlsx")


def test_damage_over_which_the_library_panics_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnparsableSourceError, match="as excel: it is damaged"):
        read(tmp_path, XLS[:4264], "xls")
