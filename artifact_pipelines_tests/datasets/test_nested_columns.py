"""Lists and structs of a later file follow the version before as columns do."""

import io
import json
import pathlib
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import SchemaMismatchError
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore, arrow_name
from artifact_pipelines_tests.datasets.reading import read


def later(folder: pathlib.Path, before: str, data: Any, policy: Any = "widen") -> tuple[str, list[Any]]:
    """Return type and values of the column `x` of a later file: Parquet of an array, or lines of JSON."""
    contract = Contract(before=VersionBefore(4, {"x": before}), on_schema_change=policy)
    if isinstance(data, pa.Array):
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pa.table({"x": data}), sink)
        table = read(folder, sink.getvalue(), "parquet", contract=contract)
    else:
        lines = "".join(f'{{"x": {value if isinstance(value, str) else json.dumps(value)}}}\n' for value in data)
        table = read(folder, lines, "ndjson", contract=contract)
    return arrow_name(table.schema.field("x").type), table["x"].to_pylist()


SMALL = pa.struct([("b", pa.int32()), ("a", pa.list_(pa.int8()))])


@pytest.mark.parametrize(
    ("before", "array"),
    [
        ("list<item: int64>", pa.array([[1, None], None, [], [2]], pa.list_(pa.int32())).slice(1)),
        ("list<item: decimal128(18, 2)>", pa.array([[1]], pa.list_(pa.decimal128(9, 1)))),
        ("list<item: double>", pa.array([[0.5]], pa.large_list(pa.float32()))),
        ("list<item: list<item: timestamp[us, tz=UTC]>>", pa.array([[], None], pa.list_(pa.list_(pa.null())))),
        ("list<item: string>", pa.nulls(2)),
        ("map<string, int64>", pa.nulls(2)),
        (
            "map<string, int64>",
            pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int32())).slice(1),
        ),
        ("list<item: map<int64, double>>", pa.array([[[(1, 0.5)], None]], pa.list_(pa.map_(pa.int8(), pa.float32())))),
        ("fixed_size_list<item: double>[2]", pa.array([[1, 0.5], None], pa.list_(pa.float32(), 2))),
        ("fixed_size_list<item: timestamp[us]>[1]", pa.array([[0]], pa.list_(pa.timestamp("ms"), 1))),
        ("struct<a: list<item: int64>, b: int64>", pa.array([None, {"b": 1, "a": [2]}, {"b": None}], SMALL).slice(1)),
    ],
)
@pytest.mark.parametrize("policy", ["widen", "fail"])
def test_narrower_types_are_read_with_those_of_the_dataset(
    tmp_path: pathlib.Path, before: str, array: pa.Array, policy: str
) -> None:
    assert later(tmp_path, before, array, policy) == (before, array.to_pylist())


@pytest.mark.parametrize(
    ("before", "values"),
    [
        ("list<item: int64>", [[], None]),
        ("list<item: int64>", [[], [None]]),
        ("list<item: decimal128(18, 2)>", ["[3, 1.5]"]),
        ("list<item: double>", ["[3, 1.5]"]),
        ("list<item: string>", [["2024-01-31"], ["a"]]),
        ("list<item: string>", [["2024-01-31"]]),
        ("struct<a: int64, b: list<item: struct<c: bool>>>", [{"a": 1, "b": []}, None]),
        ("struct<a, b: int64, c<d: string>", [{"a, b": 1, "c<d": "x"}]),
    ],
)
@pytest.mark.parametrize("policy", ["widen", "fail"])
def test_values_of_json_that_fit_are_read_with_the_types_of_the_dataset(
    tmp_path: pathlib.Path, before: str, values: list[Any], policy: str
) -> None:
    expected = [json.loads(value) if isinstance(value, str) else value for value in values]
    assert later(tmp_path, before, values, policy) == (before, expected)


@pytest.mark.parametrize(
    ("before", "data", "wider"),
    [
        ("list<item: int32>", pa.array([[1 << 40]]), "list<item: int64>"),
        (
            "list<item: timestamp[ms]>",
            pa.array([[1]], pa.list_(pa.timestamp("us"))),
            "list<item: timestamp[us]>",
        ),
        ("struct<a: int64>", pa.array([{"a": 1, "b": "x"}]), "struct<a: int64, b: string>"),
        ("struct<a: int64>", [{"a": 1, "b": "x"}], "struct<a: int64, b: string>"),
        ("list<item: struct<b: string>>", [[{"a": [True]}]], "list<item: struct<b: string, a: list<item: bool>>>"),
        ("list<item: int64>", ["[1, 2.5]"], "list<item: decimal128(38, 1)>"),
    ],
)
def test_types_become_wider_and_fields_more_as_the_contract_says(
    tmp_path: pathlib.Path, before: str, data: Any, wider: str
) -> None:
    assert later(tmp_path, before, data)[0] == wider
    with pytest.raises(SourceError, match=r"new fields '.*\.[ab]'|in version 4|is not a value of"):
        later(tmp_path, before, data, "fail")


@pytest.mark.parametrize("data", [pa.array([{"b": 1}]), [{"b": 1}]])
def test_field_that_a_file_lacks_is_null_unless_nothing_may_change(tmp_path: pathlib.Path, data: Any) -> None:
    before = "struct<a: list<item: date32[day]>, b: int64>"
    assert later(tmp_path, before, data) == (before, [{"a": None, "b": 1}])
    with pytest.raises(SchemaMismatchError, match=r"missing fields 'x\.a', unlike version 4"):
        later(tmp_path, before, data, "fail")


@pytest.mark.parametrize(
    ("before", "data", "problem"),
    [
        ("list<item: int64>", pa.array([["a"]]), r"\['a'\] \(list<element: string>\).* is not a value of"),
        ("list<item: int64>", pa.array([[0.5]]), r"\[0.5\] \(list<element: double>\)' is not a value of"),
        ("list<item: struct<a: date32[day]>>", pa.array([[{"a": 1}]]), r"is not a value of|'x\[\]\.a' is int64"),
        ("fixed_size_list<item: float>[1]", pa.array([[0.1]], pa.list_(pa.float64(), 1)), r"row 1.*is not a value of"),
        ("fixed_size_list<item: int8>[2]", pa.array([[1]], pa.list_(pa.int8(), 1)), r"\[1\], and fixed_size_list"),
        (
            "map<string, date32[day]>",
            pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
            "and map<string, date32",
        ),
        (
            "map<string, struct<a>: int64, b, c: int64>>",
            pa.array([[("k", {"a>": 1})]], pa.map_(pa.string(), pa.struct({"a>": pa.int64()}))),
            "'x' is map<string, struct<a>: int64>.*, and map<string, struct<a>: int64, b, c: int64>> in version 4",
        ),
        ("list<item: duration[us]>", pa.array([[1]]), r"column 'x\[\]' is int64, and duration\[us\] in version 4"),
        ("struct<a: int64>", pa.array([{"A": 1}]), r"new fields 'x\.A' differ in case only"),
        ("struct<a: int64>", [{"a": [1]}], r"column 'x\.a' is list<item: int64>, and int64 in version 4"),
        ("struct<a: int64>", [{"a": "x"}], r"column 'x\.a' is string, and int64 in version 4"),
        (
            "struct<a, b: int64, c: bool>",
            [{"a, b": "x", "c": True}],
            r"'x' is struct<a, b: string, c: bool>, and struct<a",
        ),
        ("struct<a: b: int64>", pa.array([{"a: b": "x"}]), "'x' is struct<a: b: string>, and struct<a: b: int64> in"),
        ("struct<a<: int64, b>: bool>", pa.array([{"a<": 1}]), "'x' is struct<a<: int64>, and struct<a<: int64, b>: b"),
        ("list<item: int64>", [[1], '"a"'], "column 'x' is string, and list<item: int64> in version 4"),
        ("list<item: date32[day]>", [[1]], r"column 'x\[\]' is int64, and date32\[day\] in version 4"),
    ],
)
def test_other_values_are_refused_by_name(tmp_path: pathlib.Path, before: str, data: Any, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        later(tmp_path, before, data)


def test_categories_in_any_order_are_texts_where_the_dataset_has_texts(tmp_path: pathlib.Path) -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([1, 0, None]), pa.array(["a", "b"]))
    assert later(tmp_path, "string", array) == ("string", ["b", "a", None])


@pytest.mark.parametrize("policy", ["widen", "fail"])
def test_a_table_of_polars_with_nested_columns_is_followed_by_itself(tmp_path: pathlib.Path, policy: Any) -> None:
    frame = pl.DataFrame({"x": [[{"a": 1, "b b": "x, y: z"}], None]})
    before = arrow_name(frame.to_arrow().schema.field("x").type)
    assert later(tmp_path, before, frame.to_arrow()["x"].combine_chunks(), policy) == (before, frame["x"].to_list())
