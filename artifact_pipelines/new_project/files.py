"""The files of a new project, and of a new dataset in it."""

import importlib.resources
import pathlib
import re
import string
from collections.abc import Mapping

from artifact_pipelines.core.exceptions import InvalidArgumentError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TEMPLATE = importlib.resources.files("artifact_pipelines.new_project") / "template"
_EXAMPLE = "cities"


def new_project(folder: pathlib.Path, dataset: str = _EXAMPLE, file: str = "", yaml: str = "") -> Mapping[str, str]:
    """Return the files of a new project, by their paths below its folder.

    Args:
        folder: Its name becomes the project's.
        dataset: Name of its first dataset.
        file: Name of the first file of that dataset; empty: an example comes with the project.
        yaml: The dataset's YAML file; empty: that of the example.

    Raises:
        InvalidArgumentError: A Python package cannot have the name of the folder.
    """
    project = folder.absolute().name
    package = project.replace("-", "_").lower()
    if not _NAME.fullmatch(package):
        raise InvalidArgumentError("folder", project, "a name of letters, digits, - and _ that begins with a letter")
    names = {"project": project, "package": package, "dataset": dataset, "file": file or f"{_EXAMPLE}.csv"}
    found = {name: _filled(name, names) for name in ("README.md", "workspace.yaml", "dagster.yaml")}
    found["pyproject.toml"] = _filled("pyproject.toml.txt", names)  # `.txt`: or tools would take it for this project's
    found[".gitignore"] = _filled("gitignore", names)
    found[f"{package}/__init__.py"] = f'"""The package of {project}."""\n'
    found[f"{package}/definitions.py"] = _filled("definitions.py.txt", names)
    found[f"{package}/defs/__init__.py"] = '"""Datasets and assets; everything here is loaded."""\n'
    found[f"{package}/defs/{dataset}/defs.yaml"] = yaml or new_dataset(dataset)
    if not file:
        found[f"{_EXAMPLE}.csv"] = _filled(f"{_EXAMPLE}.csv", names)
    return found


def new_dataset(name: str) -> str:
    """Return the commented YAML file of a new dataset.

    Raises:
        InvalidArgumentError: A dataset cannot have this name.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError("name", name, "small letters, digits and _, and a letter first, such as `cities`")
    return _filled("dataset.yaml", {"dataset": name})


def _filled(name: str, names: Mapping[str, str]) -> str:
    return string.Template((_TEMPLATE / name).read_text("utf-8")).substitute(names)
