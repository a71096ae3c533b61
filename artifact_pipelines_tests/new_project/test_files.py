import pathlib
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.scaffold.scaffold import NoParams

from artifact_pipelines import DatasetPipeline
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.new_project.files import new_dataset, new_project
from artifact_pipelines.new_project.scaffolder import DatasetScaffolder

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def test_new_dataset_loads_and_every_line_of_it_is_explained() -> None:
    text = new_dataset("cities")
    declared = yaml.safe_load(text)
    assert declared["type"] == "artifact_pipelines.DatasetPipeline"
    assert DatasetPipeline.model_validate(declared["attributes"]).name == "cities"


def test_lines_that_are_comments_load_too() -> None:
    lines = new_dataset("cities").splitlines()
    text = "\n".join(line.replace("  # ", "  ", 1) if line.startswith("  # ") else line for line in lines)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    assert (dataset.schedule, list(dataset.samples), dataset.on_bad_rows) == ("0 6 * * *", ["hundred"], "quarantine")


@pytest.mark.parametrize("name", ["Cities", "1st", "a b", "../x", ""])
def test_name_that_no_dataset_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="small letters"):
        new_dataset(name)


def test_project_is_named_after_its_folder() -> None:
    files = new_project(pathlib.Path("/somewhere/my-project"))
    assert "my_project/definitions.py" in files
    assert yaml.safe_load(files["workspace.yaml"])["load_from"][0]["python_module"]["module_name"] == (
        "my_project.definitions"
    )
    assert all("$package" not in text and "$dataset" not in text for text in files.values())
    with pytest.raises(InvalidArgumentError, match="begins with a letter"):
        new_project(pathlib.Path("/somewhere/7"))


def test_instance_of_a_new_project_is_set_up_like_the_one_here() -> None:
    ours = (CHECKOUT / "dagster.yaml").read_text().splitlines()[1:]
    assert new_project(pathlib.Path("a"))["dagster.yaml"].splitlines()[1:] == ours


def test_scaffold_writes_the_commented_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "towns").mkdir()
    request: dg.ScaffoldRequest[Any] = dg.ScaffoldRequest(
        type_name="artifact_pipelines.DatasetPipeline",
        target_path=tmp_path / "towns",
        scaffold_format="yaml",
        project_root=tmp_path,
        params=NoParams(),
        append=False,
    )
    DatasetScaffolder().scaffold(request)
    assert (tmp_path / "towns" / "defs.yaml").read_text() == new_dataset("towns")
