"""Published estimates, to nine digits or to all that are printed.

Unless a test says otherwise, R 4.2.2 with its package survey 4.1.1 gives them for its own examples (help pages
`svymean`, `svyratio`, `svyquantile`, `svyciprop`, `svyglm`, `calibrate`, `svydesign`), which print fewer digits.
"""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from artifact_pipelines.analysis import estimate
from artifact_pipelines_tests.analysis.estimates import published_samples as published

Numbers = tuple[float, ...]

ASKED = {
    "mean": {"mean": "api00"},
    "total": {"total": "enroll"},
    "ratio": {"ratio": ["api00", "enroll"]},
    "quarter": {"quantile": "api00", "q": 0.25},
    "median": {"quantile": "api00", "q": 0.5},
    "elementary": {"proportion": "stype = 'E'"},
}
"""Estimates whose value, standard error and limits (t with R's degrees of freedom) are known for four designs."""

EXPECTED: dict[str, tuple[Callable[[], published.Sample], dict[str, Any], int, dict[str, Numbers]]] = {
    "simple random": (
        published.simple_random,
        {},
        199,
        {
            "mean": (656.585, 9.24972203928, 638.344950092, 674.825049908),
            "total": (3621074.34, 169519.654344, 3286788.94824, 3955359.73176),
            "ratio": (1.12311626554, 0.0577756947116),
            "quarter": (544, 12.17065359273, 529, 577),
            "median": (658, 15.21331699091, 633, 693),
            "elementary": (0.71, 0.0316427633975, 0.643900327619, 0.768246229844),
        },
    ),
    "stratified": (
        published.stratified,
        {},
        197,
        {
            "mean": (662.287363578, 9.40894087943, 643.732188539, 680.842538616),
            "total": (3687177.52, 114641.71519, 3461094.99708, 3913260.04292),
            "ratio": (1.11256046332, 0.0413595064405),
            "quarter": (565, 15.71945113204, 535, 597),
            "median": (668, 13.18405578816, 642, 694),
            "elementary": (4421 / 6194, 0, 4421 / 6194, 4421 / 6194),
        },
    ),
    "cluster": (
        published.cluster,
        {},
        14,
        {
            "mean": (644.169398907, 23.5422406938, 593.676314463, 694.662483351),
            "total": (5076845.73333, 1389984.32645, 2095625.85355, 8058065.61312),
            "ratio": (1.17182250144, 0.126274636134),
            "quarter": (552, 31.4716612054, 492, 627),
            "median": (652, 35.66788269945, 561, 714),
            "elementary": (0.786885245902, 0.0463365536499, 0.671201134422, 0.869764787636),
        },
    ),
    "two-stage": (
        published.two_stage,
        {},
        39,
        {
            "mean": (670.811808118, 30.0990273768, 609.930778741, 731.692837495),
            "total": (2639272.93, 799637.773648),
            "ratio": (1.279008401, 0.211646581779),
            "quarter": (545, 34.11297263289, 489, 627),
            "median": (653, 45.97835441824, 580, 766),
            "elementary": (0.681180811808, 0.055640647006, 0.559955842482, 0.782011040971),
        },
    ),
    "cluster, calibrated to school types": (
        published.cluster,
        {"known": {"rows": {"stype": {"E": 4421, "H": 755, "M": 1018}}}},
        14,
        {
            "mean": (642.310788212, 23.9204864451, 591.006447316, 693.615129108),
            "total": (3680892.94512, 406292.636295, 2809481.90739, 4552303.98284),
            "ratio": (1.0808445346, 0.145132354139),
            "quarter": (552, 32.87040170342, 487, 628),
            "median": (652, 37.06662319747, 555, 714),
        },
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_estimates_of_californian_schools_are_those_of_r(name: str) -> None:
    sample, options, degrees, expected = EXPECTED[name]
    found = estimate(*sample(), {asked: ASKED[asked] for asked in expected}, **options)
    for row in found.iter_rows(named=True):
        numbers = (row["value"], row["standard_error"], row["lower"], row["upper"])
        wanted = expected[row["estimate"]]
        assert numbers[: len(wanted)] == pytest.approx(wanted, rel=1e-9, abs=1e-12), row["estimate"]
    assert found.row(0, named=True)["degrees_of_freedom"] == degrees


@pytest.mark.parametrize(
    ("sample", "effects"),
    [
        (published.simple_random, (1, 1)),
        (published.stratified, (1.204457286, 0.3620181199)),
        (published.cluster, (9.253099071, 30.99985553)),
    ],
)
def test_design_effects_are_those_of_r(sample: Callable[[], published.Sample], effects: Numbers) -> None:
    found = estimate(*sample(), {"mean": {"mean": "api00"}, "total": {"total": "enroll"}})
    assert found["design_effect"].to_list() == pytest.approx(effects, rel=1e-9)


def test_domains_are_those_of_r() -> None:
    asked = {"mean": {"mean": "api00"}, "total": {"total": "enroll"}}
    found = estimate(*published.cluster(), asked, by="stype").filter(pl.col("domain") != "all")
    expected = {
        "value": (648.8680555556, 618.5714285714, 631.44, 3145637.8, 798584.5333333, 1132623.4),
        "standard_error": (
            22.36240889383,
            38.02024935941,
            31.60946522725,
            941356.7673185,
            338039.768993,
            318535.5260131,
        ),
    }
    assert found["domain"].to_list() == ["E", "H", "M"] * 2
    for column, numbers in expected.items():
        assert found[column].to_list() == pytest.approx(numbers, rel=1e-9)


def test_domains_across_both_stages_are_those_of_r() -> None:
    found = estimate(*published.two_stage(), {"mean": {"mean": "api00"}}, by=["comp_imp"])
    assert found["value"].to_list()[1:] == pytest.approx((568.3222748815, 717.1682743837), rel=1e-9)
    assert found["standard_error"].to_list()[1:] == pytest.approx((20.91483696244, 32.79669052891), rel=1e-9)


def test_domains_of_a_calibrated_sample_are_those_of_r() -> None:
    """Lumley, Estimates in subpopulations (a vignette of survey): 672.049 with standard error 6.518153."""
    known = {"rows": {"stype": {"E": 4421, "H": 755, "M": 1018}}, "totals": {"api99": 3914069}}
    found = estimate(*published.cluster(), {"mean": {"mean": "api00"}}, by="comp_imp", known=known)
    assert found["value"].to_list()[1:] == pytest.approx((649.7061254895, 672.0489959948), rel=1e-9)
    assert found["standard_error"].to_list()[1:] == pytest.approx((12.562563535693, 6.518152797927), rel=1e-9)


@pytest.mark.parametrize("sample", [published.cluster, published.stratified])
def test_known_rows_of_a_calibrated_sample_are_whole(sample: Callable[[], published.Sample]) -> None:
    known = {"rows": {"stype": {"E": 4421, "H": 755, "M": 1018}}}
    found = estimate(*sample(), {"mean": {"mean": "api00"}}, known=known)
    assert found["population_rows"].to_list() == [6194]


def test_regression_estimator_is_that_of_r() -> None:
    asked = {"total": {"total": "api00"}, "mean": {"mean": "api00"}}
    by_enrollment = estimate(*published.stratified(), asked, known={"totals": {"enroll": 3811472}}).row(0, named=True)
    assert (by_enrollment["value"], by_enrollment["standard_error"]) == pytest.approx((4093787.36535, 56343.1541752))
    by_year_before = estimate(*published.stratified(), asked, known={"totals": {"api99": 3914069}}).row(1, named=True)
    assert (by_year_before["value"], by_year_before["standard_error"]) == pytest.approx((664.643996139, 1.9030408771))


@pytest.mark.parametrize(
    ("sample", "known", "values", "errors"),
    [
        (
            published.stratified,
            None,
            (820.8873169439033, -0.4805866093868, -3.1415353185901, 0.2257132178285),
            (10.0777359402233, 0.3919734026308, 0.2839465063331, 0.3932183560451),
        ),
        (
            published.two_stage,
            None,
            (811.4907225021706, -2.0591641823839, -1.7771813339211, 0.3252517488191),
            (30.2338302726173, 1.3798436532552, 1.0830020887996, 0.6103138166093),
        ),
        (
            published.cluster,
            {"rows": {"stype": {"E": 4421, "H": 755, "M": 1018}}},
            (811.701553026673, -0.4330648561411, -3.0941623386633, -0.2488679970893),
            (21.9917967318005, 0.3002863475715, 0.3018680462213, 0.4053584532637),
        ),
    ],
)
def test_regressions_are_those_of_r(
    sample: Callable[[], published.Sample], known: Any, values: Numbers, errors: Numbers
) -> None:
    asked = {"line": {"regression": "api00", "explained_by": ["ell", "meals", "mobility"]}}
    found = estimate(*sample(), asked, known=known)
    assert found["part"].to_list() == ["intercept", "ell", "meals", "mobility"]
    assert found["value"].to_list() == pytest.approx(values, rel=1e-9)
    assert found["standard_error"].to_list() == pytest.approx(errors, rel=1e-9)


def test_two_stage_total_is_that_of_a_textbook() -> None:
    """Särndal, Swensson and Wretman, 1992, example 4.3.2: 15,080 with variance 5,172,234."""
    [row] = estimate(*published.mu284(), {"total": {"total": "y1"}}).iter_rows(named=True)
    assert row["value"] == pytest.approx(15080)
    assert row["standard_error"] ** 2 == pytest.approx(5172234.44444)


def test_draws_with_replacement_are_those_of_r() -> None:
    found = estimate(*published.with_replacement(), {"mean": {"mean": "api00"}, "total": {"total": "enroll"}})
    assert found["standard_error"].to_list() == pytest.approx((9.40277217088, 172324.604082), rel=1e-9)


def test_poisson_sample_is_that_of_r() -> None:
    asked = {"total": {"total": "bush"}, "mean": {"mean": "bush / votes"}}
    found = estimate(*published.election("poisson"), asked)
    assert found["value"].to_list() == pytest.approx((64518472.3805, 0.536300021088), rel=1e-9)
    assert found["standard_error"].to_list() == pytest.approx((10176389.6636, 0.107603086911), rel=1e-9)


def test_sample_in_proportion_to_size_comes_near_the_exact_variance() -> None:
    """R with all joint probabilities (Yates and Grundy), and with the approximation of Brewer."""
    found = estimate(*published.election(), {name: {"total": name} for name in ("bush", "kerry", "nader")})
    assert found["value"].to_list() == pytest.approx((64518472.3805, 51202102.0962, 478530.523212), rel=1e-9)
    exact, brewer = (2406525.80922, 2408090.5206, 101663.663722), (2447628.88866, 2450786.53908, 102420.243515)
    assert found["standard_error"].to_list() == pytest.approx(exact, rel=0.02)
    assert found["standard_error"].to_list() == pytest.approx(brewer, rel=0.02)


@pytest.mark.parametrize(
    ("lonely", "error", "error_of_total"),
    [
        ("certainty", 9.23109697462, 91370.8331591),
        ("average", 11.305738677, 111905.959306),
        ("adjust", 23.3337090814, 0),
    ],
)
def test_remedies_for_a_lonely_unit_are_those_of_r(lonely: str, error: float, error_of_total: float) -> None:
    """Only the total with `adjust` differs: R takes the distance from 0, not from the mean of all units."""
    every = published.read("apistrat")
    one_high_school = pl.concat([every.filter(stype="H").head(1), every.filter(pl.col("stype") != "H")])
    asked = {"mean": {"mean": "api00"}, "total": {"total": "enroll"}}
    found = estimate(*published.stratified(one_high_school), asked, lonely=lonely)["standard_error"].to_list()
    assert found[0] == pytest.approx(error, rel=1e-9)
    assert not error_of_total or found[1] == pytest.approx(error_of_total, rel=1e-9)
