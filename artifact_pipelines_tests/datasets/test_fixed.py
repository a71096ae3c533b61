"""A line of fixed width is cut into values at the declared places, or refused."""

import pathlib
from decimal import Decimal
from typing import Any

import pydantic
import pytest

from artifact_pipelines.datasets.exceptions import EmptySourceError, MalformedRowError, RefusedValueError
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines_tests.datasets.reading import FORMAT, read

WIDTHS = {"name": 6, "price": 5, "day": 10}
LINES = "Zürich 1.502024-01-31\n  a b 12.252024-02-29\n      00000          \n"
FIXED: dict[str, Any] = {"type": "fixed", "widths": WIDTHS}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_values_are_cut_by_characters_and_have_no_padding(tmp_path: pathlib.Path, encoding: str, end: str) -> None:
    text = LINES.replace("00000", "    0").replace("\n", end)
    table = read(tmp_path, text.encode(encoding), "txt", encoding=encoding, **FIXED)
    assert table["name"].to_pylist() == ["Zürich", "a b", None]
    assert table["price"].to_pylist() == [Decimal("1.50"), Decimal("12.25"), Decimal(0)]
    assert [str(day) for day in table["day"].to_pylist()] == ["2024-01-31", "2024-02-29", "None"]


def test_zeros_before_a_number_make_it_text(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, LINES, "txt", **FIXED)["price"].to_pylist() == ["1.50", "12.25", "00000"]


def test_quotes_delimiters_and_tabs_are_plain_characters(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, 'a,"\tb\n', "txt", type="fixed", widths={"x": 3, "y": 2})
    assert table.to_pylist() == [{"x": 'a,"', "y": "\tb"}]


def test_lines_around_the_rows_are_left_out(tmp_path: pathlib.Path) -> None:
    text = "a header\nab\ncd\n\nTOTAL 2\n"
    table = read(tmp_path, text, "txt", type="fixed", widths={"x": 1, "y": 1}, skip_lines=1, skip_last_lines=1)
    assert table.to_pylist() == [{"x": "a", "y": "b"}, {"x": "c", "y": "d"}]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"ab\nabc\n", "line 2: 3 characters, 2 expected"),
        (b"ab\na\n", "line 2: 1 characters, 2 expected"),
        (b"ab\nb\0\n", "line 2"),
        (b"ab\r\nab\n", "line 2"),
    ],
)
def test_other_line_is_refused(tmp_path: pathlib.Path, data: bytes, problem: str) -> None:
    with pytest.raises(MalformedRowError, match=problem):
        read(tmp_path, data, "txt", type="fixed", widths={"x": 1, "y": 1})


def test_declared_type_is_checked_by_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RefusedValueError, match="line 3, column 'price': '00000' is not"):
        read(tmp_path, LINES, "txt", columns={"price": "DECIMAL(10,2)"}, **FIXED)


def test_file_without_rows_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(EmptySourceError):
        read(tmp_path, "\n", "txt", **FIXED)


def test_bad_lines_are_left_out(tmp_path: pathlib.Path) -> None:
    (tmp_path / "stored").write_text("a1\nb\nc3\nd4\nxx\n")
    contract = Contract({"y": "BIGINT"}, on_bad_rows="quarantine")
    file_format = FORMAT.validate_python({"type": "fixed", "widths": {"x": 1, "y": 1}})
    with open_table(RawFile(tmp_path / "stored", "txt", "x.txt"), file_format, contract) as table:
        rows = table.batches.read_all().to_pylist()
        assert table.bad is not None
        bad = [row for batch in table.bad.batches() for row in batch.to_pylist()]
    assert rows == [{"x": "a", "y": 1}, {"x": "c", "y": 3}, {"x": "d", "y": 4}]
    assert [(row["line"], row["row"]) for row in bad] == [(2, "b"), (5, "xx")]


@pytest.mark.parametrize("widths", [{}, {"x": 0}, {"x": "many"}])
def test_widths_are_checked(widths: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        FORMAT.validate_python({"type": "fixed", "widths": widths})
