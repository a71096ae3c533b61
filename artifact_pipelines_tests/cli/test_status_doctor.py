"""What needs someone: status, and doctor before anything goes wrong."""

import pathlib

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.cli import doctor
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.project import CSV, Project


def found(code: int = 1) -> dict[str, tuple[str, str | None]]:
    import json

    return {each["what"]: (each["found"], each["to_do"]) for each in json.loads(run("doctor", "--json", code=code))}


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


def test_doctor_finds_a_missing_catalog_and_home(settings: Settings) -> None:
    said = found()
    assert "no catalog" in said["catalog"][0].lower()
    assert said["catalog"][1]
    assert said["DAGSTER_HOME"][1]
    assert said["dagster"][1] is None


def test_doctor_is_content_with_a_store_in_use(
    settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.txt").write_text("x")
    run("put", tmp_path / "x.txt")
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "_LEAST_FREE_BYTES", 0)
    assert {to_do for _, to_do in found(code=0).values()} == {None}
    assert "ok  catalog" in run("doctor")


def test_doctor_says_what_to_do_about_a_full_disk_a_wrong_url_and_a_home_without_settings(
    settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    said = found()
    assert "gc" in str(said["storage folder"][1])
    assert "dagster.yaml" in said["DAGSTER_HOME"][0]
    monkeypatch.setenv("ARTIFACT_STORAGE_URL", "ftp://somewhere")
    assert "ARTIFACT_STORAGE_URL" in found()["settings"][0]


def test_doctor_says_to_make_a_landing_folder_that_does_not_exist(landing: pathlib.Path) -> None:
    landing.rmdir()
    there_is, to_do = found()["landing folder"]
    assert there_is == f"there is no folder {landing}"
    assert f"mkdir -p {landing}" in str(to_do)


def test_doctor_names_the_project_and_its_dagster_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", tmp_path / "towns")
    monkeypatch.chdir(tmp_path / "towns" / "towns")
    said = found()
    assert said["project"] == (str(tmp_path / "towns"), None)
    assert f"export DAGSTER_HOME={tmp_path / 'towns'};" in str(said["DAGSTER_HOME"][1])
