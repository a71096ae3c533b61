"""Estimates from samples of our designs, beside those of svy, an independent implementation.

Both are given the same rows, weights and sizes of the population. All figures agree to nine digits, but for the
differences that the last tests name.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
import svy

from artifact_pipelines.analysis import estimate
from artifact_pipelines.sampling import draw
from artifact_pipelines.sampling.drawing import Sample

_CHANCE = np.random.default_rng(16)
_ROWS = 720
SIZE = _CHANCE.gamma(2.0, 10.0, _ROWS) + 1
SHOP = _CHANCE.integers(0, 60, _ROWS)
FRAME = pl.DataFrame(
    {
        "id": np.arange(_ROWS),
        "y": 3 * SIZE + SHOP + _CHANCE.normal(0, 12, _ROWS),
        "size": SIZE,
        "seen": _CHANCE.integers(0, 2, _ROWS),
        "kind": _CHANCE.choice(["new", "old", "used"], _ROWS, p=[0.5, 0.3, 0.2]),
        "shop": SHOP,
        "region": np.where(SHOP < 30, "north", np.where(SHOP < 48, "south", "west")),
        "gaps": np.where(_CHANCE.random(_ROWS) < 0.2, np.nan, SIZE),
    }
).with_columns(
    pl.col("gaps").fill_nan(None),
    rows=pl.len(),
    rows_of_region=pl.len().over("region"),
    rows_of_shop=pl.len().over("shop"),
    shops=pl.col("shop").n_unique(),
    shops_of_region=pl.col("shop").n_unique().over("region"),
)
CLUSTERS = {"cluster": "shop", "clusters": 10}
BY_REGION = {"design": "stratified", "by": "region"}
BOTH_STAGES = {"psu": "shop", "ssu": "id"}

DESIGNS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "simple random": ({"n": 120}, {"pop_size": "rows"}),
    "systematic": ({"design": "systematic", "n": 120}, {"pop_size": "rows"}),
    "with replacement": ({"design": "simple_random_with_replacement", "n": 120}, {"wr": True}),
    "stratified": ({**BY_REGION, "n": 120}, {"stratum": "region", "pop_size": "rows_of_region"}),
    "stratified, Neyman": (
        {**BY_REGION, "n": 120, "allocation": "neyman", "variable": "y"},
        {"stratum": "region", "pop_size": "rows_of_region"},
    ),
    "stratified with replacement": (
        {**BY_REGION, "n": 120, "allocation": "equal", "within": {"design": "simple_random_with_replacement"}},
        {"stratum": "region", "wr": True},
    ),
    "cluster": ({"design": "cluster", **CLUSTERS, "clusters": 20}, {"psu": "shop", "pop_size": "shops"}),
    "two-stage": (
        {"design": "two_stage", **CLUSTERS, "clusters": 20, "rows_per_cluster": 4},
        {**BOTH_STAGES, "pop_size": svy.PopSize("shops", "rows_of_shop")},
    ),
    "clusters of strata": (
        {**BY_REGION, "within": {"design": "cluster", **CLUSTERS}},
        {"stratum": "region", "psu": "shop", "pop_size": "shops_of_region"},
    ),
    "two stages of strata": (
        {**BY_REGION, "within": {"design": "two_stage", **CLUSTERS, "rows_per_cluster": 4}},
        {**BOTH_STAGES, "stratum": "region", "pop_size": svy.PopSize("shops_of_region", "rows_of_shop")},
    ),
}
ASKED: dict[str, Any] = {
    "total": {"total": "y"},
    "mean": {"mean": "y"},
    "gaps": {"mean": "gaps"},
    "seen": {"proportion": "seen"},
    "ratio": {"ratio": ["y", "size"]},
    "quarter": {"quantile": "y", "q": 0.25},
    "median": {"quantile": "y", "q": 0.5},
}
FIGURES = {"value": "est", "standard_error": "se", "lower": "lci", "upper": "uci", "degrees_of_freedom": "df"}
"""Our columns, and those of svy."""
KNOWN: dict[str, Any] = {"rows": {"kind": dict(FRAME.group_by("kind").len().iter_rows())}}


@functools.cache
def drawn(name: str) -> Sample:
    return draw(FRAME, DESIGNS[name][0], key="id", is_unique=True)


def theirs(sample: Sample, **design: Any) -> Any:
    """Return a sample as svy's; a row that was drawn several times stands there as often."""
    rows = sample.rows.collect()
    if "draws" in rows.columns:
        rows = rows.with_columns(pl.col("sampling_weight") / pl.col("draws"))
        rows = rows.select(pl.all().repeat_by("draws")).explode(rows.columns)
    return svy.Sample(rows, svy.Design(wgt="sampling_weight", **design))


def answers(sample: Any, by: str | None = None) -> Mapping[str, Any]:
    ask = sample.estimation
    return {
        "total": ask.total("y", by=by, deff="wor"),
        "mean": ask.mean("y", by=by, deff="wor"),
        "gaps": ask.mean("gaps", by=by, drop_nulls=True),
        "seen": ask.prop("seen", by=by),
        "ratio": ask.ratio("y", "size", by=by, deff="wor"),
        "quarter": ask.quantile("y", p=0.25, by=by),
        "median": ask.quantile("y", p=0.5, by=by),
    }


def check(ours: pl.DataFrame, answered: Any, name: str, by: str | None = None) -> None:
    found, table = ours.filter(estimate=name), answered.to_polars()
    if name == "seen":
        table = table.filter(seen=1)
    if by is not None:
        found, table = found.filter(pl.col("domain") != "all").sort(by), table.sort(by)
        assert found[by].to_list() == table[by].to_list()
    for figure, other in FIGURES.items():
        mine, expected = (column.cast(pl.Float64).to_numpy() for column in (found[figure], table[other]))
        assert mine == pytest.approx(expected, rel=1e-9, nan_ok=True), (name, by, figure)


@pytest.mark.parametrize("name", DESIGNS)
def test_estimates_and_design_effects_are_those_of_svy(name: str) -> None:
    sample = drawn(name)
    ours = estimate(sample.rows, sample.design, ASKED)
    answered = answers(theirs(sample, **DESIGNS[name][1]))
    for asked in ASKED:
        check(ours, answered[asked], asked)
    for asked in ("total", "mean", "ratio"):
        [effect] = ours.filter(estimate=asked)["design_effect"]
        assert effect == pytest.approx(answered[asked].estimates[0].deff, rel=1e-9), asked


@pytest.mark.parametrize("name", DESIGNS)
def test_estimates_of_domains_are_those_of_svy(name: str) -> None:
    sample = drawn(name)
    ours = estimate(sample.rows, sample.design, ASKED, by="kind")
    for asked, answered in answers(theirs(sample, **DESIGNS[name][1]), by="kind").items():
        check(ours, answered, asked, by="kind")


@pytest.mark.parametrize("name", ["simple random", "stratified", "clusters of strata", "two-stage"])
def test_calibrated_estimates_are_those_of_svy(name: str) -> None:
    sample = drawn(name)
    total = float(FRAME["size"].sum())
    ours = estimate(sample.rows, sample.design, ASKED, known={**KNOWN, "totals": {"size": total}})
    controls = {svy.Cat("kind"): KNOWN["rows"]["kind"], "size": total}
    calibrated = theirs(sample, **DESIGNS[name][1]).weighting.calibrate(controls=controls)
    for asked, answered in answers(calibrated).items():
        check(ours, answered, asked)


@pytest.mark.parametrize("name", ["simple random", "stratified", "clusters of strata", "two-stage"])
def test_post_stratified_estimates_are_those_of_svy(name: str) -> None:
    sample = drawn(name)
    ours = estimate(sample.rows, sample.design, ASKED, known=KNOWN)
    answered = theirs(sample, **DESIGNS[name][1])
    answered = answered.weighting.poststratify(controls=KNOWN["rows"]["kind"], cells="kind")
    for asked in ("total", "mean", "ratio", "median"):
        check(ours, answers(answered)[asked], asked)


@pytest.mark.parametrize(("lonely", "rule"), [("certainty", "skip"), ("average", "scale"), ("adjust", "center")])
def test_remedies_for_one_unit_in_a_stratum_are_those_of_svy(lonely: str, rule: str) -> None:
    sample = draw(FRAME, {**BY_REGION, "fixed": {"north": 30, "south": 1, "west": 20}}, key="id", is_unique=True)
    ours = estimate(sample.rows, sample.design, ASKED, lonely=lonely)
    answered = answers(theirs(sample, stratum="region", pop_size="rows_of_region", singleton=rule))
    for asked in ("total", "mean", "ratio"):
        check(ours, answered[asked], asked)


@pytest.mark.parametrize("name", ["simple random", "stratified", "clusters of strata"])
def test_regressions_are_those_of_svy_but_for_degrees_of_freedom(name: str) -> None:
    """svy (and R) take off one for each explaining column; we (and Stata, SAS) keep those of the design."""
    sample = drawn(name)
    ours = estimate(sample.rows, sample.design, {"line": {"regression": "y", "explained_by": ["size", "shop"]}})
    table = theirs(sample, **DESIGNS[name][1]).glm.fit(y="y", x=["size", "shop"]).to_polars()
    assert ours["value"].to_list() == pytest.approx(table["estimate"].to_list(), rel=1e-9)
    assert ours["standard_error"].to_list() == pytest.approx(table["std_err"].to_list(), rel=1e-9)
    assert (ours["degrees_of_freedom"] - table["df"]).to_list() == [2, 2, 2]


def test_design_effects_of_domains_compare_with_a_sample_of_the_whole() -> None:
    """svy compares with a sample of as many rows of the domain alone, as if its size had been fixed.

    So svy has effects other than 1 for a simple random sample. Stata has both: ours is its default, svy's `srssubpop`.
    """
    sample = drawn("simple random")
    ours = estimate(sample.rows, sample.design, {"mean": {"mean": "y"}}, by="kind")
    assert ours["design_effect"].to_list() == pytest.approx([1] * 4, rel=1e-9)
    found = theirs(sample, pop_size="rows").estimation.mean("y", by="kind", deff="wor").estimates
    counts = sample.rows.group_by("kind").len().collect()
    n = dict(counts.iter_rows())
    assert [each.deff for each in found] == pytest.approx(
        [120 / 119 * (n[each.by_level[0]] - 1) / n[each.by_level[0]] for each in found], rel=1e-9
    )


def test_a_share_of_0_has_an_interval_and_none_in_svy() -> None:
    sample = drawn("simple random")
    frame = sample.rows.with_columns(seen=pl.lit(0))
    [row] = estimate(frame, sample.design, {"seen": {"proportion": "seen"}}).to_dicts()
    assert (row["value"], row["standard_error"], row["lower"]) == (0, 0, 0)
    assert row["upper"] == pytest.approx(1 - 0.025 ** (1 / 120), rel=1e-9)  # Clopper and Pearson, 1934, of 120 rows
    rows = frame.with_columns(seen=(pl.int_range(pl.len()) == 0).cast(pl.Int64), kind=pl.int_range(pl.len()) == 0)
    answered = svy.Sample(rows.collect(), svy.Design(wgt="sampling_weight", pop_size="rows"))
    table = answered.estimation.prop("seen", by="kind").to_polars().filter(seen=1, kind=False)
    assert table.select("est", "se").row(0) == (0, 0)
    assert table.select(pl.col("lci", "uci").fill_nan(None)).row(0) == (None, None)


@pytest.mark.parametrize("method", ["sequential_poisson", "pareto", "conditional_poisson"])
def test_errors_of_pps_samples_are_those_with_replacement_of_svy_less_a_correction(method: str) -> None:
    """svy has no correction for unequal probabilities; Hájek's is at most c = 1 - π of each row."""
    design = {"design": "pps", "n": 60, "size": "size", "method": method}
    sample = draw(FRAME, design, key="id", is_unique=True)
    ours = estimate(sample.rows, sample.design, {name: ASKED[name] for name in ("total", "mean", "ratio")})
    left = 1 - sample.rows.collect()["inclusion_probability"].to_numpy()
    answered = answers(theirs(sample))
    for row in ours.iter_rows(named=True):
        other = answered[row["estimate"]].to_polars().row(0, named=True)
        assert row["value"] == pytest.approx(other["est"], rel=1e-9)
        correction = row["standard_error"] ** 2 / other["se"] ** 2
        assert left.min() < correction < left.max() < 1


def test_errors_of_bernoulli_samples_know_that_their_number_of_rows_is_random() -> None:
    """svy knows only fixed numbers of rows: n / (n - 1) more for a mean, and too little for a total."""
    sample = draw(FRAME, {"design": "bernoulli", "probability": 0.2}, key="id", is_unique=True)
    n = sample.design.drawn
    ours = estimate(sample.rows, sample.design, {"mean": {"mean": "y"}, "total": {"total": "y"}})
    answered = answers(theirs(sample))
    mean, total = (
        own / answered[name].to_polars()["se"][0]
        for name, own in zip(("mean", "total"), ours["standard_error"], strict=True)
    )
    assert mean**2 == pytest.approx((1 - 0.2) * (n - 1) / n, rel=1e-9)
    assert total > 1
