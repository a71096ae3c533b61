"""Estimates from real samples of every design: near the truth, and exact where every row is drawn."""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.analysis import estimate
from artifact_pipelines.analysis.exceptions import NotEstimableError
from artifact_pipelines.declarations import OneOf
from artifact_pipelines.sampling import draw
from artifact_pipelines.sampling.registry import SamplingDesign

_CHANCE = np.random.default_rng(17)
_ROWS = 1200
SIZE = _CHANCE.gamma(2.0, 10.0, _ROWS) + 1
FRAME = pl.DataFrame(
    {
        "id": np.arange(_ROWS),
        "y": 3 * SIZE + _CHANCE.normal(0, 12, _ROWS),
        "size": SIZE,
        "region": np.array(["north", "south", "west"])[_CHANCE.choice(3, _ROWS, p=[0.5, 0.3, 0.2])],
        "shop": _CHANCE.integers(0, 60, _ROWS),
        "seen": _CHANCE.random(_ROWS) < 0.3,
    }
)

WITHIN = [
    {"design": "systematic"},
    {"design": "pps", "size": "size"},
    {"design": "bernoulli"},
    {"design": "poisson", "size": "size"},
    {"design": "weighted", "weight": "size"},
    {"design": "simple_random_with_replacement"},
    {"design": "balanced", "balance_on": ["size"]},
]
CLUSTERS = {"cluster": "shop", "clusters": 20}

DESIGNS: list[Mapping[str, Any]] = [
    {"n": 150},
    {"n": 150, "where": "size > 5"},
    {"fraction": 0.1, "panel": {"wave": 2, "overlap": 0.5}},
    {"design": "simple_random_with_replacement", "n": 150},
    {"design": "bernoulli", "probability": 0.15},
    {"design": "poisson", "probability": "size / 150"},
    {"design": "poisson", "n": 150, "size": "size"},
    {"design": "systematic", "n": 150, "order_by": ["id"]},
    {"design": "systematic", "interval": 7.5},
    {"design": "stratified", "by": "region", "n": 150},
    {"design": "stratified", "by": "region", "n": 150, "allocation": "neyman", "variable": "y"},
    *({"design": "stratified", "by": "region", "n": 150, "within": within} for within in WITHIN),
    {"design": "stratified", "by": "region", "within": {"design": "cluster", **CLUSTERS}},
    {"design": "stratified", "by": "region", "within": {"design": "two_stage", "rows_per_cluster": 2, **CLUSTERS}},
    {"design": "weighted", "n": 150, "weight": "size"},
    {"design": "pps", "n": 150, "size": "size"},
    {"design": "pps", "n": 150, "size": "size", "method": "pareto"},
    {"design": "pps", "n": 150, "size": "size", "method": "conditional_poisson"},
    {"design": "cluster", **CLUSTERS},
    {"design": "cluster", **CLUSTERS, "cluster_probabilities": "size"},
    {"design": "cluster", **CLUSTERS, "cluster_probabilities": "size_exactly"},
    {"design": "two_stage", "rows_per_cluster": 6, **CLUSTERS},
    {"design": "two_stage", "rows_per_cluster": 6, **CLUSTERS, "cluster_probabilities": "size"},
    {"design": "balanced", "n": 150, "balance_on": ["size"]},
    {"design": "balanced", "n": 150, "balance_on": ["id"], "size": "size"},
    {"design": "split", "shares": {"train": 0.2, "test": 0.1}, "part": "train"},
    {"design": "split", "shares": {"train": 0.3, "test": 0.1}, "part": "train", "together": ["shop"]},
]

ASKED = {
    "total": {"total": "y"},
    "mean": {"mean": "y"},
    "seen": {"proportion": "seen"},
    "ratio": {"ratio": ["y", "size"]},
    "median": {"quantile": "y", "q": 0.5},
}


def truth(frame: pl.DataFrame) -> list[float]:
    return frame.select(
        total=pl.col("y").sum(),
        mean=pl.col("y").mean(),
        seen=pl.col("seen").mean(),
        ratio=pl.col("y").sum() / pl.col("size").sum(),
        median=pl.col("y").quantile(0.5, "lower"),
    ).row(0)  # type: ignore[return-value]


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_estimates_are_within_five_standard_errors_of_the_truth(design: Mapping[str, Any]) -> None:
    sample = draw(FRAME, {**design, "seed": 5}, key="id", is_unique=True)
    frame = FRAME.filter(pl.col("size") > 5) if "where" in design else FRAME
    found = estimate(sample.rows.collect(), sample.design, ASKED, by="region", lonely="adjust")
    groups = [frame, *(frame.filter(region=name) for name in ("north", "south", "west"))]
    wanted = np.array([truth(group) for group in groups]).T.ravel()
    value, error = found["value"].to_numpy(), found["standard_error"].to_numpy()
    assert found["domain"].to_list() == ["all", "north", "south", "west"] * len(ASKED)
    assert (np.abs(value - wanted) < 5 * error + 1e-9).all()
    assert (found["lower"].to_numpy() <= value).all()
    assert (value <= found["upper"].to_numpy()).all()


def test_every_design_is_estimated_from() -> None:
    estimated = {design.get("design", "simple_random") for design in DESIGNS}
    [union] = [each for each in get_args(SamplingDesign) if isinstance(each, OneOf)]
    assert {each.tag() for each in union.members} - estimated == {"custom", "multi_round", "residual"}  # tested below


@pytest.mark.parametrize(
    "design",
    [
        {"design": "custom", "condition": "size > 20"},
        {"n": 5000},
        {"design": "weighted", "n": 5000, "weight": "size"},
        {"design": "pps", "n": 5000, "size": "size"},
        {"design": "cluster", "cluster": "shop", "clusters": 60},
        {"design": "balanced", "n": 5000, "balance_on": ["size"]},
        {"design": "split", "shares": {"train": 0.8, "test": 0.2}},
    ],
    ids=str,
)
def test_estimates_are_exact_where_every_row_is_drawn(design: Mapping[str, Any]) -> None:
    sample = draw(FRAME, design, key="id", is_unique=True)
    frame = FRAME.filter(pl.col("size") > 20) if "condition" in design else FRAME
    found = estimate(sample.rows.collect(), sample.design, ASKED)
    assert found["value"].to_list() == pytest.approx(truth(frame))
    assert found["standard_error"].to_list() == [0] * len(ASKED)
    assert found["lower"].to_list() == found["upper"].to_list() == found["value"].to_list()
    assert found["degrees_of_freedom"].to_list() == [None] * len(ASKED)


def test_residual_rows_are_estimated_exactly() -> None:
    sample = draw(FRAME, {"design": "residual", "exclude": []} | {"exclude": [_simple_random(100)]}, key="id")
    found = estimate(sample.rows.collect(), sample.design, {"rows": {"total": 1}})
    assert found.select("value", "standard_error").row(0) == (_ROWS - 100, 0)


def test_each_round_is_a_sample_of_the_rows_that_it_could_draw() -> None:
    rounds = [{"n": 100}, {"design": "stratified", "by": "region", "n": 150, "within": {"design": "bernoulli"}}]
    sample = draw(FRAME, {"design": "multi_round", "rounds": rounds}, key="id")
    rows = sample.rows.collect()
    first = estimate(rows, sample.design, {"rows": {"total": 1}}, round=1)
    assert first.select("value", "rows").row(0) == pytest.approx((_ROWS, 100))
    second = estimate(rows, sample.design, {"mean": {"mean": "y"}}, round=2).row(0, named=True)
    left = FRAME.join(rows.filter(pl.col("round") == 1), on="id", how="anti")["y"].mean()
    assert abs(second["value"] - left) < 5 * second["standard_error"]
    assert second["method"].startswith("stratified sampling, in each stratum independent draws")
    with pytest.raises(NotEstimableError, match="Set `round` to one from 1 to 2"):
        estimate(rows, sample.design, {"rows": {"total": 1}})


def _simple_random(n: int) -> Any:
    from artifact_pipelines.sampling.designs.simple_random import SimpleRandom

    return SimpleRandom(n=n)
