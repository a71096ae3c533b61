"""pandas frames come back as they were stored, with index, labels, dtypes, categories and `attrs`."""

import datetime
import io
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnknownColumnError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.tabular.exceptions import DuplicateColumnsError, UnsupportedColumnError
from artifact_pipelines.tabular.unordered_hash import unordered_hash
from artifact_pipelines_tests.handlers.sample_values import FRAME
from artifact_pipelines_tests.handlers.writing import keep, round_trip, stored, write_value, written

_ORDERED = pd.CategoricalIndex(["x", "y"], categories=["z", "y", "x"], ordered=True)


def frames() -> dict[str, Any]:
    plain = pd.DataFrame({"number": [3, 1], "text": ["a", "ü"], "float": [1.5, None]})
    return {
        "plain": plain,
        "named index": plain.set_index("text"),
        "nameless index": plain.set_axis(["x", "y"]),
        "a range that begins elsewhere": plain.set_axis(pd.RangeIndex(5, 9, 2)),
        "several levels": plain.set_index(["number", "text"]),
        "times": plain.set_index(pd.DatetimeIndex(["2013-01-01", "2013-01-02"], tz="Europe/Berlin", name="at")),
        "categories": plain.astype({"text": "category"}),
        "categories in an order": plain.astype({"text": pd.CategoricalDtype(["ü", "z", "a"], ordered=True)}),
        "categories that no row has": plain.astype({"text": pd.CategoricalDtype(["z", "ü", "a"])}),
        "categories of numbers": plain.astype({"number": "category", "float": "category"}),
        "categories as index": plain.set_axis(pd.CategoricalIndex(["a", None], categories=["z", "a"])),
        "categories in an order as index": plain.set_axis(_ORDERED),
        "categories as index with a name": plain.set_axis(_ORDERED.rename("number")),
        "categories of numbers as index": plain.set_axis(pd.CategoricalIndex([3, 1], categories=[5, 1, 3])),
        "categories as levels": plain.set_axis(pd.MultiIndex.from_arrays([_ORDERED, [1, 2]], names=["level", None])),
        "labels of several levels": pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("v", 2024)])),
        "labels that are numbers": pd.DataFrame([[1, 2]]),
        "nullable": plain.astype({"number": "Int64", "float": "Float64"}),
        "dates": pd.DataFrame({"day": [datetime.date(2013, 1, 1), None]}),
        "lists": pd.DataFrame({"list": [[1, 2], None]}),
        "no rows": plain.head(0),
        "no columns": pd.DataFrame(),
        "no columns, but an index": pd.DataFrame(index=pd.Index(["x", "y"], name="key")),
        "no columns, but a plain index": pd.DataFrame(index=range(3)),
        "no columns, but a range that begins elsewhere": pd.DataFrame(index=pd.RangeIndex(5, 9, 2)),
        "periods": pd.DataFrame({"month": pd.period_range("2013-01", periods=2, freq="M")}),
    }


@pytest.mark.parametrize("name", frames())
def test_frame_comes_back_unchanged(folder: pathlib.Path, name: str) -> None:
    frame = frames()[name]
    found = round_trip(folder, frame, pd.DataFrame)
    if name == "lists":
        found["list"] = [None if value is None else list(value) for value in found["list"]]
    pd.testing.assert_frame_equal(found, frame)
    assert written(frame) == written(frames()[name])


def test_polars_rows_without_columns_keep_their_number(folder: pathlib.Path) -> None:
    assert round_trip(folder, pl.DataFrame(height=3), pd.DataFrame).shape == (3, 0)


@pytest.mark.parametrize("labels", [[False, True], pd.Categorical(["a", "b"])], ids=["booleans", "categories"])
def test_labels_that_would_come_back_changed_are_refused(labels: Any) -> None:
    frame = pd.DataFrame([[1, 2]])
    frame.columns = pd.Index(labels)
    with pytest.raises(UnsupportedColumnError, match="Turn the labels into text"):
        written(frame)


def test_column_that_pandas_cannot_load_is_stored_for_other_libraries(folder: pathlib.Path) -> None:
    lists = pd.DataFrame({"list": pd.Series([[1, 2]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))})
    assert round_trip(folder, lists, pl.DataFrame)["list"].to_list() == [[1, 2]]


def test_too_many_unordered_categories_come_back_as_those_in_use(folder: pathlib.Path) -> None:
    many = pd.CategoricalDtype([str(number) for number in range(200_000)])
    found = round_trip(folder, pd.DataFrame({"text": pd.Series(["7", "3"], dtype=many)}), pd.DataFrame)
    assert [*found["text"]] == ["7", "3"]
    assert [*found["text"].cat.categories] == ["7", "3"]


def test_too_many_ordered_categories_are_refused() -> None:
    many = pd.CategoricalDtype([str(number) for number in range(200_000)], ordered=True)
    values = pd.Series(["7", "3"], dtype=many)
    for frame in (pd.DataFrame({"odd": values}), pd.DataFrame({"fine": [1, 2]}, index=pd.Index(values, name="odd"))):
        with pytest.raises(UnsupportedColumnError, match="'odd' of type ordered category of 200,000 values .* 1 MiB"):
            written(frame)
    fewer = pd.DataFrame({"odd": values.cat.remove_unused_categories()})
    assert written(fewer) == written(fewer.copy())


def test_ordered_categories_of_dates_are_refused(folder: pathlib.Path) -> None:
    days = pd.to_datetime(["2021-01-01", "2020-01-01"])
    with pytest.raises(
        UnsupportedColumnError, match="'odd' of type ordered category of 2 values of type datetime64.* texts or numbers"
    ):
        written(pd.DataFrame({"odd": pd.Categorical(days, categories=days, ordered=True)}))
    loaded = round_trip(folder, pd.DataFrame({"day": pd.Categorical(days, categories=days)}), pd.DataFrame)
    assert loaded["day"].to_list() == days.to_list()


def test_categories_that_do_not_fit_the_values_are_ignored(folder: pathlib.Path) -> None:
    schema = stored_schema_of(pd.DataFrame({"text": pd.Categorical(["a", "b"], categories=["b", "a"], ordered=True)}))
    changed = pa.table({"text": ["a", "c"]}).replace_schema_metadata(schema.metadata)
    assert round_trip(folder, changed, pd.DataFrame)["text"].to_list() == ["a", "c"]


def stored_schema_of(frame: pd.DataFrame) -> pa.Schema:
    return pyarrow.parquet.read_schema(io.BytesIO(written(frame)[1]))


@pytest.mark.long
def test_few_large_categories_in_many_rows_are_stored() -> None:
    texts = [f"{number:02}" * 50_000 for number in range(30)]
    _, data = written(pd.DataFrame({"text": pd.Categorical.from_codes([*range(30)] * 750, texts)}))
    metadata = pyarrow.parquet.ParquetFile(io.BytesIO(data)).metadata
    assert metadata.num_rows == 22_500
    assert metadata.num_row_groups > 2_250_000_000 // (64 << 20), "2.25 GB, if each row has a text"


def test_other_readers_see_index_as_columns(folder: pathlib.Path) -> None:
    assert round_trip(folder, frames()["plain"], pl.DataFrame).columns == ["number", "text", "float"]
    assert round_trip(folder, frames()["named index"], pl.DataFrame).columns == ["number", "float", "text"]
    nameless = round_trip(folder, frames()["nameless index"], pa.Table)
    assert nameless.column_names[-1] == "__index_level_0__"


def versions(value: Any) -> tuple[str | None, str]:
    """Return the logical hash and the unordered hash of a value."""
    sink = io.BytesIO()
    logical_hash = write_value(value, sink)
    return logical_hash, unordered_hash(sink, OneThreadHasher)


PLAIN = pd.DataFrame({"number": [3, 1], "text": ["a", "b"]})
SAME_COLUMNS: dict[str, Any] = {
    "plain": PLAIN,
    "a range that begins elsewhere": PLAIN.set_axis(pd.RangeIndex(10, 12)),
    "a range with gaps": PLAIN.set_axis(pd.RangeIndex(0, 4, 2)),
    "a range with a name": PLAIN.rename_axis("row"),
    "a column as index": PLAIN.set_index("text"),
    "two columns as index": PLAIN.set_index(["number", "text"]),
    "two columns as index, the other way round": PLAIN.set_index(["text", "number"])[[]],
    "a nameless index": PLAIN.set_index("text").rename_axis(None),
    "labels with a name": PLAIN.rename_axis(columns="what"),
    "labels that are numbers": pd.DataFrame({0: [1]}),
    "labels that look like numbers": pd.DataFrame({"0": [1]}),
    "nullable": PLAIN.astype({"number": "Int64"}),
    "nullable text": PLAIN.astype({"text": "string"}),
    "attributes": PLAIN.copy(),
    "categories in an order": PLAIN.astype({"text": pd.CategoricalDtype(["b", "a"], ordered=True)}),
    "categories in another order": PLAIN.astype({"text": pd.CategoricalDtype(["a", "b"], ordered=True)}),
    "categories of numbers": PLAIN.astype({"number": "category"}),
    "categories in an order as index": PLAIN.set_index(pd.CategoricalIndex(PLAIN["text"], ordered=True)),
    "categories in another order as index": PLAIN.set_index(
        pd.CategoricalIndex(PLAIN["text"], categories=["b", "a"], ordered=True)
    ),
    "months": pd.DataFrame({"at": pd.PeriodIndex.from_ordinals([1, 2], freq="M")}),
    "days": pd.DataFrame({"at": pd.PeriodIndex.from_ordinals([1, 2], freq="D")}),
    "numbers of months": pd.DataFrame({"at": [1, 2]}),
}
SAME_COLUMNS["attributes"].attrs = {"unit": "m"}


def test_frames_that_load_differently_have_different_hashes() -> None:
    found = [versions(frame) for frame in SAME_COLUMNS.values()]
    assert len({ordered for ordered, _ in found}) == len({unordered for _, unordered in found}) == len(found)


def test_plain_frame_has_the_hash_of_the_same_table_of_other_libraries() -> None:
    plain = [PLAIN, PLAIN.astype({"text": object}), PLAIN.set_axis(pd.RangeIndex(0, 2)), pl.DataFrame(PLAIN)]
    assert len({versions(frame) for frame in plain}) == 1
    assert versions(pd.DataFrame()) == versions(pl.DataFrame())
    indexed = SAME_COLUMNS["a column as index"]
    assert versions(pa.Table.from_pandas(indexed)) == versions(indexed)


_DEEP = "[" * 100_000
_HOSTILE = [
    *("{", "[]", "5", '"x"', '{"a": 1}', '{"a": null}', '{"a": {"categories": 5, "ordered": true}}', _DEEP),
    *('{"a": {"categories": ["x", "x"], "ordered": true}}', '{"a": {"categories": [[1]], "ordered": false}}'),
    *('{"a": {"categories": ["x", NaN], "ordered": true}}', '{"a": {"categories": ["x"], "ordered": 1}}'),
    *(
        '{"index_columns": 5}',
        '{"columns": [{"name": 1}], "index_columns": ["x"]}',
        "\ud800",
    ),
    '{"index_columns": [], "column_indexes": [], "columns": [{"name": null, "numpy_type": "x"}, {"name": "a", '
    '"numpy_type": "y"}]}',
]


@pytest.mark.parametrize("key", ["pandas", "artifact_pipelines.categories"])
@pytest.mark.parametrize("number", range(len(_HOSTILE)))
def test_malformed_metadata_change_neither_hash_nor_values(folder: pathlib.Path, key: str, number: int) -> None:
    plain = pa.table({"a": ["x", "y"]})
    said = {key: _HOSTILE[number].encode("utf-8", "surrogatepass")}
    if key != "pandas":
        said["pandas"] = pa.Schema.from_pandas(pd.DataFrame({"a": ["x"]})).metadata[b"pandas"]
    table = plain.replace_schema_metadata(said)
    assert versions(table) == versions(plain)
    try:
        found = round_trip(folder, table, pd.DataFrame)
    except ContentMismatchError:
        assert key == "pandas"
    else:
        assert found["a"].to_list() == ["x", "y"]


def test_version_of_pandas_does_not_change_the_hash() -> None:
    table = pa.Table.from_pandas(PLAIN)
    said = table.schema.metadata[b"pandas"].replace(b'"str"', b'"object"').replace(pd.__version__.encode(), b"1.0")
    assert versions(table.replace_schema_metadata({"pandas": said})) == versions(PLAIN)


@pytest.mark.parametrize("value", [FRAME, FRAME.lazy(), FRAME.to_arrow()])
def test_tables_of_other_libraries_get_the_default_index(folder: pathlib.Path, value: Any) -> None:
    found = round_trip(folder, value, pd.DataFrame)
    assert (list(found.columns), list(found.index)) == (FRAME.columns, [0, 1, 2])


def test_index_comes_back_with_requested_columns(folder: pathlib.Path) -> None:
    artifact = stored(folder, frames()["named index"])
    found = TypeHandlers().read(artifact, pd.DataFrame, ["float"])
    assert (list(found.columns), list(found.index)) == (["float"], ["a", "ü"])
    with pytest.raises(UnknownColumnError, match="It has: 'number', 'float', 'text'"):
        TypeHandlers().read(artifact, pd.DataFrame, ["x"])


def test_column_that_arrow_refuses_is_named() -> None:
    fine = [1, 2]
    for odd in ([1, "a"], [object(), object()], [{1}, {2}], [1j, 2j]):
        with pytest.raises(UnsupportedColumnError, match="Column 'odd'"):
            written(pd.DataFrame({"fine": fine, "odd": odd}))
    with pytest.raises(DuplicateColumnsError, match="'a'"):
        written(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(UnsupportedColumnError):
        written(pd.DataFrame({"fine": fine}, index=[1, "a"]))
    with pytest.raises(UnsupportedColumnError, match="'odd'"):
        written(pd.DataFrame({"odd": [pd.DateOffset(1), pd.DateOffset(2)]}))
    with pytest.raises(UnsupportedColumnError, match=r"'odd' .* astype\(str\)"):
        written(pd.DataFrame({"odd": pd.cut([1, 2], 2)}))


@pytest.mark.parametrize(
    "values",
    [
        [{1}, {2}],
        [None, {1}],
        [[1], {2}],
        [[{1}], [{2}]],
        [{"k": {1}}, {"k": {2}}],
        [{"text": "a", "k": [1]}, {"text": "b", "k": {2}}],
        [[{"k": ({1},)}], None],
        [np.array([{1}, {2}], dtype=object), None],
    ],
)
def test_sets_are_refused_at_any_depth(values: Any) -> None:
    with pytest.raises(UnsupportedColumnError, match="Column 'odd' of type set .* sorted list"):
        written(pd.DataFrame({"fine": [[1, 2], None], "odd": values}))


def test_metadata_that_pandas_cannot_read_are_an_error_with_a_remedy(folder: pathlib.Path) -> None:
    sink = io.BytesIO()
    table = pa.table({"a": [1]}).replace_schema_metadata({"pandas": '{"index_columns": ["gone"], "columns": 5}'})
    pyarrow.parquet.write_table(table, sink)
    artifact = keep(folder, sink.getvalue(), "parquet")
    with pytest.raises(ContentMismatchError, match="Annotate polars.DataFrame"):
        TypeHandlers().read(artifact, pd.DataFrame)
    assert TypeHandlers().read(artifact, pl.DataFrame).height == 1
