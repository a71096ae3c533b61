"""The command that draws a sample."""

import pathlib

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManager
from artifact_pipelines_tests.cli.commands import run, run_json

ROWS = pl.DataFrame({"id": range(100), "name": [f"n{i}" for i in range(100)]})


@pytest.fixture
def table(tmp_path: pathlib.Path) -> str:
    ROWS.write_parquet(tmp_path / "table.parquet")
    return str(tmp_path / "table.parquet")


def test_sample_of_a_file_is_written(table: str, tmp_path: pathlib.Path) -> None:
    said = run("sample", table, "--design", "{n: 10, seed: 3}", "--key", "id", "-o", str(tmp_path / "s.parquet"))
    drawn = pl.read_parquet(tmp_path / "s.parquet")
    assert "10 of 100 rows" in said
    assert (drawn.height, drawn["sampling_weight"].sum()) == (10, 100)
    run("sample", table, "--design", "{n: 10, seed: 3}", "--key", "id", "-o", str(tmp_path / "s.csv"))
    assert pl.read_csv(tmp_path / "s.csv")["id"].equals(drawn["id"])


def test_design_may_be_a_file(table: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "d.yaml").write_text("design: custom\ncondition: id < 3\n")
    found = run_json("sample", table, "--design", str(tmp_path / "d.yaml"), "-o", str(tmp_path / "s.parquet"))
    assert (found["design"], found["drawn"], found["frame"]["rows"]) == ("custom", 3, 100)


def test_sample_of_an_asset_knows_its_file(io_manager: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    @dg.asset
    def people() -> pl.DataFrame:
        return ROWS

    dg.materialize([people], resources={"io_manager": io_manager})
    found = run_json("sample", "people", "--design", "{n: 10}", "-o", str(tmp_path / "s.parquet"))
    assert found["frame"]["file_id"] > 0
    assert pl.read_parquet(tmp_path / "s.parquet").height == 10


def test_sample_of_partitions_is_of_all_or_of_one(io_manager: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["north", "south"]))
    def people(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return ROWS if context.partition_key == "north" else ROWS.with_columns(pl.col("id") + 100)

    for partition in ("north", "south"):
        dg.materialize([people], resources={"io_manager": io_manager}, partition_key=partition)
    asked = ("--design", "{n: 20}", "-k", "id", "-o", str(tmp_path / "s.parquet"))
    assert run_json("sample", "people", *asked)["frame"]["rows"] == 200
    every = pl.read_parquet(tmp_path / "s.parquet")
    assert set(every["partition"]) == {"north", "south"}
    assert every["sampling_weight"].sum() == 200
    for name in (("people[south]",), ("people", "--partition", "south")):
        assert run_json("sample", *name, *asked)["partition"] == "south"
        one = pl.read_parquet(tmp_path / "s.parquet")
        assert "partition" not in one.columns
        assert set(every.filter(partition="south")["id"]) <= set(one["id"])  # the same numbers of keys
    assert "partition 'west'" in run("sample", "people[west]", *asked, code=3)


def test_what_is_no_table_cannot_be_sampled(io_manager: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    @dg.asset
    def text() -> str:
        return "no rows"

    dg.materialize([text], resources={"io_manager": io_manager})
    said = run("sample", "text", "--design", "{n: 1}", "-o", str(tmp_path / "s.csv"), code=2)
    assert "a table that is stored as Parquet" in said


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("{n: 0}", "n: 0 is not accepted: input should be greater than 0."),
        ("{n: [}", "--design"),
        ("{n: 5, n: 6}", "Line 1, column 8: this field stands here a second time"),
        ("5", "fields such as `name: value` are expected here, not 5"),
        ("{design: x}", "design: "),
        ("d.yaml", "d.yaml"),
    ],
)
def test_wrong_design_is_a_wrong_usage(table: str, design: str, message: str, tmp_path: pathlib.Path) -> None:
    assert message in run("sample", table, "--design", design, "-o", str(tmp_path / "s.parquet"), code=2)


def test_wrong_names_are_refused(table: str, tmp_path: pathlib.Path) -> None:
    assert ".parquet or .csv" in run("sample", table, "--design", "{n: 1}", "-o", str(tmp_path / "s.txt"), code=2)
    (tmp_path / "no.parquet").write_text("no")
    said = run("sample", str(tmp_path / "no.parquet"), "--design", "{n: 1}", "-o", str(tmp_path / "s.csv"), code=2)
    assert "a Parquet file" in said
    assert not (tmp_path / "s.csv").exists()
