from typing import Any

import polars as pl
import pytest

from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.sampling.drawing import Sample, draw
from artifact_pipelines.sampling.engine.choice import Stratum
from artifact_pipelines.sampling.findings import findings, strata_table, tally

POPULATION = pl.DataFrame(
    {
        "id": range(1000),
        "s": [f"s{i % 4}" if i % 10 else "small" for i in range(1000)],
        "p": [0.1 + i % 5 / 10 for i in range(1000)],
    }
)


def found(design: dict[str, Any], frame: pl.DataFrame = POPULATION) -> dict[str, CheckResult]:
    drawn: Sample = draw(frame, design)
    return {each.name: each for each in findings(drawn.design, tally(drawn.choice), drawn.choice.added.names())}


@pytest.mark.parametrize(
    "design",
    [
        {"n": 100},
        {"design": "bernoulli", "probability": 0.1},
        {"design": "poisson", "probability": "p"},
        {"design": "systematic", "interval": 7.5},
        {"design": "simple_random_with_replacement", "n": 50},
        {"design": "stratified", "by": "s", "n": 100, "allocation": "equal"},
        {"design": "custom", "condition": "id < 10"},
        {"design": "weighted", "n": 100, "weight": "p"},
        {"design": "pps", "n": 100, "size": "p"},
        {"design": "cluster", "clusters": 2, "cluster": "s"},
        {"design": "multi_round", "rounds": [{"n": 10}, {"n": 20}]},
    ],
)
def test_samples_as_designed_pass_all_checks(design: dict[str, Any]) -> None:
    for seed in range(3):
        failed = [each for each in found({**design, "seed": seed}).values() if not each.passed]
        assert failed == []


def test_stratum_short_of_its_size_is_a_warning_with_numbers() -> None:
    sizes = found({"design": "stratified", "by": "s", "n": 700, "allocation": "equal"})["sizes"]
    assert (sizes.passed, sizes.is_error) == (False, False)
    assert sizes.text == "700 rows; strata with fewer rows than planned: small: 100 of 140"


def test_population_short_of_the_size_is_a_warning() -> None:
    sizes = found({"n": 2000})["sizes"]
    assert (sizes.passed, sizes.is_error) == (False, False)
    assert sizes.text == "1,000 rows, planned 2,000, of a population of 1,000"


def test_rows_that_no_weight_stands_for_are_a_warning() -> None:
    weights = found({"design": "stratified", "by": "s", "n": 3})["weights"]
    assert (weights.passed, weights.is_error) == (False, False)


def test_empty_sample_passes_where_it_is_as_designed() -> None:
    assert all(each.passed for each in found({"design": "bernoulli", "probability": 0.5}, POPULATION.head(0)).values())


def test_strata_are_shown_with_rows_planned_and_drawn() -> None:
    shown = strata_table([Stratum("a|b", 1000, 40, 40), Stratum(None, 10, 20, 10)])
    assert shown.splitlines()[2:] == [
        r"| a\|b | 1,000 | 40 | 40 |",
        "| null | 10 | 20 | 10 |",
    ]
    odd = strata_table([Stratum("*a*\n_b_ `c` <i>", 5, 1, 1), Stratum("x" * 79 + "|", 5, 1, 1)])
    assert odd.splitlines()[2:] == [
        r"| \*a\* \_b\_ \`c\` \<i\> | 5 | 1 | 1 |",
        rf"| {'x' * 79}\| | 5 | 1 | 1 |",
    ]
    assert "60 strata, first 50 shown" in strata_table([Stratum(str(i), 1, 1, 1) for i in range(60)])
