"""The command that shows the origin and the use of a version or file: lineage."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text
from rich.tree import Tree

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.terminal import (
    as_json_option,
    cell,
    console,
    partition_option,
    print_json,
    version_option,
)
from artifact_pipelines.core.lineage import MAX_NODES, LineageNode, Made, grow
from artifact_pipelines.core.types import Selection

if TYPE_CHECKING:
    from artifact_pipelines.store import Store

_HEADINGS = {"up": "was made from", "down": "went into"}


@click.command()
@click.argument("asset", metavar="ASSET|ID")
@click.option("--up", "direction", flag_value="up", default="up", help="Show its inputs (the default).")
@click.option("--down", "direction", flag_value="down", help="Show everything made from it.")
@partition_option
@version_option
@as_json_option
def lineage(asset: str, direction: str, partition: str | None, version: int | None, as_json: bool) -> None:
    """Show the inputs of ASSET as a tree, or everything made from it.

    A number is a file ID, unless an asset has this name. Lineage is exact: each materialization records the versions
    that its step loaded.
    """
    with open_store() as store:
        if asset.isdecimal() and not store.catalog.materializations.history(asset, limit=1):
            if partition is not None or version is not None:
                raise click.UsageError("A file has neither partitions nor versions: leave out --partition, --version.")
            roots = store.catalog.lineage.holders(store.info(int(asset)).file_id, MAX_NODES)
        else:
            roots = _roots(store, asset, partition, version)
        catalog = store.catalog.lineage
        trees = grow(roots, catalog.inputs if direction == "up" else catalog.consumers)
    if as_json:
        return print_json({"direction": direction, "roots": [_as_json(tree) for tree in trees]})
    if not trees:
        return click.echo(f"No asset has ever held file {asset}.")
    for tree in trees:
        heading = f"{_HEADINGS[direction]}{':' if tree.children else ' nothing in the store'}"
        console().print(_branch(tree, Tree(Text(f"{_text(tree)}, {heading}"))))
    if any(node.is_cut for node in _all(trees)):
        click.echo("The tree is cut at each …; to see more, run `lineage` on the version with this mark.")
    return None


def _roots(store: "Store", asset: str, partition: str | None, version: int | None) -> Sequence[Made]:
    roots = store.catalog.lineage.versions(asset, partition, version, MAX_NODES)
    if not roots:
        selection = None if version is None else Selection(version=version)
        raise store.catalog.materializations.nothing_found(asset, partition, selection)
    return roots


def _branch(node: LineageNode, branch: Tree) -> Tree:
    for child in node.children:
        _branch(child, branch.add(Text(_text(child))))
    return branch


def _text(node: LineageNode) -> str:
    made = node.made
    name = made.asset if made.partition is None else f"{made.asset}[{made.partition}]"
    others = f" and {made.file_count - 1} more" if made.file_count > 1 else ""
    facts = [f"version {made.version}", f"file {made.file_id}{others}", cell("created_at", made.created_at)]
    marks = [*(["also elsewhere in this tree"] if node.is_repeated else []), *(["…"] if node.is_cut else [])]
    return ", ".join([name, *facts, *marks])


def _all(trees: Iterable[LineageNode]) -> Iterable[LineageNode]:
    for tree in trees:
        yield tree
        yield from _all(tree.children)


def _as_json(node: LineageNode) -> Mapping[str, Any]:
    facts = dataclasses.asdict(node.made)
    del facts["materialization_id"]
    children = [_as_json(child) for child in node.children]
    return {**facts, "repeated": node.is_repeated, "cut": node.is_cut, "children": children}
