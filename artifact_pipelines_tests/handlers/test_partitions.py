"""Values of partitions are gathered as the annotation asks, and an output is split by partition."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.handlers.exceptions import (
    MissingPartitionsError,
    PartitionedOutputError,
    PartitionsAnnotationError,
)
from artifact_pipelines.handlers.partitions import LoadedPartitions, gather_partitions, split_by_partition
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import PartitionColumnError, PartitionSchemaError
from artifact_pipelines_tests.handlers.writing import stored

TABLES = [pl.LazyFrame, pl.DataFrame, pa.Table, pyarrow.dataset.Dataset, pd.DataFrame, duckdb.DuckDBPyRelation]
NAMED = {"artifact/partition_column": "letter"}


class Gather:
    """Stores values of partitions, and gathers those with a value."""

    def __init__(self, folder: pathlib.Path, values: Mapping[str, Any], missing: str = "", newest: Any = None) -> None:
        self._artifacts = {key: stored(folder, value) for key, value in values.items()}
        self._dicts = {key for key, value in values.items() if isinstance(value, dict)}
        self._filled = [key for key, value in values.items() if value is not None]
        self._newest = None if newest is None else stored(folder, newest)
        self._keys = [*values, *missing]
        self.read: list[str] = []
        self.columns: list[str] | None = None

    def __call__(self, annotation: Any, metadata: Mapping[str, Any] | None = None) -> Any:
        partitions = LoadedPartitions(
            "up", "asset", self._keys, [*self._artifacts], self._filled, self._read, self._any, self._dicts.__contains__
        )
        return gather_partitions(partitions, annotation, metadata or {})

    def _read(self, key: str, kind: Any) -> Any:
        self.read.append(key)
        return TypeHandlers().read(self._artifacts[key], kind, self.columns)

    def _any(self, kind: Any) -> Any:
        return TypeHandlers().read(self._newest, kind) if self._newest else None


def to_polars(table: Any) -> pl.DataFrame:
    if isinstance(table, pyarrow.dataset.Dataset):
        table = table.to_table()
    if isinstance(table, duckdb.DuckDBPyRelation):
        table = table.to_arrow_table()
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table)
    return pl.DataFrame(table) if isinstance(table, pa.Table) else table.lazy().collect()


def rows(table: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = to_polars(table).rows()
    return found


def test_many_partitions_come_as_the_form_that_is_annotated(folder: pathlib.Path) -> None:
    gather = Gather(folder, {"c": "C", "a": "A"})
    for annotation in (dict[str, str], Mapping[str, str], dict, None, Any):
        assert list(gather(annotation).items()) == [("c", "C"), ("a", "A")]
    assert list(gather(Iterator[str])) == ["C", "A"]
    assert list(gather(Iterator[tuple[str, str]])) == [("c", "C"), ("a", "A")]


def test_one_partition_comes_as_a_value_unless_a_form_is_annotated(folder: pathlib.Path) -> None:
    gather = Gather(folder, {"a": {"x": 1}})
    for annotation in (dict, None, Any):
        assert gather(annotation) == {"x": 1}
    assert gather(dict[str, dict[str, int]]) == {"a": {"x": 1}}


def test_one_partition_that_holds_a_dict_is_that_dict(folder: pathlib.Path) -> None:
    gather = Gather(folder, {"a": {"x": 1}})
    for annotation in (dict[str, Any], dict[str, int], Mapping[str, int], dict[str, int] | None):
        assert gather(annotation) == {"x": 1}
    for annotation in (dict[str, dict[str, Any]], dict[str, Mapping[str, int]], dict[str, dict[str, int] | None]):
        assert gather(annotation) == {"a": {"x": 1}}
    assert gather(Mapping[str, dict[str, Any]]) == {"a": {"x": 1}}


def test_many_partitions_that_hold_dicts_come_by_key(folder: pathlib.Path) -> None:
    values = {"a": {"x": 1}, "b": {"x": 2}}
    assert Gather(folder, values)(dict[str, Any]) == values
    assert Gather(folder, {"a": {"x": 1}}, missing="b")(dict[str, Any]) == {"a": {"x": 1}}


def test_iterator_reads_each_partition_on_demand(folder: pathlib.Path) -> None:
    gather = Gather(folder, {"c": "C", "a": "A"})
    values = gather(Iterator[str])
    assert gather.read == []
    assert (next(values), gather.read) == ("C", ["c"])


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_concatenated_with_the_key_as_last_column(folder: pathlib.Path, kind: Any) -> None:
    gather = Gather(folder, {"c": pl.DataFrame({"x": [1, None]}), "a": pl.DataFrame({"x": [2]})})
    table = gather(kind)
    assert isinstance(table, kind)
    assert rows(table) == [(1, "c"), (None, "c"), (2, "a")]
    assert to_polars(table).columns == ["x", "partition"]


@pytest.mark.parametrize("kind", TABLES)
def test_one_table_has_the_key_only_if_the_input_names_its_column(folder: pathlib.Path, kind: Any) -> None:
    gather = Gather(folder, {"b": pl.DataFrame({"x": [1]})})
    assert rows(gather(kind)) == [(1,)]
    assert rows(gather(kind, NAMED)) == rows(gather(kind | None, NAMED)) == [(1, "b")]


def test_empty_tables_and_reordered_columns_are_concatenated(folder: pathlib.Path) -> None:
    first = pl.DataFrame({"x": [1], "y": ["1"]})
    gather = Gather(folder, {"c": first, "a": pl.DataFrame({"y": ["2"], "x": [2]}), "b": first.clear()})
    assert rows(gather(pl.LazyFrame)) == [(1, "1", "c"), (2, "2", "a")]


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("other", "found", "expected"),
    [
        ({"x": ["1"]}, "tring", "nt64"),
        ({"y": [1]}, "is missing", "nt64"),
        ({"x": [1], "y": [1]}, "nt64", "is missing"),
    ],
)
def test_tables_with_different_columns_or_types_are_refused(
    folder: pathlib.Path, kind: Any, other: Any, found: str, expected: str
) -> None:
    gather = Gather(folder, {"c": pl.DataFrame({"x": [1]}), "b": pl.DataFrame(other)})
    with pytest.raises(PartitionSchemaError, match=r"dict\[str, polars.LazyFrame\]") as caught:
        gather(kind)
    before, after = str(caught.value).split("in partition 'b' and")
    assert found in before
    assert expected in after.split("in partition 'c'")[0]


def test_existing_column_is_not_replaced_by_the_key_column(folder: pathlib.Path) -> None:
    gather = Gather(folder, {key: pl.DataFrame({"partition": [key]}) for key in "cab"})
    with pytest.raises(PartitionColumnError):
        gather(pl.LazyFrame)
    assert gather(pl.DataFrame, NAMED).columns == ["partition", "letter"]
    with pytest.raises(InvalidArgumentError, match="the name of a column"):
        gather(pl.DataFrame, {"artifact/partition_column": 5})


@pytest.mark.parametrize("annotation", [int, pl.Series, pathlib.Path, Artifact, list[int]])
def test_annotation_of_one_value_is_refused_for_many_partitions(folder: pathlib.Path, annotation: Any) -> None:
    with pytest.raises(PartitionsAnnotationError, match=r"Input 'up' covers 2 partitions .*Annotate it dict\[str, "):
        Gather(folder, {"a": 1, "b": 2})(annotation)


@pytest.mark.parametrize("kind", TABLES)
def test_partition_that_holds_none_is_left_out(folder: pathlib.Path, kind: Any) -> None:
    gather = Gather(folder, {"c": pl.DataFrame({"x": [1]}), "a": None, "b": pl.DataFrame({"x": [2]})})
    assert rows(gather(kind)) == [(1, "c"), (2, "b")]
    assert list(gather(dict[str, kind])) == list(gather(dict)) == ["c", "b"]
    assert len(list(gather(Iterator[kind]))) == 2
    nothing = Gather(folder, {"a": None, "b": None})
    assert nothing(kind | None) is None
    assert nothing(dict[str, kind]) == {}
    with pytest.raises(MissingPartitionsError, match="no value for 2 of 2"):
        nothing(kind)


@pytest.mark.parametrize("kind", TABLES)
def test_table_input_that_covers_no_partition_has_the_columns_of_the_newest_one(
    folder: pathlib.Path, kind: Any
) -> None:
    table = Gather(folder, {}, newest=pl.DataFrame({"x": [1], "y": ["1"]}))(kind)
    assert isinstance(table, kind)
    empty = to_polars(table)
    assert (empty.columns, empty.height) == (["x", "y"], 0)


def test_pandas_frame_of_partitions_keeps_index_and_equal_categories(folder: pathlib.Path) -> None:
    def frame(names: list[str], known: list[str], **attrs: Any) -> pd.DataFrame:
        made = pd.DataFrame({"x": pd.Categorical(names, known), "n": pd.array([1, None], "Int64")[: len(names)]})
        made.index = pd.Index([f"row of {name}" for name in names], name="row")
        made.attrs = attrs
        return made

    same = Gather(folder, {"a": frame(["u", "v"], ["u", "v"]), "b": frame(["v"], ["u", "v"])})(pd.DataFrame)
    assert same.index.tolist() == ["row of u", "row of v", "row of v"]
    assert [*same.columns] == ["x", "n", "partition"]
    assert (same["x"].dtype.name, same["n"].dtype.name) == ("category", "Int64")
    other = Gather(folder, {"a": frame(["u"], ["u"], day=1), "b": frame(["v"], ["v"], day=2)})(pd.DataFrame)
    assert (other["x"].tolist(), other["x"].dtype.name, other.attrs) == (["u", "v"], "category", {})


@pytest.mark.parametrize("name", ["row", None])
def test_pandas_frame_of_partitions_keeps_its_index_with_columns(folder: pathlib.Path, name: str | None) -> None:
    frames = {
        key: pd.DataFrame({"x": [1], "y": [2]}, index=pd.Index([f"row of {key}"], name=name)) for key in ("a", "b")
    }
    gather = Gather(folder, frames)
    gather.columns = ["y"]
    found = gather(pd.DataFrame)
    assert (found.index.tolist(), found.index.name) == (["row of a", "row of b"], name)
    assert [*found.columns] == ["y", "partition"]


def test_missing_partitions_are_skipped(folder: pathlib.Path) -> None:
    gather = Gather(folder, {"b": pl.DataFrame({"x": [1]})}, missing="ca")
    assert list(gather(dict[str, pl.DataFrame])) == ["b"]
    assert rows(gather(pl.DataFrame)) == [(1, "b")]


@pytest.mark.parametrize("kind", [pl.DataFrame, pl.LazyFrame, int])
@pytest.mark.parametrize(
    ("missing", "named"), [("cab", "3 of 3 partitions: 'c', 'a', 'b'"), ("a", "1 of 1 partitions")]
)
def test_all_partitions_missing_is_an_error_unless_none_is_allowed(
    folder: pathlib.Path, kind: Any, missing: str, named: str
) -> None:
    gather = Gather(folder, {}, missing)
    with pytest.raises(MissingPartitionsError, match=f"no value for {named}.*{kind.__name__}\\] to receive None"):
        gather(kind)
    assert gather(kind | None) is None
    assert gather(dict[str, kind]) == {}
    assert list(gather(Iterator[kind])) == []


def test_input_that_covers_no_partition_explains_how_to_get_none(folder: pathlib.Path) -> None:
    with pytest.raises(MissingPartitionsError, match=r"covers no partition of asset asset. Annotate .*builtins.int\]"):
        Gather(folder, {})(int)


KEYS = ["1", "2", "3"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (lambda: {"3": 1}, "a value is missing for '1', '2'"),
        (lambda: {**dict.fromkeys(KEYS, 1), "4": 1}, "'4' is none of them"),
        (lambda: dict(enumerate(KEYS)), "'0', '1', '2' is none of them"),
        (lambda: pl.DataFrame({"x": [1]}), "its output is one polars.DataFrame"),
        (lambda: ((key, 1) for key in KEYS[1:]), "a value is missing for '1'"),
        (lambda: ((key, 1) for key in [*KEYS, "no"]), "'no' is none of them"),
        (lambda: ((key, 1) for key in ["1", "1"]), "'1' is given twice"),
        (lambda: (key for key in KEYS), "its output is a generator of str, not of pairs"),
    ],
)
def test_output_that_does_not_fit_the_partitions_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(PartitionedOutputError, match=f"This run covers 3 partitions of asset a, but.*{problem}"):
        list(split_by_partition("a", KEYS, value(), True) or ())


def test_mapping_and_generator_are_split_in_the_order_of_partitions_or_pairs() -> None:
    assert list(split_by_partition("a", KEYS, {"3": "c", "1": "a", "2": "b"}, True) or ()) == [
        *zip(KEYS, "abc", strict=True)
    ]
    pairs = [("2", "b"), ("1", "a"), ("3", "c")]
    assert list(split_by_partition("a", KEYS, (pair for pair in pairs), True) or ()) == pairs


def test_output_of_one_partition_is_split_only_if_runs_may_cover_several() -> None:
    pair, mapping = ("1", {"rows": 5}), {"1": {"rows": 5}}
    assert list(split_by_partition("a", ["1"], mapping, True) or ()) == [pair]
    assert list(split_by_partition("a", ["1"], (item for item in [pair]), True) or ()) == [pair]
    assert split_by_partition("a", ["1"], mapping, False) is None
    assert split_by_partition("a", ["1"], {"rows": 5}, True) is None


SPLIT = [pl.DataFrame, pl.LazyFrame, pa.Table, pd.DataFrame]


def table_of(kind: Any, columns: Mapping[str, Any]) -> Any:
    return pa.table(columns) if kind is pa.Table else kind(columns)


@pytest.mark.parametrize("kind", SPLIT)
def test_table_is_split_by_its_partition_column(kind: Any) -> None:
    table = table_of(kind, {"day": ["3", "1", "3"], "x": [1, 2, 3]})
    for keys in (KEYS, KEYS[::-1]):
        found = [(key, rows(of_it)) for key, of_it in split_by_partition("a", keys, table, True, "day") or ()]
        assert found == [(key, {"1": [(2,)], "2": [], "3": [(1,), (3,)]}[key]) for key in keys]


@pytest.mark.parametrize("kind", SPLIT)
@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"x": [1]}, "its output has no column 'day'"),
        ({"day": ["1", "4"]}, "'4' in column 'day' of its output is none of them"),
        ({"day": ["1", None]}, "holds (NoneType|float), not only text"),
        ({"day": [1]}, "holds int, not only text"),
    ],
)
def test_table_whose_rows_name_no_partition_of_the_run_is_refused(kind: Any, columns: Any, problem: str) -> None:
    with pytest.raises(PartitionedOutputError, match=problem):
        list(split_by_partition("a", KEYS, table_of(kind, columns), True, "day") or ())


def test_categories_of_text_split_a_table_and_labels_of_a_pandas_index_stay() -> None:
    frame = pl.DataFrame({"day": ["1", "2"], "x": [1, 2]}, {"day": pl.Categorical, "x": pl.Int64})
    frames: list[Any] = [frame, frame.lazy(), frame.to_arrow(), frame.to_pandas()]
    for table in frames:
        split = split_by_partition("a", KEYS[:2], table, True, "day") or ()
        assert [rows(of_it) for _, of_it in split] == [[(1,)], [(2,)]]
    labelled: Any = pd.DataFrame({"day": ["1", "2"]}, index=["u", "v"])
    split_labelled: Any = split_by_partition("a", KEYS[:2], labelled, True, "day")
    assert [of_it.index.tolist() for _, of_it in split_labelled] == [["u"], ["v"]]
