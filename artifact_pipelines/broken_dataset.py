"""A dataset whose YAML file is wrong: what Dagster shows of it, and what a person reads in the terminal.

One idea: whoever checks definitions gets one error that names file, line and field. A server that loads them leaves
this dataset out, shows an asset that says why, and serves the others.
"""

import functools
import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import click
import dagster as dg
import pydantic
import yaml

from artifact_pipelines.datasets.landing.common_path import common_path
from artifact_pipelines.datasets.partition_keys import glob_of
from artifact_pipelines.instance.dagster_internals import (
    ComponentTreeException,
    ResolutionException,
    SourcePositionTree,
)
from artifact_pipelines.yaml_errors import explain, for_editors

_SERVERS = ("api", "code-server")
_FILE = "defs.yaml"


class BrokenDatasetError(ComponentTreeException):
    """The YAML file of a dataset is wrong. Dagster adds no tree of all files to an error of this kind."""


class DatasetYaml(pydantic.BaseModel):
    """Any fields; editors and `dg check yaml` get the schema of a dataset.

    Attributes:
        SCHEMA: Returns it.
    """

    model_config = pydantic.ConfigDict(extra="allow")
    SCHEMA: ClassVar[Callable[..., dict[str, Any]]]

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Return the schema of a dataset as editors take it."""
        schema: dict[str, Any] = for_editors(cls.SCHEMA(*args, **options))
        return schema


class BrokenDataset(dg.Component):
    """Stands in the place of a dataset whose YAML file is wrong."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return an asset that says why there is no other one."""
        description = f"The dataset is left out, because its YAML file is wrong:\n\n{self.reason}"
        spec = dg.AssetSpec([self.name, "broken"], description=description, group_name=self.name, kinds={"broken"})
        return dg.Definitions(assets=[spec])


@contextmanager
def explained(positions: SourcePositionTree | None, schema: Mapping[str, Any], given: Any) -> Iterator[None]:
    """Raise errors of pydantic as one that names file, line and field of each.

    Args:
        positions: Where each of the values stands in the file; None: they are of no file.
        schema: JSON schema of what was expected.
        given: The values.

    Raises:
        BrokenDatasetError: The given values are wrong.
    """
    try:
        yield
    except pydantic.ValidationError as error:
        found = sorted(explain(error, schema, given), key=lambda each: _line(positions, each[0]))
        raise BrokenDatasetError("\n".join(told(positions, place, text) for place, text in found)) from None


def positions_of(context: dg.ComponentLoadContext) -> SourcePositionTree | None:
    """Return where the fields of a component stand in its file; None: it is of no file."""
    tree = context.resolution_context.source_position_tree
    return tree and tree.children.get("attributes", tree)


def fill_in_templates(context: dg.ComponentLoadContext, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a dataset with their `{{ ... }}` filled in.

    Raises:
        BrokenDatasetError: A template is wrong, or names something that does not exist.
    """
    filled = {}
    for name, value in values.items():
        try:
            filled[name] = context.resolution_context.resolve_value(value)
        except ResolutionException as error:  # its text is a picture of the file, with `^ reason` in it
            reason = str(error).rpartition("^ ")[2].partition("\n")[0]
            text = f"the template cannot be filled in: {reason}"
            raise BrokenDatasetError(told(positions_of(context), [name], text)) from None
    return filled


def check_others(context: dg.ComponentLoadContext, name: str, source: str) -> None:
    """Check that no YAML file before this one declares the same dataset, or waits for the same files.

    Raises:
        BrokenDatasetError: One does.
    """
    positions = positions_of(context)
    if positions is None:
        return
    own = context.component_path.file_path
    for file in sorted(context.defs_module_path.rglob(_FILE)):
        if own in (file, file.parent):
            return
        for other, others in _declared(file, file.stat().st_mtime_ns):
            if other == name:
                text = f"{file} declares a dataset of this name too. Give one of them another name"
                raise BrokenDatasetError(told(positions, ["name"], text))
            if (path := common_path(glob_of(source), glob_of(others))) and "{{" not in source + others:
                text = f"{source!r} and {others!r}, the source of {other} ({file}), both match files such as {path!r}"
                remedy = "Narrow one of them, or give each dataset a folder of its own"
                raise BrokenDatasetError(told(positions, ["source"], f"{text}. {remedy}"))


def left_out(error: BrokenDatasetError, file: pathlib.Path, name: object = None) -> BrokenDataset:
    """Return what stands in the place of a dataset, if a server loads it; else raise its error.

    Args:
        error: What is wrong.
        file: The YAML file, or its folder.
        name: Name of the dataset; None: that of the folder.
    """
    if not _is_server():
        raise error.with_traceback(None)  # which says nothing that the error does not
    click.echo(f"This dataset is left out, because its YAML file is wrong:\n{error}", err=True)
    folder = file.parent.name if file.name == _FILE else file.name
    return BrokenDataset(re.sub(r"\W", "_", folder if name is None else str(name)), str(error))


def _is_server() -> bool:
    """True if a process of Dagster's loads definitions to work with them, such as that of `dagster dev` or of a run."""
    return sys.argv[1:2] != [] and sys.argv[1] in _SERVERS and not os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI")


def told(positions: SourcePositionTree | None, place: Sequence[int | str], text: str) -> str:
    """Return what is wrong at a place of a file, behind the file, the line and the field."""
    file = f"{positions.position.filename}:{_line(positions, place)}: " if positions else ""
    field = f"{'.'.join(map(str, place))}: " if place else ""
    return f"{file}{field}{text}{'' if text.endswith('?') else '.'}"


def _line(positions: SourcePositionTree | None, place: Sequence[int | str]) -> int:
    return positions.lookup_closest_and_path(place, None)[0].start.line if positions else 0


@functools.lru_cache(maxsize=1000)
def _declared(file: pathlib.Path, _: int) -> Sequence[tuple[str, str]]:
    """Return names and sources of the datasets that a YAML file declares; none if it is no YAML."""
    try:
        documents = [each for each in yaml.safe_load_all(file.read_text()) if isinstance(each, dict)]
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return []
    fields = [
        each.get("attributes") or {} for each in documents if str(each.get("type", "")).endswith("DatasetPipeline")
    ]
    return [(str(each.get("name")), str(each.get("source"))) for each in fields if isinstance(each, dict)]
