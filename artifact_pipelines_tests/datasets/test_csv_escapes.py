"""An escape is read in the one way that programs agree on, or the file is refused by line."""

import pathlib
import time
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from artifact_pipelines.datasets.exceptions import MalformedRowError, UnparsableSourceError
from artifact_pipelines.datasets.reading import csv_blocks
from artifact_pipelines_tests.datasets.reading import read

Rows = Sequence[Sequence[str | None]]
VALUES = st.none() | st.text('aN\\\t\n"é', min_size=1, max_size=4)


def mysql(rows: Rows) -> str:
    """Return rows as MySQL exports them: with tabs, without quotes, and with a backslash before special characters."""
    lines = [["\\N" if value is None else _escaped(value) for value in row] for row in rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def _escaped(value: str) -> str:
    return "".join("\\" + letter if letter in "\\\t\n" else letter for letter in value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8), block_bytes=st.sampled_from([3, 7, 1000]))
def test_export_of_mysql_comes_back_as_it_was(tmp_path: pathlib.Path, rows: Rows, block_bytes: int) -> None:
    options: dict[str, Any] = {"delimiter": "\t", "quote": "", "escape": "\\", "null_values": ["\\N"]}
    columns = {"a": "VARCHAR", "b": "VARCHAR"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
        table = read(tmp_path, mysql([("a", "b"), *rows]), columns=columns, **options)
    assert [tuple(row.values()) for row in table.to_pylist()] == list(rows)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b\n1,x\\ny\n", 2),
        ('a,b\n1,"\n"\n2,"C:\\new \\"x\\""\n', 4),
        ("a,b\n\\N,1\n", 2),
        ("a,b\n1,x\\", 2),
    ],
)
def test_escape_of_anything_else_is_refused_by_line(tmp_path: pathlib.Path, text: str, line: int) -> None:
    with pytest.raises(MalformedRowError, match="an escape that can be read in two ways") as caught:
        read(tmp_path, text, escape="\\")
    assert caught.value.line == line


@pytest.mark.parametrize("text", ['a,b\n"\\N",1\n', 'a,b\n"x,\\N,y",1\n', "a,b\nx\\,\\N,1\n"])
def test_escaped_null_is_a_whole_value_outside_of_quotes(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(MalformedRowError, match="an escape that can be read in two ways"):
        read(tmp_path, text, escape="\\", null_values=["\\N"])


def test_first_line_that_names_a_delimiter_that_cannot_be_one_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnparsableSourceError, match="its first line names the delimiter '§'"):
        read(tmp_path, "sep=§\na§b\n1§2\n")


@pytest.mark.parametrize("rows", ['3,"x\ny"\n', '"p\nq","x\ny"\n', '3,"x\n""y\nz"\n'])
def test_last_lines_that_begin_inside_of_a_value_are_refused(tmp_path: pathlib.Path, rows: str) -> None:
    with pytest.raises(MalformedRowError, match="a quote is never closed"):
        read(tmp_path, f"a,b\n1,2\n{rows}", skip_last_lines=1)


def test_many_escaped_line_ends_take_time_in_proportion(tmp_path: pathlib.Path) -> None:
    start = time.process_time()
    value = "x\\\n" * 200_000
    assert read(tmp_path, f"a,b\n1,{value}\n", escape="\\")["b"].to_pylist() == [value.replace("\\", "")]
    assert time.process_time() - start < 5
