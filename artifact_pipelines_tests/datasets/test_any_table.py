"""Any table that another program writes comes back as it was, or is refused; never as another one."""

import csv
import datetime
import io
import json
import pathlib
import tempfile
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines_tests.datasets.reading import read

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NUMBERS = ["1", "007", "1.0", "1e5", "-0", "99999999999999999999"]
DATES = ["2024-01-31", "2024-02-30", "2024-01-31T10:00:00Z"]
SIGNS = ["", " ", '"', '""', ",", ";", "\n", "\r\n", "\r", "#x", "'", "\\", "\ufeff", "sep=;", "a,b"]
TRICKY = st.sampled_from([*NUMBERS, *DATES, *SIGNS, "true", "True", "NA"])
CELL = TRICKY | TEXT
NAMES = st.lists(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
    unique_by=str.casefold,
)
QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw: Any) -> tuple[list[str], list[list[str]]]:
    names = draw(NAMES)
    return names, draw(st.lists(st.lists(CELL, min_size=len(names), max_size=len(names)), min_size=1, max_size=8))


def read_rows(data: str | bytes, file_type: str = "csv", **options: Any) -> pa.Table | None:
    """Return the table, or None if the file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return read(pathlib.Path(folder), data, file_type, **options)
        except SourceError:
            return None


def is_same(value: Any, text: str | None) -> bool:
    """True if a value means what its text says, and nothing else."""
    if value is None or isinstance(value, str):
        return value == (text or None) or value == text
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int):
        return text == str(value)
    if isinstance(value, Decimal):
        return text is not None and Decimal(text) == value and "e" not in text.lower()
    if isinstance(value, pd.Timestamp):  # nanoseconds
        return bool(value == pd.Timestamp(text))
    if isinstance(value, datetime.datetime):
        return text is not None and datetime.datetime.fromisoformat(text) == value
    return bool(text == value.isoformat())


def check(table: pa.Table | None, names: list[str], rows: list[list[str]]) -> None:
    if table is None:
        return
    assert table.schema.names == names
    assert table.num_rows == len(rows)
    for found, row in zip(table.to_pylist(), rows, strict=True):
        for name, text in zip(names, row, strict=True):
            assert is_same(found[name], text), (found[name], text, table.schema)


@QUICK
@given(
    tables(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_table_written_by_pythons_csv(table: Any, delimiter: str, quoting: Any, end: str, encoding: str) -> None:
    names, rows = table
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([names, *rows])
    check(read_rows(text.getvalue().encode(encoding), delimiter=delimiter), names, rows)


@QUICK
@given(tables())
def test_table_written_by_pandas(table: Any) -> None:
    names, rows = table
    text = pd.DataFrame(rows, columns=names).to_csv(index=False)
    check(read_rows(text), names, rows)


@QUICK
@given(tables(), st.sampled_from(["necessary", "always", "non_numeric"]))
def test_table_written_by_polars(table: Any, style: Any) -> None:
    names, rows = table
    text = pl.DataFrame(rows, schema=names, orient="row").write_csv(quote_style=style)
    check(read_rows(text), names, rows)


@QUICK
@given(tables())
def test_text_table_written_as_json(table: Any) -> None:
    names, rows = table
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    for data, file_type in (("\n".join(map(json.dumps, objects)), "ndjson"), (json.dumps(objects, indent=1), "json")):
        found = read_rows(data, file_type)
        assert found is not None
        check(found, names, rows)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3) | CELL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@QUICK
@given(st.lists(VALUE, min_size=1, max_size=6))
def test_json_values_of_any_kind(values: list[Any]) -> None:
    lines = [json.dumps({"x": value, "n": 1}, default=lambda number: float(number)) for value in values]
    found = read_rows("\n".join(lines), "ndjson")
    assert found is not None
    for value, line in zip(found["x"].to_pylist(), lines, strict=True):
        original = json.loads(line, parse_float=Decimal)["x"]
        assert _means(value, original), (value, original, found.schema)


def _means(value: Any, original: Any) -> bool:
    if isinstance(original, dict) and isinstance(value, dict):
        return all(_means(item, original.get(name)) for name, item in value.items())
    if isinstance(original, list) and isinstance(value, list):
        return len(value) == len(original) and all(map(_means, value, original))
    if isinstance(value, str) and not isinstance(original, str):
        return bool(json.loads(value, parse_float=Decimal) == original)
    if isinstance(original, str):
        return is_same(value, original)
    return bool(value == original)
