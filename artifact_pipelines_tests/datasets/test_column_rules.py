"""A value that breaks a rule of its column refuses the file by line, column and value."""

import datetime
import decimal
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pydantic
import pytest
import yaml

from artifact_pipelines import DatasetPipeline
from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import BrokenRuleError, RepeatedValuesError, SchemaMismatchError
from artifact_pipelines.datasets.reading.column_declaration import ColumnDeclaration
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines_tests.datasets.reading import read

FLIGHTS = 'id,day,price,carrier\n1,31/01/2024,"1,50",UA\n\n2,01/02/2024,,AA\n'


def contract(columns: dict[str, Any], key: tuple[str, ...] = ()) -> Contract:
    declared = {name: ColumnDeclaration.model_validate(each) for name, each in columns.items()}
    return Contract.declared(declared, key, "widen")


@pytest.mark.parametrize("rule", [{"min": 0}, {"max": 5}])
def test_nan_lies_within_no_limits(tmp_path: pathlib.Path, rule: dict[str, Any]) -> None:
    within = contract({"a": {"type": "DOUBLE", **rule}})
    assert read(tmp_path, "a,b\n1.5,1\n,2\n", contract=within)["a"].to_pylist() == [1.5, None]
    with pytest.raises(SourceError, match="line 3, column 'a': 'NaN' is (less than 0|more than 5), or no number"):
        read(tmp_path, "a,b\n1.5,1\nNaN,2\n", contract=within)


def test_columns_have_spellings_of_their_own(tmp_path: pathlib.Path) -> None:
    columns = {
        "id": {"type": "BIGINT", "unique": True, "min": 1, "max": 2},
        "day": {"type": "DATE", "format": "%d/%m/%Y", "min": datetime.date(2024, 1, 31)},
        "price": {"type": "DECIMAL(10,2)", "decimal_mark": ",", "allowed": [1.5]},
        "carrier": {"nullable": False, "allowed": ["UA", "AA"], "pattern": "[A-Z]{2}"},
    }
    table = read(tmp_path, FLIGHTS, contract=contract(columns, ("id", "day")))
    assert table["day"].to_pylist() == [datetime.date(2024, 1, 31), datetime.date(2024, 2, 1)]
    assert table["price"].to_pylist() == [decimal.Decimal("1.50"), None]


@pytest.mark.parametrize(
    ("column", "declared", "line", "value", "field"),
    [
        ("id", {"min": "1.5"}, 2, "1", "min"),
        ("id", {"max": 1}, 4, "2", "max"),
        ("day", {"type": "DATE", "format": "%d/%m/%Y", "max": "2024-01-31"}, 4, "01/02/2024", "max"),
        ("price", {"nullable": False}, 4, None, "nullable"),
        ("price", {"type": "DECIMAL(10,2)", "decimal_mark": ",", "min": 1.501}, 2, "1,50", "min"),
        ("carrier", {"allowed": ["UA"]}, 4, "AA", "allowed"),
        ("carrier", {"pattern": "U"}, 2, "UA", "pattern"),
    ],
)
def test_a_broken_rule_is_named(
    tmp_path: pathlib.Path, column: str, declared: dict[str, Any], line: int, value: str | None, field: str
) -> None:
    with pytest.raises(BrokenRuleError, match=rf"`columns\.{column}\.{field}`") as caught:
        read(tmp_path, FLIGHTS, contract=contract({column: declared}))
    assert (caught.value.line, caught.value.column, caught.value.value) == (line, column, value)


def test_rules_hold_in_any_format_by_line_or_row(tmp_path: pathlib.Path) -> None:
    at_most_two = contract({"a": {"max": 2}})
    with pytest.raises(SourceError, match="line 3, column 'a': '3' is more than 2"):
        read(tmp_path, '{"a": 1}\n\n{"a": 3}\n', "ndjson", contract=at_most_two)
    pyarrow.parquet.write_table(pa.table({"a": [1, 3]}), tmp_path / "a")
    with pytest.raises(SourceError, match="row 2, column 'a': '3' is more than 2"):
        read(tmp_path, (tmp_path / "a").read_bytes(), "parquet", contract=at_most_two)


@pytest.mark.parametrize(
    ("columns", "key", "field"), [({"a": {"unique": True}}, (), r"columns\.a\.unique"), ({}, ("a", "b"), "key")]
)
def test_values_that_stand_twice_are_refused_with_both_lines(
    tmp_path: pathlib.Path, columns: dict[str, Any], key: tuple[str, ...], field: str
) -> None:
    with pytest.raises(RepeatedValuesError, match=f"`{field}`") as caught:
        read(tmp_path, "a,b\n1,x\n\n2,x\n1,x\n2,x\n", contract=contract(columns, key))
    assert (caught.value.line, caught.value.earlier_line, caught.value.values[0]) == (5, 2, "1")


def test_nulls_are_unique_but_no_keys(tmp_path: pathlib.Path) -> None:
    text = "a,b\n,1\n,2\n"
    assert read(tmp_path, text, contract=contract({"a": {"unique": True}})).num_rows == 2
    with pytest.raises(SourceError, match="line 2, column 'a': it is null in a column of the key"):
        read(tmp_path, text, contract=contract({}, ("a",)))


@pytest.mark.parametrize(("text", "file_type"), [("zip\n10004\n", "csv"), ('{"zip": 10004}\n', "ndjson")])
def test_a_pattern_without_a_type_makes_a_column_text(tmp_path: pathlib.Path, text: str, file_type: str) -> None:
    zips = {"zip": {"pattern": "[0-9]{5}"}}
    assert read(tmp_path, text, file_type, contract=contract(zips))["zip"].to_pylist() == ["10004"]


def test_a_column_that_is_not_required_may_be_absent(tmp_path: pathlib.Path) -> None:
    gate = {"gate": {"type": "BIGINT", "required": False}}
    assert read(tmp_path, "a,b\n1,2\n", contract=contract(gate)).column_names == ["a", "b"]
    with pytest.raises(SourceError, match="'x' is not a whole number"):
        read(tmp_path, "a,gate\n1,x\n", contract=contract(gate))
    with pytest.raises(SchemaMismatchError, match="missing 'gate'"):
        read(tmp_path, "a,b\n1,2\n", contract=contract({"gate": {"nullable": False}}))


@pytest.mark.parametrize(
    ("declared", "field", "reason"),
    [
        ({"type": "BIGNUM"}, "columns.a.type", "VARCHAR, BOOLEAN"),
        (yaml.safe_load("allowed: [IT, NO]"), "columns.a.allowed", "YAML reads no, off as false. Put it in quotes"),
        (yaml.safe_load("{type: BOOLEAN, true_values: [yes]}"), "columns.a.true_values.0", "reads on, yes as true"),
        ("BIGNUM", "columns.a", "VARCHAR, BOOLEAN"),
        ({"nulable": True}, "columns.a.nulable", "not permitted"),
        ({"pattern": "("}, "columns.a.pattern", "RE2"),
        ({"type": "BIGINT", "min": "soon"}, "columns", r"columns\.a\.min must be"),
        ({"type": "BIGINT", "pattern": "1"}, "columns", r"columns\.a\.pattern must be"),
        ({"format": "%d/%m/%Y"}, "columns.a", "without `type`"),
    ],
)
def test_a_wrong_field_names_itself(declared: Any, field: str, reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason) as caught:
        DatasetPipeline.model_validate(
            {"name": "a", "description": "A", "source": "a.csv", "owners": ["team:a"], "columns": {"a": declared}}
        )
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == field


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"type": "DECIMAL(10,2)", "decimal_mark": ",", "thousands_mark": ","}, "thousands_mark must be another"),
        ({"type": "BOOLEAN", "true_values": ["x"], "false_values": ["x"]}, "false_values must be other words"),
        ({"type": "BIGINT", "format": "%d/%m/%Y"}, "`format` says nothing about BIGINT"),
        ({"type": "VARCHAR", "decimal_mark": ","}, "`decimal_mark` says nothing about VARCHAR"),
        ({"type": "TIMESTAMPTZ", "format": "%d/%m/%Y %H:%M"}, "a format that ends with %z, or type TIMESTAMP"),
        ({"type": "TIMESTAMP", "format": "%d/%m/%Y %H:%M%z"}, "no %z, or type TIMESTAMPTZ"),
    ],
)
def test_a_spelling_that_no_value_can_have_is_refused_where_it_is_declared(declared: Any, problem: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=problem):
        ColumnDeclaration.model_validate(declared)


def test_a_mark_of_a_column_may_need_the_other_one_of_the_file(tmp_path: pathlib.Path) -> None:
    column = ColumnDeclaration.model_validate({"type": "DOUBLE", "thousands_mark": "."})
    contract = Contract.declared({"x": column}, (), "widen")
    assert read(tmp_path, "x;n\n1.234,5;1\n", contract=contract, decimal_mark=",")["x"].to_pylist() == [1234.5]
