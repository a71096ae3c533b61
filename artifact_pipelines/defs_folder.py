"""Loads the folder `defs/` of a project as Dagster does, but a file that Dagster cannot read does not stop the others.

One idea: Dagster reads all YAML files before it loads the first one, so one that it cannot read took all datasets down.
Here it is a broken dataset, as one with a wrong field is.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.broken_dataset import BrokenDatasetError, explained, left_out, told
from artifact_pipelines.instance.dagster_internals import (
    ComponentDeclLoadContext,
    ComponentFileModel,
    ComponentPostProcessingModel,
    DagsterUnresolvableSymbolError,
    ValueAndSourcePositionTree,
    asset_post_processor_list_from_post_processing_dict,
    parse_yamls_with_source_position,
)
from artifact_pipelines.instance.dagster_internals import decl as component_decls
from artifact_pipelines.yaml_errors import find_syntax_error

_TYPE = "A dataset begins with `type: artifact_pipelines.DatasetPipeline`"
_read = component_decls.build_component_decl_from_yaml_file


def load_defs_folder(folder: pathlib.Path) -> dg.Definitions:
    """Return what the YAML and Python files below a folder define, as `dg.load_from_defs_folder` does.

    A server leaves out a dataset whose file Dagster cannot read, and shows an asset `broken` that says why.

    Args:
        folder: The folder `defs/` of a project.

    Raises:
        BrokenDatasetError: Dagster cannot read a file, and it is not a server that loads it.
    """
    component_decls.build_component_decl_from_yaml_file = _read_or_leave_out
    try:
        return dg.load_from_defs_folder(path_within_project=folder)
    finally:
        component_decls.build_component_decl_from_yaml_file = _read


def _read_or_leave_out(context: ComponentDeclLoadContext, component_def_path: pathlib.Path) -> Any:
    """Read a YAML file as Dagster does; one that it cannot read declares a broken dataset."""
    try:
        for document in _documents(component_def_path):
            _check(context, document)
    except BrokenDatasetError as error:
        broken = left_out(error, component_def_path)
        return component_decls.ComponentLoaderDecl(
            context=context, loc=context.component_path, component_node_fn=lambda _: broken
        )
    return _read(context, component_def_path)


def _documents(file: pathlib.Path) -> Sequence[ValueAndSourcePositionTree]:
    if found := find_syntax_error(file.read_bytes()):
        line, column, text = found
        raise BrokenDatasetError(f"{file}:{line}:{column}: {text}.")
    documents = parse_yamls_with_source_position(file.read_text("utf-8"), str(file))
    if not documents:
        raise BrokenDatasetError(f"{file}:1: the file is empty. {_TYPE}.")
    return documents


def _check(context: ComponentDeclLoadContext, document: ValueAndSourcePositionTree) -> None:
    """Check that a document has the fields of a component, and a type that exists."""
    positions = document.source_position_tree
    with explained(positions, ComponentFileModel.model_json_schema(), document.value):
        model = ComponentFileModel.model_validate(document.value)
    try:
        component_decls._get_component_class(context, model)
    except (ValueError, DagsterUnresolvableSymbolError) as error:
        text = " ".join(str(error).split()).rstrip(".")
        raise BrokenDatasetError(told(positions, ["type"], f"{text}. {_TYPE}")) from None
    if model.template_vars_module or model.post_processing:
        _check_around(context, document, model)


def _check_around(
    context: ComponentDeclLoadContext, document: ValueAndSourcePositionTree, model: ComponentFileModel
) -> None:
    """Check that the module of template variables exists, and that what changes the assets afterwards can be read."""
    positions = document.source_position_tree
    declared = component_decls.YamlDecl.from_source_tree(context, document, context.component_path)
    try:
        resolution = declared.context_with_component_injected_scope.resolution_context
    except (ImportError, SyntaxError, dg.DagsterInvalidDefinitionError) as error:
        raise BrokenDatasetError(told(positions, ["template_vars_module"], str(error).rstrip("."))) from None
    schema = ComponentPostProcessingModel.model().model_json_schema()
    with explained(positions.children.get("post_processing"), schema, model.post_processing):
        asset_post_processor_list_from_post_processing_dict(resolution, model.post_processing)
