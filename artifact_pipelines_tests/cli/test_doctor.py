"""The command doctor: what needs someone, before anything goes wrong."""

import json
import pathlib

import pytest

from artifact_pipelines.cli import doctor
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.cli.commands import run


def found(code: int = 1) -> dict[str, tuple[str, str | None]]:
    return {each["what"]: (each["found"], each["to_do"]) for each in json.loads(run("doctor", "--json", code=code))}


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
