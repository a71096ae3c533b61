"""Sizes and weights by which rows were chosen are not read again, and are those of the table to the last bit."""

import decimal
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import polars.testing
import pytest

from artifact_pipelines.sampling import draw
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
    read, was_read = Population.read, []

    def reading(population: Population, number: int, names: Sequence[str]) -> pl.DataFrame:
        was_read.append(names)
        return read(population, number, names)

    monkeypatch.setattr(Population, "read", reading)
    sample.rows.collect()
    assert was_read == [again]


@pytest.mark.parametrize("fields", DESIGNS)
def test_weights_with_the_name_of_an_added_column_can_be_left_out(fields: dict[str, Any]) -> None:
    renamed = {name: "sampling_weight" if value == "size" else value for name, value in fields.items()}
    table = _table(pl.Series(SIZES))
    found = draw(table.rename({"size": "sampling_weight"}), {**renamed, "columns": ["id"]}).rows.collect()
    polars.testing.assert_frame_equal(found, draw(table, {**fields, "columns": ["id"]}).rows.collect())
