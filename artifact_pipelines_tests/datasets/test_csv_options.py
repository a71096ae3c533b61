"""Each field of `format` does what docs/datasets.md says, and lines keep their numbers."""

import datetime
import decimal
import pathlib
from typing import Any

import pytest

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines_tests.datasets.reading import read

D = decimal.Decimal


@pytest.mark.parametrize(
    ("text", "options", "names", "rows"),
    [
        ("sep=;\na;b\n1,5;x\n", {}, "a b", [("1,5", "x")]),
        ('"sep=|"\r\na|b\r\n1|x\r\n', {}, "a b", [(1, "x")]),
        ('a,b\n1,say \\"hi\\"\n', {"escape": "\\"}, "a b", [(1, 'say "hi"')]),
        ('a,b\n1,"x\\",y"\n', {"escape": "\\"}, "a b", [(1, 'x",y')]),
        ("# made by hand\na,b\n#1,x\n2,#y\n", {"comment": "#"}, "a b", [(2, "#y")]),
        ('a,b\n1,"\n#x"\n', {"comment": "#"}, "a b", [(1, "\n#x")]),
        ("a,b\n1,x\n#2,y", {"comment": "#"}, "a b", [(1, "x")]),
        ("# made; by; hand\na,b\n1,x\n", {"comment": "#"}, "a b", [(1, "x")]),
        ('a,b\n1,"x\ny"\nTotal: 1 row\n', {"skip_last_lines": 1}, "a b", [(1, "x\ny")]),
        ("a,b\n#1,x\n", {}, "a b", [("#1", "x")]),
        ("Report\nof May\na,b\n1,x\n", {"skip_lines": 2}, "a b", [(1, "x")]),
        ("a,b\n1,x\nTotal: 1 row\n", {"skip_last_lines": 1}, "a b", [(1, "x")]),
        ("1,x\n2,y\n", {"header": False}, "column_1 column_2", [(1, "x"), (2, "y")]),
        ("a,b\nkm,\n1,x\n", {"header": 2}, "a_km b", [(1, "x")]),
        ("a,b\n'x,y',\"\n", {"quote": "'"}, "a b", [("x,y", '"')]),
        ('a,b\n"x,1\n', {"quote": ""}, "a b", [('"x', 1)]),
        ("a|b\n1|x,y;z\n", {"delimiter": "|"}, "a b", [(1, "x,y;z")]),
        ("a,b\nNA,NA\n1,x\n", {"null_values": ["NA"]}, "a b", [(None, None), (1, "x")]),
        ("a , b\n 1 , x y \n2,  \n", {"trim": True}, "a b", [(1, "x y"), (2, None)]),
        ('a, b\n1, NA \n2,"  x"\n', {"trim": True, "null_values": ["NA"]}, "a b", [(1, None), (2, "x")]),
        ("a, b\n", {"trim": True, "columns": {"b": "BIGINT"}}, "a b", []),
        ("a , *\n - , - \n1 , 2\n", {"trim": True, "null_values": ["-", ""]}, "a *", [(None, None), (1, 2)]),
        ("a , b\n - , - \n1 , 2\n", {"trim": True}, "a b", [("-", "-"), ("1", "2")]),
        ('a,b\n1,""\n', {}, "a b", [(1, "")]),
        ('a,b\n1,""\n', {"null_values": [""]}, "a b", [(1, None)]),
        ("a,b\n31/01/2024,x\n", {"date_format": "%d/%m/%Y"}, "a b", [(datetime.date(2024, 1, 31), "x")]),
        ("a,b\n2024-01-31,x\n", {"date_format": "%d/%m/%Y"}, "a b", [("2024-01-31", "x")]),
        (
            "a,b\n31.01.2024 10:30,x\n",
            {"timestamp_format": "%d.%m.%Y %H:%M"},
            "a b",
            [(datetime.datetime(2024, 1, 31, 10, 30), "x")],
        ),
        ("a;b\n1,5;x\n", {"decimal_mark": ","}, "a b", [(D("1.5"), "x")]),
        (
            "a;b\n1.234,5;x\n-12;y\n",
            {"decimal_mark": ",", "thousands_mark": "."},
            "a b",
            [(D("1234.5"), "x"), (D("-12"), "y")],
        ),
        ("a;b\n1.23,5;x\n", {"decimal_mark": ",", "thousands_mark": "."}, "a b", [("1.23,5", "x")]),
        ("a,b\nyes,x\nno,y\n", {"true_values": ["yes"], "false_values": ["no"]}, "a b", [(True, "x"), (False, "y")]),
        ("a,b\ntrue,x\n", {"true_values": ["yes"], "false_values": ["no"]}, "a b", [("true", "x")]),
    ],
)
def test_an_option_reads_values_as_declared(
    tmp_path: pathlib.Path, text: str, options: dict[str, Any], names: str, rows: list[tuple[Any, ...]]
) -> None:
    table = read(tmp_path, text, **options)
    assert table.column_names == names.split()
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("sep=,\na,b\n\n1,x\n1.5,y\n", {}),
        ("#\na,b\n#\n1,x\n1.5,y\n", {"comment": "#"}),
        ("A\nB\na,b\n1,x\n1.5,y\n", {"skip_lines": 2}),
        ("a,b\n,\n\n1,x\n1.5,y\n", {"header": 2}),
        ('a,b\n1,"x\n\n"\n1.5,y\nend\n', {"skip_last_lines": 1}),
    ],
)
def test_a_refused_value_is_named_by_its_line_in_the_file(
    tmp_path: pathlib.Path, text: str, options: dict[str, Any]
) -> None:
    with pytest.raises(SourceError, match="line 5, column 'a': '1.5'"):
        read(tmp_path, text, columns={"a": "BIGINT"}, **options)


@pytest.mark.parametrize(
    ("kind", "option", "declared"),
    [("DATE", "date_format", "%d/%m/%Y"), ("TIMESTAMP", "timestamp_format", "%d/%m/%Y %H:%M")],
)
def test_a_text_unlike_the_declared_format_is_refused(
    tmp_path: pathlib.Path, kind: str, option: str, declared: str
) -> None:
    options: dict[str, Any] = {option: declared}
    with pytest.raises(SourceError, match="line 2, column 'a': 'soon'"):
        read(tmp_path, "a,b\nsoon,x\n,y\n", columns={"a": kind}, **options)
