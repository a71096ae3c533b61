"""What identifies a row: its key, its position, or all its values; in a partition too."""

from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import ArtifactIOManagerFactory
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.sampling.assets import build_sample_asset
from artifact_pipelines.sampling.designs.multi_round import MultiRound
from artifact_pipelines.sampling.designs.residual import Residual
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.drawing import Sample, draw, draw_from
from artifact_pipelines.sampling.drawn_design import DrawnDesign
from artifact_pipelines.sampling.engine.population import population_of_frame
from artifact_pipelines.sampling.engine.rows import Key
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign

TABLE = pl.DataFrame({"id": range(1_000), "kind": [i % 7 for i in range(1_000)]})
EQUAL = TABLE.select("kind")
HALF = {"design": "bernoulli", "probability": 0.5}


def sample(frame: pl.DataFrame, key: Key = Key(), **fields: Any) -> Sample:  # noqa: B008 - it is frozen
    design = pydantic.TypeAdapter[ISamplingDesign](SamplingDesign).validate_python({**HALF, **fields})
    return draw_from(population_of_frame(frame), design, key)


def ids(frame: pl.DataFrame, key: Key = Key(), **fields: Any) -> set[int]:  # noqa: B008
    return set(sample(frame, key, **fields).rows.collect()["id"])


def test_inserted_rows_do_not_move_a_sample_of_rows_that_are_identified_by_all_their_values() -> None:
    more = pl.concat([pl.DataFrame({"id": [-1, -2], "kind": [0, 0]}), TABLE[:300], TABLE[302:]])
    assert ids(more, identity="row") - {-1, -2} == ids(TABLE, identity="row") - {300, 301}
    assert ids(more) != ids(TABLE) - {300, 301}


def test_equal_rows_are_told_apart_by_their_number_in_any_order_of_the_table() -> None:
    found = sample(EQUAL, identity="row")
    counts = dict(found.rows.collect().group_by("kind").len().iter_rows())
    assert all(45 < count < 98 for count in counts.values()), "about half of 143"
    shuffled = EQUAL.sample(fraction=1, shuffle=True, seed=1)
    assert counts == dict(sample(shuffled, identity="row").rows.collect().group_by("kind").len().iter_rows())
    assert found.design.notes == [
        "993 rows equal a row before them: they are told apart by the number among equal ones."
    ]
    assert found.design.key == ["kind"]


def test_row_draws_by_its_values_as_by_a_key_of_all_columns() -> None:
    assert ids(TABLE, Key(["id"]), identity="row") == ids(TABLE, Key(["id", "kind"])) != ids(TABLE, Key(["id"]))


def test_position_identifies_a_row_if_that_is_asked_for() -> None:
    assert ids(TABLE, Key(["id"]), identity="position") == ids(TABLE)


def test_table_of_lists_has_no_identity_by_its_values() -> None:
    with pytest.raises(InvalidArgumentError, match="^identity: row must be of columns without nested values"):
        sample(TABLE.with_columns(tags=[[1]] * 1_000), identity="row")


@pytest.mark.parametrize(("one", "other"), [("row", "key"), ("key", "row"), ("row", "position")])
def test_rows_of_an_excluded_sample_are_those_of_its_own_identity(one: Any, other: Any) -> None:
    excluded = SimpleRandom(n=400, identity=one)
    left = draw(TABLE, Residual(exclude=[excluded], identity=other), "id").rows.collect()
    assert sorted([*left["id"], *draw(TABLE, excluded, "id").rows.collect()["id"]]) == list(range(1_000))


def test_round_has_no_identity_of_its_own() -> None:
    with pytest.raises(pydantic.ValidationError, match="round 1: identity can be given for all rounds"):
        MultiRound.model_validate({"rounds": [{"n": 1, "identity": "row"}]})


@pytest.mark.parametrize(
    "fields", [{}, {"design": "systematic", "interval": 50}, {"design": "simple_random_with_replacement", "n": 90}]
)
def test_partitions_without_a_key_draw_other_positions_and_each_always_the_same(fields: dict[str, Any]) -> None:
    if fields:
        fields = {**fields, "probability": None}
    drawn = [tuple(sorted(ids(TABLE, Key(partition=day), **fields))) for day in ("a", "b", "b", None)]
    assert drawn[1] == drawn[2]
    assert len(set(drawn)) == 3


def test_key_or_values_draw_the_same_in_every_partition() -> None:
    assert len({tuple(ids(TABLE, Key(["id"], partition=day))) for day in ("a", "b")}) == 1
    assert len({tuple(ids(TABLE, Key(partition=day), identity="row")) for day in ("a", "b")}) == 1


def test_groups_of_a_split_stay_together_in_every_partition() -> None:
    split = {"design": "split", "shares": {"train": 0.5}, "together": ["kind"], "probability": None}
    assert ids(TABLE, Key(partition="a"), **split) == ids(TABLE, Key(partition="b"), **split)


def test_sample_of_a_partition_says_which(settings: Settings) -> None:
    partitions = dg.StaticPartitionsDefinition(["a", "b"])

    @dg.asset(key=["flights", "table"], partitions_def=partitions)
    def table() -> pl.DataFrame:
        return TABLE

    asset = build_sample_asset("flights", "few", SimpleRandom(n=10), (), {"partitions_def": partitions})
    urls = {"catalog_url": settings.catalog_url, "storage_url": settings.storage_url}
    io_manager = {"io_manager": ArtifactIOManagerFactory(**urls)}
    drawn = {}
    for day in ("a", "b"):
        result = dg.materialize([table, asset], resources=io_manager, partition_key=day)
        drawn[day] = result.asset_value(["flights", "samples", "few"]).collect()["id"].to_list()
        with Catalog(settings.catalog_url) as catalog:
            made = catalog.materializations.current("flights/samples/few", day)
        assert DrawnDesign.model_validate(made.source["design"]).partition == day
    assert drawn["a"] != drawn["b"]
    [spec] = asset.specs
    assert spec.code_version == 'simple_random 2 {"n":10} key=[] by partition'
