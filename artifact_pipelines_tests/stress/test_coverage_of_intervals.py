"""Over many samples of every design: totals are right on average, standard errors too, and intervals hold the truth."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.analysis import estimate
from artifact_pipelines.sampling import draw
from artifact_pipelines_tests.analysis.estimates.test_every_design import ASKED, DESIGNS, FRAME, truth

pytestmark = pytest.mark.long

_SEEDS = 400
_BIAS = 0.35
"""In standard deviations of the estimate; the mean of 400 is wrong by 0.05, and a median is biased."""

_APPROXIMATE = "balanced"
_FEW_SAMPLES = "systematic"
"""A list has as many systematic samples as the interval has rows, so the true spread is that of a few numbers."""


@pytest.mark.parametrize("design", DESIGNS, ids=str)
@pytest.mark.timeout(900)
def test_intervals_hold_the_truth_as_often_as_they_say(design: Mapping[str, Any]) -> None:
    wanted = np.array(truth(FRAME.filter(pl.col("size") > 5) if "where" in design else FRAME))
    samples = [draw(FRAME, {**design, "seed": seed}, key="id", is_unique=True) for seed in range(_SEEDS)]
    found = [estimate(one.rows.collect(), one.design, ASKED, lonely="adjust") for one in samples]
    values, errors, lower, upper = (
        np.array([one[column].to_numpy() for one in found]) for column in ("value", "standard_error", "lower", "upper")
    )
    spread = values.std(axis=0)
    assert (np.abs(values.mean(axis=0) - wanted) < _BIAS * spread).all()
    if _FEW_SAMPLES in str(design):
        return
    ratio = np.sqrt(np.mean(errors**2, axis=0)) / spread
    held = ((lower <= wanted) & (wanted <= upper)).mean(axis=0)
    least, least_held = (0.75, 0.85) if _APPROXIMATE in str(design) else (0.88, 0.9)
    assert (ratio > least).all()
    assert (ratio < 1.2).all()
    assert (held > least_held).all()
