"""Trees of lineage: they grow level by level, expand each node once, and have a maximum size. Standard library only."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence

from artifact_pipelines.core.types import FileId

MAX_NODES = 1000
MAX_DEPTH = 25


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A materialization in a tree of lineage, with its first file, and the number of its files."""

    materialization_id: int
    asset: str
    partition: str | None
    version: int
    file_id: FileId
    created_at: datetime.datetime
    run_id: str | None
    file_count: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Outdated:
    """A current version that was made from another version of an input than the current one.

    Attributes:
        made_from: Newest version of the input that it was made from.
        current: Version of the input that is current.
    """

    asset: str
    partition: str | None
    version: int
    input: str
    input_partition: str | None
    made_from: int
    current: int


Ancestry = Sequence[tuple[int, Made]]
"""Pairs of a materialization's ID and one of its neighbours in a tree."""


@dataclasses.dataclass(slots=True)
class LineageNode:
    """A materialization and the nodes below it in a tree.

    Attributes:
        is_repeated: True if it is elsewhere in the tree, with the nodes below it.
        is_cut: True if there may be more below it than the tree has room for.
    """

    made: Made
    children: "list[LineageNode]" = dataclasses.field(default_factory=list)
    is_repeated: bool = False
    is_cut: bool = False


def grow(
    roots: Sequence[Made],
    neighbours: Callable[[Sequence[int], int], Ancestry],
    max_nodes: int = MAX_NODES,
    max_depth: int = MAX_DEPTH,
) -> Sequence[LineageNode]:
    """Return trees of the ancestors or descendants of materializations.

    Args:
        roots: The materializations.
        neighbours: Returns the neighbours of the materializations with some IDs, in the order of the IDs, and at most a
            number of pairs.
        max_nodes: Maximum number of nodes in all trees.
        max_depth: Maximum number of levels below the roots.
    """
    trees = [LineageNode(made) for made in roots]
    level = {node.made.materialization_id: node for node in trees}
    seen, count = set(level), len(trees)
    for depth in range(max_depth + 1):
        if not level:
            break
        room = max_nodes - count if depth < max_depth else 0
        found = neighbours(sorted(level), room + 1)
        if len(found) > room:  # they come in the order of their owners, so these are the owners of the rest
            for owner, node in level.items():
                node.is_cut = owner >= found[room][0]
        count += len(found[:room])
        level = _attach(level, found[:room], seen)
    return trees


def _attach(level: Mapping[int, LineageNode], found: Ancestry, seen: set[int]) -> dict[int, LineageNode]:
    """Add nodes below their owners, and return those to expand next."""
    below: dict[int, LineageNode] = {}
    for owner, made in found:
        node = LineageNode(made, is_repeated=made.materialization_id in seen)
        level[owner].children.append(node)
        if not node.is_repeated:
            seen.add(made.materialization_id)
            below[made.materialization_id] = node
    return below
