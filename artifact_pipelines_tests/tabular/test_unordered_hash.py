"""The hash of a table whose rows have no order."""

import decimal
import io
import pathlib
import random
import tempfile
from typing import Any

import hypothesis
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.tabular.unordered_hash import unordered_hash
from artifact_pipelines_tests.tabular.test_logical_hash import GOLDEN, hash_of, tables

NAN = float("nan")


def unordered(table: pa.Table, **options: Any) -> str:
    file = io.BytesIO()
    pq.write_table(table, file)
    return unordered_hash(file, OneThreadHasher, **options)


@hypothesis.given(tables(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_change_the_unordered_hash(table: pa.Table, chance: random.Random) -> None:
    rows = list(range(table.num_rows))
    chance.shuffle(rows)
    assert unordered(table.take(pa.array(rows, pa.int64()))) == unordered(table)


def test_repeated_rows_count() -> None:
    table = pa.table({"x": [1, 1, 2]})
    assert len({unordered(table), unordered(table.slice(1)), unordered(pa.table({"x": [1, 2, 2]}))}) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0.0, -0.0], [-0.0, 0.0]),
        ([[0.0], [-0.0]], [[-0.0], [0.0]]),
        ([{"a": 0.0}, {"a": -0.0}], [{"a": -0.0}, {"a": 0.0}]),
        ([[NAN, None], [-NAN, None]], [[-NAN, None], [NAN, None]]),
        ([[0.0, 2], [-0.0, 1]], [[-0.0, 2], [0.0, 1]]),
    ],
)
def test_values_that_hash_equal_do_not_order_rows(one: Any, other: Any) -> None:
    pair = [pa.table({"x": values, "y": [2, 1]}) for values in (one, other)]
    assert unordered(pair[0]) == unordered(pair[1]) == unordered(pair[0].take([1, 0]))


def test_maps_that_duckdb_refuses_are_sorted() -> None:
    twice = pa.table({"x": pa.array([[("a", 1), ("a", 2)], [("a", 1)]], pa.map_(pa.string(), pa.int64()))})
    assert unordered(twice) == unordered(twice.take([1, 0])) != unordered(twice.slice(1))


def test_maps_have_the_unordered_hash_of_lists_of_structs() -> None:
    maps = pa.array([[("b", 1)], None, [("a", 2), ("c", 3)], []], pa.map_(pa.string(), pa.int64()))
    lists = maps.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())])))
    nested = [pa.table({"x": pa.StructArray.from_arrays([column], ["y"])}) for column in (maps, lists)]
    assert unordered(pa.table({"x": maps})) == unordered(pa.table({"x": lists}))
    assert unordered(nested[0]) == unordered(nested[1]) == unordered(nested[0].take([3, 2, 1, 0]))


def test_similar_values_have_different_hashes() -> None:
    tables_ = [
        pa.table({"x": pa.array([number, 5_000_000_000], kind)})
        for kind in (pa.timestamp("ns", "UTC"), pa.time64("ns"), pa.duration("ns"))
        for number in (1, 2)
    ]
    tables_ += [pa.table({"x": [text, "c"]}) for text in ("a", "A", "á", "a ", "a\0")]
    wide = pa.decimal256(50, 1)
    tables_ += [pa.table({"x": pa.array([decimal.Decimal(f"{number}.0")], wide)}) for number in (10**45, 10**45 + 1)]
    assert len({unordered(table) for table in tables_}) == len(tables_)


def test_every_storable_type_can_be_sorted() -> None:
    assert unordered(GOLDEN) == unordered(GOLDEN.take([2, 0, 1])) != unordered(GOLDEN.slice(1))
    enum = pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])).to_frame().to_arrow()
    assert unordered(enum) == unordered(enum.take([1, 0]))


def test_unordered_hash_is_the_hash_of_the_sorted_table() -> None:
    table = pa.table({"x": [2, None, 1], "y": ["b", "c", "a"]})
    assert unordered(table) == hash_of(table.take([2, 0, 1]))


@pytest.mark.parametrize("table", [pa.table({}), pa.table({"x": pa.array([], pa.int64())})])
def test_empty_table_has_an_unordered_hash(table: pa.Table) -> None:
    assert unordered(table) == hash_of(table)


def test_columns_may_differ_only_in_case() -> None:
    table = pa.table([pa.array([1, 2]), pa.array([3, 4])], ["a", "A"])
    assert unordered(table) == unordered(table.take([1, 0]))


def test_sort_larger_than_memory_spills_to_disk_and_leaves_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spill))
    frame = pl.DataFrame({"x": range(900_000)}).with_columns(
        text=pl.format("a text that is long enough to fill memory, number {}", "x")
    )
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    little = 48 << 20  # of 57 MB
    assert unordered(shuffled.to_arrow(), memory_limit_bytes=little) == unordered(frame.to_arrow())
    assert list(spill.iterdir()) == [scratch_folder()]
    assert not list(scratch_folder().iterdir())
