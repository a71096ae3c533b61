"""Texts that a careless reader takes for something else: each is stored as what it says, or refused by line."""

import datetime
import pathlib
from decimal import Decimal
from typing import Any

import pytest

from artifact_pipelines.datasets.exceptions import MalformedRowError, RefusedValueError
from artifact_pipelines.datasets.reading.column_declaration import ColumnDeclaration
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines_tests.datasets.reading import read

GERMAN = {"decimal_mark": ",", "thousands_mark": "."}
INFINITE = float("inf")
DAY, SOON = datetime.date(2024, 2, 1), datetime.datetime(2024, 2, 1)
FIRST = datetime.date(2024, 1, 1)
UTC_8 = datetime.datetime(2024, 1, 1, 8, tzinfo=datetime.UTC)

ACCEPTED: dict[str, tuple[dict[str, Any], dict[str, object]]] = {
    "decimals with marks": (
        {"type": "DECIMAL(12,2)", **GERMAN},
        {"1.234,5": Decimal("1234.50"), "1.234.567,89": Decimal("1234567.89"), "-1.000": Decimal(-1000)},
    ),
    "integers with marks": (
        {"type": "BIGINT", **GERMAN},
        {"1.234": 1234, "-1.234": -1234, "12.345.678": 12345678},
    ),
    "floats with marks": ({"type": "DOUBLE", **GERMAN}, {"1.234,5": 1234.5, "1e3": 1000.0, "1.000": 1000.0}),
    "a mark that is no ASCII": ({"type": "DECIMAL(9,1)", "thousands_mark": "\xa0"}, {"1\xa0234.5": Decimal("1234.5")}),
    "days": ({"type": "DATE", "format": "%d/%m/%Y"}, {"01/02/2024": DAY}),
    "days of months in words": ({"type": "DATE", "format": "%d %b %Y"}, {"01 Feb 2024": DAY}),
    "days of a year with 366": ({"type": "DATE", "format": "%Y%m%d"}, {"20240229": datetime.date(2024, 2, 29)}),
    "days of a week": ({"type": "DATE", "format": "%Y-W%W-%w"}, {"2024-W01-1": FIRST}),
    "midnight": ({"type": "TIMESTAMP", "format": "%d/%m/%Y %I:%M %p"}, {"01/02/2024 12:00 AM": SOON}),
    "an offset": ({"type": "TIMESTAMPTZ"}, {"2024-01-01T10:00:00+02:00": UTC_8}),
    "an offset in a format": (
        {"type": "TIMESTAMPTZ", "format": "%Y-%m-%dT%H:%M:%S%z"},
        {"2024-01-01T10:00:00+02:00": UTC_8},
    ),
    "limits of bytes": ({"type": "TINYINT"}, {"-128": -128, "127": 127}),
    "limits of 64 bits": ({"type": "UBIGINT"}, {"18446744073709551615": 2**64 - 1}),
    "38 digits": ({"type": "DECIMAL(38,0)"}, {"9" * 38: Decimal("9" * 38)}),
    "floats": ({"type": "DOUBLE"}, {"5e-324": 5e-324, "0.1": 0.1, "1e5": 1e5, "inf": INFINITE, "-inf": -INFINITE}),
    "own words": ({"type": "BOOLEAN", "true_values": [1], "false_values": [0]}, {"1": True, "0": False}),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "decimals with marks": (
        {"type": "DECIMAL(12,2)", **GERMAN},
        "1,234.5|12.34,5|.5|,5|5,|1.23,4|- 1|1 000,5|+1,5|1.2345|0.001,5|00.001|1..000|1.000.|\u22121|\uff11|1e5|1,5 ",
    ),
    "whole numbers with marks": ({"type": "BIGINT", **GERMAN}, "1.23|0.123|1,0|.123|1.2345"),
    "floats with marks": ({"type": "DOUBLE", **GERMAN}, "1.5|nan|12.34,5"),
    "days": (
        {"type": "DATE", "format": "%d/%m/%Y"},
        "1/2/2024|31/02/2024|01/02/24|01/02/2024 |01/02/20240|\u0660\u0661/02/2024|29/02/2023|01/01/0000",
    ),
    "American days": ({"type": "DATE", "format": "%m/%d/%Y"}, "13/01/2024|1/1/2024"),
    "months in other words": ({"type": "DATE", "format": "%d %B %Y"}, "1 f\xe9vrier 2024|1 Feb 2024"),
    "days of a year": ({"type": "DATE", "format": "%Y-%j"}, "2023-366|2024-000"),
    "ISO days": ({"type": "DATE"}, "2024-1-1|2024-02-30|10000-01-01|2024-01-01T00:00:00|-0001-01-01|0000-01-01"),
    "hours": ({"type": "TIMESTAMP", "format": "%d/%m/%Y %H:%M"}, "01/02/2024 24:00|01/02/2024|01/02/2024 1:00"),
    "half days": ({"type": "TIMESTAMP", "format": "%d/%m/%Y %I:%M %p"}, "01/02/2024 13:00 PM|01/02/2024 00:30 AM"),
    "seconds": (
        {"type": "TIMESTAMP"},
        "2024-01-01|2024-01-01T10:00|2024-01-01T10:00:00Z|2024-01-01T24:00:00|2024-06-30T23:59:60|20240101T100000"
        "|2024-01-01T10:00:00.1234567",
    ),
    "offsets": ({"type": "TIMESTAMPTZ"}, "2024-01-01T10:00:00|2024-01-01T10:00:00+0530|2024-01-01T10:00:00+25:00"),
    "nanoseconds": (
        {"type": "TIMESTAMP_NS"},
        "1600-01-01T00:00:00|2262-04-12T00:00:00|2024-01-01T10:00:00.1234567891",
    ),
    "times": ({"type": "TIME"}, "10:00|25:00:00|24:00:00|10:00:60|1:00:00"),
    "words": ({"type": "BOOLEAN"}, "TRUE|True|1|t|yes|false "),
    "own words": ({"type": "BOOLEAN", "true_values": ["ja"], "false_values": ["nein"]}, "JA|true|j"),
    "bytes": ({"type": "TINYINT"}, "128|-129|+1|01|1.0|1e2|-0| 1|1_0|0x1"),
    "unsigned": ({"type": "UBIGINT"}, "18446744073709551616|-1|-0"),
    "floats": ({"type": "FLOAT"}, "16777217|3.4028236e38|1e-46|nan|Infinity|1d5|0x1p3"),
    "doubles": ({"type": "DOUBLE"}, "9007199254740993|1e309|1e-400|123456789012345678|NAN|1e|.5"),
    "38 digits": ({"type": "DECIMAL(38,0)"}, "999999999999999999999999999999999999999|1.0|1e3"),
    "decimals": ({"type": "DECIMAL(4,2)"}, "100.00|0.005|-0.00|1.|1e-1"),
}


def _read(folder: pathlib.Path, text: str, declared: dict[str, Any]) -> list[object]:
    contract = Contract.declared({"a": ColumnDeclaration.model_validate(declared)}, (), "widen")
    values: list[object] = read(folder, f"a;b\n{text};1\n", contract=contract, delimiter=";")["a"].to_pylist()
    return values


@pytest.mark.parametrize("what", ACCEPTED)
def test_value_is_stored_as_what_its_declaration_says(tmp_path: pathlib.Path, what: str) -> None:
    declared, values = ACCEPTED[what]
    assert {text: _read(tmp_path, text, declared) for text in values} == {text: [each] for text, each in values.items()}


@pytest.mark.parametrize("what", REFUSED)
def test_text_that_its_declaration_does_not_mean_is_refused(tmp_path: pathlib.Path, what: str) -> None:
    declared, texts = REFUSED[what]
    for text in texts.split("|"):
        with pytest.raises(RefusedValueError) as caught:
            _read(tmp_path, text, declared)
        assert (caught.value.line, caught.value.column, caught.value.value) == (2, "a", text)


def test_row_that_ends_with_the_escape_character_is_refused_by_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MalformedRowError, match="line 3: 3 values, 2 expected"):
        read(tmp_path, "a,b\n1,2\n1,x\\\n2,y\n", escape="\\")
    assert read(tmp_path, "a,b\\\n1,2\n", escape="\\").schema.names == ["a", "b\n1", "2"]
