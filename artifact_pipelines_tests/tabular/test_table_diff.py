"""Differences between two stored tables."""

import datetime
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact_pipelines.tabular.exceptions import DuckDBNamesError
from artifact_pipelines.tabular.table_diff import RowDiff, TableDiff, diff_rows


def _diff(folder: pathlib.Path, before: Mapping[str, Any], after: Mapping[str, Any], key: Sequence[str]) -> RowDiff:
    paths = [folder / "before", folder / "after"]
    for path, columns in zip(paths, (before, after), strict=True):
        pl.DataFrame(columns).write_parquet(path)
    return diff_rows(paths[0], paths[1], key)


def test_rows_added_removed_and_changed_are_counted_with_their_columns(tmp_path: pathlib.Path) -> None:
    before = {"id": [1, 2, 3, 4], "name": ["a", "b", "c", "d"], "size": [1.0, None, 3.0, 4.0]}
    after = {"size": [1.0, 2.0, None, 5.0, 6.0], "id": [1, 2, 3, 5, 6], "name": ["a", "b", "C", "e", "f"]}
    found = _diff(tmp_path, before, after, ["id"])
    assert found == RowDiff(("id",), added=2, removed=1, changed=2, changed_in={"size": 2, "name": 1})
    assert str(found) == "2 added, 1 removed, 2 changed (size: 2, name: 1)"


def test_null_in_a_key_is_a_value(tmp_path: pathlib.Path) -> None:
    before = {"a": [None, 1], "b": ["x", None], "v": [1, 2]}
    after = {"a": [None, 1], "b": ["x", None], "v": [1, 3]}
    assert _diff(tmp_path, before, after, ["a", "b"]) == RowDiff(("a", "b"), 0, 0, 1, {"v": 1})


def test_rows_whose_key_is_not_unique_are_counted_apart(tmp_path: pathlib.Path) -> None:
    found = _diff(
        tmp_path, {"id": [1, 1, 2], "v": [1, 2, 3]}, {"id": [1, 2, 3, None, None], "v": [1, 4, 5, 6, 7]}, ["id"]
    )
    assert found == RowDiff(("id",), 1, 0, 1, {"v": 1}, repeated=5)
    assert "5 not compared: their key is not unique" in str(found)


def test_column_of_another_type_is_compared_by_value(tmp_path: pathlib.Path) -> None:
    found = _diff(tmp_path, {"id": [1, 2], "v": [1, 2]}, {"id": ["1", "2"], "v": [1.0, 2.5]}, ["id"])
    assert found == RowDiff(("id",), 0, 0, 1, {"v": 1})


def test_whole_number_is_not_equal_to_the_nearest_float(tmp_path: pathlib.Path) -> None:
    before = {
        "id": [1, 2, 3],
        "v": [2**53 + 1, 2**53, None],
        "d": pl.Series(["0.1", "0.5", "2.0"]).cast(pl.Decimal(38, 2)),
    }
    after = {"id": [1, 2, 3], "v": [2.0**53, 2.0**53, None], "d": [0.1, 0.5, 2.5]}
    assert _diff(tmp_path, before, after, ["id"]) == RowDiff(("id",), 0, 0, 2, {"v": 1, "d": 1})
    assert _diff(tmp_path, {"v": [1, 2**53 + 1]}, {"v": [1.0, 2.0**53]}, ["v"]) == RowDiff(("v",), 1, 1, 0, {})


def test_values_that_differ_in_the_last_digit_differ(tmp_path: pathlib.Path) -> None:
    early, late = (pl.Series([1_700_000_000_000_000_000 + ns]).cast(pl.Datetime("ns", "UTC")) for ns in (0, 1))
    found = _diff(tmp_path, {"id": [1], "at": early}, {"id": [1], "at": late}, ["id"])
    assert found.changed_in == {"at": 1}


def test_nested_values_and_nan_are_equal_to_themselves(tmp_path: pathlib.Path) -> None:
    columns = {"id": [1, 2], "list": [[1, None], []], "nan": [float("nan"), 1.0], "day": [datetime.date(1, 1, 1), None]}
    assert _diff(tmp_path, columns, columns, ["id"]) == RowDiff(("id",), 0, 0, 0, {})


def test_odd_names_are_only_names(tmp_path: pathlib.Path) -> None:
    name = 'x"; DROP TABLE old; --'
    assert _diff(tmp_path, {name: [1], "c0": [1]}, {name: [1], "c0": [2]}, [name]).changed_in == {"c0": 1}


def test_names_that_differ_in_case_only_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DuckDBNamesError):
        _diff(tmp_path, {"id": [1], "a": [1], "A": [2]}, {"id": [1], "a": [1], "A": [2]}, ["id"])


_TABLES = st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 1), st.none() | st.text(max_size=1)), max_size=6)


@given(_TABLES, _TABLES)
def test_counts_are_those_of_a_plain_comparison(
    tmp_path_factory: pytest.TempPathFactory,
    before: Mapping[int, tuple[int, str | None]],
    after: Mapping[int, tuple[int, str | None]],
) -> None:
    def table(rows: Mapping[int, tuple[int, str | None]]) -> Mapping[str, pl.Series]:
        columns = list(zip(*((id_, *values) for id_, values in rows.items()), strict=True)) or [(), (), ()]
        kinds = {"id": pl.Int64, "n": pl.Int64, "t": pl.String}
        return {
            name: pl.Series(values, dtype=kind) for (name, kind), values in zip(kinds.items(), columns, strict=True)
        }

    both = before.keys() & after.keys()
    in_each = {name: sum(before[k][at] != after[k][at] for k in both) for at, name in enumerate(("n", "t"))}
    found = _diff(tmp_path_factory.mktemp("tables"), table(before), table(after), ["id"])
    counts = (len(after.keys() - both), len(before.keys() - both), sum(before[k] != after[k] for k in both))
    assert found == RowDiff(("id",), *counts, {name: rows for name, rows in in_each.items() if rows})


def test_schemas_show_columns_added_removed_and_retyped() -> None:
    found = TableDiff.of_schemas({"a": "int64", "b": "string"}, {"a": "double", "c": "bool"}, 1000, 2)
    assert found.lines() == {
        "columns added": "c BOOLEAN",
        "columns removed": "b VARCHAR",
        "types changed": "a BIGINT -> DOUBLE",
        "row count": "1,000 -> 2",
    }
