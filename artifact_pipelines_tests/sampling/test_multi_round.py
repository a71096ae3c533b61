"""Samples in rounds, samples that exclude others, and the rest."""

from typing import Any

import numpy as np
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.designs.multi_round import MultiRound
from artifact_pipelines.sampling.designs.pps import Pps
from artifact_pipelines.sampling.designs.residual import Residual
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines_tests.project import FLIGHTS

POPULATION = pl.DataFrame(
    {"id": range(2_000), "size": [i % 7 + 1 for i in range(2_000)], "shop": [i * i % 83 for i in range(2_000)]}
)
ROUNDS = MultiRound.model_validate(
    {
        "rounds": [
            {"n": 100},
            {"design": "weighted", "n": 50, "weight": "size"},
            {"design": "cluster", "cluster": "shop", "clusters": 3, "where": "shop > 10"},
            {"n": 40, "where": "id < 1000"},
        ]
    }
)


def drawn(design: ISamplingDesign, frame: pl.DataFrame = POPULATION) -> pl.DataFrame:
    return draw(frame, design, ["id"]).rows.collect()


def ids(design: ISamplingDesign) -> set[int]:
    return set(drawn(design)["id"])


def test_rounds_share_no_row_and_the_residual_is_all_others() -> None:
    found = drawn(ROUNDS)
    assert found["id"].is_unique().all()
    rest = drawn(Residual(exclude=[ROUNDS]))
    assert sorted([*found["id"], *rest["id"]]) == list(range(2_000))
    assert rest["sampling_weight"].unique().to_list() == [1.0]


def test_first_round_is_the_sample_that_its_design_draws_alone() -> None:
    assert set(drawn(ROUNDS).filter(round=1)["id"]) == ids(SimpleRandom(n=100))


def test_each_round_keeps_its_filter_its_size_and_weights_for_the_rows_that_it_could_draw() -> None:
    found = drawn(ROUNDS).partition_by("round", as_dict=True)
    rounds = draw(POPULATION, ROUNDS, ["id"]).design.facts["rounds"]
    assert [one["drawn"] for one in rounds] == [found[number,].height for number in (1, 2, 3, 4)]
    assert found[1,].height == 100
    assert found[3,]["shop"].n_unique() == 3
    assert found[3,]["shop"].min() > 10  # type: ignore[operator]
    assert found[4,]["id"].max() < 1000  # type: ignore[operator]
    assert found[1,]["sampling_weight"].sum() == pytest.approx(2_000)
    assert found[4,]["sampling_weight"].sum() == pytest.approx(rounds[3]["population_size"])


@pytest.mark.parametrize("seeds", [120, pytest.param(600, marks=pytest.mark.long)])
def test_numbers_that_earlier_rounds_leave_do_not_bias_a_later_one(seeds: int) -> None:
    """Each row is in the second round equally often, and each subset is: chi-square with 9 degrees of freedom."""
    small = POPULATION.head(5)
    seen: dict[tuple[int, ...], int] = {}
    for seed in range(seeds):
        found = drawn(MultiRound(rounds=[SimpleRandom(n=1), SimpleRandom(n=2)], seed=seed), small).filter(round=2)
        rows = tuple(sorted(found["id"]))
        seen[rows] = seen.get(rows, 0) + 1
    assert len(seen) == 10
    assert sum((count - seeds / 10) ** 2 / (seeds / 10) for count in seen.values()) < 33.7


@pytest.mark.parametrize(
    "design", [{"design": "systematic", "n": 20}, {"design": "simple_random_with_replacement", "n": 600}]
)
def test_round_depends_on_the_seed_and_on_its_number(design: dict[str, Any]) -> None:
    """The positions of a list, and the numbers of draws, are other ones with each seed and in each round."""

    def found(seed: int, number: int) -> list[int]:
        rounds = [{"n": 1, "where": "id < 0"}] * number + [design]
        rows = drawn(MultiRound.model_validate({"rounds": rounds, "seed": seed}))
        return rows.sort("id").get_column("draws" if "draws" in rows.columns else "id").to_list()

    assert len({tuple(found(seed, number)) for seed in range(3) for number in range(2)}) == 6


def test_strata_of_each_round_have_the_names_that_its_rows_have() -> None:
    rounds = [{"design": "stratified", "by": "size", "n": 70}, {"design": "stratified", "by": "size", "n": 35}]
    found = draw(POPULATION, MultiRound.model_validate({"rounds": rounds}), ["id"])
    counts = found.rows.collect().group_by("round", "stratum").len()
    assert {(one.round, one.stratum, one.drawn) for one in found.design.strata} == set(counts.iter_rows())
    assert found.design.strata[0].title == "round 1: 1"


def test_rows_of_excluded_samples_are_not_drawn() -> None:
    other = SimpleRandom(n=600, where="size < 5", seed=3)
    assert not ids(other) & ids(MultiRound(exclude=[other], rounds=[SimpleRandom(n=700)]))


@pytest.mark.parametrize(
    "field", [{"seed": 3}, {"columns": ["id"]}, {"order_by": ["id"]}, {"panel": {"wave": 1, "overlap": 0.5}}]
)
def test_round_has_no_fields_of_the_whole_sample(field: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError, match=f"round 1: {next(iter(field))} can be given for all rounds"):
        MultiRound.model_validate({"rounds": [{"n": 1, **field}]})


def test_round_may_draw_from_a_list_in_an_order_of_its_own() -> None:
    round_ = {"design": "systematic", "n": 20, "order_by": ["size"]}
    found = drawn(MultiRound.model_validate({"rounds": [round_]}))
    counts = found["size"].value_counts()["count"]
    assert counts.min() >= 2, "20 rows spread over 7 sizes"  # type: ignore[operator]


def test_name_of_a_sample_means_nothing_outside_a_dataset() -> None:
    with pytest.raises(
        InvalidArgumentError, match="exclude must be a design: only the samples of a dataset have names"
    ):
        drawn(Residual(exclude=["few"]))


def dataset(samples: dict[str, Any]) -> DatasetPipeline:
    return DatasetPipeline.model_validate({**FLIGHTS, "samples": samples})


def test_samples_of_a_dataset_exclude_each_other_by_name() -> None:
    samples = dataset(
        {
            "rest": {"design": "residual", "exclude": ["pilot", "later"]},
            "pilot": {"n": 30},
            "later": {"design": "multi_round", "exclude": ["pilot"], "rounds": [{"n": 50}]},
        }
    ).samples
    pilot, later, rest = (ids(samples[name]) for name in ("pilot", "later", "rest"))
    assert len(pilot | later) == 80
    assert rest == set(range(2_000)) - pilot - later


def test_another_design_of_an_excluded_sample_is_another_code_version() -> None:
    def code_version(pilot: dict[str, Any]) -> str:
        return (
            dataset({"pilot": pilot, "rest": {"design": "residual", "exclude": ["pilot"]}})
            .samples["rest"]
            .code_version()
        )

    weighted = code_version({"design": "weighted", "n": 3, "weight": "size"})
    assert len({code_version({"n": 3}), code_version({"n": 4}), code_version({"n": 3, "seed": 1}), weighted}) == 4


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({"rest": {"design": "residual", "exclude": ["pilot"]}}, "there is no sample 'pilot', but rest"),
        ({"a": {"design": "residual", "exclude": ["a"]}}, "samples exclude each other: a -> a"),
        (
            {"a": {"design": "residual", "exclude": ["b"]}, "b": {"design": "residual", "exclude": ["a"]}},
            "samples exclude each other: a -> b -> a",
        ),
    ],
)
def test_unknown_or_circular_names_are_refused(samples: dict[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        dataset(samples)


def test_positions_in_the_sample_are_those_of_the_table() -> None:
    found = drawn(ROUNDS)
    assert found["id"].is_sorted()
    assert np.array_equal(found["size"], found["id"] % 7 + 1)


@pytest.mark.parametrize("seeds", [120, pytest.param(600, marks=pytest.mark.long)])
def test_rows_that_an_excluded_sample_leaves_are_equally_likely_though_their_sizes_differ(seeds: int) -> None:
    """The excluded sample takes rows of small u / size; with the same numbers small rows would be left to be drawn."""
    small = pl.DataFrame({"id": range(6), "size": [1.0, 1.0, 2.0, 2.0, 4.0, 8.0]})
    left, taken = np.zeros(6), np.zeros(6)
    for seed in range(seeds):
        other = Pps(n=2, size="size", seed=seed)
        rest = drawn(Residual(exclude=[other]), small)["id"].to_numpy()
        left[rest] += 1
        taken[drawn(MultiRound(exclude=[other], rounds=[SimpleRandom(n=1)], seed=seed), small)["id"].to_numpy()] += 1
    expected = left / 4
    assert ((taken - expected) ** 2 / expected).sum() < 20.5, "5 degrees of freedom: above once in 1,000"


def test_excluded_samples_may_be_fields_as_in_yaml_and_a_stored_design_draws_again() -> None:
    fields = {"design": "residual", "exclude": [{"n": 40}, {"design": "multi_round", "rounds": [{"n": 5}, {"n": 6}]}]}
    first = draw(POPULATION, fields, "id")
    designs = [SimpleRandom(n=40), MultiRound(rounds=[SimpleRandom(n=5), SimpleRandom(n=6)])]
    assert first.rows.collect().equals(draw(POPULATION, Residual(exclude=designs), "id").rows.collect())
    again = draw(POPULATION, {"design": first.design.design, **first.design.parameters}, "id")
    assert again.rows.collect().equals(first.rows.collect())


def test_round_without_rows_says_so() -> None:
    table = pl.DataFrame({"id": range(20)})
    drawn = draw(table, {"design": "multi_round", "rounds": [{"n": 5}, {"n": 5, "where": "id > 99"}]})
    assert drawn.design.notes == ["Round 2: The population has no rows."]
