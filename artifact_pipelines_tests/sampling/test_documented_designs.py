"""The table of probabilities in docs/sampling.md: each example draws, with the probabilities that it states."""

import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pydantic
import pytest
import yaml

from artifact_pipelines.declarations import Declaration
from artifact_pipelines.sampling.designs.multi_round import MultiRound
from artifact_pipelines.sampling.designs.residual import Residual
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.designs.split import Split
from artifact_pipelines.sampling.drawing import Sample, draw
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign
from artifact_pipelines.sampling.single_designs import SINGLE_DESIGNS

DOCUMENT = (pathlib.Path(__file__).parents[2] / "docs/sampling.md").read_text()
SECTION = DOCUMENT.partition("## Probabilities and weights")[2].partition("\n## ")[0]
NESTING = dict(re.findall(r"^\| `(\{.*?\})` \| .*? \| (.*?) \|", SECTION, re.MULTILINE))
"""Each example of the table, and what it says of a larger sample."""

TABLE = pl.DataFrame(
    {
        "id": range(1_000),
        "region": ["north", "north", "south", "east"] * 250,
        "size": [float(number % 9 + 1) for number in range(1_000)],
        "shop": [number * number % 37 for number in range(1_000)],
    }
)
SHOP_ROWS = TABLE.group_by("shop").len()
SHOPS = SHOP_ROWS.height


def rows_of_shop(rows: pl.DataFrame) -> pl.Series:
    return rows.join(SHOP_ROWS, on="shop", maintain_order="left")["len"]


def by_size(rows: pl.DataFrame) -> Any:
    return 100 * rows["size"] / TABLE["size"].sum()


def of_stratum(rows: pl.DataFrame) -> Any:
    return rows.select(pl.col("region").replace_strict({"north": 50 / 500, "south": 25 / 250, "east": 25 / 250}))[
        "region"
    ]


def of_size_in_stratum(rows: pl.DataFrame) -> Any:
    totals = TABLE.group_by("region").agg(pl.col("size").sum().alias("total"), (pl.len() / 10).alias("n"))
    joined = rows.join(totals, on="region", maintain_order="left")
    return joined["n"] * joined["size"] / joined["total"]


EXPECTED: Mapping[str, Callable[[pl.DataFrame], Any]] = {
    "{n: 100}": lambda _: 0.1,
    "{design: simple_random_with_replacement, n: 100}": lambda _: 1 - (1 - 1 / 1_000) ** 100,
    "{design: bernoulli, probability: 0.1}": lambda _: 0.1,
    "{design: poisson, probability: size / 100}": lambda rows: rows["size"] / 100,
    "{design: poisson, n: 100, size: size}": by_size,
    "{design: systematic, interval: 12.5}": lambda _: 1 / 12.5,
    "{design: stratified, by: region, n: 100}": of_stratum,
    "{design: stratified, by: region, n: 100, within: {design: pps, size: size}}": of_size_in_stratum,
    "{design: pps, n: 100, size: size}": by_size,
    "{design: pps, n: 100, size: size, method: pareto}": by_size,
    "{design: pps, n: 100, size: size, method: conditional_poisson}": by_size,
    "{design: cluster, cluster: shop, clusters: 10}": lambda _: 10 / SHOPS,
    "{design: cluster, cluster: shop, clusters: 10, cluster_probabilities: size}": lambda rows: (
        10 * rows_of_shop(rows) / 1_000
    ),
    "{design: cluster, cluster: shop, clusters: 10, cluster_probabilities: size_exactly}": lambda rows: (
        10 * rows_of_shop(rows) / 1_000
    ),
    "{design: two_stage, cluster: shop, clusters: 10, rows_per_cluster: 5}": lambda rows: (
        10 / SHOPS * np.minimum(5 / rows_of_shop(rows), 1)
    ),
    "{design: balanced, n: 100, balance_on: [size]}": lambda _: 0.1,
    "{design: split, shares: {train: 0.8, test: 0.1}}": lambda _: 0.9,
    "{design: multi_round, rounds: [{n: 10}, {n: 20}]}": lambda rows: np.where(rows["round"] == 1, 0.01, 20 / 990),
    "{design: custom, condition: size > 5}": lambda _: 1.0,
    "{design: residual, exclude: [other]}": lambda _: 1.0,
}
CONDITIONAL = "{design: weighted, n: 100, weight: size}"


def sample(text: str, **changes: Any) -> Sample:
    fields = {**yaml.safe_load(text), **changes}
    if "exclude" in fields:
        fields["exclude"] = [SimpleRandom(n=10)]
    return draw(TABLE, fields, "id")


def test_table_has_an_example_of_every_design() -> None:
    every: list[type[Declaration]] = [*SINGLE_DESIGNS, Split, MultiRound, Residual]
    documented = {yaml.safe_load(text).get("design", "simple_random") for text in NESTING}
    assert documented == {design.tag() for design in every}
    assert {*NESTING} == {*EXPECTED, CONDITIONAL}


def test_schema_of_yaml_files_allows_every_example() -> None:
    schema = pydantic.TypeAdapter[ISamplingDesign](SamplingDesign).json_schema()
    validator = jsonschema.validators.validator_for(schema)(schema)
    for text in NESTING:
        validator.validate(yaml.safe_load(text))


@pytest.mark.parametrize("text", EXPECTED)
def test_example_draws_rows_with_the_probabilities_of_the_table(text: str) -> None:
    rows = sample(text).rows.collect()
    assert rows.height > 0
    np.testing.assert_allclose(rows["inclusion_probability"], np.broadcast_to(EXPECTED[text](rows), rows.height))
    if "draws" in rows.columns:
        np.testing.assert_allclose(rows["sampling_weight"], rows["draws"] * 10)
    else:
        np.testing.assert_allclose(rows["sampling_weight"], 1 / rows["inclusion_probability"])


def test_example_with_conditional_probabilities_estimates_the_total() -> None:
    """The threshold t is the same for all rows: -log(1 - π) is proportional to the weights."""
    rows = sample(CONDITIONAL).rows.collect()
    ratio = -np.log1p(-rows["inclusion_probability"].to_numpy()) / rows["size"].to_numpy()
    np.testing.assert_allclose(ratio, ratio[0])
    assert abs(float(rows["sampling_weight"].sum()) / 1_000 - 1) < 0.4


@pytest.mark.parametrize("text", [text for text, nesting in NESTING.items() if nesting.startswith("contains")])
def test_larger_sample_contains_the_smaller_where_the_table_says_so(text: str) -> None:
    fields = yaml.safe_load(text)
    for field in {"n", "clusters"} & {*fields}:
        smaller, larger = (set(sample(text, **{field: fields[field] + more}).rows.collect()["id"]) for more in (0, 4))
        assert smaller < larger
