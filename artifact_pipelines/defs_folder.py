"""Loads the folder `defs/` of a project as Dagster does, but a file that is no YAML does not stop the others.

One idea: Dagster reads all YAML files before it loads the first one, so one that it cannot read took all datasets down.
Here it is a broken dataset, as one with a wrong field is.
"""

import pathlib
from typing import Any

import dagster as dg
import yaml

from artifact_pipelines.broken_dataset import BrokenDatasetError, left_out
from artifact_pipelines.instance.dagster_internals import ComponentDeclLoadContext
from artifact_pipelines.instance.dagster_internals import decl as component_decls
from artifact_pipelines.yaml_errors import find_syntax_error

_read = component_decls.build_component_decl_from_yaml_file


def load_defs_folder(folder: pathlib.Path) -> dg.Definitions:
    """Return what the YAML and Python files below a folder define, as `dg.load_from_defs_folder` does.

    A server leaves out a dataset whose file is no YAML, and shows an asset `broken` that says why.

    Args:
        folder: The folder `defs/` of a project.

    Raises:
        BrokenDatasetError: A file is no YAML, and it is not a server that loads it.
    """
    component_decls.build_component_decl_from_yaml_file = _read_or_leave_out
    try:
        return dg.load_from_defs_folder(path_within_project=folder)
    finally:
        component_decls.build_component_decl_from_yaml_file = _read


def _read_or_leave_out(context: ComponentDeclLoadContext, component_def_path: pathlib.Path) -> Any:
    """Read a YAML file as Dagster does; one that is no YAML declares a broken dataset."""
    try:
        return _read(context, component_def_path)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError):  # the last of a key that is no text
        found = find_syntax_error(component_def_path.read_bytes())
        if found is None:
            raise
    line, column, text = found
    broken = left_out(BrokenDatasetError(f"{component_def_path}:{line}:{column}: {text}."), component_def_path)
    return component_decls.ComponentLoaderDecl(
        context=context, loc=context.component_path, component_node_fn=lambda _: broken
    )
