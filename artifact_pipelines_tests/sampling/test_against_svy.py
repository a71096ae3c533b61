"""Sizes of strata and probabilities in proportion to size, beside those of svy, an independent implementation."""

from typing import Any

import numpy as np
import polars as pl
import pytest
import svy

from artifact_pipelines.sampling import draw

_CHANCE = np.random.default_rng(16)
STRATA = {"a": 900, "b": 400, "c": 250, "d": 40, "e": 10}
SPREAD = {"a": 1.0, "b": 4.0, "c": 2.0, "d": 30.0, "e": 5.0}
FRAME = pl.DataFrame(
    {
        "stratum_name": [name for name, size in STRATA.items() for _ in range(size)],
        "y": [SPREAD[name] * value for name, size in STRATA.items() for value in _CHANCE.normal(0, 1, size)],
        "size": _CHANCE.pareto(1.5, sum(STRATA.values())) + 1,
        "shop": _CHANCE.integers(0, 40, sum(STRATA.values())),
    }
)
DEVIATIONS = dict(FRAME.group_by("stratum_name").agg(pl.col("y").std()).iter_rows())
ALLOCATIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"allocation": "proportional"}, {"method": "proportional"}),
    ({"allocation": "equal"}, {"method": "equal"}),
    ({"allocation": "power", "power": 0.5}, {"method": "proportional", "power": 0.5}),
    ({"allocation": "neyman", "variable": "y"}, {"method": "neyman", "sigma": DEVIATIONS}),
]


def ours(n: int, **fields: Any) -> dict[str, int]:
    sample = draw(FRAME, {"design": "stratified", "by": "stratum_name", "n": n, "min_per_stratum": 1, **fields})
    return {str(each.stratum): each.drawn for each in sample.design.strata}


def theirs(n: int, **fields: Any) -> dict[str, int]:
    found = svy.SampleSize().allocate(n, pop_size=STRATA, **fields).to_polars()
    return dict(found.select("stratum", "n").iter_rows())


@pytest.mark.parametrize(("mine", "other"), ALLOCATIONS)
def test_allocations_are_those_of_svy_to_the_rounding(mine: dict[str, Any], other: dict[str, Any]) -> None:
    for n in (40, 160, 333, 800):
        found, expected = ours(n, **mine), theirs(n, **other)
        assert sum(found.values()) == sum(expected.values()) == n
        assert max(abs(found[name] - expected[name]) for name in STRATA) <= 1, n


def test_proportional_sizes_that_are_whole_are_those_of_svy() -> None:
    assert ours(160, allocation="proportional") == theirs(160) == {"a": 90, "b": 40, "c": 25, "d": 4, "e": 1}


def test_a_full_stratum_gives_its_rows_to_others_as_in_svy() -> None:
    found, expected = ours(500, allocation="equal"), theirs(500, method="equal")
    assert found == expected == {"a": 150, "b": 150, "c": 150, "d": 40, "e": 10}


def test_a_larger_sample_takes_no_row_from_a_stratum_as_it_does_in_svy() -> None:
    """svy rounds by largest remainders, which can take rows away (the Alabama paradox). Then samples would not nest."""
    strata = {"a": 6, "b": 6, "c": 2}
    other = [svy.SampleSize().allocate(n, pop_size=strata).to_polars()["n"].to_list() for n in (10, 11)]
    assert other == [[4, 4, 2], [5, 5, 1]]
    frame = pl.DataFrame({"name": [name for name, size in strata.items() for _ in range(size)]})
    samples = [draw(frame, {"design": "stratified", "by": "name", "n": n}) for n in (10, 11)]
    mine = [[each.drawn for each in sample.design.strata] for sample in samples]
    assert mine == [[5, 4, 1], [5, 5, 1]]


def test_neyman_sizes_have_no_larger_variance_than_those_of_svy() -> None:
    def variance(sizes: dict[str, int]) -> float:
        return sum(float(STRATA[name] * DEVIATIONS[name]) ** 2 / n for name, n in sizes.items())

    for n in (20, 37, 55, 101):
        mine, other = ours(n, allocation="neyman", variable="y"), theirs(n, method="neyman", sigma=DEVIATIONS)
        assert variance(mine) <= variance(other) * (1 + 1e-12), n


@pytest.mark.parametrize("method", ["sequential_poisson", "pareto", "conditional_poisson"])
@pytest.mark.parametrize("n", [20, 300, 900])
def test_probabilities_in_proportion_to_size_are_those_of_svy(n: int, method: str) -> None:
    """Also of rows that are too large for their share, which both take for certain."""
    found = draw(FRAME, {"design": "pps", "n": n, "size": "size", "method": method}).rows.collect()
    frame = svy.Sample(FRAME, svy.Design(mos="size"))
    expected = frame.sampling.pps_brewer(n=n, certainty_threshold=1.0, rstate=1).data
    both = found.join(expected, on=["y", "size"])
    assert both.height > 0
    assert both["inclusion_probability"].to_numpy() == pytest.approx(both["svy_prob_selection"].to_numpy(), rel=1e-9)
    assert (found["inclusion_probability"] == 1).sum() == (expected["svy_prob_selection"] == 1).sum()


def test_probabilities_of_strata_and_of_clusters_by_size_are_those_of_svy() -> None:
    within = {"design": "stratified", "by": "stratum_name", "fixed": {"a": 30, "b": 20}, "fixed_others": 5}
    found = draw(FRAME, {**within, "within": {"design": "pps", "size": "size"}}).rows.collect()
    frame = svy.Sample(FRAME, svy.Design(stratum="stratum_name", mos="size"))
    sizes = {"a": 30, "b": 20, "c": 5, "d": 5, "e": 5}
    expected = frame.sampling.pps_brewer(n=sizes, certainty_threshold=1.0, rstate=1).data
    both = found.join(expected, on=["y", "size"])
    assert both["inclusion_probability"].to_numpy() == pytest.approx(both["svy_prob_selection"].to_numpy(), rel=1e-9)

    fields = {"design": "cluster", "cluster": "shop", "clusters": 12, "cluster_probabilities": "size_exactly"}
    shops = draw(FRAME, fields).rows.select("shop", "inclusion_probability").unique().collect()
    frame = svy.Sample(FRAME.group_by("shop").len("rows"), svy.Design(mos="rows"))
    chosen = frame.sampling.pps_sys(n=12, rstate=1).data
    both = shops.join(chosen, on="shop")
    assert both.height > 0
    assert both["inclusion_probability"].to_numpy() == pytest.approx(both["svy_prob_selection"].to_numpy(), rel=1e-9)
