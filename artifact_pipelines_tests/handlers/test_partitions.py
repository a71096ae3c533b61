"""Values of partitions are gathered as the annotation asks, and an output is split by partition."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import pyarrow as pa
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

TABLES = [pl.LazyFrame, pl.DataFrame, pa.Table]
NAMED = {"artifact/partition_column": "letter"}


class Gather:
    """Stores values of partitions, and gathers those with a value."""

    def __init__(self, folder: pathlib.Path, values: Mapping[str, Any], missing: str = "") -> None:
        self._artifacts = {key: stored(folder, value) for key, value in values.items()}
        self._keys = [*values, *missing]
        self.read: list[str] = []

    def __call__(self, annotation: Any, metadata: Mapping[str, Any] | None = None) -> Any:
        partitions = LoadedPartitions("up", "asset", self._keys, len(self._artifacts), self._values)
        return gather_partitions(partitions, annotation, metadata or {})

    def _values(self, kind: Any) -> Iterator[tuple[str, Any]]:
        for key, artifact in self._artifacts.items():
            self.read.append(key)
            yield key, TypeHandlers().read(artifact, kind)


def rows(table: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = pl.DataFrame(table if isinstance(table, pa.Table) else table.lazy().collect()).rows()
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
    names = table.column_names if isinstance(table, pa.Table) else table.lazy().collect_schema().names()
    assert names == ["x", "partition"]


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
    with pytest.raises(MissingPartitionsError, match=f"nothing stored for {named}.*{kind.__name__}\\] to receive None"):
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
