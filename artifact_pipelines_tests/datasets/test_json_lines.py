"""Lines that are alike are read as columns; each value is that which Python reads."""

import json
import pathlib
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import MalformedRowError, RefusedValueError
from artifact_pipelines.datasets.reading import json_rows
from artifact_pipelines.datasets.reading.json_lines import read_lines
from artifact_pipelines.datasets.reading.json_values import JsonValues
from artifact_pipelines_tests.datasets.reading import read

ODD = [
    '{"a": 1.10, "b": "x"}',
    '{"a": 1e5, "b": "x"}',
    '{"a": -0, "b": "x"}',
    '{"a": 12345678901234567890123, "b": "x"}',
    '{"a": "1", "b": "x"}',
    '{"a": null, "b": true}',
    '{"a": 1, "b": ""}',
    r'{"a": 1, "b": "\u00e9\ud83d\ude00\n\"\\/"}',
    r'{"a": 1, "b": "\u0000"}',
    '{"b": "x", "a": 1}',
    '{"a": 1}',
    '{"a": 1, "b": "x", "c": 2}',
    '{"a": {"d": 1.0}, "b": [1]}',
    '{"a":1,"b":"x"}',
]
ALIKE = ['{"a": 1, "b": "x"}', '{"a": null, "b": "é \\"y\\" \\\\ \\n"}', '{"a": 2, "b": null}'] * 3


def read_both(folder: pathlib.Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Return the table as it is read, and as Python alone reads it."""
    quick = read(folder, "\n".join(lines) + "\n", "ndjson")
    with monkeypatch.context() as patch:
        patch.setattr(json_rows, "read_lines", lambda data: None)
        return quick, read(folder, "\n".join(lines) + "\n", "ndjson")


@pytest.mark.parametrize("odd", ODD)
def test_odd_line_among_others_is_read_as_it_says(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    lines = [*ALIKE, odd, *ALIKE]
    assert (found := read_lines("\n".join(lines).encode())) is not None
    assert len(found.odd) <= 1
    quick, slow = read_both(tmp_path, lines, monkeypatch)
    assert quick.schema == slow.schema
    assert quick.equals(slow)


@pytest.mark.parametrize(
    "lines",
    [
        ['{"a": 1}', "", '{"a": 2}'],
        ['{"a": [1]}', '{"a": [2]}'],
        ['{"a": 1, "a": 2}'],
        ['{"a": "\t"}'],
        ['{"a": NaN}'],
        ["[1]", "[2]"],
        ['{"a": 1} x'],
        ['{"a": 1}\r', '{"a": 2}\r'],
    ],
)
def test_lines_of_another_kind_are_left_to_python(lines: list[str]) -> None:
    assert read_lines("\n".join(lines).encode()) is None


def test_line_of_a_fault_is_right_among_columns(tmp_path: pathlib.Path) -> None:
    rows = [f'{{"a": {number}, "b": "x"}}\n' for number in range(50)]
    rows[30] = '{"a": 1.5, "b": "x"}\n'
    with pytest.raises(Exception, match="line 31, column 'a': '1.5'"):
        read(tmp_path, "".join(rows), "ndjson", columns={"a": "BIGINT"})
    rows[40] = '{"a": 1, "b": "x"\n'
    with pytest.raises(Exception, match="line 41: no JSON"):
        read(tmp_path, "".join(rows), "ndjson")


VALUE = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.lists(st.fixed_dictionaries({"a": VALUE, "b": st.text(max_size=5)}), min_size=1, max_size=8), st.booleans())
def test_any_rows_are_read_as_python_reads_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, rows: list[Any], ascii_only: bool
) -> None:
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    quick, slow = read_both(tmp_path, lines, monkeypatch)
    assert quick.schema == slow.schema
    assert quick.equals(slow)


MARKS: dict[str, Any] = {"decimal_mark": ",", "thousands_mark": "."}


@pytest.mark.parametrize("lines", [1, 50])
def test_declared_marks_are_those_of_strings_and_never_of_numbers(tmp_path: pathlib.Path, lines: int) -> None:
    data = '{"a": 1.234, "b": "1.234,5"}\n' * lines
    columns = {"a": "DECIMAL(10,3)", "b": "DECIMAL(10,1)"}
    row = read(tmp_path, data, "ndjson", columns=columns, type="ndjson", **MARKS).to_pylist()[-1]
    assert [str(value) for value in row.values()] == ["1.234", "1234.5"]


def test_refused_number_is_shown_as_it_stands_and_truth_values_need_no_words(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RefusedValueError) as caught:
        read(tmp_path, '{"a": 1.239}', "ndjson", columns={"a": "DECIMAL(10,2)"}, type="ndjson", **MARKS)
    assert caught.value.value == "1.239"
    words: dict[str, Any] = {"type": "ndjson", "true_values": ["yes"], "false_values": ["no"]}
    table = read(tmp_path, '{"a": true}\n{"a": "no"}\n', "ndjson", columns={"a": "BOOLEAN"}, **words)
    assert table["a"].to_pylist() == [True, False]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ('[{"a": 1},', "line 1: no value follows the last comma"),
        ('[{"a": 1},\n\n', "line 3: no value follows the last comma"),
        ('[{"a\\u0000": 1}]', "line 1: a key holds a NUL character"),
    ],
)
def test_array_that_is_torn_or_has_an_impossible_key_is_refused(
    tmp_path: pathlib.Path, data: str, problem: str
) -> None:
    with pytest.raises(MalformedRowError, match=problem):
        read(tmp_path, data, "json")


def test_nesting_without_end_is_refused_by_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MalformedRowError, match="line 1: "):
        read(tmp_path, '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "ndjson")


BETWEEN = st.sampled_from([",", ", ", ",\n", "\n,\r\n ", " ,"])
TEXTS = st.text('{}[],:"\\a é\n', max_size=9) | st.sampled_from(["},{", '"},{"b":"', "}, {}]", "}]"])
ARRAYS = st.lists(st.tuples(st.fixed_dictionaries({"a": VALUE, "b": TEXTS}), BETWEEN), min_size=1, max_size=9)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    ARRAYS, st.sampled_from(["[", " [\n", "\n\n[ "]), st.sampled_from(["]", "\n]\n"]), st.sampled_from([7, 60, 4 << 20])
)
def test_any_array_is_read_as_python_reads_it(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[tuple[dict[str, Any], str]],
    start: str,
    end: str,
    block: int,
) -> None:
    parts = [text for row, between in rows for text in (json.dumps(row), between)]
    data = start + "".join(parts[:-1]) + end
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", block)

    def outcome(text: str, **options: Any) -> Any:
        try:
            return read(tmp_path, text, "json", **options)
        except SourceError as error:
            return str(error)

    found = [outcome(data), outcome(data, columns={"a": "BIGINT"}), outcome(data[:-2]), outcome(data + data)]
    monkeypatch.setattr(json_rows, "read_lines", lambda data: None)
    assert found == [outcome(data), outcome(data, columns={"a": "BIGINT"}), outcome(data[:-2]), outcome(data + data)]
    assert isinstance(found[0], pa.Table)
    assert "end of the array" in found[3]


def test_rows_of_an_array_on_one_line_are_cut_without_python(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(JsonValues, "rows", refuse)
    rows = [{"a": place, "b": "x, y"} for place in range(1000)]
    assert read(tmp_path, json.dumps(rows), "json").to_pylist() == rows
