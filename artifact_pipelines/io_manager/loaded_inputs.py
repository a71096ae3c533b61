"""Knows the materializations that a step has loaded, and which partition of its output each of them belongs to.

One idea: a step's inputs are known as long as the step is. Dagster loads an input with the IO manager of the upstream
asset and stores the output with another one, so all IO managers of a process share what they note.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

from artifact_pipelines.core.types import LoadedInput
from artifact_pipelines.io_manager.asked_outputs import Upstream

_loaded: WeakKeyDictionary[object, dict[str, list[LoadedInput]]] = WeakKeyDictionary()
_lock = threading.Lock()


class StepInputs:
    """The materializations of a catalog that steps have loaded. Threads may share it.

    A step is Dagster's context of one attempt at it, the same object when it loads and when it stores.

    Args:
        catalog: Identity of the catalog; IDs of other catalogs mean nothing in this one.
    """

    def __init__(self, catalog: str) -> None:
        self._catalog = catalog

    def add(self, step: object | None, loaded: Iterable[LoadedInput]) -> None:
        """Note materializations that a step has loaded. Outside of a step (None) nothing is noted."""
        if step is None:
            return
        with _lock:
            _loaded.setdefault(step, {}).setdefault(self._catalog, []).extend(loaded)

    def of(self, step: object | None) -> Sequence[LoadedInput]:
        """Return the materializations that a step has loaded so far."""
        with _lock:
            return tuple(_loaded.get(step, {}).get(self._catalog, ())) if step is not None else ()


def inputs_by_partition(
    partitions: Sequence[str | None], loaded: Sequence[LoadedInput], upstream: Mapping[str, Upstream]
) -> Sequence[tuple[LoadedInput, ...]]:
    """Return the inputs of each partition of an output, in the order in which they were loaded.

    A run over several partitions loads the inputs of all of them at once. The partition mappings of the asset tell them
    apart again. An input that no mapping covers was loaded by the code of the step: it belongs to the partition of its
    own key. An input without partitions, or of a partition that none of the output's depends on, went into each.

    Args:
        partitions: Partitions of the output; one alone was made from everything that was loaded.
        loaded: What the step has loaded.
        upstream: By upstream asset, its partitions that a partition of the output depends on.
    """
    if len(partitions) == 1:
        return [tuple(loaded)]
    places: dict[str, dict[str, list[int]]] = {}
    for place, one in enumerate(loaded):
        if one.partition is not None:
            places.setdefault(one.asset, {}).setdefault(one.partition, []).append(place)
    of_each: list[set[int]] = []
    for partition in map(str, partitions):
        keys = {asset: upstream[asset](partition) if asset in upstream else (partition,) for asset in places}
        of_each.append({place for asset in places for key in keys[asset] for place in places[asset].get(key, ())})
    of_all = set(range(len(loaded))).difference(*of_each)
    return [tuple(loaded[place] for place in sorted(mine | of_all)) for mine in of_each]
