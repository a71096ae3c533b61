"""Clusters, and rows within clusters: exact probabilities and bad input."""

import itertools

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.designs.cluster import Cluster
from artifact_pipelines.sampling.designs.two_stage import TwoStage
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.sampling.engine.clusters import ClusterCounts
from artifact_pipelines.sampling.fields import clusters
from artifact_pipelines.sampling.interfaces import ISamplingDesign

SHOPS = pl.DataFrame({"id": range(12), "shop": [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3]})


def drawn(design: ISamplingDesign, frame: pl.DataFrame = SHOPS) -> pl.DataFrame:
    return draw(frame, design, ["id"]).rows.collect()


@pytest.mark.parametrize("seeds", [120, pytest.param(600, marks=pytest.mark.long)])
def test_all_pairs_of_clusters_are_equally_likely(seeds: int) -> None:
    """Chi-square with 5 degrees of freedom over the 6 pairs of 4 clusters."""
    seen = dict.fromkeys(itertools.combinations(range(4), 2), 0)
    for seed in range(seeds):
        seen[tuple(sorted(set(drawn(Cluster(cluster=["shop"], clusters=2, seed=seed))["shop"])))] += 1
    assert sum((count - seeds / 6) ** 2 / (seeds / 6) for count in seen.values()) < 25.7


def test_all_rows_of_a_cluster_are_drawn_and_named() -> None:
    found = drawn(Cluster(cluster=["shop"], clusters=3))
    for [shop], rows in found.group_by("shop"):
        assert rows.height == [1, 2, 3, 6][shop]
        assert rows["cluster"].unique().to_list() == [str(shop)]
    assert found["inclusion_probability"].unique().to_list() == [0.75]


def test_probability_of_a_row_is_the_product_of_both_stages() -> None:
    found = drawn(TwoStage(cluster=["shop"], clusters=2, rows_per_cluster=2))
    sizes = {0: 1, 1: 2, 2: 3, 3: 6}
    for shop, share in found.select("shop", "inclusion_probability").iter_rows():
        assert share == pytest.approx(0.5 * min(2, sizes[shop]) / sizes[shop])


@pytest.mark.parametrize("seeds", [150, pytest.param(600, marks=pytest.mark.long)])
def test_rows_within_a_cluster_are_equally_likely(seeds: int) -> None:
    """15 pairs of rows in the largest shop, which is always drawn: chi-square with 14 degrees of freedom."""
    seen = dict.fromkeys(itertools.combinations(range(6, 12), 2), 0)
    for seed in range(seeds):
        found = drawn(TwoStage(cluster=["shop"], clusters=4, rows_per_cluster=2, seed=seed)).filter(shop=3)
        seen[tuple(sorted(found["id"]))] += 1
    assert sum((count - seeds / 15) ** 2 / (seeds / 15) for count in seen.values()) < 40.0


def test_clusters_by_size_with_equally_many_rows_give_equal_probabilities() -> None:
    frame = pl.DataFrame({"id": range(3_000), "shop": np.sqrt(np.arange(3_000)).astype(int)})
    found = drawn(TwoStage(cluster=["shop"], clusters=5, rows_per_cluster=4, cluster_probabilities="size"), frame)
    assert found.height == 20
    np.testing.assert_allclose(found["inclusion_probability"], 20 / 3_000)


def test_cluster_of_two_columns_is_their_combination() -> None:
    frame = SHOPS.with_columns(city=pl.col("id") % 2)
    found = draw(frame, Cluster(cluster=["city", "shop"], clusters=100), ["id"])
    assert found.design.facts["clusters_in_population"] == frame.select("city", "shop").n_unique()
    assert "0|3" in found.rows.collect()["cluster"]


def test_null_is_a_cluster_of_its_own_or_refused() -> None:
    frame = SHOPS.with_columns(shop=pl.when(pl.col("shop") != 2).then("shop"))
    assert None in drawn(Cluster(cluster=["shop"], clusters=4), frame)["cluster"]
    with pytest.raises(InvalidArgumentError, match="^cluster: shop in row 4 must be a value; `null_clusters: own`"):
        drawn(Cluster(cluster=["shop"], clusters=4, null_clusters="error"), frame)


def test_clusters_that_are_smaller_than_asked_are_drawn_whole_and_reported() -> None:
    found = draw(SHOPS, TwoStage(cluster=["shop"], clusters=4, rows_per_cluster=3), ["id"])
    assert found.rows.collect().height == 1 + 2 + 3 + 3
    assert found.design.notes == ["2 of the drawn clusters have fewer than 3 rows."]
    every = draw(SHOPS, TwoStage(cluster=["shop"], clusters=4, rows_per_cluster=10**20), ["id"])
    assert every.rows.collect().height == SHOPS.height


def test_row_whose_key_says_the_same_as_its_cluster_is_drawn_no_more_often() -> None:
    frame = pl.DataFrame({"id": range(8), "shop": [0] * 8})
    hits = sum(
        0 in drawn(TwoStage(cluster=["shop"], clusters=1, rows_per_cluster=2, seed=s), frame)["id"] for s in range(100)
    )
    assert abs(hits - 25) < 4 * (100 * 0.25 * 0.75) ** 0.5


def test_names_of_clusters_stay_apart() -> None:
    frame = pl.DataFrame({"id": range(4), "a": ["a|b", "a", None, "null"], "b": ["c", "b|c", "x", "x"]})
    found = drawn(Cluster(cluster=["a", "b"], clusters=4), frame)
    assert found["cluster"].to_list() == ["a\\|b|c", "a|b\\|c", "null|x", "\\null|x"]


@pytest.mark.parametrize("seeds", [150, pytest.param(300, marks=pytest.mark.long)])
def test_clusters_by_size_have_exactly_their_probabilities(seeds: int) -> None:
    """Of 4 shops of 1, 2, 3 and 6 rows two are drawn: the largest for certain, the others by chance (z below 4)."""
    design = {"cluster": ["shop"], "clusters": 2, "cluster_probabilities": "size_exactly"}
    seen = np.zeros(4)
    for seed in range(seeds):
        found = draw(SHOPS, Cluster.model_validate({**design, "seed": seed}), ["id"])
        shares = dict(found.rows.collect().select("shop", "inclusion_probability").rows())
        seen[list(shares)] += 1
        assert len(shares) == 2
        assert all(share == pytest.approx([1 / 6, 1 / 3, 1 / 2, 1][shop]) for shop, share in shares.items())
    expected = np.array([1 / 6, 1 / 3, 1 / 2, 1])
    assert (np.abs(seen / seeds - expected) <= 4 * np.sqrt(expected * (1 - expected) / seeds)).all()
    assert found.design.facts["inclusion_probabilities"] == "exact"
    assert found.design.notes == []


def test_few_clusters_by_size_are_noted_as_approximate() -> None:
    [note] = draw(SHOPS, Cluster(cluster=["shop"], clusters=2, cluster_probabilities="size"), ["id"]).design.notes
    assert note.startswith("With few clusters the probabilities may differ by a fifth from those stated")


def test_exact_probabilities_of_very_many_clusters_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LARGEST_POPULATION", 3)
    with pytest.raises(InvalidArgumentError, match="^cluster_probabilities must be `size` for 4 clusters"):
        drawn(TwoStage(cluster=["shop"], clusters=2, rows_per_cluster=1, cluster_probabilities="size_exactly"))


@pytest.mark.parametrize("clusters_met", [1, 5, 3000])
def test_rows_of_clusters_are_counted_whether_they_have_a_place_or_not(clusters_met: int) -> None:
    """Many of 3,000 clusters share the first 16 bits of another one; 0 and the largest number are numbers as well."""
    random = np.random.default_rng(1)
    crowded = random.integers(0, 2**59, 3000, dtype=np.uint64)
    names = np.append(crowded, np.array([2**63, 1, 0, 2**64 - 1], np.uint64))[-clusters_met:]
    batches = [names[random.integers(0, clusters_met, 5000)] for _ in range(20)]
    counts = ClusterCounts(17)
    for batch in batches:
        counts.add(counts.count(batch))
    numbers, sizes = np.unique(np.concatenate(batches), return_counts=True)
    found = counts.clusters()
    assert found.numbers.tolist() == numbers.tolist()
    assert found.sizes.tolist() == sizes.tolist()
    assert counts.bound == (numbers[16] if clusters_met > 16 else 2**64 - 1)
