"""The command lineage."""

import functools
import pathlib

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager
from artifact_pipelines.core.lineage import grow
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.cli.conftest import new_store
from artifact_pipelines_tests.saved_store import copy_saved


@pytest.fixture(scope="module")
def saved_delays(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("delays")

    @dg.asset(key=["flights", "raw"])
    def raw() -> str:
        return "raw"

    @dg.asset(ins={"raw": dg.AssetIn(["flights", "raw"])})
    def delays(raw: str) -> str:
        return f"[b]{raw}"

    with new_store(folder) as (_, io_manager):
        dg.materialize([raw, delays], resources={"io_manager": io_manager})
    return folder


@pytest.fixture
def delays(saved_delays: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Asset `delays`, which was made from `flights/raw`."""
    copy_saved(saved_delays, tmp_path)


@pytest.mark.usefixtures("delays")
def test_lineage_is_a_tree_in_both_directions() -> None:
    text = run("lineage", "delays")
    assert "delays, version 1, file 2" in text.splitlines()[0]
    assert "made from:" in text.splitlines()[0]
    assert "flights/raw, version 1, file 1" in text.splitlines()[1]
    down = run("lineage", "flights/raw", "--down").splitlines()
    assert "flights/raw, version 1" in down[0]
    assert "delays, version 1" in down[1]


@pytest.mark.usefixtures("delays")
def test_lineage_of_a_file_is_the_lineage_of_its_holders() -> None:
    assert run("lineage", "2") == run("lineage", "delays")
    assert run("lineage", "1", "--down") == run("lineage", "flights/raw", "--down")
    assert "neither partitions nor versions" in run("lineage", "1", "--version", 1, code=2)
    assert "No file has ID 9" in run("lineage", "9", code=3)


@pytest.mark.usefixtures("delays")
def test_number_is_a_file_id_unless_an_asset_has_this_name(io_manager: ArtifactIOManager) -> None:
    @dg.asset(name="1")
    def year() -> str:
        return "the year 1"

    assert run("lineage", "1", "--down").startswith("flights/raw, version 1, file 1")
    dg.materialize([year], resources={"io_manager": io_manager})
    assert run("lineage", "1").startswith("1, version 1, file 3")
    assert run("lineage", "1", "--version", 1) == run("lineage", "1")
    assert "Asset 1 has nothing that is version 9" in run("lineage", "1", "--version", 9, code=3)
    assert run("lineage", "2") == run("lineage", "delays")


@pytest.mark.usefixtures("delays")
def test_json_lineage_is_nested() -> None:
    found = run_json("lineage", "delays", "--up")
    [root] = found["roots"]
    [child] = root["children"]
    assert found["direction"] == "up"
    assert (root["asset"], root["version"], root["file_id"], root["repeated"], root["cut"]) == (
        "delays",
        1,
        2,
        False,
        False,
    )
    assert (child["asset"], child["partition"], child["file_id"], child["children"]) == ("flights/raw", None, 1, [])
    assert child["run_id"] == root["run_id"]
    assert child["created_at"].endswith("+00:00")


@pytest.mark.usefixtures("delays")
def test_lineage_of_an_unknown_version_lists_the_known_ones(csv: pathlib.Path) -> None:
    assert "version 1 (file 2" in run("lineage", "delays", "--version", 7, code=3)
    assert "Materialize it first" in run("lineage", "nothing", code=3)
    file_id = run_json("put", csv)["file_id"]
    assert run("lineage", file_id) == f"No asset has ever held file {file_id}.\n"


@pytest.mark.usefixtures("delays")
def test_lineage_marks_where_the_tree_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = functools.partial(grow, max_depth=0)
    monkeypatch.setattr("artifact_pipelines.cli.lineage.grow", grown)
    text = run("lineage", "delays")
    assert "…" in text.splitlines()[0]
    assert "The tree is cut" in text.splitlines()[-1]
    assert run_json("lineage", "delays")["roots"][0]["cut"] is True


@pytest.mark.usefixtures("towns")
def test_lineage_shows_both_directions_on_demand() -> None:
    both = run("lineage", "towns/table", "--up", "--down")
    assert "was made from nothing in the store" in both
    assert "went into:" in both
    assert [each["direction"] for each in run_json("lineage", "towns/table", "--up", "--down")] == ["up", "down"]
    assert run_json("lineage", "towns/table")["direction"] == "up"
