"""Memory that a choice takes, counted by Python: the arrays of NumPy, and nothing of polars."""

import tracemalloc
from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.sampling import draw
from artifact_pipelines.sampling.engine import population

ROWS, N = 1_000_000, 200_000


@pytest.mark.parametrize(
    "fields", [{"design": "pps", "size": "size"}, {"design": "weighted", "weight": "size"}], ids=["pps", "weighted"]
)
def test_choice_holds_each_row_about_twice(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row has four values of 8 bytes; those kept are at most one and a half times those drawn."""
    monkeypatch.setattr(population, "_SLICE_ROWS", 10_000)
    table = pl.DataFrame({"size": np.random.default_rng(1).gamma(2, 10, ROWS)})
    draw(table, {**fields, "n": N})  # imports and caches
    tracemalloc.start()
    try:
        draw(table, {**fields, "n": N})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 120 * N
