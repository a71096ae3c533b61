from typing import Any

import polars as pl
import pydantic
import pytest

from artifact_pipelines.sampling.designs.split import Split
from artifact_pipelines.sampling.drawing import draw

SHARES = {"train": 0.8, "test": 0.1, "validation": 0.1}
POPULATION = pl.DataFrame({"id": range(2000), "customer": [i % 300 for i in range(2000)]})


def sides(frame: pl.DataFrame = POPULATION, **fields: Any) -> dict[int, str]:
    rows = draw(frame, Split(**{"shares": SHARES, **fields}), ["id"]).rows.collect()
    return dict(zip(rows["id"], rows["split"], strict=True))


def test_every_row_is_in_one_part_of_about_its_share() -> None:
    found = sides()
    assert len(found) == 2000
    assert 1500 < list(found.values()).count("train") < 1700
    assert 140 < list(found.values()).count("test") < 260


def test_parts_alone_are_those_of_the_whole_with_their_share_as_probability() -> None:
    found = sides()
    for part, share in SHARES.items():
        rows = draw(POPULATION, Split(shares=SHARES, part=part), ["id"]).rows.collect()
        assert rows["id"].to_list() == [row for row, side in found.items() if side == part]
        assert rows["inclusion_probability"].unique().to_list() == [share]


def test_row_never_changes_sides_when_the_data_grow() -> None:
    grown = pl.concat([POPULATION, POPULATION.with_columns(pl.col("id") + 2000)]).sample(
        fraction=1, shuffle=True, seed=1
    )
    after = sides(grown)
    assert {row: after[row] for row in range(2000)} == sides()


def test_groups_stay_together() -> None:
    rows = draw(POPULATION, Split(shares=SHARES, together=["customer"]), ["id"]).rows.collect()
    assert rows.group_by("customer").agg(pl.col("split").n_unique())["split"].max() == 1
    assert rows["split"].n_unique() == 3


def test_rest_is_left_out() -> None:
    drawn = draw(POPULATION, Split(shares={"a": 0.1, "b": 0.1}), ["id"])
    assert 300 < drawn.rows.collect().height < 500
    assert drawn.rows.collect()["inclusion_probability"].unique().to_list() == [0.2]
    assert drawn.design.frame.population_size == 2000


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"shares": {"a": 0.9, "b": 0.2}}, "shares"), ({"shares": {}}, "shares"), ({"part": "other"}, "part")],
)
def test_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Split(**{"shares": SHARES, **fields})
    assert caught.value.errors()[0]["loc"][0] == field
