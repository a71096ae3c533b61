"""What each step that runs has loaded so far, so that it is recorded with what the step writes.

One idea: it is known as long as the step is. Dagster loads an input with the IO manager of what is upstream, and stores
the output with another one, which is to know of it: those of a process share what they note.
"""

import threading
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

from artifact_pipelines.core.types import LoadedInput

_loaded: WeakKeyDictionary[object, dict[str, list[LoadedInput]]] = WeakKeyDictionary()
_lock = threading.Lock()


class StepInputs:
    """The files of a catalog that steps have loaded. Threads may share it.

    A step is Dagster's context of one attempt at it, the same when it loads and when it stores.

    Args:
        catalog: Which catalog it is: files of others have the same IDs, and are not recorded in this one.
    """

    def __init__(self, catalog: str) -> None:
        self._catalog = catalog

    def add(self, step: object | None, loaded: Iterable[LoadedInput]) -> None:
        """Note that a step has loaded files; outside of a step (None) nobody asks."""
        if step is None:
            return
        with _lock:
            _loaded.setdefault(step, {}).setdefault(self._catalog, []).extend(loaded)

    def of(self, step: object | None) -> Sequence[LoadedInput]:
        """Return what a step has loaded so far."""
        with _lock:
            return tuple(_loaded.get(step, {}).get(self._catalog, ())) if step is not None else ()
