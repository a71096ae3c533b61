"""Series are stored as tables of one column and come back with name, index and dtype."""

import datetime
import io
import pathlib
from typing import Any

import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.handlers.series_handlers import PandasSeriesHandler
from artifact_pipelines.tabular.exceptions import UnsupportedColumnError
from artifact_pipelines_tests.handlers.writing import round_trip, stored, write_value

DAY = datetime.date(2026, 1, 1)
OF_POLARS = {
    "numbers": pl.Series("a", [1, None, 3]),
    "no name": pl.Series([1.5]),
    "empty": pl.Series("a", [], pl.Datetime("ms", "Europe/Berlin")),
    "enum": pl.Series("a", ["x", "y"], pl.Enum(["y", "x"])),
    "lists": pl.Series("a", [[1, 2], None]),
    "records": pl.Series("a", [{"x": 1, "y": DAY}]),
}
OF_PANDAS = {
    "numbers": pd.Series([1, 2], name="a"),
    "no name": pd.Series(["x", None]),
    "number as name": pd.Series([1.5], name=0),
    "several levels as name": pd.Series([1], name=("a", "b")),
    "index": pd.Series([1, 2], index=["x", "y"], name="a"),
    "index of the same name": pd.Series([1, 2], index=pd.Index([3, 4], name="a"), name="a"),
    "index of several levels": pd.DataFrame({"a": [1, 1], "b": ["x", "y"], "n": [1, 2]}).groupby(["a", "b"])["n"].sum(),
    "counts": pd.Series(["x", "y", "x"]).value_counts(),
    "days": pd.Series([1.0, 2.0], index=pd.date_range("2026-01-01", periods=2, freq="D", tz="UTC"), name="a"),
    "steps": pd.Series([1, 2], index=pd.RangeIndex(5, 9, 2)),
    "category": pd.Series(["x", "y"], dtype=pd.CategoricalDtype(["y", "x", "z"], ordered=True)),
    "nullable": pd.Series([1, None], dtype="Int8"),
    "lists": pd.Series([[1, 2], [3]]),
    "empty": pd.Series([], dtype="float32", name="a"),
}


@pytest.mark.parametrize("name", OF_POLARS)
def test_polars_series_comes_back(folder: pathlib.Path, name: str) -> None:
    assert TypeHandlers().find_writer(OF_POLARS[name])[1] == "polars.Series"
    polars.testing.assert_series_equal(round_trip(folder, OF_POLARS[name], pl.Series), OF_POLARS[name])


@pytest.mark.parametrize("name", OF_PANDAS)
def test_pandas_series_comes_back_with_name_index_and_dtype(folder: pathlib.Path, name: str) -> None:
    assert TypeHandlers().find_writer(OF_PANDAS[name])[1] == "pandas.Series"
    loaded = round_trip(folder, OF_PANDAS[name], pd.Series)
    if name == "lists":  # as in frames
        loaded = loaded.map(list)
    pd.testing.assert_series_equal(loaded, OF_PANDAS[name], check_freq=False)
    assert loaded.name == OF_PANDAS[name].name


def test_attributes_of_a_pandas_series_come_back(folder: pathlib.Path) -> None:
    series = pd.Series([1], name="a")
    series.attrs["unit"] = "m"
    assert round_trip(folder, series, pd.Series).attrs == {"unit": "m"}


def test_series_has_the_data_version_of_its_table_in_every_library() -> None:
    series, table = pl.Series("a", [1, 2]), pl.DataFrame({"a": [1, 2]})
    same = [series, table, series.to_pandas(), table.to_pandas(), table.to_arrow()]
    assert len({write_value(value, io.BytesIO()) for value in same}) == 1
    unnamed = [pl.Series([1, 2]), pd.Series([1, 2]), pl.DataFrame({"": [1, 2]})]
    assert len({write_value(value, io.BytesIO()) for value in unnamed}) == 1
    others = [pd.Series([1, 2], name=0), pd.Series([1, 2], index=[5, 6]), pd.Series([1, 2], name="a")]
    assert len({write_value(value, io.BytesIO()) for value in [*others, *unnamed]}) == 4


@pytest.mark.parametrize("kind", [pl.DataFrame, pl.LazyFrame, pa.Table, pd.DataFrame, pl.Series, pd.Series])
@pytest.mark.parametrize("series", [OF_POLARS["numbers"], OF_PANDAS["numbers"]])
def test_series_is_read_by_every_reader_of_tables(folder: pathlib.Path, kind: Any, series: Any) -> None:
    loaded = round_trip(folder, series, kind)
    frame = loaded.lazy().collect() if isinstance(loaded, pl.LazyFrame) else loaded
    assert len(frame) == len(series)


@pytest.mark.parametrize("kind", [pl.Series, pd.Series])
def test_one_column_of_a_table_is_loaded_as_series(folder: pathlib.Path, kind: Any) -> None:
    artifact = stored(folder, pl.DataFrame({"a": [1], "b": [2]}))
    assert list(TypeHandlers().read(artifact, kind, columns=["b"])) == [2]
    with pytest.raises(ContentMismatchError, match=r"has 2 columns\. Annotate (polars|pandas)\.DataFrame, or name"):
        TypeHandlers().read(artifact, kind)


def test_empty_text_is_no_name_of_a_pandas_series() -> None:
    with pytest.raises(UnsupportedColumnError, match="Name it None"):
        write_value(pd.Series([1], name=""), io.BytesIO())


def test_series_is_loaded_as_an_annotated_subclass(folder: pathlib.Path) -> None:
    class Prices(pd.Series): ...  # type: ignore[misc]  # pandas has no types

    request = ReadRequest("pandas.Series", Prices)
    assert type(PandasSeriesHandler().read(stored(folder, pd.Series([1.5])), request)) is Prices
