"""Partial profiles merge in any grouping, and keys repeat."""

import functools
import pathlib
import random
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.analysis.interfaces import Table
from artifact_pipelines.analysis.kinds.profile import Profile
from artifact_pipelines.analysis.profile.distinct import Collector, Limit
from artifact_pipelines.analysis.profile.engine import Measure, profile_table
from artifact_pipelines.analysis.profile.estimated import repeated
from artifact_pipelines.analysis.profile.number_column import NumberColumn
from artifact_pipelines.analysis.profile.reader import TableFile
from artifact_pipelines.analysis.profile.row_sample import SAMPLE_ROWS, merge_samples
from artifact_pipelines.analysis.profile.state import TableState, merge_states


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    random_numbers = np.random.default_rng(3)
    frame = pl.DataFrame(
        {
            "key": random_numbers.integers(0, 300_000, 400_000),
            "x": random_numbers.normal(size=400_000),
            "day": random_numbers.integers(0, 900, 400_000).astype(np.int32),
            "text": [f"t{number % 5000}" for number in range(400_000)],
        }
    ).with_columns(pl.col("day").cast(pl.Date), pl.when(pl.col("x") < 1).then("x").alias("x"))
    found = tmp_path_factory.mktemp("state") / "table.parquet"
    pq.write_table(frame.to_arrow(), found, row_group_size=66_000)
    return found


def in_any_grouping(states: list[TableState], chance: random.Random) -> TableState:
    states = list(states)
    while len(states) > 1:
        at = chance.randrange(len(states) - 1)
        states[at : at + 2] = [merge_states(states[at], states[at + 1])]
    return states[0]


def test_partial_profiles_merge_in_any_grouping_to_the_same_statistics(path: pathlib.Path) -> None:
    file = TableFile(path)
    measure = Measure(file.schema, ["key"], file.metadata.num_rows)
    states = list(file.map_units(functools.partial(measure.unit, file), file.units()))
    assert len(states) > 5
    first = in_any_grouping(states, random.Random(0))
    for seed in (1, 2):
        other = in_any_grouping(states, random.Random(seed))
        assert merge_samples(first.samples).rows.equals(merge_samples(other.samples).rows)
        for one, two in zip((first.rows, first.keys), (other.rows, other.keys), strict=True):
            assert np.array_equal(one.numbers, two.numbers)
            assert np.array_equal(one.counts, two.counts)
        for left, right in zip(first.columns, other.columns, strict=True):
            assert (left.rows, left.nulls, left.low, left.high) == (right.rows, right.nulls, right.low, right.high)
            assert left.smallest is not None
            assert right.smallest is not None
            assert np.array_equal(left.smallest.counts, right.smallest.counts)
            if left.moments and right.moments:
                assert left.moments.mean == pytest.approx(right.moments.mean, rel=1e-12)
                assert left.moments.squares == pytest.approx(right.moments.squares, rel=1e-12)


def test_repeated_keys_and_rows_are_estimated(path: pathlib.Path) -> None:
    found = profile_table(path, ["key"])
    frame = pl.read_parquet(path)
    assert repeated(found, found.keys) == pytest.approx(len(frame) - frame["key"].n_unique(), rel=0.02)
    assert repeated(found, found.rows) == 0


def test_repeated_keys_of_a_small_table_are_counted(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"a": [1, 1, 1, 2], "b": ["x", "x", None, "x"], "c": [1, 2, 3, 4]}).write_parquet(tmp_path / "t")
    with Profile().answer({"t": Table(tmp_path / "t", source={"key": ["a", "b"]})}) as found:
        assert (found.figures["profile/duplicate_keys"], found.figures["profile/duplicate_rows"]) == (1, 0)
        assert "1 key (a, b) repeats another one" in found.page


def test_sample_of_a_large_table_is_full_though_most_rows_are_left_out_at_once(path: pathlib.Path) -> None:
    assert len(pl.read_parquet(path)) > 2 * SAMPLE_ROWS
    assert profile_table(path).sample.num_rows == SAMPLE_ROWS


def batches_of(table: pa.Table, path: pathlib.Path, **options: Any) -> list[pa.RecordBatch]:
    pq.write_table(table, path, **options)
    file = TableFile(path)
    units = file.units()
    return [batch for unit in units for batch in file.batches(unit)]


def test_texts_that_a_dictionary_begins_are_read_in_large_batches(tmp_path: pathlib.Path) -> None:
    table = pa.table({"a": [f"key {number}" for number in range(150_000)]})  # the dictionary ends before the rows do
    batches = batches_of(table, tmp_path / "t", dictionary_pagesize_limit=100_000)
    assert (len(batches), sum(batch.num_rows for batch in batches)) == (2, 150_000)


@pytest.mark.parametrize("groups", [70_000, 7_000])
def test_long_text_of_a_dictionary_that_repeats_bounds_the_bytes_of_a_batch(
    groups: int, tmp_path: pathlib.Path
) -> None:
    texts = [f"key {number}" if number % 1_200 or number < 2_000 else "x" * 2_000_000 for number in range(70_000)]
    batches = batches_of(pa.table({"a": texts}), tmp_path / "t", row_group_size=groups)
    assert sum(batch.num_rows for batch in batches) == 70_000
    assert max(batch.nbytes for batch in batches) < 40_000_000  # of 120 MB


@pytest.mark.parametrize("repeated", [1, 3])
def test_the_smallest_numbers_are_the_same_from_one_large_batch_and_from_small_ones(repeated: int) -> None:
    numbers = np.repeat(np.random.default_rng(17).integers(0, 2**64, 60_000, np.uint64), repeated)
    at_once, in_pieces = Collector(Limit(), None), Collector(Limit(), None)
    at_once.add(numbers)
    for start in range(0, len(numbers), 4_000):
        in_pieces.add(numbers[start : start + 4_000])

    found, expected = at_once.finish(), in_pieces.finish()
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert found.counts.tolist() == expected.counts.tolist() == [repeated] * 4096


@pytest.mark.parametrize("distinct", [5_000, 60_000])
def test_sums_of_floats_are_the_same_whatever_other_threads_have_found(distinct: int) -> None:
    random_numbers = np.random.default_rng(4)
    values = pa.array(random_numbers.choice(random_numbers.lognormal(sigma=5, size=distinct), 131_072))
    found = []
    for has_met_others in (False, True):
        limit = Limit()
        if has_met_others:
            limit.lower_to(np.uint64(2**63))
        column = NumberColumn(pa.float64(), limit)
        column.add(values)
        found.append(column.finish().moments)
    assert found[0] == found[1]


@pytest.mark.parametrize(("zeros", "others"), [(90_000, 10_000), (1_000_000, 200_000), (1_000, 99_000)])
def test_frequent_value_among_many_others_is_no_key_candidate(zeros: int, others: int, tmp_path: pathlib.Path) -> None:
    values = np.concatenate([np.zeros(zeros, np.int64), np.arange(1, others + 1) * 7])
    pl.DataFrame({"price": np.random.default_rng(17).permutation(values)}).write_parquet(tmp_path / "t")
    with Profile().answer({"t": Table(tmp_path / "t", source={"key": ["price"]})}) as found:
        [row] = found.rows.to_pylist()
        repeated = found.figures["profile/duplicate_keys"]
    assert row["distinct_count"] == pytest.approx(others + 1, rel=0.06)
    assert row["role"] is None
    assert repeated == pytest.approx(zeros - 1, abs=0.02 * others)
