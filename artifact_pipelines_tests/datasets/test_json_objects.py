"""A JSON file that is one object: its rows are where the dataset says, and a list in it is never one row unnoticed."""

import pathlib
from typing import Any

import pytest

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import EmptySourceError, MalformedRowError, WrappedRowsError
from artifact_pipelines.datasets.reading import json_array
from artifact_pipelines_tests.datasets.reading import read

ANSWER = '{"status": "ok", "data": {"next": null, "items": [{"id": 1},\n{"id": 2}]}, "seen": [{"at": 1}]}'


def read_at(folder: pathlib.Path, data: str, rows_at: str, **options: Any) -> list[Any]:
    rows: list[Any] = read(folder, data, "json", type="json", rows_at=rows_at, **options).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("data", "rows_at"),
    [
        (ANSWER, "data.items"),
        ('{"data.items": [{"id": 1}, {"id": 2}]}', "data.items"),
        ('{"data": 1, "data.items": [{"id": 1}, {"id": 2}]}', "data.items"),
        ('[{"id": 1}, {"id": 2}]', ""),
    ],
)
def test_rows_are_where_the_dataset_says(tmp_path: pathlib.Path, data: str, rows_at: str) -> None:
    assert read_at(tmp_path, data, rows_at) == [{"id": 1}, {"id": 2}]


def test_object_is_a_row_if_the_dataset_says_so_or_knows_a_key(tmp_path: pathlib.Path) -> None:
    row = {"status": "ok", "data": [{"id": 1}, {"id": 2}]}
    data = '{"status": "ok", "data": [{"id": 1}, {"id": 2}]}'
    assert read_at(tmp_path, data, "") == [row]
    assert read(tmp_path, data, "json", columns={"status": "VARCHAR"}).to_pylist() == [row]
    assert read(tmp_path, data * 2, "json").to_pylist() == [row, row]
    assert read(tmp_path, data, "ndjson").to_pylist() == [row]


@pytest.mark.parametrize("piece_bytes", range(1, 9))
def test_values_that_are_skipped_may_be_read_in_pieces(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr(json_array, "_PIECE_BYTES", piece_bytes)
    data = '{"a": 3.25, "b": -1e+5,"c": "é\\"", "d": [{"n": 1.5}], "rows": [{"id": 1.5},{"id": 2E-1}], "e":0.5}'
    assert read_at(tmp_path, data, "rows", columns={"id": "DOUBLE"}) == [{"id": 1.5}, {"id": 0.2}]


@pytest.mark.parametrize(
    ("data", "places", "expected"),
    [
        (ANSWER, ["data.items", "seen"], 'rows_at: "data.items"'),
        ('{"data": [{"id": 1}, null, 7]}', ["data"], "'data'"),
        ('{"type": "FeatureCollection", "features": [{"id": 1}]}', ["features"], "in a list: 'features'"),
        ('{"id": {"0": 1, "1": 2}, "name": {"0": "x", "1": null}}', [], 'orient="records"'),
        ('{"x": {"id": 1, "n": 2}, "y": {"id": 2, "n": null}}', [], "seems to hold columns"),
        ('{"at": 1.5, "hourly": {"time": ["x", "y"], "rain": [0, 1]}}', [], "seems to hold columns"),
        ('{"id": [1, 2], "name": ["x", null]}', [], "seems to hold columns"),
    ],
)
def test_object_that_seems_to_hold_the_rows_is_refused(
    tmp_path: pathlib.Path, data: str, places: list[str], expected: str
) -> None:
    with pytest.raises(WrappedRowsError, match=expected) as caught:
        read(tmp_path, data, "json")
    assert caught.value.places == places


@pytest.mark.parametrize(
    "data",
    ['{"id": 1, "tags": ["x", "y"]}', '{"id": [1, 2], "n": [1]}', '{"a": {"x": 1}, "b": {"y": 2}}', '{"id": [1, 2]}'],
)
def test_other_object_is_a_row(tmp_path: pathlib.Path, data: str) -> None:
    assert read(tmp_path, data, "json").num_rows == 1


@pytest.mark.parametrize(
    ("data", "rows_at", "problem"),
    [
        (ANSWER, "data.rows", "line 2: no key leads to 'data.rows', as format.rows_at declares; found next, items"),
        (ANSWER, "data.items.x", "line 2: no key leads to 'data.items.x'"),
        (ANSWER, "data", "line 1: 'data' is no list"),
        ('{"a": [{"id": 1}],\n"a": []}', "a", "line 2: several keys lead to 'a'"),
        ('[{"id": 1}]', "a", "line 1: format.rows_at leads to 'a', and this is no object"),
        ('{"a": [7]}', "a", "line 1: the row is no JSON object: 7"),
        ('{"a": [{"id": 1}]', "a", "line 1: a comma or the end of the object is missing"),
        ('{"a": [{"id": 1}', "a", "line 1: a comma or the end of the array is missing"),
        ('{"a": [{"id": 1}], ', "a", "line 1: no key follows the last comma"),
        ('{"a": [{"id": 1}], }', "a", "line 1: no key follows the last comma"),
        ('{"a": [{"id": 1}]} {}', "a", "line 1: there is more after the end of the object"),
        ('{1: [{"id": 1}]}', "1", "line 1: a key of an object, or the colon after it, is missing"),
        ('{"a" [{"id": 1}]}', "a", "line 1: a key of an object, or the colon after it, is missing"),
    ],
)
def test_rows_that_are_elsewhere_or_torn_are_refused(
    tmp_path: pathlib.Path, data: str, rows_at: str, problem: str
) -> None:
    with pytest.raises(MalformedRowError, match=problem):
        read_at(tmp_path, data, rows_at)


def test_list_without_rows_holds_no_data(tmp_path: pathlib.Path) -> None:
    with pytest.raises(EmptySourceError):
        read_at(tmp_path, '{"a": []}', "a")


def test_value_beyond_the_limit_names_the_limit_and_the_option(tmp_path: pathlib.Path) -> None:
    rows = ",".join(f'{{"text": "{"x" * (1 << 20)}"}}' for _ in range(17))
    with pytest.raises(SourceError, match="line 1: no value ends within 16 MiB .`limits.row_bytes`.*rows_at"):
        read(tmp_path, f'{{"a": [{rows}]}}', "json")
    assert len(read_at(tmp_path, f'{{"a": [{rows}]}}', "a")) == 17


def test_object_of_too_many_levels_is_refused_by_line(tmp_path: pathlib.Path) -> None:
    for levels in (101, 900, 5000):
        with pytest.raises(MalformedRowError, match="line 1: (it has more than 100 levels|maximum recursion depth)"):
            read(tmp_path, '{"a":' * levels + "1" + "}" * levels, "json")
