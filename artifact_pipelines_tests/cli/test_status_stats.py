"""The commands status and stats."""

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.project import CSV, Project


def test_status_names_files_in_quarantine_and_damaged_files_with_the_next_command(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, samples={}, analyses={})
        project.drop(CSV)
        project.settle()
        project.drop("carrier,number,delay\nUA,1,soon\n")
        project.settle()
    with Catalog(settings.catalog_url) as catalog:
        catalog.files.mark_damaged(catalog.materializations.current("flights/table").file)
    rows = run_json("status")
    assert [(row["state"], row["where"], row["what"]) for row in rows] == [
        ("quarantined", "flights", "flights.csv"),
        ("damaged", "", "file 2"),
    ]
    assert "soon" in rows[0]["reason"]
    assert rows[0]["next"] == "artifact-pipelines quarantine show flights flights.csv"
    assert "quarantined" in run("status")


def test_status_names_what_was_made_from_a_version_that_is_no_longer_current(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance)
        for delay in (5, 6):
            project.drop(CSV.replace("5", str(delay)))
            project.settle()
        assert run("status").startswith("Nothing needs you")
        run("rollback", "flights/table", "--to", 1)
        stale = {row["where"]: row for row in run_json("status")}
        assert sorted(stale) == ["flights/analyses/delays", "flights/analyses/profile", "flights/samples/few"]
        assert {row["state"] for row in stale.values()} == {"stale"}
        assert stale["flights/samples/few"]["reason"] == "made from flights/table version 2; version 1 is current"
        project.materialize("analyses/delays", "analyses/profile", "samples/few")
        assert run("status").startswith("Nothing needs you")


def test_status_leaves_out_an_asset_whose_input_always_loads_a_chosen_version(
    store: Store, io_manager: ArtifactIOManager
) -> None:
    values = iter(range(9))

    @dg.asset
    def price() -> int:
        return next(values)

    @dg.asset(ins={"price": dg.AssetIn(metadata={"artifact/version": 1})})
    def first(price: int) -> int:
        return price

    @dg.asset
    def last(price: int) -> int:
        return price

    resources = {"io_manager": io_manager}
    for selection in ([price], [first, last], [price]):
        dg.materialize([price, first, last], resources=resources, selection=selection)
    assert [row["where"] for row in run_json("status")] == ["last"]


@pytest.mark.usefixtures("towns")
def test_status_of_a_store_where_all_is_well() -> None:
    assert run_json("status") == []
    assert run("status").startswith("Nothing needs you")


@pytest.mark.usefixtures("towns")
def test_stats_count_every_kept_version_and_what_is_stored_once() -> None:
    facts = run_json("stats")
    [table] = [row for row in facts["largest_assets"] if row["asset"] == "towns/table"]
    assert table["versions"] == 2
    assert facts["logical_bytes"] == sum(row["logical_bytes"] for row in facts["largest_assets"])
    assert facts["stored_files"] == 4
    assert "Reclaimable  0 bytes" in run("stats")
