"""The command that shows the origin and the use of a version or file: lineage."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
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
    from rich.tree import Tree

    from artifact_pipelines.store import Store

_HEADINGS = {"up": "was made from", "down": "went into"}


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@click.option("--up", "is_up", is_flag=True, help="Show its inputs (the default).")
@click.option("--down", "is_down", is_flag=True, help="Show everything made from it; with --up both.")
@partition_option
@version_option
@as_json_option
def lineage(name: str, is_up: bool, is_down: bool, partition: str | None, version: int | None, as_json: bool) -> None:
    r"""Show what an asset was made from as a tree, or everything made from it.

    Lineage is exact: each materialization records the versions that its step loaded.

    \b
    Examples:
      artifact-pipelines lineage flights/report
      artifact-pipelines lineage flights@v2 --down
      artifact-pipelines lineage 7 --up --down
    """
    directions = [*(["up"] if is_up or not is_down else []), *(["down"] if is_down else [])]
    with open_store() as store:
        roots = _roots(store, name, partition, version)
        catalog = store.catalog.lineage
        neighbours = {"up": catalog.inputs, "down": catalog.consumers}
        found = {direction: grow(roots, neighbours[direction]) for direction in directions}
    if as_json:
        both = [{"direction": way, "roots": [_as_json(tree) for tree in trees]} for way, trees in found.items()]
        return print_json(both if len(both) > 1 else both[0])
    if not roots:
        return click.echo(f"No asset has ever held file {name}.")
    for direction, trees in found.items():
        _print(trees, direction)
    if any(node.is_cut for trees in found.values() for node in _all(trees)):
        click.echo("The tree is cut at each …; to see more, run `lineage` on the version with this mark.")
    return None


def _roots(store: "Store", text: str, partition: str | None, version: int | None) -> Sequence[Made]:
    """Return what a name stands for: of a file ID all that ever held it, of an asset one for each partition."""
    from artifact_pipelines.catalog.stored_names import is_file_id, resolve_name

    catalog = store.catalog
    if is_file_id(catalog, text) and partition is None and version is None:
        return catalog.lineage.holders(store.info(int(text)).file_id, MAX_NODES)
    name = resolve_name(catalog, text, partition, version)
    roots = catalog.lineage.versions(name.asset, name.partition, name.version, MAX_NODES)
    if not roots:
        selection = None if name.version is None else Selection(version=name.version)
        raise catalog.materializations.nothing_found(name.asset, name.partition, selection)
    return roots


def _print(trees: Sequence[LineageNode], direction: str) -> None:
    from rich.text import Text
    from rich.tree import Tree

    for tree in trees:
        heading = f"{_HEADINGS[direction]}{':' if tree.children else ' nothing in the store'}"
        console().print(_branch(tree, Tree(Text(f"{_text(tree)}, {heading}"))))


def _branch(node: LineageNode, branch: "Tree") -> "Tree":
    from rich.text import Text

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
