"""A later file is read with the types of the version before, so that a row means the same in every version."""

import io
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import RefusedValueError, SchemaMismatchError
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore
from artifact_pipelines_tests.datasets.reading import read

TYPES = {
    "n": "int64",
    "price": "decimal128(18, 2)",
    "day": "date32[day]",
    "at": "timestamp[us]",
    "code": "string",
}
ROW = {"n": "1", "price": "2.50", "day": "2024-01-31", "at": "2024-01-31T10:30:00", "code": "7"}


def later(folder: pathlib.Path, file_type: str = "csv", policy: Any = "widen", **changes: str) -> dict[str, str]:
    """Return the types of a later file with one changed row, and an unchanged one."""
    rows = [ROW, {**ROW, **changes}]
    names = list(rows[1])
    if file_type == "csv":
        data = "\n".join([",".join(names), *(",".join(row.get(name, "") for name in names) for row in rows)]) + "\n"
    else:
        shown = [
            [f'"{name}": ' + (v if name in ("n", "price") else f'"{v}"') for name, v in row.items()] for row in rows
        ]
        data = "".join("{" + ", ".join(each) + "}\n" for each in shown)
    contract = Contract(before=VersionBefore(4, TYPES), on_schema_change=policy)
    return {field.name: str(field.type) for field in read(folder, data, file_type, contract=contract).schema}


@pytest.mark.parametrize("file_type", ["csv", "ndjson"])
def test_types_are_kept_even_where_a_file_alone_would_have_others(tmp_path: pathlib.Path, file_type: str) -> None:
    assert later(tmp_path, file_type, price="3") == TYPES


@pytest.mark.parametrize("file_type", ["csv", "ndjson"])
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"n": "12345678901234567890"}, "decimal128(38, 0)"),
        ({"n": "1.5"}, "decimal128(38, 1)"),
        ({"price": "1.125"}, "decimal128(38, 3)"),
        ({"at": "2024-01-31T10:30:00.123456789"}, "timestamp[ns]"),
    ],
)
def test_type_widens_where_nothing_is_lost_and_the_contract_allows_it(
    tmp_path: pathlib.Path, file_type: str, changes: dict[str, str], kind: str
) -> None:
    [name] = changes
    assert later(tmp_path, file_type, **changes) == {**TYPES, name: kind}
    with pytest.raises(RefusedValueError, match="as in version 4"):
        later(tmp_path, file_type, "add_columns", **changes)


@pytest.mark.parametrize("file_type", ["csv", "ndjson"])
@pytest.mark.parametrize(
    "changes",
    [
        {"price": "1e5"},
        {"day": "01/02/2024"},
        {"day": "2024-01-31T00:00:00"},
        {"at": "2024-01-31T10:30:00Z"},
    ],
)
def test_value_of_another_meaning_is_refused_by_line_unless_accepted(
    tmp_path: pathlib.Path, file_type: str, changes: dict[str, str]
) -> None:
    [(name, value)] = changes.items()
    with pytest.raises(RefusedValueError) as caught:
        later(tmp_path, file_type, **changes)
    line = 3 if file_type == "csv" else 2
    assert (caught.value.line, caught.value.column, caught.value.value) == (line, name, value)
    assert later(tmp_path, file_type, "accept", **changes)[name] == "string"


@pytest.mark.parametrize(("policy", "is_allowed"), [("fail", False), ("add_columns", True), ("widen", True)])
def test_new_columns_are_allowed_as_the_contract_says(tmp_path: pathlib.Path, policy: str, is_allowed: bool) -> None:
    if is_allowed:
        assert later(tmp_path, policy=policy, extra="1") == {**TYPES, "extra": "int64"}
    else:
        with pytest.raises(SchemaMismatchError, match="new columns 'extra'"):
            later(tmp_path, policy=policy, extra="1")


def test_vanished_column_is_refused_by_name_unless_accepted(tmp_path: pathlib.Path) -> None:
    data = "n,price,day,at\n1,2.50,2024-01-31,2024-01-31T10:30:00\n"
    with pytest.raises(SchemaMismatchError, match="missing 'code', which the dataset has in version 4"):
        read(tmp_path, data, contract=Contract(before=VersionBefore(4, TYPES)))
    assert read(tmp_path, data, contract=Contract(before=VersionBefore(4, TYPES), on_schema_change="accept"))


def test_delimiter_of_the_version_before_is_never_guessed_again(tmp_path: pathlib.Path) -> None:
    before = VersionBefore(1, {"a": "string", "b": "string"}, {"delimiter": ";"})
    with pytest.raises(SourceError, match="missing 'a', 'b'"):
        read(tmp_path, "a,b\n1,2\n", contract=Contract(before=before))
    assert read(tmp_path, "a;b\n1,5;2\n", contract=Contract(before=before))["a"].to_pylist() == ["1,5"]


@pytest.mark.parametrize(
    ("before", "values", "kind"),
    [
        ("int64", pa.array([1], pa.int32()), "int64"),
        ("int8", pa.array([1], pa.int32()), "int32"),
        ("uint8", pa.array([-1], pa.int8()), "int16"),
        ("int32", pa.array([1], pa.uint8()), "int32"),
        ("uint64", pa.array([7], pa.int64()), "uint64"),
        ("timestamp[ns]", pa.array([1], pa.timestamp("us")), "timestamp[ns]"),
        ("timestamp[us]", pa.array([1], pa.timestamp("ns")), "timestamp[ns]"),
        ("decimal128(38, 2)", pa.array([1], pa.decimal128(38, 20)), "decimal128(38, 2)"),
    ],
)
def test_a_typed_column_is_never_narrower_than_before(
    tmp_path: pathlib.Path, before: str, values: pa.Array, kind: str
) -> None:
    data = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"n": values}), data)
    contract = Contract(before=VersionBefore(4, {"n": before}))
    assert str(read(tmp_path, data.getvalue(), "parquet", contract=contract).schema.field("n").type) == kind


@pytest.mark.parametrize("kind", ["list<element: int64>", "duration[us]", "binary", "timestamp[ms]"])
@pytest.mark.parametrize("policy", ["fail", "widen"])
def test_text_never_takes_the_place_of_a_type_that_no_text_has(tmp_path: pathlib.Path, kind: str, policy: Any) -> None:
    before = VersionBefore(4, {"x": kind, "n": "int64"})
    with pytest.raises(SchemaMismatchError, match="column 'x' is text here, and .* in version 4"):
        read(tmp_path, "x,n\n1,2\n", contract=Contract(before=before, on_schema_change=policy))
    declared = Contract({"x": "VARCHAR"}, before=before, on_schema_change=policy)
    assert read(tmp_path, "x,n\n1,2\n", contract=declared)["x"].to_pylist() == ["1"]


def test_column_without_values_takes_any_type(tmp_path: pathlib.Path) -> None:
    before = VersionBefore(4, {"x": "null", "n": "int64"})
    assert read(tmp_path, "x,n\n1,2\n", contract=Contract(before=before))["x"].to_pylist() == [1]


@pytest.mark.parametrize("file_type", ["csv", "ndjson"])
def test_moment_beyond_the_years_of_nanoseconds_is_refused_by_line(tmp_path: pathlib.Path, file_type: str) -> None:
    moments = ["2024-01-31T10:30:00", "9999-12-31T00:00:00"]
    rows = "n,at\n" + "".join(f"1,{at}\n" for at in moments)
    data = rows if file_type == "csv" else "".join(f'{{"n": 1, "at": "{at}"}}\n' for at in moments)
    contract = Contract(before=VersionBefore(4, {"n": "int64", "at": "timestamp[ns]"}))
    with pytest.raises(RefusedValueError, match="column 'at': '9999-12-31T00:00:00'") as caught:
        read(tmp_path, data, file_type, contract=contract)
    assert caught.value.line == (3 if file_type == "csv" else 2)


def second_parquet(folder: pathlib.Path, before: str, values: pa.Array, policy: Any = "widen") -> str:
    """Return the type of a column of a later Parquet file, whose values are unchanged."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"x": values}), sink)
    contract = Contract(before=VersionBefore(1, {"x": before}), on_schema_change=policy)
    column = read(folder, sink.getvalue(), "parquet", contract=contract)["x"]
    assert pa.types.is_null(values.type) or column.combine_chunks().cast(values.type).equals(values)
    return str(column.type)


DAY_S = 86_400


@pytest.mark.parametrize(
    ("before", "values", "wider", "same"),
    [
        ("date32[day]", pa.array([DAY_S * 1000], pa.timestamp("ms")), "date32[day]", "date32[day]"),
        ("timestamp[ms]", pa.array([1], pa.date32()), "timestamp[ms]", "timestamp[ms]"),
        ("timestamp[ms]", pa.array([1000], pa.timestamp("us")), "timestamp[us]", "timestamp[ms]"),
        ("timestamp[us]", pa.array([1], pa.timestamp("ms")), "timestamp[us]", "timestamp[us]"),
        (
            "timestamp[us, tz=UTC]",
            pa.array([1], pa.timestamp("us", "Europe/Berlin")),
            "timestamp[us, tz=UTC]",
            "timestamp[us, tz=UTC]",
        ),
        ("time32[ms]", pa.array([1000], pa.time64("us")), "time64[us]", "time32[ms]"),
        ("duration[ms]", pa.array([1000], pa.duration("us")), "duration[us]", "duration[ms]"),
        ("int64", pa.nulls(1), "int64", "int64"),
        ("null", pa.array([1]), "int64", "int64"),
        ("binary", pa.array([b"a"], pa.large_binary()), "large_binary", "large_binary"),
        (
            "list<item: int64>",
            pa.array([[1]], pa.large_list(pa.int64())),
            "large_list<element: int64>",
            "large_list<element: int64>",
        ),
    ],
)
def test_type_that_another_program_writes_for_the_same_values_is_taken(
    tmp_path: pathlib.Path, before: str, values: pa.Array, wider: str, same: str
) -> None:
    assert second_parquet(tmp_path, before, values) == wider
    assert second_parquet(tmp_path, before, values, "fail") == same


@pytest.mark.parametrize(
    ("before", "values"),
    [
        ("date32[day]", pa.array([1], pa.timestamp("ms"))),
        ("timestamp[ms, tz=UTC]", pa.array([1], pa.timestamp("us"))),
        ("duration[ms]", pa.array([1])),
        ("list<element: int64>", pa.array([[1.5]])),
    ],
)
def test_values_of_another_meaning_are_refused(tmp_path: pathlib.Path, before: str, values: pa.Array) -> None:
    with pytest.raises(SourceError, match="is not a value of|in version 1"):
        second_parquet(tmp_path, before, values)


def test_lists_of_a_later_file_are_those_of_the_stored_table(tmp_path: pathlib.Path) -> None:
    contract = Contract(before=VersionBefore(1, {"x": "list<element: int64>"}), on_schema_change="fail")
    assert read(tmp_path, '{"x": [1, 2]}', "ndjson", contract=contract)["x"].to_pylist() == [[1, 2]]


@pytest.mark.parametrize(("value", "remedy"), [("4.6e-06", "DOUBLE"), ("-1E5", "DOUBLE"), ("n/a", "VARCHAR")])
def test_refusal_of_a_number_with_an_exponent_names_the_type_that_takes_it(
    value: str, remedy: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(RefusedValueError, match=f"such as `columns: {{price: {remedy}}}`"):
        later(tmp_path, price=value)
