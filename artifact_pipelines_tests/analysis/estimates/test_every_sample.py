"""Totals and their variances are unbiased: their means over all samples of a tiny population are the true ones."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.analysis.estimates.domains import domains_of
from artifact_pipelines.analysis.estimates.influences import Influences
from artifact_pipelines.analysis.estimates.sample_table import SampleTable
from artifact_pipelines.analysis.estimates.selections import selection_of
from artifact_pipelines.analysis.estimates.stored_design import StoredDesign
from artifact_pipelines_tests.analysis.estimates.every_sample import (
    EXACT,
    GROUPS,
    VALUES,
    Drawn,
    Draws,
    conditional_poisson,
)

TOTALS = [sum(VALUES), *(sum(y for y, one in zip(VALUES, GROUPS, strict=True) if one == group) for group in "ab")]


def totals(sample: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimated totals of all rows and of both groups, and their variances."""
    table = SampleTable(sample.rows.lazy())
    selection = selection_of(StoredDesign.model_validate(sample.design), table, "fail")
    values, variances = np.zeros(3), np.zeros(3)
    y, every = sample.rows["y"].to_numpy(), np.arange(sample.rows.height)
    groups = sample.rows["group"].replace_strict({"a": 0, "b": 1}, return_dtype=pl.Int64).to_numpy()
    for at, codes in ((slice(0, 1), np.zeros_like(groups)), (slice(1, 3), groups)):
        rows = Influences(every, codes, y, at.stop - at.start)
        values[at], variances[at] = rows.sums(selection.weights * y), selection.variance(rows)
    return values, variances


def moments(samples: Iterator[Drawn]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of the totals, their true variance, and the mean of the estimated variance."""
    every = [(sample.probability, *totals(sample)) for sample in samples]
    chances = np.array([one for one, _, _ in every])
    assert chances.sum() == pytest.approx(1)
    found, variances = np.array([one for _, one, _ in every]), np.array([one for _, _, one in every])
    mean = chances @ found
    return mean, chances @ (found - mean) ** 2, chances @ variances


@pytest.mark.parametrize("draws", EXACT.values(), ids=EXACT)
def test_totals_and_variances_are_unbiased_for_all_rows_and_for_domains(draws: Draws) -> None:
    mean, true, estimated = moments(draws())
    assert mean == pytest.approx(TOTALS)
    assert estimated == pytest.approx(true)


def test_variance_of_a_sample_in_proportion_to_size_is_nearly_unbiased() -> None:
    mean, true, estimated = moments(conditional_poisson())
    assert mean == pytest.approx(TOTALS)
    assert estimated == pytest.approx(true, rel=0.2)  # of 4 of 7 rows; the more rows, the nearer


def test_domains_of_several_columns_are_named_by_all_of_them() -> None:
    rows = pl.DataFrame({"carrier": ["UA", None, "UA"], "month": [2, 1, 2]})
    _, by_both = domains_of(SampleTable(rows.lazy()), ["carrier", "month"], 3)
    assert by_both.labels == ["UA | 2", "null | 1"]
    assert by_both.codes.tolist() == [0, 1, 0]
