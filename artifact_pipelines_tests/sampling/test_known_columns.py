"""Sizes, weights and keys by which rows were chosen are not read again, and are those of the table to the last bit."""

import decimal
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import polars.testing
import pytest

from artifact_pipelines.sampling import draw
from artifact_pipelines.sampling.drawing import Sample
from artifact_pipelines.sampling.engine import population, smallest
from artifact_pipelines.sampling.engine.population import Population

DESIGNS = [{"design": "pps", "size": "size", "n": 40}, {"design": "weighted", "weight": "size", "n": 40}]
SIZES = np.random.default_rng(1).gamma(1, 100, 1000)
SIZES[[500, 20]] = 1e6, 2e6  # certain, and in another order than that of the table
WHOLE = pl.Series(np.ceil(SIZES).astype(np.int64))


def _table(sizes: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"id": range(len(sizes)), "size": sizes})


@pytest.mark.parametrize("fields", DESIGNS)
@pytest.mark.parametrize(
    "sizes",
    [
        pl.Series(SIZES),
        pl.Series(SIZES, dtype=pl.Float32),
        WHOLE,
        (WHOLE % 256).cast(pl.UInt8),
        WHOLE + 2**53,
        WHOLE.cast(pl.Decimal(20, 2)) + decimal.Decimal("0.01"),
    ],
    ids=["float", "short float", "integer", "byte", "large integer", "decimal"],
)
def test_sample_has_the_sizes_of_its_table(fields: dict[str, Any], sizes: pl.Series) -> None:
    table = _table(sizes)
    rows = draw(table, fields).rows.collect()
    assert rows.height == 40
    polars.testing.assert_frame_equal(rows.select("id", "size"), table[rows["id"]])


@pytest.mark.parametrize("fields", DESIGNS)
@pytest.mark.parametrize(("sizes", "again"), [(pl.Series(SIZES), ["id"]), (WHOLE + 2**53, ["id", "size"])])
def test_sizes_are_read_once_unless_floats_round_them(
    fields: dict[str, Any], sizes: pl.Series, again: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = draw(_table(sizes), fields)
    assert _columns_read(sample, monkeypatch) == again


@pytest.mark.parametrize(("most_bytes", "again"), [(smallest._MOST_KNOWN_BYTES, ["size"]), (10, ["key", "size"])])
@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Binary, pl.Int16, pl.Decimal(20, 2)])
def test_keys_are_read_once_unless_they_are_large(
    kind: pl.DataType, most_bytes: int, again: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smallest, "_MOST_KNOWN_BYTES", most_bytes)
    monkeypatch.setattr(population, "_SLICE_ROWS", 200)
    key = pl.Series("key", range(1000)).cast(pl.String).cast(kind)
    table = _table(pl.Series(SIZES)).with_columns(key)
    sample = draw(table, {"n": 40, "columns": ["size", "key"]}, "key")
    rows = sample.rows.collect()
    assert rows.height == 40
    expected = table.select("size", "key")[sample.choice.ordinals()]
    polars.testing.assert_frame_equal(rows.select("size", "key"), expected)
    assert set(_columns_read(sample, monkeypatch)) == set(again)


def _columns_read(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the columns of the table that are read with the sample."""
    read = Population.read
    was_read: dict[str, None] = {}

    def reading(population: Population, number: int, names: Sequence[str]) -> pl.DataFrame:
        was_read.update(dict.fromkeys(names))
        return read(population, number, names)

    monkeypatch.setattr(Population, "read", reading)
    sample.rows.collect()
    return list(was_read)


@pytest.mark.parametrize("fields", DESIGNS)
def test_weights_with_the_name_of_an_added_column_can_be_left_out(fields: dict[str, Any]) -> None:
    renamed = {name: "sampling_weight" if value == "size" else value for name, value in fields.items()}
    table = _table(pl.Series(SIZES))
    found = draw(table.rename({"size": "sampling_weight"}), {**renamed, "columns": ["id"]}).rows.collect()
    polars.testing.assert_frame_equal(found, draw(table, {**fields, "columns": ["id"]}).rows.collect())
