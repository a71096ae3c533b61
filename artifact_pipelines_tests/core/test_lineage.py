"""Lineage trees grow level by level, and end in every graph."""

import datetime
from collections.abc import Sequence

from artifact_pipelines.core.lineage import Ancestry, LineageNode, Made, grow
from artifact_pipelines.core.types import FileId

MADE_AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def made(number: int) -> Made:
    return Made(number, f"asset {number}", None, 1, FileId(number), MADE_AT, None)


class Graph:
    """Edges from a number to others; counts its queries."""

    def __init__(self, **edges: Sequence[int]) -> None:
        self._edges = {int(key[1:]): values for key, values in edges.items()}
        self.queries = 0

    def neighbours(self, ids: Sequence[int], limit: int) -> Ancestry:
        self.queries += 1
        return [(key, made(other)) for key in sorted(ids) for other in self._edges.get(key, ())][:limit]


def drawn(node: LineageNode) -> object:
    mark = ("!" if node.is_repeated else "") + ("…" if node.is_cut else "")
    name = f"{node.made.materialization_id}{mark}"
    return [name, *map(drawn, node.children)] if node.children else name


def grown(graph: Graph, **bounds: int) -> object:
    [tree] = grow([made(1)], graph.neighbours, **bounds)
    return drawn(tree)


def test_tree_has_every_node_with_one_query_for_each_level() -> None:
    graph = Graph(_1=[2, 3], _2=[4], _3=[5])
    assert grown(graph) == ["1", ["2", "4"], ["3", "5"]]
    assert graph.queries == 3


def test_node_reached_twice_shows_its_branch_once() -> None:
    assert grown(Graph(_1=[2, 3], _2=[3], _3=[4])) == ["1", ["2", "3!"], ["3", "4"]]


def test_tree_of_a_circular_graph_ends() -> None:
    assert grown(Graph(_1=[2], _2=[1, 2])) == ["1", ["2", "1!", "2!"]]


def test_too_deep_tree_is_cut_at_marked_nodes() -> None:
    chain = Graph(_1=[2], _2=[3], _3=[4])
    assert grown(chain, max_depth=2) == ["1", ["2", "3…"]]
    assert grown(chain, max_depth=3) == ["1", ["2", ["3", "4"]]]


def test_too_large_tree_is_cut_at_marked_nodes() -> None:
    graph = Graph(_1=[2, 3, 4], _2=[5, 6], _3=[7])
    assert grown(graph, max_nodes=3) == ["1…", "2…", "3…"]
    assert grown(graph, max_nodes=5) == ["1", ["2…", "5"], "3…", "4…"]
    assert grown(graph, max_nodes=6) == ["1", ["2", "5", "6"], "3…", "4…"]
    assert grown(graph, max_nodes=7) == ["1", ["2", "5", "6"], ["3", "7"], "4"]
